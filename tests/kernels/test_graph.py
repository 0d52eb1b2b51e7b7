"""What is computed of a graph, and that memory which is needed at the same time does not overlap."""

import pytest

from bakeoff.kernels.graph import Add, BatchNorm, Conv, Node, Pool, Relu, program

CONV = Conv(4, (3, 3), 1, 1)
RESIDUAL = (
    Node(CONV, (0,)),
    Node(BatchNorm(), (1,)),
    Node(Relu(), (2,)),
    Node(CONV, (3,)),
    Node(BatchNorm(), (4,)),
    Node(Add(), (5, 3)),
    Node(Relu(), (6,)),
    Node(CONV, (7,)),
    Node(Add(), (8, 7)),
    Node(Pool(None, False), (9,)),
)
BEFORE_ACTIVATION = (
    Node(BatchNorm(), (0,)),
    Node(Relu(), (1,)),
    Node(CONV, (2,)),
    Node(Add(), (3, 0)),
    Node(BatchNorm(), (4,)),
    Node(Relu(), (5,)),
    Node(CONV, (6,)),
    Node(Add(), (7, 4)),
)
SIZE = (4, 6, 5)


def test_what_lies_between_convolutions_is_no_pass_of_its_own():
    layers = program(RESIDUAL, SIZE, True).layers
    assert [layer.kind for layer in layers] == ["enter", "conv", "conv", "conv", "pool", "leave"]
    before = [layer.kind for layer in program(BEFORE_ACTIVATION, SIZE, True).layers]
    assert before == ["enter", "copy", "conv", "copy", "conv", "leave"]


@pytest.mark.parametrize("graph", [RESIDUAL, BEFORE_ACTIVATION])
@pytest.mark.parametrize("keep", [True, False])
def test_a_tensor_is_not_overwritten_before_its_last_reader(graph, keep):
    """Each layer's reads and writes, followed float by float."""
    layers = program(graph, SIZE, keep).layers
    holder = {}

    def places(buffer):
        return range(buffer.place, buffer.place + buffer.size)

    def write(buffer):
        holder.update(dict.fromkeys(places(buffer), id(buffer)))

    def check(buffer):
        assert {holder.get(place) for place in places(buffer)} == {id(buffer)}

    for layer in layers:
        source = layer.source
        if source:
            stored = source.stored is not None and layer is not source.layers[0]
            for buffer in [source.stored] if stored else [one.tensor for one in source.addends]:
                check(buffer)
            if layer.stores:
                write(source.stored)
        if layer.result:
            write(layer.result)
        if source and not layer.stores and source.stored is None:
            for one in source.addends:
                check(one.tensor)  # also after the result was written: row by row


@pytest.mark.parametrize("graph", [RESIDUAL, BEFORE_ACTIVATION])
def test_gradients_are_complete_when_they_are_read_and_still_there(graph):
    found = program(graph, SIZE, True)
    holder, written = {}, {}
    for layer in reversed(found.layers):
        if layer.result:
            value = found.value_of[layer.step]
            assert written[id(value.gradient)] == len(value.layers)
            places = range(value.gradient.place, value.gradient.place + value.gradient.size)
            assert {holder[place] for place in places} == {id(value.gradient)}
        if layer.source:
            for added in layer.added:
                places = range(added.place, added.place + added.size)
                assert {holder[place] for place in places} == {id(added)}
            gradient = layer.source.gradient
            written[id(gradient)] = written.get(id(gradient), 0) + 1
            holder.update(dict.fromkeys(range(gradient.place, gradient.place + gradient.size), id(gradient)))


def test_a_pass_without_gradients_needs_less_memory():
    assert program(RESIDUAL, SIZE, False).forward < program(RESIDUAL, SIZE, True).forward
