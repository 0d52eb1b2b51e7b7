"""The parts of a recipe that a study file names: loss, optimizer with its schedule, checkpoint rule."""
