"""Sessions of socket clients in Valkey; no other module knows their keys.

The sockets run in asyncio and everything else in threads, so the same scripts are called in two ways: the sockets use
``Sessions``, everything else uses the functions above it.
"""

import re
import secrets
from functools import cache
from typing import Any

import redis.asyncio
import structlog
from asgiref.sync import async_to_sync
from channels.exceptions import ChannelFull
from channels.layers import get_channel_layer
from django.conf import settings
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from core.cache import sentinel, valkey
from sockets import packets, scripts
from sockets.protocol import Peer, timing

log = structlog.get_logger("sockets")

POLLING, WEBSOCKET, PLAIN = "polling", "websocket", "plain"
WEBSOCKET_TTL_MS = 60_000  # the process with the WebSocket prolongs it every LOOK_S
_SID = re.compile(r"[0-9A-Za-z_-]{16,32}")
_MAX_CONNECTIONS = 64
_AT, _AT_TTL_S = "spms:sio:at:", 24 * 3600  # the sids that one address has opened

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
    return is_sid(sid) and valkey.client().hget(_keys(sid)[0], "joined") == b"1"


def sids_at(address: str) -> list[str]:
    """Return the sids of the connected clients with this address; none where no sandbox keeps addresses."""
    sids, key = [], _AT + address
    for sid in map(bytes.decode, valkey.client().smembers(key)):
        joined = valkey.client().hget(_keys(sid)[0], "joined")
        if joined is None:  # it has left
            valkey.client().srem(key, sid)
        elif joined == b"1":
            sids.append(sid)
    return sids


def emit(sid: str, event: str, data: Any) -> bool:
    """Send an event to one client, whichever process serves it; return False if the client has gone."""
    proc = _sync_script("emit")(keys=_keys(sid), args=[packets.encode_event(event, data)])
    if proc:
        async_to_sync(_wake)(sid, proc)
    return proc is not None


def sessions_open() -> int:
    """Return how many clients the scan-login socket has, on all machines together."""
    return sum(1 for _ in valkey.client().scan_iter(match="spms:sio:s:*", count=5000))


async def _wake(sid: str, proc: bytes | None) -> bool:
    """Tell the process ``proc`` that something is ready for its client ``sid``; return False if there is no client.

    If the channel layer loses the message, the client gets its packets two seconds later, because each socket and poll
    also looks by itself.
    """
    if proc:
        try:
            await get_channel_layer().send(proc.decode(), {"type": "socket.wake", "sid": sid})
        except ChannelFull:
            pass  # the process does not read
        except (redis.RedisError, OSError) as error:
            log.warning("the process of a socket was not woken", reason=type(error).__name__)
    return proc is not None


@cache
def _sync_script(name: str) -> Any:
    return valkey.client().register_script(_BODIES[name])


def _keys(sid: str) -> list[str]:
    return [f"spms:sio:s:{sid}", f"spms:sio:q:{sid}"]


# --- For the sockets ----------------------------------------------------------------------------------


class Sessions:
    """Sessions as one event loop of the process ``proc`` uses them. Every method may raise ``redis.RedisError``."""

    def __init__(self, proc: str) -> None:
        self.proc = proc
        # Each command takes well under a millisecond, so thousands of clients can share a few connections.
        pool = sentinel.async_pool_class(settings.REDIS_URL).from_url(
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

    async def open(self, sid: str, transport: str, peer: Peer, address: str = "") -> None:
        """Create a session; ``transport`` is ``POLLING``, ``WEBSOCKET`` or ``PLAIN``.

        :param address: of the client, for :func:`sids_at`; "" keeps none.
        """
        times = timing(peer.version)
        is_poll = transport == POLLING
        ping_in: int | str = times.interval_ms if is_poll and peer.version == 4 else ""
        proc = "" if is_poll else self.proc
        await self._run("open", sid, transport, peer.version, int(peer.is_joined), proc, times.ttl_ms, ping_in)
        if address:
            async with self.client.pipeline() as pipe:
                pipe.sadd(_AT + address, sid)
                pipe.expire(_AT + address, _AT_TTL_S)
                await pipe.execute()

    async def peer(self, sid: str) -> tuple[Peer, str] | None:
        """Load a client's state and its transport; None if the session is over."""
        fields: list[Any] = await self.client.hmget(  # type: ignore[misc]
            _keys(sid)[0], ["version", "joined", "transport"]
        )
        if fields[0] is None:
            return None
        version, flag, transport = fields
        return Peer(int(version), flag == b"1"), transport.decode()

    async def apply(self, sid: str, peer: Peer, replies: list[str], *, has_ponged: bool) -> bool:
        """Save what the packets of one POST changed; return False if the session is over."""
        times = timing(peer.version)
        ping_in = times.interval_ms if has_ponged else ""
        args = [int(peer.is_joined), times.ttl_ms, ping_in, *replies]
        return await _wake(sid, await self._run("apply", sid, *args))

    async def poll(self, sid: str, version: int, poll: str, stamp: str, *, is_first: bool) -> list[Any]:
        """Ask what a waiting poll should do; the words and details are those of ``scripts.POLL``."""
        interval = timing(version).interval_ms
        result = await self._run("poll", sid, version, poll, self.proc, stamp, interval, int(is_first))
        return [part.decode() if isinstance(part, bytes) else part for part in result]

    async def probe(self, sid: str, version: int, window_ms: int) -> bool:
        """Begin an upgrade to a WebSocket; return False if there is no such polling session."""
        return await _wake(sid, await self._run("probe", sid, version, window_ms))

    async def probe_end(self, sid: str) -> None:
        """End an upgrade that failed: polls wait for packets again."""
        await self.client.hdel(_keys(sid)[0], "upgrade_until")  # type: ignore[misc]

    async def upgrade(self, sid: str, version: int) -> Peer | None:
        """Complete an upgrade; return the client's state, None if the session is over."""
        result = await self._run("upgrade", sid, self.proc, WEBSOCKET_TTL_MS)
        if result is None:
            return None
        proc, flag = result
        await _wake(sid, proc)
        return Peer(version, flag == b"1")

    async def mark_joined(self, sid: str, is_joined: bool) -> None:
        """Save whether the client of a WebSocket has entered the namespace ``/``."""
        async with self.client.pipeline() as pipe:
            pipe.hset(_keys(sid)[0], "joined", str(int(is_joined)))
            pipe.pexpire(_keys(sid)[0], WEBSOCKET_TTL_MS)
            await pipe.execute()

    async def take(self, sid: str) -> list[str] | None:
        """Prolong the session of a WebSocket and take its queued packets; None if the session is over."""
        queue = await self._run("take", sid, WEBSOCKET_TTL_MS)
        return None if queue is None else [packet.decode() for packet in queue]

    async def close(self, sid: str) -> None:
        await _wake(sid, await self._run("close", sid))
