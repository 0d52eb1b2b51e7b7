"""What a number of training images does: scores at several numbers, and a power law through them."""
