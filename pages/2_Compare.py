"""Compare: one photo, many methods, side by side."""

from __future__ import annotations

from ui.shared import loading
from ui.shared.frame import frame

lost = frame("Compare")
loading.wait()

from ui.compare.page import show
from ui.shared.present import heading
from ui.shared.sidebar import result_or_regret, sidebar

question = sidebar("Compare")
if lost:
    result_or_regret("Compare", question)
heading("Compare", "Arrow keys go from map to map, Escape returns to all.")
show(question)
