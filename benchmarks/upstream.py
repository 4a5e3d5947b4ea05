"""What a WeChat Pay that swallows every request does to all other requests, and to the orders that do not need it.

    python -m benchmarks.upstream        # two minutes

Starts a stack (``manage.py up``) in a temporary directory, and a web server as its unit in ``deploy/systemd`` has it,
which is what is asked. WeChat Pay is the strict stand-in of the tests. A payer who gets 503 comes back after
``Retry-After``, one whose order was closed makes another. Readers are processes of their own.
"""

import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from benchmarks import chaos, kit
from payments.tests.fake_wechat import WeChat

PAYERS, READERS = 200, 2
SECONDS = 20.0
TTL_S = 30
HANGING = OTHERS = 12


class Provider(WeChat):
    is_silent = False

    def next_fault(self, operation: str) -> tuple[Any, ...]:
        return ("swallow",) if self.is_silent else super().next_fault(operation)


def order(port: int, token: str, product_id: str) -> str:
    return kit.ask(port, "POST", "/pay/pre_order", {"product_id": product_id}, token=token)[1]["order_id"]


def read_list(port: int, token: str, seconds: float) -> list[float]:
    """Read the students' list again and again; answer how long each took."""
    tally, ends = kit.Tally(), time.monotonic() + seconds
    while time.monotonic() < ends:
        kit.ask(port, "GET", "/students/getstulist?page=1&count=20", tally=tally, token=token)
    assert set(tally.answers) == {"200"}, tally
    return tally.seconds


def list_seconds(readers: Executor, port: int, token: str, seconds: float) -> list[float]:
    jobs = [readers.submit(read_list, port, token, seconds) for _ in range(READERS)]
    return [spent for job in jobs for spent in job.result()]


@contextmanager
def payers(port: int, token: str, product_id: str) -> Iterator[kit.Tally]:
    """200 people pay, all at once, and go on trying until the block is left."""
    tally, leave, ready = kit.Tally(), threading.Event(), threading.Barrier(PAYERS + 1)

    def pay() -> None:
        order_id = order(port, token, product_id)
        ready.wait()
        while not leave.is_set():
            payment = {"order_id": order_id}
            status, _, retry_after = kit.ask(port, "POST", "/pay/payment", payment, tally=tally, token=token)
            if status == "200":
                order_id = order(port, token, product_id)
            leave.wait(float(retry_after or 1))

    people = [threading.Thread(target=pay) for _ in range(PAYERS)]
    for person in people:
        person.start()
    ready.wait()
    try:
        yield tally
    finally:
        leave.set()
        for person in people:
            person.join()


def p95(took: list[float]) -> float:
    return statistics.quantiles(took, n=20)[-1]


def site(provider: Provider, readers: Executor, port: int, token: str, product_id: str) -> None:
    list_seconds(readers, port, token, 3)
    usual = list_seconds(readers, port, token, SECONDS / 2)
    provider.lets_go.clear()
    provider.is_silent = True
    with payers(port, token, product_id) as tally:
        during = list_seconds(readers, port, token, SECONDS)
    provider.is_silent = False
    provider.lets_go.set()
    usual += list_seconds(readers, port, token, SECONDS / 2)
    kit.show("students' list alone: requests, p95, slowest", f"{len(usual)}, {p95(usual):.3f} s, {max(usual):.2f} s")
    figures = f"{len(during)}, {p95(during):.3f} s, {max(during):.2f} s"
    kit.show(f"  while {PAYERS} pay and WeChat Pay swallows everything", figures)
    kit.show("  p95, ratio (wanted: at most 2)", f"{p95(during) / p95(usual):.1f}")
    kit.show("payments: answers", str(tally))
    kit.show("  slowest (wanted: at most 8 s)", f"{max(tally.seconds):.1f} s")


def closings(provider: Provider, port: int, token: str, product_id: str) -> None:
    """Of 24 orders with a started payment, WeChat Pay hangs for the first 12 questions."""

    def stock() -> int:
        rows = kit.ask(port, "GET", "/product/get_product?count=1000", token=token)[1]["data"]
        return next(row["inventory"] for row in rows if row["product_id"] == product_id)

    full, due = stock(), []
    for _ in range(HANGING + OTHERS):
        order_id = order(port, token, product_id)
        body = kit.ask(port, "POST", "/pay/payment", {"order_id": order_id}, token=token)[1]
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
    kit.show(
        f"WeChat Pay hangs for {HANGING} orders: of {OTHERS} others closed, the last after (wanted: at most 10 s)",
        f"{len(late)}, {max(late, default=float('inf')):.1f} s",
    )


def product(stack: chaos.Stack, token: str) -> str:
    category = stack.ask("GET", "/category/getCategory", token=token)[1]["data"][0]["category_id"]
    fields = {"productName": "可乐", "price": 3, "description": "-", "inventory": 1_000_000}
    fields |= {"category_id": category, "imageUrl": "https://a.example/a.png"}
    return stack.ask("POST", "/product/add_product", fields, token)[1]["product_id"]


def main() -> None:
    kit.parser(__doc__).parse_args()
    provider = Provider()
    with tempfile.TemporaryDirectory(prefix="upstream-") as home:
        more = provider.merchant(Path(home)) | {"ORDER_TTL": f"{TTL_S}s", "DEMO_DATA": "1"}
        with chaos.Stack(Path(home), **more) as stack, kit.deployed_web(stack.environ) as (port, _):
            token = stack.ask("POST", "/users/login", {"username": "lbw", "password": "555"})[1]["token"]
            closings(provider, port, token, product(stack, token))
            with ProcessPoolExecutor(READERS, mp_context=get_context("spawn")) as readers:
                site(provider, readers, port, token, product(stack, token))


if __name__ == "__main__":
    main()
