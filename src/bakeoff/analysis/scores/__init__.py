"""Scores of a run, each with what every image contributes to it, so that one interval serves them all."""
