"""A small ASGI client: drives the socket application inside the test's own event loop."""

import asyncio
import json
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from sockets import sessions
from sockets.routing import application

PATIENCE_S = 5.0
CLIENT = ("10.0.0.7", 40_000)
GREETING = '42["connectSuccess",{"state":true,"status":200,"sid":"%s","msg":"连接成功"}]'


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    def json(self) -> Any:
        return json.loads(self.body)


async def request(
    method: str = "GET",
    body: bytes = b"",
    *,
    headers: dict[str, str] | None = None,
    chunks: list[bytes] | None = None,
    leaves_after: float | None = None,
    path: str = "/socket.io/",
    **query: str,
) -> Answer | None:
    """One HTTP request; None if the server gave no answer because the client left."""
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "client": CLIENT,
        "query_string": urlencode(query).encode(),
        "headers": [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()],
    }
    parts = chunks if chunks is not None else [body]
    waiting = [
        {"type": "http.request", "body": part, "more_body": number < len(parts)} for number, part in enumerate(parts, 1)
    ]
    calls: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        if waiting:
            return waiting.pop(0)
        await asyncio.sleep(leaves_after if leaves_after is not None else 3600)
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        calls.append(message)

    async with asyncio.timeout(60):
        await application(scope, receive, send)
    if not calls:
        return None
    start, end = calls
    return Answer(start["status"], {k.decode(): v.decode() for k, v in start["headers"]}, end["body"])


@dataclass
class Client:
    """A polling client of Engine.IO ``version``."""

    version: str
    sid: str = ""
    origin: str = ""
    number: int = 0

    @property
    def query(self) -> dict[str, str]:
        self.number += 1
        common = {"EIO": self.version, "transport": "polling", "t": str(self.number)}
        return common | ({"sid": self.sid} if self.sid else {})

    async def connect(self) -> str:
        """Shake hands and join ``/``; answers what came up to and with the greeting."""
        answer = await request(**self.query)
        assert answer and answer.status == 200, answer
        self.sid = json.loads(answer.text[answer.text.index("{") : answer.text.index("}") + 1])["sid"]
        if self.version == "3":
            return answer.text
        reply = await self.post("40")
        assert reply.text == "ok"
        return (await self.poll()).text

    async def poll(self, **more: Any) -> Answer:
        answer = await request(**(self.query | more))
        assert answer is not None
        return answer

    async def post(self, body: str | bytes, **headers: str) -> Answer:
        content = body.encode() if isinstance(body, str) else body
        kind = {"content-type": "text/plain;charset=UTF-8"}
        answer = await request("POST", content, headers=kind | headers, **self.query)
        assert answer is not None
        return answer


class WebSocket:
    """A WebSocket client; use it with ``async with``."""

    def __init__(self, path: str = "/socket.io/", headers: dict[str, str] | None = None, **query: str) -> None:
        self.scope = {
            "type": "websocket",
            "path": path,
            "client": CLIENT,
            "query_string": urlencode(query).encode(),
            "headers": [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()],
        }
        self._out: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._in: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.is_deaf = False

    async def __aenter__(self) -> "WebSocket":
        self._out.put_nowait({"type": "websocket.connect"})
        self.task = asyncio.create_task(application(self.scope, self._out.get, self._hear))
        self.first = await self.event()
        return self

    async def __aexit__(self, *args: object) -> None:
        self._out.put_nowait({"type": "websocket.disconnect", "code": 1005})
        await asyncio.wait_for(self.task, PATIENCE_S)

    async def _hear(self, message: dict[str, Any]) -> None:
        if self.is_deaf:
            await asyncio.sleep(3600)
        self._in.put_nowait(message)

    async def event(self) -> dict[str, Any]:
        return await asyncio.wait_for(self._in.get(), PATIENCE_S)

    async def text(self) -> str:
        return (await self.event())["text"]

    def send(self, data: str | bytes) -> None:
        message: dict[str, Any] = {"type": "websocket.receive", "text": None, "bytes": None}
        self._out.put_nowait(message | {"text" if isinstance(data, str) else "bytes": data})


def emit(sid: str, data: Any = "x") -> Awaitable[bool]:
    return asyncio.to_thread(sessions.emit, sid, "news", data)


async def in_another_process(work: Any) -> Any:
    """Run the coroutine function ``work`` on an event loop of its own, with a hub of its own."""
    return await asyncio.to_thread(lambda: asyncio.run(work()))
