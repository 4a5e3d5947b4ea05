"""Figures of the sockets; the settings of the same names change them."""

from dataclasses import dataclass

from django.conf import settings


@dataclass(frozen=True)
class Timing:
    """In milliseconds, as the handshake tells them to the client."""

    interval_ms: int
    timeout_ms: int

    @property
    def ttl_ms(self) -> int:
        """How long a session outlives its client's last sign of life."""
        return self.interval_ms + self.timeout_ms


def timing(version: int) -> Timing:
    """What socket.io's own servers use: 2.x (Engine.IO 3) waits 5 s for an answer, 3.x and 4.x wait 20 s."""
    interval_s = getattr(settings, "SOCKET_PING_INTERVAL_S", 25)
    timeout_s = getattr(settings, "SOCKET_PING_TIMEOUT_S", 5 if version == 3 else 20)
    return Timing(int(interval_s * 1000), int(timeout_s * 1000))


UPGRADE_WINDOW_MS = 10_000
# A plain WebSocket sends no heartbeats that a server could read: it lives this long, and its client reconnects.
PLAIN_LIFETIME_S = 3600
PLAIN_TTL_S = 60
