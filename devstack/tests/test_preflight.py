import shutil
from types import SimpleNamespace

import pytest

from devstack import preflight
from devstack.errors import StackError


@pytest.mark.parametrize("text", ["0", "65536", "http", "-1", "8e3", "８０００"])
def test_a_port_that_is_none_is_named(text):
    with pytest.raises(StackError, match="PORT has a bad value"):
        preflight.read_port(text)


def test_a_full_disk_is_said_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=5 << 20))

    with pytest.raises(StackError, match=r"^The disk is full: .* has 5 MB left, 200 MB are needed\.$"):
        preflight.check_disk_room(tmp_path)
