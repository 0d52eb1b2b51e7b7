"""Runs as tasks on a Ray cluster."""
