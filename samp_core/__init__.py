"""Path attribution for image classifiers: SAMP and its relatives, their integration and their measures."""

__version__ = "0.1.0"
