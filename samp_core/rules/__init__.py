"""Accumulation rules, one a file: from the moves of a path to what each pixel is credited with."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
