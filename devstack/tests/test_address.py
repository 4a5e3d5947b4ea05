import stat
import sys

import pytest

from devstack import address
from devstack.errors import StackError

LINUX, WINDOWS = "172.28.112.5", "192.168.1.20"


@pytest.fixture
def inside_wsl(monkeypatch, tmp_path):
    """Return a function that says what Windows answers; until then it cannot be asked."""
    version = tmp_path / "version"
    version.write_text("Linux version 5.15.153.1-microsoft-standard-WSL2 (root@941d701f84f1)")
    is_wsl = address.is_wsl
    monkeypatch.setattr(address, "is_wsl", lambda: is_wsl(version))
    monkeypatch.setattr(address, "own_address", lambda: LINUX)
    monkeypatch.setenv("PATH", str(tmp_path))

    def answers(*addresses):
        program = tmp_path / "powershell.exe"
        program.write_text(f"#!{sys.executable}\nprint({chr(13).join(addresses)!r}, end='\\r\\n')\n", "utf-8")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)

    return answers


def test_on_linux_it_is_the_own_address(monkeypatch):
    monkeypatch.setattr(address, "is_wsl", lambda: False)
    monkeypatch.setattr(address, "own_address", lambda: WINDOWS)

    assert address.class_address("8000") == (WINDOWS, "")


def test_a_kernel_of_debian_is_not_wsl(tmp_path):
    version = tmp_path / "version"
    version.write_text("Linux version 6.12.48+deb13-amd64 (debian-kernel@lists.debian.org)")

    assert not address.is_wsl(version) and not address.is_wsl(tmp_path / "missing")


def test_in_wsl_it_is_that_of_windows_with_the_lines_that_open_it(inside_wsl):
    inside_wsl(WINDOWS, "10.0.0.7")

    found, advice = address.class_address("8123")

    assert found == WINDOWS
    assert f"listenport=8123 listenaddress=0.0.0.0 connectport=8123 connectaddress={LINUX}" in advice
    assert "-LocalPort 8123" in advice


def test_in_a_mirrored_wsl_nothing_has_to_be_opened(inside_wsl):
    inside_wsl(LINUX)

    assert address.class_address("8000") == (LINUX, "")


def test_in_wsl_without_the_programs_of_windows_it_says_how_to_find_it(inside_wsl):
    with pytest.raises(StackError, match="ipconfig") as error:
        address.class_address("8000")

    assert "PUBLIC_BASE_URL=http://ADDRESS:8000 make up" in str(error.value) and LINUX in str(error.value)


def test_without_a_network_it_says_so(monkeypatch):
    def unreachable():
        raise OSError("Network is unreachable")

    monkeypatch.setattr(address, "own_address", unreachable)

    with pytest.raises(StackError, match="no network"):
        address.class_address("8000")
