"""Reading predictions from files, written by Bakeoff or other programs."""

from bakeoff.prediction_files.reading import read_predictions

__all__ = ["read_predictions"]
