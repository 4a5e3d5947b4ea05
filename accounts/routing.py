"""Route socket requests to their consumers. Imports no models, since it is imported before Django is set up."""

from collections.abc import Callable
from typing import Any

from accounts.services import scan_codes
from sockets.consumers import EngineConsumer, PlainConsumer
from sockets.polling import PollingConsumer

ENGINE_PATH, PLAIN_PATH = "/socket.io", "/ws/login"

_engine = EngineConsumer.as_asgi(greeting=scan_codes.greeting)
_plain = PlainConsumer.as_asgi(greeting=scan_codes.greeting)
_polling = PollingConsumer.as_asgi(greeting=scan_codes.greeting)


async def application(scope: dict[str, Any], receive: Callable[..., Any], send: Callable[..., Any]) -> None:
    """Serve WebSockets, and HTTP below ``/socket.io``."""
    path = scope["path"].rstrip("/")
    if scope["type"] == "http":
        await _polling(scope, receive, send)
    elif path == ENGINE_PATH:
        await _engine(scope, receive, send)
    elif path.lower() == PLAIN_PATH:
        await _plain(scope, receive, send)
    else:
        await receive()
        await send({"type": "websocket.close"})
