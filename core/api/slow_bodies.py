"""End a body that takes too long to arrive, where the server speaks WSGI. ``config.asgi`` does so with a timeout.

Problem: Granian's ``read`` waits until all bytes that it was asked for have come, and neither takes a timeout nor says
which socket it reads from. A thread that reads on behalf of the request would cost 0.15 ms for each body. So a watchdog
looks every few seconds for bodies that are late, and closes the reading half of the sockets from the same address that
have sent nothing for as long: that one, idle ones, and requests that every proxy has given up meanwhile.
Remove this when Granian has a timeout for bodies.
"""

import io
import os
import socket
import struct
import threading
import time
from functools import cache
from pathlib import Path
from typing import Any

from core.api.bodies import BODY_TIMEOUT_S

LOOK_EVERY_S = 2.0
_LAST_DATA_SENT = struct.Struct("44x I")  # in Linux' tcp_info, in ms
_bodies: dict[int, "TimedBody"] = {}  # by the thread that reads


class TimedBody(io.RawIOBase):
    """The body of a request (``wsgi.input``); ``length`` is what was announced, 0 where it comes in chunks.

    :raises OSError: when reading, if the client has left or taken longer than ``BODY_TIMEOUT_S``.
    """

    def __init__(self, source: Any, length: int, sender: str) -> None:
        self.source, self.missing, self.sender = source, length, sender
        self.ends_at = time.monotonic() + BODY_TIMEOUT_S
        _start_watchdog()

    def read(self, size: int = -1) -> bytes:  # `readline` of the base class calls it too
        thread = threading.get_ident()
        _bodies[thread] = self
        try:
            part = self.source.read(size)
        finally:
            del _bodies[thread]
        self.missing -= len(part)
        is_cut = time.monotonic() > self.ends_at or self.missing > 0
        if len(part) != size and is_cut:
            raise ConnectionAbortedError("the body has not arrived")
        return part


@cache
def _start_watchdog() -> None:
    threading.Thread(target=_watch, name="slow bodies", daemon=True).start()


def _watch() -> None:
    while True:
        time.sleep(LOOK_EVERY_S)
        for sender in {body.sender for body in [*_bodies.values()] if time.monotonic() > body.ends_at}:
            _stop_reading(sender)


def _stop_reading(sender: str) -> None:
    for entry in Path("/proc/self/fd").iterdir():
        if not entry.is_socket():
            continue
        try:
            with socket.socket(fileno=os.dup(int(entry.name))) as connection:
                if connection.getpeername()[0] == sender and _is_silent(connection):
                    connection.shutdown(socket.SHUT_RD)  # our answer can still be sent
        except (OSError, IndexError):
            continue  # it has no peer, or was closed meanwhile


def _is_silent(connection: socket.socket) -> bool:
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _LAST_DATA_SENT.size)
    (sent_ms,) = _LAST_DATA_SENT.unpack(info)
    return sent_ms > 1000 * (BODY_TIMEOUT_S - LOOK_EVERY_S)
