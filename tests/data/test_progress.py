"""Progress: told at the start and after each advance."""

from bakeoff.data.progress import Progress


def test_a_caller_hears_of_the_start_and_of_each_advance() -> None:
    told: list[tuple[str, int, int]] = []
    progress = Progress("decoding images", 10, lambda *words: told.append(words))
    for amount in (3, 0, 7):
        progress.advance(amount)
    assert told == [("decoding images", done, 10) for done in (0, 3, 3, 10)]


def test_where_nobody_listens_it_still_counts() -> None:
    progress = Progress("decoding images", 2, None)
    progress.advance(2)
    assert progress.done == 2
