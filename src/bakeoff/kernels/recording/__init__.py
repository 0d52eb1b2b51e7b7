"""Models of the user's own: a recording of their forward, which holds while all it rests on is as it was."""
