"""Logs: the runs of a study in an experiment tracker, or in one table."""

from bakeoff.logs.logging import TRACKERS, Logged, log_study

__all__ = ["TRACKERS", "Logged", "log_study"]
