"""The comparison of recipes: differences, verdicts, interim looks, and the conclusion."""
