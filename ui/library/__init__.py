"""The library's page: what a browser's results are kept as."""
