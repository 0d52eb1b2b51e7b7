"""Training: from a recipe, a seed and a data set to a TrainedRun."""

from bakeoff.training.check_training import check_training
from bakeoff.training.loop import TRAINING_VERSION, train
from bakeoff.training.preprocessing import Preprocessing
from bakeoff.training.records import HISTORY_COLUMNS, EpochRecord, Observer, TrainedRun, TrainingFailure
from bakeoff.training.state import StateStore

__all__ = [
    "HISTORY_COLUMNS",
    "TRAINING_VERSION",
    "EpochRecord",
    "Observer",
    "Preprocessing",
    "StateStore",
    "TrainedRun",
    "TrainingFailure",
    "check_training",
    "train",
]
