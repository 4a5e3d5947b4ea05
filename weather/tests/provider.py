"""A weather provider of our own: a small HTTP server that answers what a test tells it to."""

import json
import time
from collections.abc import Callable
from copy import deepcopy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

SAMPLE: dict[str, Any] = {
    "cityid": "101210101", "date": "2025-04-18", "week": "星期五", "update_time": "14:35", "city": "杭州",
    "cityEn": "hangzhou", "country": "中国", "countryEn": "China", "wea": "多云", "wea_img": "yun", "tem": "22",
    "tem1": "27", "tem2": "15", "win": "东南风", "win_speed": "2级", "win_meter": "9km/h", "humidity": "58%",
    "visibility": "14km", "pressure": "1009", "air": "46", "air_pm25": "46", "air_level": "优",
    "air_tips": "空气很好，可以外出活动，呼吸新鲜空气！",
    "alarm": {"alarm_type": "", "alarm_level": "", "alarm_content": ""},
    "aqi": {
        "update_time": "14:00", "air": "46", "air_level": "优", "air_tips": "空气很好。", "pm25": "23",
        "pm25_desc": "优", "pm10": "46", "pm10_desc": "优", "o3": "88", "o3_desc": "优", "no2": "19",
        "no2_desc": "优", "so2": "6", "so2_desc": "优", "co": "0.6", "co_desc": "优", "kouzhao": "不用佩戴口罩",
        "yundong": "适宜运动", "waichu": "适宜外出", "kaichuang": "适宜开窗", "jinghuaqi": "不需要打开",
    },
}  # fmt: skip
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
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                query = {name: values[-1] for name, values in parse_qs(urlsplit(self.path).query).items()}
                provider.calls.append(query | {"path": urlsplit(self.path).path})
                try:
                    provider.behave(self, query)
                except OSError:
                    pass  # the caller has given up

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.thread.start()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()

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
