"""Augmentation: random changes to the training images."""
