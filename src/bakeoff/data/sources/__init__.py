"""Sources of images: each a function that lists which images there are, with their labels and splits."""
