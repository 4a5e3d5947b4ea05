"""The open WebSockets and waiting polls of one process, and the background tasks that serve them.

Nothing here needs to survive: sessions and packets are in Valkey. If this process dies, its clients reconnect or poll
again, and whichever process they reach goes on with their session.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine
from enum import Enum, auto
from typing import Any, ClassVar, Protocol
from weakref import WeakKeyDictionary

import redis
import structlog
from channels import DEFAULT_CHANNEL_LAYER
from channels.layers import channel_layers

from sockets.sessions import Sessions

log = structlog.get_logger("sockets")

TICK_S = 1.0
RECANCEL_S = 0.1


class KeepAlive(Enum):
    """What must be done now to keep a socket alive, or to end a dead one."""

    NOTHING = auto()
    PING = auto()  # the client was silent for an interval: ask whether it is there
    CLOSE = auto()  # the client did not answer in time


class Socket(Protocol):
    """What the hub needs to know of an open WebSocket."""

    sid: str
    ttl_ms: int

    def keep_alive(self, now: float) -> KeepAlive: ...
    async def deliver(self, packets: list[str]) -> None: ...
    async def hang_up(self) -> None: ...


class Hub:
    """Serves the sockets and polls of one event loop; get it with :func:`current_hub`.

    Another process that has packets for one of our clients puts the client's sid into our ``ready`` set in Valkey, and
    then sends an empty message through the channel layer to wake us up.
    """

    # Each is called once a second, in a thread. Every process with clients calls them, so several may run at once.
    chores: ClassVar[list[Callable[[], Any]]] = []

    def __init__(self, proc: str, layer: Any) -> None:
        self.proc, self.layer = proc, layer
        self.sessions = Sessions(proc, on_own_ready=self._wake)
        self.sockets: dict[str, Socket] = {}
        self.alive: set[str] = set()  # sids of sockets whose session the next tick must prolong
        self._polls: dict[str, asyncio.Future[None]] = {}
        self._wake_event = asyncio.Event()
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self) -> None:
        for job in (self._listen, self._hand_out, self._tick, self._run_chores):
            self.spawn(self._forever(job))

    def spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        """Run ``work`` in the background."""
        # asyncio refers to its tasks weakly: without a reference here, one may be garbage-collected before it ends.
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def add(self, socket: Socket) -> None:
        """Serve ``socket`` from now on, and deliver the packets that have been waiting for it."""
        self.sockets[socket.sid] = socket
        self.alive.add(socket.sid)
        await self._serve([socket.sid])

    def remove(self, socket: Socket) -> None:
        # Two WebSockets may try to upgrade one session; when one gives up, the other must stay.
        if self.sockets.get(socket.sid) is socket:
            del self.sockets[socket.sid]
        self.alive.discard(socket.sid)

    def expect(self, sid: str) -> "asyncio.Future[None]":
        """Return a future that is done when the waiting poll of ``sid`` should ask Valkey again.

        A client may have one poll at a time. An earlier one is woken up, and finds in Valkey that it was replaced.
        """
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

    def _wake(self) -> None:
        self._wake_event.set()

    # --- Background tasks ----------------------------------------------------------------------------

    async def _forever(self, job: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Repeat ``job`` until this task is cancelled; after an error go on a second later."""
        is_logged = False
        while True:
            try:
                await _until_cancelled(job())
                is_logged = False
            except (redis.RedisError, OSError) as error:
                # No packet is lost: they wait in Valkey. Log one line for each outage, not one a second.
                if not is_logged:
                    log.warning("sockets: valkey does not answer", reason=type(error).__name__)
                is_logged = True
                await asyncio.sleep(TICK_S)
            except Exception:
                log.exception("sockets: unforeseen error")
                await asyncio.sleep(TICK_S)

    async def _listen(self) -> None:
        """Wait until another process wakes us up."""
        await self.layer.receive(self.proc)
        self._wake()

    async def _hand_out(self) -> None:
        """Wait until something is ready, then serve all clients for which something is."""
        await self._wake_event.wait()
        self._wake_event.clear()
        await self._serve(await self.sessions.ready())

    async def _serve(self, sids: list[str]) -> None:
        for sid in sids:
            self._nudge(sid)
        mine = [sid for sid in sids if sid in self.sockets]
        if not mine:
            return
        for sid, packets in (await self.sessions.take(mine)).items():
            if sid in self.sockets:
                # A client that does not read makes `deliver` wait. A task for each socket keeps the others going.
                self.spawn(self.sockets[sid].deliver(packets))

    async def _tick(self) -> None:
        """Once a second: send heartbeats, close dead sockets, and prolong the sessions of the live ones."""
        await asyncio.sleep(TICK_S)
        # The channel layer may lose a message. Looking once a second bounds the delay that this costs a client.
        self._wake()
        now = time.monotonic()
        for socket in list(self.sockets.values()):
            match socket.keep_alive(now):
                case KeepAlive.PING:
                    self.spawn(socket.deliver(["2"]))
                case KeepAlive.CLOSE:
                    self.spawn(socket.hang_up())
        alive, self.alive = self.alive, set()
        ttls_ms = {sid: self.sockets[sid].ttl_ms for sid in alive if sid in self.sockets}
        for sid in await self.sessions.touch(ttls_ms):
            # Valkey has lost the session, for example by a restart without its data: the client has to reconnect.
            if sid in self.sockets:
                self.spawn(self.sockets[sid].hang_up())

    async def _run_chores(self) -> None:
        await asyncio.sleep(TICK_S)
        for chore in self.chores:
            await asyncio.to_thread(chore)


async def _until_cancelled(work: Coroutine[Any, Any, None]) -> None:
    """Wait for ``work``; if this task is cancelled, cancel ``work`` as often as it takes.

    redis-py may swallow a CancelledError, because it reads with a time limit of 0 s whether a connection has ended. The
    channel layer would then wait for its next message for ever, and the event loop of a server that stops for it.
    """
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait([task])
    finally:
        while not task.done():
            task.cancel()
            await asyncio.wait([task], timeout=RECANCEL_S)
    task.result()


_hubs: "WeakKeyDictionary[asyncio.AbstractEventLoop, Hub]" = WeakKeyDictionary()


async def current_hub() -> Hub:
    """Return the hub of the running event loop; the first call in a loop creates and starts it."""
    loop = asyncio.get_running_loop()
    hub = _hubs.get(loop)
    if hub is None:
        # A channel layer can receive in one event loop only, so each hub needs its own.
        layer = channel_layers.make_backend(DEFAULT_CHANNEL_LAYER)
        proc = await layer.new_channel("sockets")
        # The `await` above let other tasks run: two first clients may both get here, and only one hub may start.
        hub = _hubs.get(loop) or _hubs.setdefault(loop, Hub(proc, layer))
        if hub.proc == proc:
            hub.start()
    return hub
