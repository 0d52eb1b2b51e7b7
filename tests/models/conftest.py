"""The thread and the images that training is tested with."""

from tests.training.conftest import data, one_thread

__all__ = ["data", "one_thread"]
