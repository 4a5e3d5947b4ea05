"""Wakes the open WebSockets and waiting polls of one process when something is ready for them in Valkey.

Nothing here needs to survive: sessions and packets are in Valkey. If this process dies, its clients reconnect or poll
again, and whichever process they reach goes on with their session.
"""

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any
from weakref import WeakKeyDictionary

import redis
import structlog
from channels import DEFAULT_CHANNEL_LAYER
from channels.layers import channel_layers

from sockets.sessions import Sessions

log = structlog.get_logger("sockets")

LOOK_S = 2.0  # the channel layer may lose a message, so each socket and poll asks Valkey that often by itself
RECANCEL_S = 0.1


class Bell(asyncio.Event):
    """Tells one socket or poll to ask Valkey again. A ring stays until a wait takes it, so none is missed."""

    async def wait_for(self, timeout_s: float) -> None:
        """Return when the bell rings or has rung since the last wait, at the latest after ``timeout_s``."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self.wait()
        self.clear()


class Hub:
    """Listens for the sockets and polls of one event loop; get it with :func:`current_hub`.

    A process that has something for a client of ours says so through the channel layer. The message carries no packets.
    """

    def __init__(self, proc: str, layer: Any) -> None:
        self.proc, self.layer, self.sessions = proc, layer, Sessions(proc)
        self._bells: dict[str, Bell] = {}

    def start(self) -> None:
        self._listener = asyncio.get_running_loop().create_task(_until_cancelled(self._listen()))

    @contextmanager
    def bell(self, sid: str) -> Iterator[Bell]:
        """Keep a bell for the socket or poll of ``sid`` while the block runs.

        A client has one at a time. An earlier one is rung, and its owner finds in Valkey that it was replaced.
        """
        self._ring(sid)
        bell = self._bells[sid] = Bell()
        try:
            yield bell
        finally:
            if self._bells.get(sid) is bell:
                del self._bells[sid]

    def _ring(self, sid: str) -> None:
        if bell := self._bells.get(sid):
            bell.set()

    async def _listen(self) -> None:
        while True:
            try:
                message = await self.layer.receive(self.proc)
            except Exception as error:
                if not isinstance(error, (redis.RedisError, OSError)):  # no outage of Valkey
                    log.exception("sockets: unforeseen error")
                await asyncio.sleep(LOOK_S)
            else:
                self._ring(message["sid"])


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
    if loop not in _hubs:
        # A channel layer can receive in one event loop only, so each hub needs its own.
        layer = channel_layers.make_backend(DEFAULT_CHANNEL_LAYER)
        proc = await layer.new_channel("sockets")
        # The `await` above let other tasks run: two first clients may both get here, and only one hub may start.
        if loop not in _hubs:
            _hubs[loop] = Hub(proc, layer)
            _hubs[loop].start()
    return _hubs[loop]
