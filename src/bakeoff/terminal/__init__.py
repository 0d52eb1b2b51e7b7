"""The terminal: progress and tables that the command line shows."""
