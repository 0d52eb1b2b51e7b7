"""Memory for kernels: aligned, one's own, and used again when nothing refers to it."""

import gc
import threading

import torch

from bakeoff.kernels import memory
from bakeoff.kernels.memory import take_memory


def test_it_is_aligned_float32_of_the_length_asked_for():
    for length in (0, 1, 17, 3_000_001):
        taken = take_memory(length)
        assert taken.shape == (length,)
        assert taken.dtype is torch.float32
        assert taken.data_ptr() % 64 == 0 or length == 0


def test_memory_in_use_is_not_given_twice_and_that_no_longer_in_use_is():
    gc.collect()
    memory._free.clear()
    first, second = take_memory(1000).fill_(1), take_memory(1000).fill_(2)
    assert set(first.tolist()) == {1}
    address, view = first.data_ptr(), first[10:20]
    del first
    assert take_memory(1000).data_ptr() != address  # a view of it is left
    del view
    assert take_memory(900).data_ptr() == address
    assert set(second.tolist()) == {2}


def test_not_more_than_some_blocks_are_kept():
    taken = [take_memory(10) for _ in range(memory.MOST_FREE + 5)]
    del taken
    gc.collect()
    assert len(memory._free) == memory.MOST_FREE


def test_threads_do_not_share_it():
    wrong = []

    def work(number):
        for _ in range(200):
            mine = take_memory(2000).fill_(number)
            wrong.extend(set(mine.tolist()) - {number})

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
