"""The ASGI application: sends sockets to Channels and every other request to the WSGI application.

Django's sync views are several times faster under WSGI (docs/adr/0001), so HTTP requests run there, in threads.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any
from urllib.parse import quote_from_bytes

from a2wsgi.wsgi import WSGIMiddleware, WSGIResponder
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.local")

from config.wsgi import application as wsgi_application

# isort: split
from core.api.bodies import BODY_TIMEOUT_S, IncomingBody, body_limit
from core.api.routing import call_find
from sockets.routing import application as socket_application
from uploads.decoder import HEAVY_THREADS, LIGHT_THREADS

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

_ASCII = bytes(range(0x21, 0x7F)).decode()


class _Responder(WSGIResponder):
    """As the library's, but a thread does not wait until the event loop has taken a part: three times an answer.

    A client that reads slowly must hold no thread, so what it has not taken yet waits here: 5 MB of a picture.
    """

    def send(self, message: Any) -> None:
        self.loop.call_soon_threadsafe(self.send_queue.put_nowait, message)


class _Threads(WSGIMiddleware):
    def __init__(self, number: int) -> None:
        wsgi: Any = wsgi_application  # a2wsgi types the environment more narrowly than Django
        super().__init__(wsgi, workers=number)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await _Responder(self.app, self.executor, send_queue_size=0)(scope, receive, send)


# A request that waits for WeChat or the weather provider holds its thread; with all of them held, others would wait.
_http = _Threads(32)
# Threads of one process take turns. With many of them a short call is interrupted again and again, so calls that wait
# for no other server have four of their own (docs/adr/0001).
_quick = _Threads(4)
# Pictures wait for a decoder for seconds: as many threads as may do so, and none of those that others need.
_files = _Threads(LIGHT_THREADS + HEAVY_THREADS)
# The sandbox has threads of its own: if all 32 waited for it as an upstream, none would be left to answer them.
_sandbox = _Threads(8) if settings.SANDBOX else _http


async def _application(scope: Scope, receive: Receive, send: Send) -> None:
    kind, path = scope["type"], scope.get("path", "")
    if kind == "lifespan":
        for _ in range(2):  # the startup and the shutdown
            await send({"type": f"{(await receive())['type']}.complete"})
    elif kind == "websocket" or (path + "/").startswith("/socket.io/"):
        await socket_application(scope, receive, send)
    else:
        await _serve_http(scope, receive, send)


async def _serve_http(scope: Scope, receive: Receive, send: Send) -> None:
    # Read the body here, before a thread is taken: a client that sends slowly would hold the thread.
    headers = dict(scope["headers"])
    body = IncomingBody(body_limit(scope["path"], headers.get(b"content-type", b"").decode("latin1")))

    try:
        await _collect(body, receive)
        await _threads_for(scope["path"])(_as_wsgi_reads(scope, body), body.receive, send)
    finally:
        body.end()


def _as_wsgi_reads(scope: Scope, body: IncomingBody) -> Scope:
    # WSGI gives `a_b` and `a-b` the same name: with an underscore a client could forge a header that a proxy sets.
    headers = [(name, value) for name, value in scope["headers"] if b"_" not in name and name != b"content-length"]
    headers.append((b"content-length", str(body.size).encode()))  # also of a body that came in chunks
    # curl and old clients send Chinese characters in the query without percent-encoding.
    query = quote_from_bytes(scope["query_string"], safe=_ASCII).encode()
    return scope | {"headers": headers, "query_string": query, "body": body}


def _threads_for(path: str) -> Any:
    if path.startswith("/sandbox/"):
        return _sandbox
    call: Any = call_find(path)
    if call is None:
        return _http
    endpoint = call.func.endpoint
    return _files if endpoint.takes_files else _quick if endpoint.is_quick else _http


async def _collect(body: IncomingBody, receive: Receive) -> None:
    """Read the whole body, even one that is not kept: a client reads no answer before it has sent everything.

    It stays unfinished if the client has left, took longer than ``BODY_TIMEOUT_S``, or sent chunks that are none.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(BODY_TIMEOUT_S):
            while (message := await receive())["type"] != "http.disconnect":
                body.add(message.pop("body", b""))  # pop: else `message` keeps this part until the next one comes
                if not message.get("more_body"):
                    body.finish()
                    return


if settings.SANDBOX:
    from sandbox.switches import with_switches  # here, because production has no sandbox

    application = with_switches(_application)
else:
    application = _application
