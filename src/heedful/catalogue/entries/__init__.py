"""One module per work."""
