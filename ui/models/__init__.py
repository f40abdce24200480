"""The page of networks: which there are, and one of one's own."""
