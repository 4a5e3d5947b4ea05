"""Wakes the open WebSockets and waiting polls of one process when something is ready for them in Valkey.

Nothing here needs to survive: sessions and packets are in Valkey. If this process dies, its clients reconnect or poll
again, and whichever process they reach goes on with their session.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from weakref import WeakKeyDictionary

import redis
import structlog

from sockets.scripts import SESSION, WAKE
from sockets.sessions import Sessions

log = structlog.get_logger("sockets")

LOOK_S = 2.0  # a message may be lost, so each socket and poll asks Valkey that often by itself


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

    Whatever has something for a client publishes the key of its session, to all processes. The packets wait there.
    """

    def __init__(self) -> None:
        self.sessions = Sessions()
        self._bells: dict[str, Bell] = {}
        self._listener = asyncio.get_running_loop().create_task(self._listen())

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
                async with self.sessions.client.pubsub(ignore_subscribe_messages=True) as messages:
                    await messages.subscribe(WAKE)
                    while True:
                        message = await messages.get_message(timeout=LOOK_S)
                        if message is None:  # one who only listens never learns that the server's machine is gone
                            await messages.ping()
                            message = await messages.get_message(timeout=LOOK_S)
                        if message is None:
                            raise redis.ConnectionError
                        if message["type"] == "message":
                            self._ring(message["data"].decode().removeprefix(SESSION))
            except Exception as error:
                if not isinstance(error, (redis.RedisError, OSError)):  # no outage of Valkey
                    log.exception("sockets: unforeseen error")
                await asyncio.sleep(LOOK_S)


_hubs: "WeakKeyDictionary[asyncio.AbstractEventLoop, Hub]" = WeakKeyDictionary()


def current_hub() -> Hub:
    """Return the hub of the running event loop; the first call in a loop creates and starts it."""
    loop = asyncio.get_running_loop()
    if loop not in _hubs:
        _hubs[loop] = Hub()
    return _hubs[loop]
