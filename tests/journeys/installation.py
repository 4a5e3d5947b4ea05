"""A whole installation with engines of its own, as `make up` runs it."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from tests.engines import migrated_home
from tests.processes import Service, plain_environ, until

_SHELL = """
import json, sys, django
django.setup()
for line in sys.stdin:
    exec(json.loads(line), {})
    print("done", flush=True)
"""


@contextmanager
def installation(home: Path, port: int, **environment: str) -> Iterator[str]:
    """Start one below ``home``, answer its address once it is ready, stop it at the end."""
    if kept := migrated_home():
        shutil.copytree(kept, home, symlinks=True, dirs_exist_ok=True)
    base = f"http://127.0.0.1:{port}"
    places = {"STATE_DIR": str(home), "MEDIA_ROOT": str(home / "media"), "PORT": str(port)}
    up = Service([sys.executable, "manage.py", "up"], plain_environ(**places, **environment), home / "up.log")
    try:
        up.wait_until(lambda: requests.get(base + "/health/ready", timeout=5).ok)
        yield base
    finally:
        up.process.terminate()
        up.process.wait(30)


@contextmanager
def shell(home: Path) -> Iterator[Callable[[str], None]]:
    """Run code in the Django of the installation below ``home``. One process, because each takes a second to start."""
    environment = plain_environ(STATE_DIR=str(home), DJANGO_SETTINGS_MODULE="config.settings.local")
    command, pipe = [sys.executable, "-c", _SHELL], subprocess.PIPE
    with subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, text=True) as process:

        def run(code: str) -> None:
            assert process.stdin and process.stdout
            print(json.dumps(code), file=process.stdin, flush=True)
            assert process.stdout.readline() == "done\n", "it failed; see its traceback"

        yield run


class Caller:
    """The API as the front end of a user calls it; without a name, the demo account's."""

    def __init__(self, base: str, username: str = "lbw", password: str = "555") -> None:
        self.base, self.headers = base, dict[str, str]()
        self.headers["authorization"] = self("/users/login", {"username": username, "password": password})["token"]

    def __call__(self, path: str, data: Any = None, **query: Any) -> Any:
        """GET, or POST where there is something to send."""
        method = "GET" if data is None else "POST"
        answer = requests.request(method, self.base + path, json=data, params=query, headers=self.headers, timeout=30)
        return answer.json()

    def order(self, number: str) -> Any:
        return self("/order/get_order", {"order_id": number})["data"]

    def begin(self, **where: Any) -> tuple[str, str]:
        """Order two of the newest product; return the order's number, and what its QR code holds."""
        product = self("/product/get_product", count=1)["data"][0]["product_id"]
        number = self("/pay/pre_order", {"product_id": product, "quantity": 2, **where})["order_id"]
        return number, self("/pay/payment", {"order_id": number})["code_url"]

    def buy(self, **where: Any) -> str:
        """Order something, pay it on the stand-in's phone, answer its number."""
        number, _ = self.begin(**where)
        self("/sandbox/control/pay", {"out_trade_no": number, "deliver": True})
        assert until(lambda: self("/order/query_order_status", order_id=number)["msg"] == "支付成功", 30)
        return number
