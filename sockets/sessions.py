"""Sessions of socket clients in Valkey; no other package knows their keys.

The sockets run in asyncio and everything else in threads, so the same scripts are called in two ways: the sockets use
``Sessions``, everything else uses the functions above it.
"""

import re
import secrets
from functools import cache
from typing import Any

import redis.asyncio
from django.conf import settings
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from core.cache import valkey
from sockets import packets, protocol, scripts
from sockets.protocol import Peer
from sockets.scripts import QUEUE, SESSION

POLLING, WEBSOCKET = "polling", "websocket"
WEBSOCKET_TTL_MS = 60_000  # the process with the WebSocket prolongs it every LOOK_S
_SID = re.compile(r"[0-9A-Za-z_-]{16,32}")
_MAX_CONNECTIONS = 64

_BODIES = {
    name: scripts.COMMON + getattr(scripts, name.upper())
    for name in ("open", "emit", "apply", "poll", "probe", "upgrade", "take", "close")
}


def new_sid() -> str:
    """Return a new session id. It is also the session's only secret, so it has 144 random bits."""
    return secrets.token_urlsafe(18)


def is_sid(text: str) -> bool:
    return _SID.fullmatch(text) is not None


# --- For the rest of the project ----------------------------------------------------------------------


def is_live(sid: str) -> bool:
    """Tell whether a client with this sid is connected."""
    return is_sid(sid) and valkey.client().hget(SESSION + sid, "joined") == b"1"


def sids_at(address: str) -> list[str]:
    """Return the sids of the connected clients with this address, in order; none where no sandbox keeps addresses."""
    keys = valkey.client().zrange(scripts.NEWEST_AT + address, 0, -1)
    # All at once: each question by itself would cost a round trip.
    with valkey.client().pipeline(transaction=False) as pipe:
        for key in keys:
            pipe.hget(key, "joined")
        here = [key for key, joined in zip(keys, pipe.execute(), strict=True) if joined == b"1"]
    return sorted(key.decode().removeprefix(SESSION) for key in here)


def emit(sid: str, event: str, data: Any) -> bool:
    """Send an event to one client, whichever process serves it; return False if the client has gone."""
    return bool(_sync_script("emit")(keys=_keys(sid), args=[packets.encode_event(event, data)]))


def sessions_open() -> int:
    """Return how many clients the scan-login socket has, on all machines together."""
    return sum(1 for _ in valkey.client().scan_iter(match=SESSION + "*", count=5000))


@cache
def _sync_script(name: str) -> Any:
    return valkey.client().register_script(_BODIES[name])


def _keys(sid: str) -> list[str]:
    return [SESSION + sid, QUEUE + sid]


# --- For the sockets ----------------------------------------------------------------------------------


class Sessions:
    """Sessions as one event loop uses them. Every method may raise ``redis.RedisError``."""

    def __init__(self) -> None:
        # Each command takes well under a millisecond, so thousands of clients can share a few connections.
        pool = valkey.async_pool_class(settings.REDIS_URL).from_url(
            settings.REDIS_URL,
            max_connections=_MAX_CONNECTIONS,
            timeout=5,
            socket_connect_timeout=2,
            socket_timeout=5,
            # A restarted Valkey has closed the pooled connections: try once more on a new one.
            retry=Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),
        )
        self.client = redis.asyncio.Redis(connection_pool=pool)
        self._scripts = {name: self.client.register_script(body) for name, body in _BODIES.items()}

    async def _run(self, name: str, sid: str, *args: Any) -> Any:
        return await self._scripts[name](keys=_keys(sid), args=args)

    async def open(self, peer: Peer, transport: str, address: str = "") -> None:
        """Create a session; ``transport`` is ``POLLING`` or ``WEBSOCKET``.

        :param address: of the client, for :func:`sids_at`.
        """
        is_poll = transport == POLLING
        ping_in = protocol.PING_INTERVAL_MS if is_poll and peer.version == 4 else ""
        args = [transport, peer.version, int(peer.is_joined), address, protocol.lifetime_ms(peer.version), ping_in]
        await self._run("open", peer.sid, *args)

    async def peer(self, sid: str) -> tuple[Peer, str] | None:
        """Load a client's state and its transport; None if the session is over."""
        fields = ["version", "joined", "transport"]
        version, flag, transport = await self.client.hmget(SESSION + sid, fields)  # type: ignore[misc]
        return (Peer(sid, int(version), flag == b"1"), transport.decode()) if version else None

    async def apply(self, peer: Peer, replies: list[str]) -> bool:
        """Save what the packets of one POST changed; return False if the session is over."""
        ping_in = protocol.PING_INTERVAL_MS if peer.has_ponged else ""
        args = [int(peer.is_joined), protocol.lifetime_ms(peer.version), ping_in, *replies]
        return bool(await self._run("apply", peer.sid, *args))

    async def poll(self, sid: str, version: int, poll: str, stamp: str, *, is_first: bool) -> list[Any]:
        """Ask what a waiting poll should do; the words and details are those of ``scripts.POLL``."""
        args = [version, poll, stamp, protocol.PING_INTERVAL_MS, int(is_first)]
        result = await self._run("poll", sid, *args)
        return [part.decode() if isinstance(part, bytes) else part for part in result]

    async def probe(self, sid: str, version: int, window_ms: int) -> bool:
        """Begin an upgrade to a WebSocket; return False if there is no such polling session."""
        return bool(await self._run("probe", sid, version, window_ms))

    async def probe_end(self, sid: str) -> None:
        """End an upgrade that failed: polls wait for packets again."""
        await self.client.hdel(SESSION + sid, "upgrade_until")  # type: ignore[misc]

    async def upgrade(self, sid: str, version: int) -> Peer | None:
        """Complete an upgrade; return the client's state, None if the session is over."""
        flag = await self._run("upgrade", sid, WEBSOCKET_TTL_MS)
        return None if flag is None else Peer(sid, version, flag == b"1")

    async def mark_joined(self, sid: str, is_joined: bool) -> None:
        """Save whether the client of a WebSocket has entered the namespace ``/``."""
        async with self.client.pipeline() as pipe:
            pipe.hset(SESSION + sid, "joined", str(int(is_joined)))
            pipe.pexpire(SESSION + sid, WEBSOCKET_TTL_MS)
            await pipe.execute()

    async def take(self, sid: str) -> list[str] | None:
        """Prolong the session of a WebSocket and take its queued packets; None if the session is over."""
        queue = await self._run("take", sid, WEBSOCKET_TTL_MS)
        return None if queue is None else [packet.decode() for packet in queue]

    async def close(self, sid: str) -> None:
        await self._run("close", sid)
