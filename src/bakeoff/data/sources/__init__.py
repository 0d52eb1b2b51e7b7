"""Sources of images: for each, a function that lists its images with their labels and splits."""
