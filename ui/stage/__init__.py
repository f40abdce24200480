"""The stage: several methods on one photo, their paths walked on one clock, their maps growing side by side."""
