import pytest

from devstack import address

LINUX = "172.21.3.4"


@pytest.fixture
def printed(monkeypatch, tmp_path, capsys):
    """What `make class` is told, as the address or as what to do."""
    version = tmp_path / "version"
    monkeypatch.setattr(address, "Path", lambda _: version)
    monkeypatch.setattr(address, "own_address", lambda: LINUX)
    monkeypatch.setenv("PORT", "8123")

    def printed(kernel=""):
        version.write_text(kernel)
        try:
            address.main()
        except SystemExit as error:
            return str(error)
        return capsys.readouterr().out

    return printed


def test_on_linux_it_is_the_own_address(printed):
    assert printed("Linux version 6.12.48+deb13-amd64 (debian-kernel@lists.debian.org)") == LINUX + "\n"


def test_in_wsl_it_says_how_to_find_that_of_windows_and_how_to_open_it(printed):
    advice = printed("Linux version 6.6.87.2-microsoft-standard-WSL2")

    assert "ipconfig" in advice and "BIND=0.0.0.0 PUBLIC_BASE_URL=http://ADDRESS:8123 make up" in advice
    assert f"listenport=8123 listenaddress=0.0.0.0 connectport=8123 connectaddress={LINUX}" in advice


def test_without_a_network_it_says_so(printed, monkeypatch):
    def unreachable():
        raise OSError("Network is unreachable")

    monkeypatch.setattr(address, "own_address", unreachable)

    assert "no network" in printed() and "PUBLIC_BASE_URL=http://ADDRESS:8123 make up" in printed()
