"""Models: built-in ones, and users' own by import path."""

from bakeoff.models.lenet5 import LeNet5
from bakeoff.models.registry import build_model, check_model, count_parameters

__all__ = ["LeNet5", "build_model", "check_model", "count_parameters"]
