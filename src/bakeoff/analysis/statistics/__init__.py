"""Statistics: one per file, pure functions of arrays; of Bakeoff they import siblings and errors alone."""
