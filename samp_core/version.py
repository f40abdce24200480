"""The version, in a file that imports nothing: packaging and the command line read it without the engine."""

__version__ = "0.2.0"
