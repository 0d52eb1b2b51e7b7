"""Augmentation: what happens to a training image each time it is shown."""
