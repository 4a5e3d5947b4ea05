import pytest

from devstack import preflight
from devstack.errors import StackError


@pytest.mark.parametrize("text", ["0", "65536", "http", "-1", "8e3", "８０００"])
def test_a_port_that_is_none_is_named(text):
    with pytest.raises(StackError, match="PORT has a bad value"):
        preflight.read_port(text)
