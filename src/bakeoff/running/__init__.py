"""A study is run: what is checked before, its tuning, its rounds, to a folder of finished runs."""
