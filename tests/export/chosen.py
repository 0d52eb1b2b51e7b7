"""Which run an export says that it has chosen."""

import re


def chosen_run(words: str) -> tuple[str, int]:
    found = re.search(r"Recipe (\w+): .* Seed (\d), the one of 2 with the highest validation accuracy", words)
    assert found
    return found[1], int(found[2])
