"""Compare: one photo, many methods, side by side."""

from __future__ import annotations

from ui.shared import loading
from ui.shared.frame import frame

frame("Compare")
loading.wait()

from ui.compare.page import show
from ui.shared.present import heading
from ui.shared.sidebar import sidebar

question = sidebar()
heading("Compare", "Arrow keys go from map to map, Escape returns to all.")
show(question)
