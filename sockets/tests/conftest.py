import pytest

from core.cache import valkey


@pytest.fixture(autouse=True)
def _empty_valkey():
    valkey.client().flushdb()
    yield


@pytest.fixture
def quick(settings, monkeypatch):
    """Heartbeats that a test can wait for. The timeout is longer than a busy machine keeps a process waiting."""
    monkeypatch.setattr("sockets.consumers.LOOK_S", 0.05)
    settings.SOCKET_PING_INTERVAL_S = 0.3  # type: ignore[attr-defined]
    settings.SOCKET_PING_TIMEOUT_S = 2.0  # type: ignore[attr-defined]
