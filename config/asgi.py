"""The one front door: sockets go to Channels, everything else to the WSGI application.

Django's sync views are several times faster under WSGI (docs/adr/0001), so HTTP is handed over in threads.
"""

import os
from collections.abc import Awaitable, Callable
from typing import Any

from a2wsgi import WSGIMiddleware

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.local")

from accounts.socketio.routing import application as socket_application

from config.wsgi import application as wsgi_application

HTTP_THREADS = 8
_http = WSGIMiddleware(wsgi_application, workers=HTTP_THREADS)


async def application(scope: dict[str, Any], receive: Callable, send: Callable) -> None:
    kind, path = scope["type"], scope.get("path", "")
    if kind == "lifespan":
        await _lifespan(receive, send)
    elif kind == "websocket" or path.startswith("/socket.io"):
        await socket_application(scope, receive, send)
    else:
        await _http(scope, _as_coroutine(receive), send)


def _as_coroutine(receive: Callable) -> Callable:
    """Granian's ``receive`` answers a future, and a2wsgi schedules coroutines only: without this no body arrives."""

    async def call() -> dict[str, Any]:
        return await receive()

    return call


async def _lifespan(receive: Callable[[], Awaitable[dict[str, Any]]], send: Callable) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
