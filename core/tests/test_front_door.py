"""What reaches the API through the ASGI door that `make up` and the container use."""

import asyncio
import json
from typing import Any

import pytest

from config.asgi import application

pytestmark = pytest.mark.django_db


def call(
    method: str, path: str, *, query: bytes = b"", kind: bytes = b"application/json", chunks: tuple[bytes, ...] = (b"",)
):
    async def run() -> tuple[int, dict[str, Any]]:
        waiting, sent = list(chunks), []

        async def receive() -> dict[str, Any]:
            chunk = waiting.pop(0)
            return {"type": "http.request", "body": chunk, "more_body": bool(waiting)}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        headers = [(b"host", b"testserver"), (b"content-type", kind), (b"x_forwarded_for", b"6.6.6.6")]
        scope = {
            "type": "http", "http_version": "1.1", "method": method, "path": path, "raw_path": path.encode(),
            "query_string": query, "headers": headers, "scheme": "http", "client": ("127.0.0.1", 1),
            "server": ("x", 80),
        }  # fmt: skip
        await application(scope, receive, send)
        return sent[0]["status"], json.loads(b"".join(m.get("body", b"") for m in sent[1:]))

    return asyncio.run(run())


def test_a_body_in_pieces_is_one_body():
    status, body = call("POST", "/users/login", chunks=(b'{"username": ', b'"li"}'))

    assert (status, body["msg"]) == (200, "没有传递用户名或者密码")


def test_raw_chinese_in_the_query_is_read():
    status, body = call("GET", "/users/verifyCaptcha", query="captcha=重庆".encode())

    assert (status, body["msg"]) == (200, "验证码错误")


@pytest.mark.parametrize("charset", [b"charset=hex", b"charset =hex", b"charset*=utf-8''hex", b"charset=idna"])
def test_an_odd_charset_gets_the_envelope(charset):
    status, body = call("GET", "/nowhere", query=b"x=1", kind=b"application/json; " + charset)

    assert (status, body["msg"]) == (404, "接口地址错误")


def test_a_body_beyond_the_limit_is_refused_and_not_kept():
    status, body = call("POST", "/users/login", chunks=(b"x" * 900_000,) * 4)

    assert (status, body["status"]) == (413, 413)


def test_only_the_socket_path_goes_to_the_sockets():
    status, body = call("GET", "/socket.iox")

    assert (status, body["msg"]) == (404, "接口地址错误")
