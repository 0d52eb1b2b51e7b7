"""Predictions from files, made by Bakeoff or elsewhere."""

from bakeoff.prediction_files.reading import read_predictions

__all__ = ["read_predictions"]
