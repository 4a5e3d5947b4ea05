"""The one front door: sockets go to Channels, everything else to the WSGI application.

Django's sync views are several times faster under WSGI (docs/adr/0001), so HTTP is handed over in threads.
"""

import os
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote_from_bytes

from a2wsgi import WSGIMiddleware
from django.conf import settings
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.local")

# a2wsgi's own types for WSGI and ASGI are narrower than what Django and Granian hand over.
wsgi_application: Any = get_wsgi_application()  # sets Django up, which the imports below need

from accounts.socketio.routing import application as socket_application  # noqa: E402
from core.middleware import MULTIPART_LIMIT  # noqa: E402

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

# A thread waits while WeChat or the weather provider thinks; so many may wait before others do.
HTTP_THREADS = 32
_ASCII = bytes(range(0x21, 0x7F)).decode()
_http = WSGIMiddleware(wsgi_application, workers=HTTP_THREADS)
# Our own threads wait for the sandbox when it plays an upstream: were all of them waiting, none could answer.
_sandbox = WSGIMiddleware(wsgi_application, workers=8) if settings.SANDBOX else _http


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    kind, path = scope["type"], scope.get("path", "")
    if kind == "lifespan":
        await _lifespan(receive, send)
    elif kind == "websocket" or path.startswith("/socket.io"):
        await socket_application(scope, receive, send)
    else:
        await _serve_http(scope, receive, send)


async def _serve_http(scope: Scope, receive: Receive, send: Send) -> None:
    # The body is read here: a client that sends it slowly must not hold a thread.
    body = await _read_body(receive)
    if body is None:
        return
    first: list[dict[str, Any]] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> dict[str, Any]:
        return first.pop() if first else {"type": "http.disconnect"}

    serve: Any = _sandbox if scope["path"].startswith("/sandbox/") else _http
    await serve(_as_wsgi_expects(scope, len(body)), replay, send)


async def _read_body(receive: Receive) -> bytes | None:
    """Collect the body, one byte beyond the limit at most; None if the client has left."""
    body = bytearray()
    while len(body) <= MULTIPART_LIMIT:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    return bytes(body)


def _as_wsgi_expects(scope: Scope, length: int) -> Scope:
    # `a_b` and `a-b` are one name to WSGI: a client could slip in a header that only a proxy may set.
    headers = [(name, value) for name, value in scope["headers"] if b"_" not in name and name != b"content-length"]
    headers.append((b"content-length", str(length).encode()))
    # curl and old clients send Chinese in the query as it is.
    query = quote_from_bytes(scope["query_string"], safe=_ASCII).encode()
    return scope | {"headers": headers, "query_string": query}


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
