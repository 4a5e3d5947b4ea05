"""Sessions in Valkey: the only place that knows their keys.

Sockets run in asyncio and the API in threads, so there are two doors to the same scripts: ``Sessions`` for
the sockets, ``emit`` and ``is_live`` for everybody else.
"""

import asyncio
import os
import re
import secrets
from collections.abc import Callable
from functools import cache
from threading import Thread
from typing import Any

import redis.asyncio
import structlog
from channels.exceptions import ChannelFull
from channels.layers import get_channel_layer
from django.conf import settings
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from accounts.socketio import packets, scripts
from accounts.socketio.config import timing
from accounts.socketio.protocol import Peer
from core.cache import valkey

log = structlog.get_logger("accounts.sockets")

POLLING, WEBSOCKET, PLAIN = "polling", "websocket", "plain"
MAX_QUEUE = 256  # packets that wait for one client; nobody gets near it but by flooding
READY = "spms:sio:ready:"
WAKE = {"type": "socket.wake"}
_SID = re.compile(r"[0-9A-Za-z_-]{16,32}")
_MAX_CONNECTIONS = 64

_BODIES = {
    name: scripts.source(getattr(scripts, name.upper()), ready=READY, max_queue=MAX_QUEUE)
    for name in ("open", "emit", "apply", "poll", "probe", "probe_end", "upgrade", "take", "close")
}


def new_sid() -> str:
    """Make a session's id, which is also its only secret: 144 random bits."""
    return secrets.token_urlsafe(18)


def is_sid(text: str) -> bool:
    return _SID.fullmatch(text) is not None


# --- For the rest of the project ----------------------------------------------------------------------


def is_live(sid: str) -> bool:
    """Tell whether a client with this sid is connected."""
    return is_sid(sid) and valkey.client().hget(_keys(sid)[0], "joined") == b"1"


def emit(sid: str, event: str, data: Any) -> bool:
    """Send an event to one client, whichever process it is connected to; False if it has gone."""
    proc = _sync_script("emit")(keys=_keys(sid), args=[sid, packets.encode_event(event, data)])
    if proc:
        asyncio.run_coroutine_threadsafe(ring(proc.decode()), _loop_for_threads(os.getpid()))
    return proc is not None


async def ring(proc: str) -> None:
    """Tell the process ``proc`` that something is ready for a client of its own.

    The layer carries no data: what it loses costs the client at most a second (see ``Hub``).
    """
    try:
        await get_channel_layer().send(proc, WAKE)
    except ChannelFull:
        pass  # it has plenty of reasons to wake up already
    except (redis.RedisError, OSError) as error:
        log.warning("the process of a socket was not woken", reason=type(error).__name__)


@cache
def _loop_for_threads(pid: int) -> asyncio.AbstractEventLoop:
    """An event loop that runs in the background of this process, for the channel layer knows asyncio only.

    async_to_sync would make a loop and a connection for each event, which takes longer than all the rest.
    """
    loop = asyncio.new_event_loop()
    Thread(target=loop.run_forever, name=f"sockets-{pid}", daemon=True).start()
    return loop


@cache
def _sync_script(name: str) -> Any:
    return valkey.client().register_script(_BODIES[name])


def _keys(sid: str) -> list[str]:
    return [f"spms:sio:s:{sid}", f"spms:sio:q:{sid}"]


# --- For the sockets ----------------------------------------------------------------------------------


class Sessions:
    """The scripts, called from one event loop by the process ``proc``.

    :param on_own_ready: called when something is ready for a client of this very process.
    """

    def __init__(self, proc: str, on_own_ready: Callable[[], None]) -> None:
        self.proc, self.on_own_ready = proc, on_own_ready
        # Commands are short: a few connections serve thousands of clients, who queue for them.
        pool = redis.asyncio.BlockingConnectionPool.from_url(
            settings.REDIS_URL,
            max_connections=_MAX_CONNECTIONS,
            timeout=5,
            socket_connect_timeout=2,
            socket_timeout=5,
            # Once more at once, for a connection that a restarted Valkey closed.
            retry=Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),
        )
        self.client = redis.asyncio.Redis(connection_pool=pool)
        self._scripts = {name: self.client.register_script(body) for name, body in _BODIES.items()}

    async def _run(self, name: str, sid: str, *args: Any) -> Any:
        return await self._scripts[name](keys=_keys(sid), args=args)

    async def open(self, sid: str, transport: str, peer: Peer) -> None:
        times = timing(peer.version)
        is_poll = transport == POLLING
        ping_in: int | str = times.interval_ms if is_poll and peer.version == 4 else ""
        proc = "" if is_poll else self.proc
        await self._run("open", sid, transport, peer.version, int(peer.is_joined), proc, times.ttl_ms, ping_in)

    async def peer(self, sid: str) -> tuple[Peer, str] | None:
        """Load the state of a client and its transport."""
        found: list[Any] = await self.client.hmget(  # type: ignore[misc]
            _keys(sid)[0], ["version", "joined", "attachments", "transport"]
        )
        if found[0] is None:
            return None
        version, joined, attachments = (int(value) for value in found[:3])
        return Peer(version, bool(joined), attachments), found[3].decode()

    async def apply(self, sid: str, peer: Peer, replies: list[str], *, has_ponged: bool) -> bool:
        """Keep what the packets of one POST changed; False if the session is over."""
        times = timing(peer.version)
        ping_in = times.interval_ms if has_ponged else ""
        args = [int(peer.is_joined), peer.attachments, times.ttl_ms, ping_in, *replies]
        return await self._ring(await self._run("apply", sid, sid, *args))

    async def poll(self, sid: str, version: int, poll: str, stamp: str, *, is_first: bool) -> list[Any]:
        """One look of a poll, see ``scripts.POLL``."""
        interval = timing(version).interval_ms
        answer = await self._run("poll", sid, sid, version, poll, self.proc, stamp, interval, int(is_first))
        return [part.decode() if isinstance(part, bytes) else part for part in answer]

    async def probe(self, sid: str, version: int, window_ms: int) -> bool:
        return await self._ring(await self._run("probe", sid, sid, version, window_ms))

    async def probe_end(self, sid: str) -> None:
        await self._run("probe_end", sid)

    async def upgrade(self, sid: str, version: int) -> tuple[Peer, list[str]] | None:
        """Move a polling session to this process's WebSocket; answers what waited for the client."""
        answer = await self._run("upgrade", sid, sid, self.proc, timing(version).ttl_ms)
        if answer is None:
            return None
        proc, joined, attachments, *waiting = answer
        await self._ring(proc)
        return Peer(version, joined == b"1", int(attachments)), [packet.decode() for packet in waiting]

    async def mark_joined(self, sid: str, is_joined: bool, ttl_ms: int) -> None:
        async with self.client.pipeline() as pipe:
            pipe.hset(_keys(sid)[0], "joined", str(int(is_joined)))
            pipe.pexpire(_keys(sid)[0], ttl_ms)
            await pipe.execute()

    async def take(self, sids: list[str]) -> dict[str, list[str]]:
        """Take what waits for some WebSockets of this process."""
        async with self.client.pipeline(transaction=False) as pipe:
            for sid in sids:
                await self._scripts["take"](keys=_keys(sid), client=pipe)
            answers = await pipe.execute()
        return {sid: [p.decode() for p in waiting] for sid, waiting in zip(sids, answers, strict=True) if waiting}

    async def ready(self) -> list[str]:
        """Take the sids of this process for which something is ready."""
        sids: Any = await self.client.spop(READY + self.proc, 10_000)  # type: ignore[misc]
        return [sid.decode() for sid in sids]

    async def touch(self, ttls_ms: dict[str, int]) -> list[str]:
        """Keep sessions alive; answers those that are over all the same."""
        async with self.client.pipeline(transaction=False) as pipe:
            for sid, ttl_ms in ttls_ms.items():
                pipe.pexpire(_keys(sid)[0], ttl_ms)
            answers = await pipe.execute()
        return [sid for sid, alive in zip(ttls_ms, answers, strict=True) if not alive]

    async def close(self, sid: str) -> None:
        await self._ring(await self._run("close", sid, sid))

    async def _ring(self, proc: bytes | None) -> bool:
        if proc and proc.decode() != self.proc:
            await ring(proc.decode())
        elif proc:
            self.on_own_ready()
        return proc is not None
