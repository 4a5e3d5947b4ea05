import asyncio
import threading
import time
from urllib.parse import urlsplit

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


def test_a_server_that_vanishes_with_its_machine_is_left(monkeypatch, settings):
    monkeypatch.setattr(hub, "LOOK_S", 0.1)
    here, vanished, place = set(), set(), urlsplit(settings.REDIS_URL).path

    async def pass_on(reader, writer, name):
        while (data := await reader.read(65536)) and name not in vanished:
            writer.write(data)
        await asyncio.Event().wait()  # nobody closes the connection

    async def connected(reader, writer):
        here.add(name := object())
        valkey_reader, valkey_writer = await asyncio.open_unix_connection(place)
        try:
            await asyncio.gather(pass_on(reader, valkey_writer, name), pass_on(valkey_reader, writer, name))
        finally:
            writer.close(), valkey_writer.close()

    async def rings():
        server = await asyncio.start_server(connected, "127.0.0.1", 0)
        settings.REDIS_URL = f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"
        with hub.current_hub().bell("ann") as bell:
            for _ in range(2):
                async with asyncio.timeout(10):
                    while not bell.is_set():
                        await asyncio.to_thread(valkey.client().publish, hub.WAKE, sessions.SESSION + "ann")
                        await asyncio.sleep(0.05)
                bell.clear()
                vanished.update(here)
        server.close()

    asyncio.run(rings())


def test_the_event_loop_of_a_server_that_stops_ends():
    async def serve():
        hub.current_hub()
        await asyncio.sleep(0.1)

    server = threading.Thread(target=asyncio.run, args=(serve(),), daemon=True)
    server.start()
    server.join(20)

    assert not server.is_alive()
