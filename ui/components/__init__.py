"""What runs in the browser: one way to mount it, one kit of script, a folder each."""
