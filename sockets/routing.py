"""Route socket requests to their consumers. Imports no models, since it is imported before Django is set up."""

from typing import Any

from sockets.consumers import EngineConsumer, PlainConsumer, Receive, Send
from sockets.polling import PollingConsumer

ENGINE_PATH, PLAIN_PATH = "/socket.io", "/ws/login"

_engine, _plain, _polling = EngineConsumer.as_asgi(), PlainConsumer.as_asgi(), PollingConsumer.as_asgi()


async def application(scope: dict[str, Any], receive: Receive, send: Send) -> None:
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
