"""Development settings with heartbeats that a test can wait for."""

from config.settings.local import *  # noqa: F403

SOCKET_PING_INTERVAL_S = 1
# Generous, for machines that are busy with other tests.
SOCKET_PING_TIMEOUT_S = 15
