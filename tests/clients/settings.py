"""Development settings with heartbeats that a test can wait for."""

from config.settings.local import *  # noqa: F403
from sockets import protocol

protocol.PING_INTERVAL_MS = 1000
# Generous, for machines that are busy with other tests.
protocol.PING_TIMEOUTS_MS = {3: 15_000, 4: 15_000}
