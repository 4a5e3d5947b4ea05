"""The real clients, pointed at the stand-in over HTTP, and a merchant's server that hears its notifications."""

import json
import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
import requests
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.db import connections
from wechatpayv3 import WeChatPay as WeChatPayV3
from wechatpayv3 import WeChatPayType
from wechatpy.pay import WeChatPay as WeChatPayV2

from core.times import SHANGHAI
from sandbox.keys import sandbox_settings
from sandbox.models import Trade
from tests.kit import serving

NUMBER = "20261124120000000abcdefghijk"
# One moment for all orders: two orders made in different seconds would not be equal.
EXPIRES = datetime.now(SHANGHAI) + timedelta(hours=2)
ACK_V2 = b"<xml><return_code><![CDATA[SUCCESS]]></return_code><return_msg><![CDATA[OK]]></return_msg></xml>"


@pytest.fixture(scope="session")
def keys():
    return sandbox_settings(Path(settings.STATE_DIR) / "sandbox")


class QuietHandler(WSGIRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture(scope="session")
def _server():
    # pytest-django's live_server empties all tables after each test. This one works inside the test's own
    # transaction, on its connection: a request at a time, and a rollback at the end.
    shared = connections["default"]
    shared.inc_thread_sharing()
    application = get_wsgi_application()
    server = make_server("127.0.0.1", 0, application, handler_class=QuietHandler)

    def serve():
        connections["default"] = shared
        server.serve_forever(poll_interval=0.02)

    thread = threading.Thread(target=serve, daemon=True)
    close = shared.close_if_unusable_or_obsolete
    # The end of a request would close a connection with an open transaction, which is the test's. It may come when
    # the client has its answer and the next test has begun, so this holds for as long as the server runs.
    shared.close_if_unusable_or_obsolete = lambda: None if threading.current_thread() is thread else close()
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    shared.__dict__.pop("close_if_unusable_or_obsolete", None)
    shared.dec_thread_sharing()


@pytest.fixture
def server(_server, db):
    """The project over HTTP: its address."""
    return f"http://127.0.0.1:{_server.server_port}"


@dataclass
class Shop:
    """A merchant's server: ``heard`` holds (path, headers, body); ``answers`` go first, then acknowledgements."""

    url: str = ""
    heard: list[tuple[str, Any, bytes]] = field(default_factory=list)
    answers: list[tuple[int, bytes]] = field(default_factory=list)

    @property
    def v2_url(self):
        return f"{self.url}/pay/payResult"

    @property
    def v3_url(self):
        return f"{self.url}/pay/notify"


@pytest.fixture
def shop():
    shop = Shop()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            shop.heard.append((self.path, self.headers, body))
            status, answer = shop.answers.pop(0) if shop.answers else (200, ACK_V2)
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

    with serving(Handler) as shop.url:
        yield shop


@pytest.fixture
def control(server):
    """POST to the JSON control API; answers the parsed body."""

    def call(name, **body):
        return requests.post(f"{server}/sandbox/control/{name}", json=body, timeout=20).json()

    return call


@pytest.fixture
def v2(server, keys):
    pay = WeChatPayV2(keys["WECHAT_APP_ID"], keys["WECHAT_PAY_API_KEY"], keys["WECHAT_PAY_MCH_ID"], timeout=10)
    pay.API_BASE_URL = f"{server}/sandbox/wxpay/"
    return pay


@pytest.fixture
def v3_client(server, keys):
    """Build a wechatpayv3 client; keywords change its values."""

    def make(**changes):
        values = {
            "public_key": Path(keys["WECHAT_PAY_PUBLIC_KEY_FILE"]).read_text(),
            "public_key_id": keys["WECHAT_PAY_PUBLIC_KEY_ID"],
            "wechatpay_type": WeChatPayType.NATIVE,
            "mchid": keys["WECHAT_PAY_MCH_ID"],
            "private_key": Path(keys["WECHAT_PAY_PRIVATE_KEY_FILE"]).read_text(),
            "cert_serial_no": keys["WECHAT_PAY_CERT_SERIAL"],
            "apiv3_key": keys["WECHAT_PAY_V3_KEY"],
            "appid": keys["WECHAT_APP_ID"],
            "timeout": 10,
        }
        client = WeChatPayV3(**(values | changes))
        client._core._gate_way = f"{server}/sandbox/wxpay"
        return client

    return make


@pytest.fixture
def v3(v3_client):
    return v3_client()


@pytest.fixture
def order_v2(v2, shop):
    """Place a v2 order of 12.34 yuan; keywords change what is asked for."""

    def place(out_trade_no=NUMBER, **changes):
        fields = {
            "trade_type": "NATIVE",
            "body": "耐克跑鞋 & <特价>",
            "total_fee": 1234,
            "notify_url": shop.v2_url,
            "client_ip": "127.0.0.1",
            "out_trade_no": out_trade_no,
            "product_id": "p1",
            "attach": "a<b&c",
            "time_start": EXPIRES - timedelta(hours=2),
            "time_expire": EXPIRES,
        }
        return v2.order.create(**(fields | changes))

    return place


@pytest.fixture
def paid(order_v2, control):
    """Place an order and pay it; keywords change what is asked for."""

    def pay(out_trade_no=NUMBER, **changes):
        order_v2(out_trade_no, **changes)
        answer = control("pay", out_trade_no=out_trade_no)
        assert (answer["trade_state"], answer["total_fee"]) == ("SUCCESS", 1234)
        return Trade.objects.get(out_trade_no=out_trade_no)

    return pay


@pytest.fixture
def give_back(v3, shop):
    """Ask for a refund of an order; answers status and fields."""

    def ask(number="R1", fen=1234, *, of=NUMBER, client=v3, **more):
        amount = {"refund": fen, "total": 1234, "currency": "CNY"}
        transaction_id = Trade.objects.get(out_trade_no=of).transaction_id or "4200000"
        facts = {"transaction_id": transaction_id, "notify_url": shop.v3_url} | more
        status, text = client.refund(number, amount, **facts)
        return status, json.loads(text)

    return ask
