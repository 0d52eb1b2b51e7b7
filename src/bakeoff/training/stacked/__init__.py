"""Stacked training: many seeds of one recipe as one stacked model, on a GPU or, for tests, on a CPU."""

from bakeoff.training.stacked.loop import train_stacked
from bakeoff.training.stacked.try_stacking import Stacking, try_stacking

__all__ = ["Stacking", "train_stacked", "try_stacking"]
