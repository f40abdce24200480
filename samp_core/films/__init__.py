"""What was seen on the way: runs as films of small pictures, and the player that shows several on one clock."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
