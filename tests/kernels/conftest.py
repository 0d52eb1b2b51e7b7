import pytest
from tests.kernels.built import IMPLEMENTATIONS

from bakeoff.kernels.library import using


@pytest.fixture(params=list(IMPLEMENTATIONS))
def implementation(request):
    """Each instruction set that this machine can run, and PyTorch's own operations."""
    with using(IMPLEMENTATIONS[request.param]):
        yield request.param
