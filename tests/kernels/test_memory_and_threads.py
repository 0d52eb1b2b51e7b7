"""Same input, same bytes; several threads at once; no byte read past the end of what was given."""

import os
import subprocess
import sys
import threading

import pytest
import torch
from tests.kernels.built import FOLDER, LIBRARIES

from bakeoff.kernels.chain import run_chain
from bakeoff.kernels.convolutions import ConvNormPool, ConvPool
from bakeoff.kernels.linear import Flatten, Linear
from bakeoff.kernels.operation import Norm


def step(library, seed):
    """All results of a forward and backward pass of all operations, as bytes."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(3 + 5 * seed, 3, 12 + seed, 14, generator=generator).requires_grad_()
    weight = torch.randn(6, 3, 5, 5, generator=generator).requires_grad_()
    bias, scale, shift = torch.randn(3, 6, generator=generator).requires_grad_()
    plain = run_chain(library, [(ConvPool(0, True), (weight, bias))], images)
    running = torch.zeros(2, 6)
    norm = Norm(*running, torch.tensor(0), True, 0.1, 1e-5)
    normed = run_chain(library, [(ConvNormPool(0, True, norm), (weight, bias, scale, shift))], images)
    gradient = torch.randn(plain.shape, generator=generator)
    features = normed[0].numel()
    rows_weight = torch.randn(11, features, generator=generator).requires_grad_()
    rows_bias, rows_scale, rows_shift = torch.randn(3, 11, generator=generator).requires_grad_()
    rows_running = torch.zeros(2, 11)
    linear = Linear(True, Norm(*rows_running, torch.tensor(0), True, 0.1, 1e-5))
    of_linear = (rows_weight, rows_bias, rows_scale, rows_shift)
    rows = run_chain(library, [(Flatten(), ()), (linear, of_linear)], normed)
    gradients = torch.autograd.grad(
        (plain, rows),
        (images, weight, bias, scale, shift, *of_linear),
        (gradient, torch.randn(rows.shape, generator=generator)),
    )
    return b"".join(
        value.detach().contiguous().numpy().tobytes()
        for value in (plain, normed, running, rows, rows_running, *gradients)
    )


@pytest.mark.needs("compiler")
@pytest.mark.parametrize("threads", [1, 2, 5])
def test_same_bytes_whatever_the_number_of_threads(threads):
    before = torch.get_num_threads()
    expected = {name: step(library, 3) for name, library in LIBRARIES.items()}
    try:
        torch.set_num_threads(threads)
        assert {name: step(library, 3) for name, library in LIBRARIES.items()} == expected
    finally:
        torch.set_num_threads(before)


@pytest.mark.needs("compiler")
def test_threads_at_once_do_not_disturb_one_another():
    for library in LIBRARIES.values():
        seeds = range(6)
        expected = [step(library, seed) for seed in seeds]
        wrong = []

        def work(seed, library=library, expected=expected, wrong=wrong):
            wrong.extend(seed for _ in range(20) if step(library, seed) != expected[seed])

        threads = [threading.Thread(target=work, args=(seed,)) for seed in seeds]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not wrong


@pytest.mark.needs("compiler")
def test_an_image_gives_the_same_bytes_wherever_it_stands_in_a_batch():
    for library in LIBRARIES.values():
        images, weight = torch.randn(37, 3, 14, 14), torch.randn(6, 3, 5, 5)
        chain = [(ConvPool(0, True), (weight, None))]
        together = run_chain(library, chain, images)
        for index in (0, 5, 16, 31, 36):
            assert torch.equal(run_chain(library, chain, images[index : index + 1])[0], together[index])


GUARDED = """
import ctypes, mmap, sys
from pathlib import Path
import torch
from bakeoff.kernels.chain import run_chain
from bakeoff.kernels.convolutions import ConvNormPool, ConvPool
from bakeoff.kernels.library import load
from bakeoff.kernels.linear import Linear
from bakeoff.kernels.operation import Norm

def at_the_end_of_a_page(tensor):
    # The page after the last byte may not be touched.
    size = tensor.numel() * 4
    length = -(-size // mmap.PAGESIZE) * mmap.PAGESIZE
    memory = mmap.mmap(-1, length + mmap.PAGESIZE)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.mprotect(ctypes.c_void_p(address + length), mmap.PAGESIZE, 0) == 0
    flat = torch.frombuffer(memory, dtype=torch.float32, count=tensor.numel(), offset=length - size)
    return flat.as_strided(tensor.shape, tensor.stride()).copy_(tensor)

library = load(sys.argv[1], Path(sys.argv[2]))
for memory_format in (torch.contiguous_format, torch.channels_last):
    for count, channels, out, size, kernel, padding in (
        (1, 1, 1, 6, 5, 0), (5, 3, 6, 12, 5, 0), (17, 6, 16, 9, 3, 1), (3, 2, 7, 11, 5, 2),
        (6, 2, 3, 5, 3, 0), (18, 2, 5, 8, 3, 1),
    ):
        images = torch.randn(count, channels, size, size).contiguous(memory_format=memory_format)
        images = at_the_end_of_a_page(images).requires_grad_()
        weight = at_the_end_of_a_page(torch.randn(out, channels, kernel, kernel)).requires_grad_()
        bias, scale, shift = (at_the_end_of_a_page(torch.randn(out)).requires_grad_() for _ in range(3))
        for norm in (False, True):
            operation, parameters = ConvPool(padding, True), (weight, bias)
            if norm:
                running = (at_the_end_of_a_page(torch.zeros(out)) for _ in range(2))
                parts = Norm(*running, torch.tensor(0), True, 0.1, 1e-5)
                operation, parameters = ConvNormPool(padding, True, parts), (weight, bias, scale, shift)
            pooled = run_chain(library, [(operation, parameters)], images)
            gradient = torch.randn(pooled.shape).contiguous(memory_format=memory_format)
            pooled.backward(at_the_end_of_a_page(gradient))
for rows, inputs, outputs in ((1, 1, 1), (5, 17, 6), (17, 16, 33), (33, 65, 7)):
    images = at_the_end_of_a_page(torch.randn(rows, inputs)).requires_grad_()
    weight = at_the_end_of_a_page(torch.randn(outputs, inputs)).requires_grad_()
    bias, scale, shift = (at_the_end_of_a_page(torch.randn(outputs)).requires_grad_() for _ in range(3))
    for norm in (False, rows > 1):
        operation, parameters = Linear(True, None), (weight, bias)
        if norm:
            running = (at_the_end_of_a_page(torch.zeros(outputs)) for _ in range(2))
            parts = Norm(*running, torch.tensor(0), True, 0.1, 1e-5)
            operation, parameters = Linear(True, parts), (weight, bias, scale, shift)
        output = run_chain(library, [(operation, parameters)], images)
        output.backward(at_the_end_of_a_page(torch.randn(output.shape)))
if sys.argv[3] == "overrun":
    ctypes.string_at(images.data_ptr() + images.numel() * 4, 1)
print("through")
"""


@pytest.mark.needs("compiler")
@pytest.mark.parametrize("ending", ["", "overrun"])
def test_nothing_is_read_past_the_end(ending):
    """Images, weights and gradients end where a protected page begins; the check itself is seen to bite."""
    for name in LIBRARIES:
        done = subprocess.run(
            [sys.executable, "-c", GUARDED, name, FOLDER, ending],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        if ending:
            assert done.returncode < 0, done.stderr
        else:
            assert (done.returncode, done.stdout) == (0, "through\n"), done.stderr
