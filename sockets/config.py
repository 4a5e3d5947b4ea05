"""Times of the socket protocols. The settings SOCKET_PING_INTERVAL_S and SOCKET_PING_TIMEOUT_S change the heartbeat."""

from dataclasses import dataclass

from django.conf import settings


@dataclass(frozen=True)
class Timing:
    """The heartbeat in milliseconds, as the handshake announces it to the client."""

    interval_ms: int
    timeout_ms: int

    @property
    def ttl_ms(self) -> int:
        """How long a session lasts after its client's last sign of life."""
        return self.interval_ms + self.timeout_ms


def timing(version: int) -> Timing:
    """Return the heartbeat for a version of Engine.IO.

    The defaults are those of socket.io's own servers: 2.x (Engine.IO 3) waits 5 s for a pong, 3.x and 4.x wait 20 s.
    """
    interval_s = getattr(settings, "SOCKET_PING_INTERVAL_S", 25)
    timeout_s = getattr(settings, "SOCKET_PING_TIMEOUT_S", 5 if version == 3 else 20)
    return Timing(int(interval_s * 1000), int(timeout_s * 1000))


UPGRADE_WINDOW_MS = 10_000
# A plain WebSocket sends no heartbeats, so the server cannot see whether its client is still there. It is closed after
# this time, and a live client reconnects.
PLAIN_LIFETIME_S = 3600
PLAIN_TTL_S = 60
