"""Path attribution for image classifiers: SAMP and its relatives, their integration and their measures."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
