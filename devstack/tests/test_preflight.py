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


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("DATABASE_URL", "postgresql://li:geheim@127.0.0.1:1/app"),
        ("DATABASE_URL", "postgresql://li:geheim@127.0.0.1:port/app"),
        ("DATABASE_URL", "host=127.0.0.1 port=1 password=geheim"),
        ("DATABASE_URL", "geheim"),
        ("REDIS_URL", "redis://:geheim@127.0.0.1:1/0"),
        ("REDIS_URL", "geheim://127.0.0.1"),
        ("REDIS_URL", "unix:///nowhere/geheim.sock"),
    ],
)
def test_a_server_out_of_reach_is_said_in_one_line_without_its_password(name, url):
    with pytest.raises(StackError) as error:
        preflight.check_servers_answer({name: url})

    text = str(error.value)
    assert text.startswith(f"{name}: ")
    assert "cannot be reached: " in text
    assert "\n" not in text
    assert "li:geheim" not in text
    assert "password=geheim" not in text
