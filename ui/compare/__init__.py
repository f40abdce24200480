"""Compare: many methods on one photo, side by side."""
