import pytest

from core.cache import valkey


@pytest.fixture(autouse=True)
def _empty_valkey():
    valkey.client().flushdb()
    yield


@pytest.fixture
def quick(monkeypatch):
    """Heartbeats that a test can wait for. The timeout is longer than a busy machine keeps a process waiting."""
    monkeypatch.setattr("sockets.consumers.LOOK_S", 0.05)
    monkeypatch.setattr("sockets.protocol.PING_INTERVAL_MS", 300)
    monkeypatch.setattr("sockets.protocol.PING_TIMEOUTS_MS", {3: 2000, 4: 2000})
