"""Prediction: finished runs as models that classify new images."""
