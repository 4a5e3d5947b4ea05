"""Answer HTTP requests that an ASGI server receives by the WSGI application, in threads.

Problem: libraries for this (a2wsgi, asgiref) let the thread ask the event loop for each part of a request and of an
answer. Here a body has already been collected, and an answer is mostly one part, so a thread needs the loop only to
begin and to end: page 1 of the students takes 0.2 ms less (docs/performance.md).
This module can go when one of those libraries takes no longer.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from io import BufferedReader, BytesIO, RawIOBase
from typing import Any, NamedTuple
from urllib.parse import quote_from_bytes

from core.api.bodies import IncomingBody

Scope = dict[str, Any]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

_ASCII = bytes(range(0x21, 0x7F)).decode()


class WsgiAnswer(NamedTuple):
    status: int
    headers: list[tuple[bytes, bytes]]
    parts: Iterable[bytes]


class Bridge:
    """A WSGI application and the threads that run it."""

    def __init__(self, application: Wsgi, *, threads: int) -> None:
        self.application = application
        self.threads = ThreadPoolExecutor(threads, "http")

    async def answer(self, scope: Scope, body: IncomingBody, send: Send) -> None:
        work = self.threads.submit(self._answer, environ(scope, body))
        try:
            answer = await asyncio.wrap_future(work)
        except asyncio.CancelledError:
            work.add_done_callback(_close_unsent)  # the thread goes on
            raise
        try:
            await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
            if isinstance(answer.parts, list):
                await send({"type": "http.response.body", "body": b"".join(answer.parts)})
            else:
                await self._send_parts(answer.parts, send)
        finally:
            if close := getattr(answer.parts, "close", None):
                self.threads.submit(close)

    def _answer(self, request: dict[str, Any]) -> WsgiAnswer:
        head: list[Any] = []

        def start_response(*arguments: Any) -> None:
            head[:] = arguments

        parts = self.application(request, start_response)
        status, headers = head[:2]
        pairs = [(name.lower().encode("latin1"), value.encode("latin1")) for name, value in headers]
        return WsgiAnswer(int(status[:3]), pairs, parts)

    async def _send_parts(self, parts: Iterable[bytes], send: Send) -> None:
        """Send an answer that is made while it is sent: an export, a file."""
        rest: Iterator[bytes] = iter(parts)
        loop = asyncio.get_running_loop()
        while (part := await loop.run_in_executor(self.threads, next, rest, None)) is not None:
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


def _close_unsent(work: Future[WsgiAnswer]) -> None:
    if not work.cancelled() and not work.exception() and (close := getattr(work.result().parts, "close", None)):
        close()


def environ(scope: Scope, body: IncomingBody) -> dict[str, Any]:
    """Write the request as PEP 3333 has it."""
    server, port = scope.get("server") or ("localhost", 80)
    result: dict[str, Any] = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": scope["path"].encode().decode("latin1"),
        # curl and old clients send Chinese characters in the query without percent-encoding.
        "QUERY_STRING": quote_from_bytes(scope["query_string"], safe=_ASCII),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "SERVER_NAME": server,
        "SERVER_PORT": str(port or 0),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.get("scheme", "http"),
        "wsgi.input": BufferedReader(_Reader(body)) if body.size else BytesIO(),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        "spms.body": body,
    }
    if client := scope.get("client"):
        result["REMOTE_ADDR"], result["REMOTE_PORT"] = client[0], str(client[1])
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin1"), raw_value.decode("latin1")
        if name == "content-type":
            result["CONTENT_TYPE"] = value
        # WSGI gives `a_b` and `a-b` the same name: with an underscore a client could forge a header that a proxy sets.
        elif name != "content-length" and "_" not in name:
            key = f"HTTP_{name.upper().replace('-', '_')}"
            # A browser may send several cookie lines (HTTP/2); for other headers a comma means the same.
            between = "; " if name == "cookie" else ","
            result[key] = f"{result[key]}{between}{value}" if key in result else value
    result["CONTENT_LENGTH"] = str(body.size)
    return result


class _Reader(RawIOBase):
    """A body's blocks as a file; each is freed when it has been read."""

    def __init__(self, body: IncomingBody) -> None:
        self.body = body
        self.rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, target: Any) -> int:
        if not self.rest:
            self.rest = memoryview(self.body.take())
        size = min(len(target), len(self.rest))
        target[:size], self.rest = self.rest[:size], self.rest[size:]
        return size
