"""Bakeoff: train image classifier recipes with many seeds, and say honestly which is better."""

from bakeoff.errors import BakeoffError

__all__ = ["BakeoffError"]
