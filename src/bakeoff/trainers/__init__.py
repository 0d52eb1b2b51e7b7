"""Other training code than Bakeoff's: a user's own function, or an estimator of scikit-learn."""

from bakeoff.trainers.training import check_trainer, train_with

__all__ = ["check_trainer", "train_with"]
