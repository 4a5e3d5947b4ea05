"""The ASGI application: sends sockets to Channels and every other request to the WSGI application.

Django's sync views are several times faster under WSGI (docs/adr/0001), so HTTP requests run there, in threads.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.local")

from config.wsgi import application as wsgi_application

# isort: split
from accounts.routing import application as socket_application
from config.bridge import Bridge
from core.api.bodies import BODY_TIMEOUT_S, IncomingBody, body_limit
from core.api.routing import call_find
from uploads.decoder import HEAVY_THREADS, LIGHT_THREADS

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

# A request that waits for WeChat or the weather provider holds its thread; with all of them held, others would wait.
HTTP_THREADS = 32
_http = Bridge(wsgi_application, threads=HTTP_THREADS)
# Threads of one process take turns. With many of them a short call is interrupted again and again, so calls that wait
# for no other server have four of their own (docs/adr/0001).
_quick = Bridge(wsgi_application, threads=4)
# Pictures wait for a decoder for seconds: as many threads as may do so, and none of those that others need.
_files = Bridge(wsgi_application, threads=LIGHT_THREADS + HEAVY_THREADS)
# The sandbox has threads of its own: if all 32 waited for it as an upstream, none would be left to answer them.
_sandbox = Bridge(wsgi_application, threads=8) if settings.SANDBOX else _http


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
        if await _has_come(body, receive):
            await _bridge_to(scope["path"]).answer(scope, body, send)
    finally:
        body.end()


def _bridge_to(path: str) -> Bridge:
    if path.startswith("/sandbox/"):
        return _sandbox
    call: Any = call_find(path)
    if call is None:
        return _http
    endpoint = call.func.endpoint
    return _files if endpoint.takes_files else _quick if endpoint.is_quick else _http


async def _has_come(body: IncomingBody, receive: Receive) -> bool:
    """Read the whole body, even one that is not kept: a client reads no answer before it has sent everything.

    False if the client has disconnected or took longer than ``BODY_TIMEOUT_S``.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(BODY_TIMEOUT_S):
            while (message := await receive())["type"] != "http.disconnect":
                body.add(message.pop("body", b""))  # pop: else `message` keeps this part until the next one comes
                if not message.get("more_body"):
                    body.finish()
                    return True
    return False


if settings.SANDBOX:
    from sandbox.switches import with_switches  # here, because production has no sandbox

    application = with_switches(_application)
else:
    application = _application
