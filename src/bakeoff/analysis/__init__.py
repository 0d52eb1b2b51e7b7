"""Analysis: from arrays of predictions to numbers. Pure functions; no file, no model, no figure."""
