"""Decoding: from image files of any format to arrays."""
