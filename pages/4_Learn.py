"""Learn: five short scenes, each a picture to play with."""

from __future__ import annotations

from ui.shared import loading
from ui.shared.frame import frame

frame("Learn")
loading.wait()

from ui.learn.lesson import lesson

lesson()
