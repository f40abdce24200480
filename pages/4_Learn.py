"""Learn: five short scenes, each a picture to play with."""

from __future__ import annotations

from ui.frame import frame
from ui.learn.lesson import lesson

frame("Learn")
lesson()
