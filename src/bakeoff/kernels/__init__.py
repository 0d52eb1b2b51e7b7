"""CPU kernels for small convolutional nets: convolution, ReLU, batch norm and pooling in one pass.

They replace PyTorch's own operations where they are at hand and apply, and nothing but the time and the last
bits changes: models stay ordinary PyTorch. docs/kernels.md says what they do and how to switch them off.
"""

from bakeoff.kernels.library import describe_cpu, describe_kernels
from bakeoff.kernels.matching import LayerGraph, is_watched
from bakeoff.kernels.sequential import KernelSequential, run_graph, run_layers

__all__ = [
    "KernelSequential",
    "LayerGraph",
    "describe_cpu",
    "describe_kernels",
    "is_watched",
    "run_graph",
    "run_layers",
]
