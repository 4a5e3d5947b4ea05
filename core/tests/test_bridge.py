"""What the bridge between the ASGI door and the WSGI application does that ``test_front_door`` does not see."""

import asyncio
import threading
from typing import Any

import pytest

from config.bridge import Bridge, environ
from core.api.bodies import KIB, IncomingBody, memory

SCOPE = {
    "method": "POST",
    "path": "/重庆",
    "http_version": "1.1",
    "query_string": "名=谭&a=%20".encode(),
    "headers": [],
}


@pytest.fixture(autouse=True)
def _bodies_are_forgotten(monkeypatch):
    monkeypatch.setattr(memory, "taken", 0)


def body_of(*parts: bytes) -> IncomingBody:
    body = IncomingBody(limit=10**9)
    for part in parts:
        body.add(part)
    body.finish()
    return body


def answer(application: Any, *, fail_at: int = -1) -> list[dict[str, Any]]:
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        if len(sent) == fail_at:
            raise OSError("the client has left")
        sent.append(message)

    async def run() -> None:
        bridge = Bridge(application, threads=1)
        try:
            await bridge.answer(SCOPE, body_of(), send)
        finally:
            await asyncio.to_thread(bridge.threads.shutdown)

    asyncio.run(run())
    return sent


class Parts:
    """An answer that is made while it is sent."""

    closed = False

    def __iter__(self):
        yield from (b"one", b"", b"two")

    def close(self):
        self.closed = True


def application_of(parts: Any, status: str = "200 OK") -> Any:
    def application(environ, start_response):
        start_response(status, [("Content-Type", "text/plain")])
        return parts

    return application


def test_an_answer_in_one_list_is_one_message():
    assert answer(application_of([b"a", b"b"])) == [
        {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]},
        {"type": "http.response.body", "body": b"ab"},
    ]


def test_a_streamed_answer_is_sent_part_by_part_and_closed():
    parts = Parts()

    start, *bodies = answer(application_of(parts, "206 Partial Content"))

    assert start["status"] == 206
    assert [message["body"] for message in bodies] == [b"one", b"", b"two", b""]
    assert [message.get("more_body", False) for message in bodies] == [True, True, True, False]
    assert parts.closed


@pytest.mark.parametrize("messages", [0, 1, 2])
def test_a_streamed_answer_is_closed_when_the_client_leaves(messages):
    parts = Parts()

    with pytest.raises(OSError, match="left"):
        answer(application_of(parts), fail_at=messages)

    assert parts.closed


def test_an_answer_that_nobody_waits_for_any_more_is_closed():
    parts, is_asked, is_over = Parts(), threading.Event(), threading.Event()

    def application(environ, start_response):
        start_response("200 OK", [])
        is_asked.set()
        is_over.wait(30)
        return parts

    async def run() -> None:
        bridge = Bridge(application, threads=1)
        task = asyncio.create_task(bridge.answer(SCOPE, body_of(), None))
        await asyncio.to_thread(is_asked.wait, 30)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        is_over.set()
        await asyncio.to_thread(bridge.threads.shutdown)

    asyncio.run(run())

    assert parts.closed


class TestEnviron:
    def test_path_query_and_headers_are_as_wsgi_has_them_and_none_can_be_forged(self):
        headers = [
            (b"x-forwarded-for", b"1.1.1.1"), (b"x_forwarded_for", b"6.6.6.6"), (b"x-forwarded-for", b"2.2.2.2"),
            (b"cookie", b"a=1"), (b"cookie", b"b=2"), (b"content-length", b"999"), (b"content-type", b"text/plain"),
        ]  # fmt: skip

        found = environ(SCOPE | {"headers": headers}, body_of(b"abc"))

        assert (found["HTTP_X_FORWARDED_FOR"], found["HTTP_COOKIE"]) == ("1.1.1.1,2.2.2.2", "a=1; b=2")
        assert (found["CONTENT_LENGTH"], found["CONTENT_TYPE"]) == ("3", "text/plain")
        assert found["PATH_INFO"].encode("latin1").decode() == "/重庆"
        assert found["QUERY_STRING"] == "%E5%90%8D=%E8%B0%AD&a=%20"

    def test_a_body_is_read_whole_in_pieces_and_by_line(self):
        parts = (b"", b"x" * 70_000, b"y\nz", b"", b"w" * 70_000)

        assert environ(SCOPE, body_of(*parts))["wsgi.input"].read() == b"".join(parts)
        assert environ(SCOPE, body_of(*parts))["wsgi.input"].readline() == parts[1] + b"y\n"
        file = environ(SCOPE, body_of(*parts))["wsgi.input"]
        assert b"".join(iter(lambda: file.read(999), b"")) == b"".join(parts)
        assert environ(SCOPE, body_of())["wsgi.input"].read() == b""

    def test_a_body_is_kept_in_blocks_that_are_freed_as_they_are_read(self):
        body = body_of(*[b"x" * 40 * KIB] * 3, b"y" * 24 * KIB)

        assert [len(body.take()) for _ in range(4)] == [40 * KIB, 40 * KIB, 64 * KIB, 0]
