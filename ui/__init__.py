"""What the pages share and only pages need."""
