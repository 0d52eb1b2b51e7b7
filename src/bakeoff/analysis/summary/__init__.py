"""The summary of a study's results, which report, terminal, Python API and export show."""
