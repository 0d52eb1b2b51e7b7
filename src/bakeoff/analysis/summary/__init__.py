"""Everything that is shown of a study's results, typed: report, terminal, Python API and export read it."""
