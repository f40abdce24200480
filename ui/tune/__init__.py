"""Tune: the knobs of a method, swept on the photo in hand."""
