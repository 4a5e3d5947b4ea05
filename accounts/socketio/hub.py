"""What one process holds: its open WebSockets and waiting polls, and the clock that looks after them.

All of it may be lost at any moment. What must not be lost is in Valkey, and a client of a process that died
is served by another one as soon as it asks.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from enum import Enum, auto
from typing import Any, ClassVar, Protocol
from weakref import WeakKeyDictionary

import redis
import structlog
from channels import DEFAULT_CHANNEL_LAYER
from channels.layers import channel_layers

from accounts.socketio.sessions import Sessions

log = structlog.get_logger("accounts.sockets")

TICK_S = 1.0


class Pulse(Enum):
    """What a socket needs at this moment."""

    NOTHING = auto()
    PING = auto()
    CLOSE = auto()


class Socket(Protocol):
    """An open WebSocket as the hub sees it."""

    sid: str
    ttl_ms: int

    def pulse(self, now: float) -> Pulse: ...
    async def deliver(self, packets: list[str]) -> None: ...
    async def hang_up(self) -> None: ...


class Hub:
    """One per event loop; get it with :func:`current_hub`."""

    # Called once a second in a thread, in every process that has clients: each must be safe to run anywhere.
    chores: ClassVar[list[Callable[[], Any]]] = []

    def __init__(self, proc: str, layer: Any) -> None:
        self.proc, self.layer = proc, layer
        self.sessions = Sessions(proc, on_own_ready=self._ring)
        self.sockets: dict[str, Socket] = {}
        self.alive: set[str] = set()  # sockets that showed a sign of life since the last tick
        self._polls: dict[str, asyncio.Future[None]] = {}
        self._bell = asyncio.Event()
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self) -> None:
        for job in (self._listen, self._hand_out, self._tick, self._run_chores):
            self.spawn(self._forever(job))

    def spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        """Run ``work`` in the background; the loop itself would let it be collected."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def add(self, socket: Socket) -> None:
        """Take a socket into care, and hand it what was sent to it meanwhile."""
        self.sockets[socket.sid] = socket
        self.alive.add(socket.sid)
        await self._serve([socket.sid])

    def remove(self, socket: Socket) -> None:
        if self.sockets.get(socket.sid) is socket:
            del self.sockets[socket.sid]
        self.alive.discard(socket.sid)

    def expect(self, sid: str) -> "asyncio.Future[None]":
        """Answer what is done as soon as a poll should look again; an earlier poll of this client looks now."""
        self._nudge(sid)
        future = asyncio.get_running_loop().create_future()
        self._polls[sid] = future
        return future

    def forget(self, sid: str, future: "asyncio.Future[None]") -> None:
        if self._polls.get(sid) is future:
            del self._polls[sid]

    def _nudge(self, sid: str) -> None:
        waiting = self._polls.get(sid)
        if waiting and not waiting.done():
            waiting.set_result(None)

    def _ring(self) -> None:
        self._bell.set()

    # --- What runs for ever --------------------------------------------------------------------------

    async def _forever(self, job: Callable[[], Awaitable[None]]) -> None:
        is_troubled = False
        # Asked again each time: under the layer and redis-py a cancellation may get lost on its way here.
        while not _is_cancelled():
            try:
                await job()
                is_troubled = False
            except (redis.RedisError, OSError) as error:
                # Nothing is lost: packets wait in Valkey, and clients notice a server that stays silent.
                if not is_troubled:
                    log.warning("sockets: valkey does not answer", reason=type(error).__name__)
                is_troubled = True
                await asyncio.sleep(TICK_S)
            except Exception:
                if not _is_cancelled():
                    log.exception("sockets: unforeseen error")
                    await asyncio.sleep(TICK_S)

    async def _listen(self) -> None:
        await self.layer.receive(self.proc)
        self._ring()

    async def _hand_out(self) -> None:
        await self._bell.wait()
        self._bell.clear()
        await self._serve(await self.sessions.ready())

    async def _serve(self, sids: list[str]) -> None:
        for sid in sids:
            self._nudge(sid)
        mine = [sid for sid in sids if sid in self.sockets]
        if not mine:
            return
        for sid, packets in (await self.sessions.take(mine)).items():
            if sid in self.sockets:
                # Each in a task of its own: a client that does not read holds up nobody else.
                self.spawn(self.sockets[sid].deliver(packets))

    async def _tick(self) -> None:
        await asyncio.sleep(TICK_S)
        self._ring()  # in case the layer lost a message
        now = time.monotonic()
        for socket in list(self.sockets.values()):
            match socket.pulse(now):
                case Pulse.PING:
                    self.spawn(socket.deliver(["2"]))
                case Pulse.CLOSE:
                    self.spawn(socket.hang_up())
        alive, self.alive = self.alive, set()
        ttls_ms = {sid: self.sockets[sid].ttl_ms for sid in alive if sid in self.sockets}
        for sid in await self.sessions.touch(ttls_ms):
            # Valkey forgot it (restarted without its data): only a new connection helps.
            if sid in self.sockets:
                self.spawn(self.sockets[sid].hang_up())

    async def _run_chores(self) -> None:
        await asyncio.sleep(TICK_S)
        for chore in self.chores:
            await asyncio.to_thread(chore)


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


_hubs: "WeakKeyDictionary[asyncio.AbstractEventLoop, Hub]" = WeakKeyDictionary()


async def current_hub() -> Hub:
    """The hub of the running event loop, started when first asked for."""
    loop = asyncio.get_running_loop()
    hub = _hubs.get(loop)
    if hub is None:
        # A layer of its own, because only one event loop may receive from one.
        layer = channel_layers.make_backend(DEFAULT_CHANNEL_LAYER)
        proc = await layer.new_channel("sockets")
        # Of two first clients one came first while the other waited for its name.
        hub = _hubs.get(loop) or _hubs.setdefault(loop, Hub(proc, layer))
        if hub.proc == proc:
            hub.start()
    return hub
