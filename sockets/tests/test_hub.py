import asyncio
import threading
from typing import Any

from sockets.hub import Hub


class DeafSessions:
    """Swallows the first cancellation, as redis-py may, and waits for the next ring."""

    is_waiting = has_heard = False

    async def ready(self) -> list[str]:
        while True:
            self.is_waiting = True
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                if self.has_heard:
                    raise
                self.has_heard = True

    async def end(self) -> None:
        pass


def test_the_event_loop_of_a_server_that_stops_ends_even_if_a_cancellation_is_swallowed() -> None:
    sessions: Any = DeafSessions()

    async def serve() -> None:
        Hub(sessions).start()
        while not sessions.is_waiting:
            await asyncio.sleep(0.01)

    server = threading.Thread(target=asyncio.run, args=(serve(),), daemon=True)
    server.start()
    server.join(20)

    assert sessions.has_heard and not server.is_alive()
