"""Training: one recipe, one seed, one data set to one TrainedRun."""

from bakeoff.training.augmentation.apply import check_augmentation
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
    "check_augmentation",
    "train",
]
