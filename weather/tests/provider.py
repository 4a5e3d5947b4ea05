"""A weather provider of our own: a small HTTP server that answers what a test tells it to."""

import json
import time
from collections.abc import Callable
from contextlib import ExitStack
from copy import deepcopy
from datetime import datetime
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

from core.times import SHANGHAI
from sandbox.weather.provider import city_named, report
from tests.kit import serving

SAMPLE = report(city_named("杭州"), datetime(2025, 4, 18, 14, 50, tzinfo=SHANGHAI)) | {"update_time": "14:35"}
GOOD_SECRET = "good-secret-0123456789"
UNKNOWN_CITY = {"errcode": 100, "errmsg": "城市不存在"}
BAD_ACCOUNT = {"errcode": 100, "errmsg": "appid或appsecret错误"}


def answer_of(city: str, **changes: Any) -> dict[str, Any]:
    return deepcopy(SAMPLE) | {"city": city, "cityEn": ""} | changes


class Provider:
    """``calls`` holds the query of each request; ``behave`` takes the handler and the query and answers."""

    def __init__(self) -> None:
        self.calls: list[dict[str, str]] = []
        self.behave: Callable[[BaseHTTPRequestHandler, dict[str, str]], None] = self.honest
        self.changes: dict[str, Any] = {}
        self._open = ExitStack()
        self.base_url = self._open.enter_context(serving(self._handler()))
        self.stop = self._open.close

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                query = {name: values[-1] for name, values in parse_qs(urlsplit(self.path).query).items()}
                provider.calls.append(query | {"path": urlsplit(self.path).path})
                provider.behave(self, query)

        return Handler

    def honest(self, handler: BaseHTTPRequestHandler, query: dict[str, str]) -> None:
        if query.get("appsecret") != GOOD_SECRET:
            send(handler, BAD_ACCOUNT)
        elif query["city"] in {"火星", "nowhere"}:
            send(handler, UNKNOWN_CITY)
        else:
            send(handler, answer_of(query["city"], **self.changes))

    def says(self, body: Any, status: int = 200, **headers: str) -> None:
        self.behave = lambda handler, _: send(handler, body, status, **headers)


def send(handler: BaseHTTPRequestHandler, body: Any, status: int = 200, **headers: str) -> None:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(raw)))
    handler.end_headers()
    handler.wfile.write(raw)


def hang(handler: BaseHTTPRequestHandler, _: dict[str, str]) -> None:
    time.sleep(8)


def flood(handler: BaseHTTPRequestHandler, _: dict[str, str]) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
    for _ in range(5_000):
        handler.wfile.write(b"[" * 100_000)


def redirect(handler: BaseHTTPRequestHandler, _: dict[str, str]) -> None:
    send(handler, b"", 302, Location="/elsewhere")
