"""Settings: every table and field of a study file, documented where it is declared."""
