import asyncio
import threading
import time
from unittest.mock import AsyncMock

import redis

from sockets import hub


class DeafLayer:
    """A channel layer that swallows the first cancellation, as redis-py may, and waits for the next message."""

    async def receive(self, proc):
        while True:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                if getattr(self, "has_heard", False):
                    raise
                self.has_heard = True


def test_an_unforeseen_error_of_the_layer_does_not_make_the_hub_deaf(monkeypatch):
    monkeypatch.setattr(hub, "LOOK_S", 0)

    async def rings():
        layer = AsyncMock()
        layer.receive.side_effect = [ValueError, redis.ConnectionError, {"sid": "ann"}, asyncio.CancelledError]
        ours = hub.Hub("sockets!test", layer)
        with ours.bell("ann") as bell:
            ours.start()
            start = time.monotonic()
            await bell.wait_for(10)
            assert time.monotonic() - start < 9

    asyncio.run(rings())


def test_the_event_loop_of_a_server_that_stops_ends_even_if_a_cancellation_is_swallowed():
    layer = DeafLayer()

    async def serve():
        hub.Hub("sockets!test", layer).start()
        await asyncio.sleep(0.05)

    server = threading.Thread(target=asyncio.run, args=(serve(),), daemon=True)
    server.start()
    server.join(20)

    assert layer.has_heard and not server.is_alive()
