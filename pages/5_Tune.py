"""Tune: one or two knobs of a method, swept on a photo, as maps and as numbers."""

from __future__ import annotations

from ui.shared import loading
from ui.shared.frame import frame

lost = frame("Tune")
loading.wait()

from ui.shared.present import heading
from ui.shared.sidebar import result_or_regret, sidebar
from ui.tune.page import show

question = sidebar("Tune")
if lost:
    result_or_regret("Tune", question)
heading("Tune", "Arrow keys go from map to map, Escape returns to all.")
show(question)
