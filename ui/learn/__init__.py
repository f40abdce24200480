"""The scenes of the lesson, one module each: a picture to play with, computed live."""
