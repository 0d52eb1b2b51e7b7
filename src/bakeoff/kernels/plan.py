"""A model's forward and backward pass laid out once: memory, addresses and order of calls.

Between the kernels of a small net, finding out what to call takes Python a tenth of the step, and what Python
reads in between drives the net's numbers out of the cache. A plan is what is left: the calls.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bakeoff.kernels.chain import Chain, run
from bakeoff.kernels.library import BoundCall, Library, current, is_aligned
from bakeoff.kernels.matching import find_chain, find_graph, is_watched
from bakeoff.kernels.operation import Backward, Call, Calls, Kept
from bakeoff.kernels.sequential import (
    KernelSequential,
    are_operations_changed,
    flat_graph,
    flat_layers,
    has_layer_graph,
    is_plain,
)


class Plan:
    """The passes of a chain over batches that lie in memory as the first did.

    Valid as long as the layers are: the same parameters in the same memory, the same modes, no hook set. The
    results are those of `run_chain` and of its gradients, to the last bit.

    Parameters
    ----------
    library
        Which kernels.
    chain
        Operations that fit each other, with dense parameters, all to be trained.
    inputs
        A batch, dense; no gradient of it is computed.

    Attributes
    ----------
    output
        What `forward` writes.
    parameters
        Of the chain, in its order.
    gradients
        What `backward` writes, one for each of these.
    """

    def __init__(self, library: Library, chain: Chain, inputs: Tensor) -> None:
        self._inputs = inputs
        output = inputs
        forward: list[Call] = []
        passed: list[tuple[Tensor, Kept]] = []
        for operation, own in chain:
            before = output
            output, kept, calls = operation.forward(library, before, own, keep=True)
            forward.extend(calls)
            passed.append((before, kept))
        self.output = output
        self._gradient = gradient = torch.empty_like(output)
        backward: list[Call] = []
        gradients: list[Tensor] = []
        for (operation, own), (before, kept) in zip(reversed(chain), reversed(passed), strict=True):
            asked = Backward(library, before, own, kept, gradient, before is not inputs, True)
            found, of_own, calls = operation.backward(asked)
            gradient = found if found is not None else gradient
            backward.extend(calls)
            gradients[:0] = [one for one in of_own if one is not None]
        self.parameters = _parameters(chain)
        self._addresses = [one.data_ptr() for one in self.parameters]
        self.gradients = gradients
        self._forward, self._backward = forward, backward
        self._reads_inputs = _readers(forward + backward, inputs)
        self._reads_gradient = _readers(backward, self._gradient)

    def fits(self, inputs: Tensor) -> bool:
        """Whether a batch lies in memory as the first did, and parameters are still to be trained there."""
        first = self._inputs
        return (
            inputs.shape == first.shape
            and inputs.stride() == first.stride()
            and is_aligned(inputs)
            and all(map(_is_trained, self.parameters))
            and [one.data_ptr() for one in self.parameters] == self._addresses
        )

    @property
    def reads_its_inputs(self) -> bool:
        """Whether it does not go back to a copy that was made of the first batch."""
        return bool(self._reads_inputs)

    def forward(self, inputs: Tensor) -> Tensor:
        """`output`, of a batch that fits and stays as it is until `backward` is done."""
        self._inputs = inputs
        _move(self._reads_inputs, inputs)
        run(self._forward)
        return self.output

    def backward(self, gradient: Tensor) -> list[Tensor]:
        """`gradients`, from the output's, after `forward`."""
        if gradient.stride() != self.output.stride() or not is_aligned(gradient):
            gradient = torch.empty_like(self.output).copy_(gradient)
        self._gradient = gradient
        _move(self._reads_gradient, gradient)
        run(self._backward)
        return self.gradients


def plan_for(model: nn.Module, inputs: Tensor) -> Plan | None:
    """A plan for a model all of whose layers kernels take; None for any other.

    Parameters
    ----------
    model
        A `KernelSequential`, or a model whose forward computes what its method `layer_graph` gives
        (`run_graph`). All its parameters are to be trained.
    inputs
        The first batch; those that fit it can be passed too.
    """
    library = current()
    if not isinstance(library, Library):
        return None
    if is_watched(model) or are_operations_changed() or not is_plain(inputs):
        return None
    chain = _chain_of(model, inputs.shape)
    parameters = _parameters(chain)
    if not chain or not all(map(_is_dense, (inputs, *parameters))):
        return None
    if inputs.requires_grad or not all(map(_is_trained, parameters)):
        return None
    if len({id(one) for one in parameters}) < len(parameters):
        return None  # shared by layers: their gradients are to be added up
    with torch.no_grad():
        plan = Plan(library, chain, inputs)
    return plan if plan.reads_its_inputs else None


def _chain_of(model: nn.Module, shape: tuple[int, ...]) -> Chain:
    """Operations that compute the whole model; none if there are not."""
    kind = type(model)
    if isinstance(model, KernelSequential) and kind.forward is KernelSequential.forward:
        layers = flat_layers(model)
        chain, end = find_chain(layers, 0, shape)
        return chain if end == len(layers) else []
    if not has_layer_graph(model):
        return []
    found = find_graph(flat_graph(model.layer_graph()), shape)  # type: ignore[operator]
    return found[0] if found and not found[1] else []


def _parameters(chain: Chain) -> list[Tensor]:
    return [one for _, own in chain for one in own if one is not None]


Readers = list[tuple[BoundCall, int]]


def _readers(calls: Calls, tensor: Tensor) -> Readers:
    """Calls that take the tensor, and as which argument."""
    bound = [call for call in calls if isinstance(call, BoundCall)]
    return [(call, place) for call in bound for place in call.places(tensor)]


def _move(readers: Readers, tensor: Tensor) -> None:
    address = tensor.data_ptr()
    for call, place in readers:
        call.move(place, address)


def _is_trained(parameter: Tensor) -> bool:
    """Whether it gets a gradient, and nothing waits for it."""
    hooks = parameter._backward_hooks or parameter._post_accumulate_grad_hooks
    return parameter.requires_grad and not hooks


def _is_dense(tensor: Tensor) -> bool:
    """Whether operations take it without a copy."""
    return tensor.is_contiguous() or tensor.is_contiguous(memory_format=torch.channels_last)
