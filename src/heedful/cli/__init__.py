"""The command line; it holds no method of its own."""
