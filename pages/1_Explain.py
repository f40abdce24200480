"""Explain: one photo, several methods on the stage; turn the knobs and watch the paths being walked."""

from __future__ import annotations

from ui.shared import loading
from ui.shared.frame import frame

lost = frame("Explain")
loading.wait()

from ui.shared.present import heading
from ui.shared.sidebar import result_or_regret, sidebar
from ui.stage.page import show

question = sidebar("Explain")
if lost:
    result_or_regret("Explain", question)
heading("Explain", "Space plays, arrow keys step, f fills the screen.")
show(question)
