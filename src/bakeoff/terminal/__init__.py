"""Output on the terminal: progress and tables of the command line."""
