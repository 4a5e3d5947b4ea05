"""What a WeChat Pay that swallows every request does to all other requests, and to the orders that do not need it.

    python benchmarks/upstream.py
    python benchmarks/upstream.py --root ../older-checkout      # the same for another version of the code

Starts a stack (``manage.py up``) in a temporary directory, and a web server as ``deploy/`` has it (Granian, 2
workers of 16 threads), which is what is asked. WeChat Pay is the strict stand-in of the tests. A payer who gets 503
comes back after ``Retry-After``, one whose order was closed makes another. Readers are processes of their own.
"""

import argparse
import http.client
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import chaos

sys.path.insert(0, str(chaos.ROOT))
from operations import units
from payments.tests.fake_wechat import WeChat

PAYERS, READERS = 200, 2
SECONDS = 20.0
TTL_S = 30
HANGING = OTHERS = 12


class Provider(WeChat):
    is_silent = False

    def next_fault(self, operation: str) -> tuple[Any, ...]:
        return ("swallow",) if self.is_silent else super().next_fault(operation)


class Client:
    """One person's connection."""

    def __init__(self, port: int, token: str = "") -> None:
        self.token = token
        self.http = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def ask(self, method: str, path: str, data: Any = None) -> tuple[int, dict[str, Any], float, str]:
        """Answer HTTP status, body, seconds and ``Retry-After``."""
        start = time.monotonic()
        headers = {"authorization": self.token, "content-type": "application/json"}
        self.http.request(method, path, json.dumps(data) if data else None, headers)
        answer = self.http.getresponse()
        raw = answer.read()
        return answer.status, json.loads(raw), time.monotonic() - start, answer.headers.get("Retry-After", "")


@contextmanager
def deployed(stack: chaos.Stack, port: int) -> Iterator[None]:
    """The web server as it is deployed, on the engines of ``stack``."""
    argv = units.command("web", "--port", str(port))
    with (stack.home / "granian.log").open("wb") as log:
        server = subprocess.Popen(argv, cwd=chaos.ROOT, env=stack.env, stdout=log, stderr=log)
    try:
        until = time.monotonic() + chaos.READY_TIMEOUT_S
        while True:
            try:
                Client(port).ask("GET", "/health/ready")
                break
            except (OSError, ValueError):
                if time.monotonic() > until:
                    raise SystemExit((stack.home / "granian.log").read_text()) from None
                time.sleep(0.2)
        yield
    finally:
        server.terminate()
        server.wait(30)


def order(client: Client, product_id: str) -> str:
    return client.ask("POST", "/pay/pre_order", {"product_id": product_id})[1]["order_id"]


def read_list(port: int, token: str, seconds: float) -> list[float]:
    """Read the students' list again and again; answer how long each took."""
    client, ends, took = Client(port, token), time.monotonic() + seconds, []
    while time.monotonic() < ends:
        status, _, spent, _ = client.ask("GET", "/students/getstulist?page=1&count=20")
        assert status == 200, status
        took.append(spent)
    return took


def list_seconds(readers: Executor, port: int, token: str, seconds: float) -> list[float]:
    jobs = [readers.submit(read_list, port, token, seconds) for _ in range(READERS)]
    return [spent for job in jobs for spent in job.result()]


@contextmanager
def payers(port: int, token: str, product_id: str) -> Iterator[list[tuple[str, float]]]:
    """200 people pay, all at once, and go on trying until the block is left."""
    answers: list[tuple[str, float]] = []
    leave, ready = threading.Event(), threading.Barrier(PAYERS + 1)

    def pay() -> None:
        client = Client(port, token)
        order_id = order(client, product_id)
        ready.wait()
        while not leave.is_set():
            status, body, spent, retry_after = client.ask("POST", "/pay/payment", {"order_id": order_id})
            answers.append((str(status if status != 200 else body["status"]), spent))
            if status == 200:
                order_id = order(client, product_id)
            leave.wait(float(retry_after or 1))

    people = [threading.Thread(target=pay) for _ in range(PAYERS)]
    for person in people:
        person.start()
    ready.wait()
    try:
        yield answers
    finally:
        leave.set()
        for person in people:
            person.join()


def p95(took: list[float]) -> float:
    return statistics.quantiles(took, n=20)[-1]


def site(provider: Provider, port: int, token: str, product_id: str) -> None:
    with ProcessPoolExecutor(READERS, mp_context=get_context("spawn")) as readers:
        _site(provider, readers, port, token, product_id)


def _site(provider: Provider, readers: Executor, port: int, token: str, product_id: str) -> None:
    list_seconds(readers, port, token, 3)
    usual = list_seconds(readers, port, token, SECONDS / 2)
    provider.lets_go.clear()
    provider.is_silent = True
    with payers(port, token, product_id) as answers:
        during = list_seconds(readers, port, token, SECONDS)
    provider.is_silent = False
    provider.lets_go.set()
    usual += list_seconds(readers, port, token, SECONDS / 2)
    statuses = Counter(status for status, _ in answers)
    show("students' list alone: requests, p95, slowest", f"{len(usual)}, {p95(usual):.3f} s, {max(usual):.2f} s")
    show(
        f"  while {PAYERS} pay and WeChat Pay swallows everything",
        f"{len(during)}, {p95(during):.3f} s, {max(during):.2f} s",
    )
    show("  p95, ratio (wanted: at most 2)", f"{p95(during) / p95(usual):.1f}")
    show("payments: answers", ", ".join(f"{n} x {status}" for status, n in sorted(statuses.items())))
    show("  slowest (wanted: at most 8 s)", f"{max(spent for _, spent in answers):.1f} s")


def closings(provider: Provider, port: int, token: str, product_id: str) -> None:
    """Of 24 orders with a started payment, WeChat Pay hangs for the first 12 questions."""
    client = Client(port, token)

    def stock() -> int:
        rows = client.ask("GET", "/product/get_product?count=1000")[1]["data"]
        return next(row["inventory"] for row in rows if row["product_id"] == product_id)

    full, due = stock(), []
    for _ in range(HANGING + OTHERS):
        order_id = order(client, product_id)
        body = client.ask("POST", "/pay/payment", {"order_id": order_id})[1]
        assert body["msg"] == "OK", body
        due.append(time.monotonic() + TTL_S)
    provider.lets_go.clear()
    provider.faults = [("query", "swallow")] * HANGING
    back: list[float] = []
    while len(back) < OTHERS and time.monotonic() < due[-1] + 60:
        time.sleep(0.2)
        back += [time.monotonic()] * (stock() - (full - len(due)) - len(back))
    late = [closed - was_due for closed, was_due in zip(back, due[HANGING:], strict=False)]
    provider.lets_go.set()
    show(
        f"WeChat Pay hangs for {HANGING} orders: of {OTHERS} others closed, the last after (wanted: at most 10 s)",
        f"{len(late)}, {max(late, default=float('inf')):.1f} s",
    )


def product(stack: chaos.Stack, token: str) -> str:
    category = stack.ask("GET", "/category/getCategory", token=token)[1]["data"][0]["category_id"]
    fields = {
        "category_id": category,
        "productName": "可乐",
        "price": 3,
        "description": "-",
        "inventory": 1_000_000,
        "imageUrl": "https://a.example/a.png",
    }
    return stack.ask("POST", "/product/add_product", fields, token)[1]["product_id"]


def show(what: str, value: str) -> None:
    print(f"{what:95} {value}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=chaos.ROOT, help="the checkout to measure (default: this one)")
    parser.add_argument("--port", type=int, default=8481)
    options = parser.parse_args()
    chaos.ROOT = options.root.resolve()
    provider = Provider()
    with tempfile.TemporaryDirectory(prefix="upstream-") as home:
        stack = chaos.Stack(Path(home), options.port)
        stack.env |= provider.merchant(Path(home)) | {"ORDER_TTL": f"{TTL_S}s"}
        with stack, deployed(stack, options.port + 1):
            token = stack.ask("POST", "/users/login", {"username": "lbw", "password": "555"})[1]["token"]
            closings(provider, options.port + 1, token, product(stack, token))
            site(provider, options.port + 1, token, product(stack, token))


if __name__ == "__main__":
    sys.exit(main())
