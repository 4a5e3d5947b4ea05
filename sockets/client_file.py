"""Serve ``/socket.io/socket.io.js``, as socket.io's own server does: pages without a build step load it there."""

from collections.abc import Callable
from functools import cache
from typing import Any

from django.conf import settings

VERSION = "2.3.0"


@cache
def _script() -> bytes:
    return (settings.BASE_DIR / f"static/vendor/socket.io-client-{VERSION}/socket.io.slim.js").read_bytes()


async def serve_client(scope: dict[str, Any], receive: Callable[..., Any], send: Callable[..., Any]) -> None:
    headers = [
        (b"content-type", b"application/javascript; charset=utf-8"),
        (b"content-length", str(len(_script())).encode()),
        (b"cache-control", b"public, max-age=86400"),
        (b"etag", f'"{VERSION}"'.encode()),
        (b"x-content-type-options", b"nosniff"),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else _script()})
