"""The scenes of the page Learn."""
