import asyncio
import threading
import time

from core.cache import valkey
from sockets import hub, sessions


def test_an_unforeseen_error_does_not_make_the_hub_deaf(monkeypatch):
    monkeypatch.setattr(hub, "LOOK_S", 0.05)
    subscribe, troubles = hub.Hub._ring, [ValueError]

    def ring(self, sid):
        if troubles:
            raise troubles.pop()
        subscribe(self, sid)

    async def rings():
        ours = hub.current_hub()
        with ours.bell("ann") as bell:
            monkeypatch.setattr(hub.Hub, "_ring", ring)
            start = time.monotonic()
            while not bell.is_set() and time.monotonic() - start < 10:
                await asyncio.to_thread(valkey.client().publish, hub.WAKE, sessions.SESSION + "ann")
                await asyncio.sleep(0.05)
            assert bell.is_set()

    asyncio.run(rings())
    assert not troubles


def test_the_event_loop_of_a_server_that_stops_ends():
    async def serve():
        hub.current_hub()
        await asyncio.sleep(0.1)

    server = threading.Thread(target=asyncio.run, args=(serve(),), daemon=True)
    server.start()
    server.join(20)

    assert not server.is_alive()
