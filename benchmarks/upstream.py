"""What a WeChat Pay that swallows every request does to all other requests.

    python -m benchmarks.upstream [--seconds 20]        # of each of two parts; a minute

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


class Provider(WeChat):
    """Takes every request, and answers none of them while ``answers`` is not set."""

    def __init__(self) -> None:
        self.answers = threading.Event()
        self.answers.set()
        super().__init__()

    def next_fault(self, operation: str) -> tuple[Any, ...]:
        self.answers.wait()
        return super().next_fault(operation)


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
    """Let 200 people pay, all at once; they go on trying until the block is left."""
    tally, ready = kit.Tally(), threading.Barrier(PAYERS + 1)

    def pay(is_over: threading.Event) -> None:
        order_id = order(port, token, product_id)
        ready.wait()
        while not is_over.is_set():
            payment = {"order_id": order_id}
            status, _, retry_after = kit.ask(port, "POST", "/pay/payment", payment, tally=tally, token=token)
            if status == "200":
                order_id = order(port, token, product_id)
            is_over.wait(float(retry_after or 1))

    with kit.crowd([pay] * PAYERS):
        ready.wait()
        yield tally


def p95(took: list[float]) -> float:
    return statistics.quantiles(took, n=20)[-1]


def site(provider: Provider, readers: Executor, port: int, token: str, product_id: str, seconds: float) -> None:
    list_seconds(readers, port, token, 3)
    usual = list_seconds(readers, port, token, seconds / 2)
    provider.answers.clear()
    with payers(port, token, product_id) as tally:
        during = list_seconds(readers, port, token, seconds)
    provider.answers.set()
    usual += list_seconds(readers, port, token, seconds / 2)
    kit.show("students' list alone: requests, p95, slowest", f"{len(usual)}, {p95(usual):.3f} s, {max(usual):.2f} s")
    figures = f"{len(during)}, {p95(during):.3f} s, {max(during):.2f} s"
    kit.show(f"  while {PAYERS} pay and WeChat Pay swallows everything", figures)
    kit.show("  p95, ratio (wanted: at most 2)", f"{p95(during) / p95(usual):.1f}")
    kit.show("payments: answers", str(tally))
    kit.show("  slowest (wanted: at most 8 s)", f"{max(tally.seconds):.1f} s")


def product(stack: chaos.Stack, token: str) -> str:
    category = stack.ask("GET", "/category/getCategory", token=token)[1]["data"][0]["category_id"]
    fields = {"productName": "可乐", "price": 3, "description": "-", "inventory": 1_000_000}
    fields |= {"category_id": category, "imageUrl": "https://a.example/a.png"}
    return stack.ask("POST", "/product/add_product", fields, token)[1]["product_id"]


def main() -> None:
    parser = kit.parser(__doc__)
    parser.add_argument("--seconds", type=float, default=20, help="of each part (default: 20)")
    seconds = parser.parse_args().seconds
    provider = Provider()
    with tempfile.TemporaryDirectory(prefix="upstream-") as home:
        more = provider.merchant(Path(home)) | {"ORDER_TTL": "30m", "DEMO_DATA": "1"}
        with (
            chaos.Stack(Path(home), **more) as stack,
            kit.deployed_web(stack.environ) as (port, _),
            ProcessPoolExecutor(READERS, mp_context=get_context("spawn")) as readers,
        ):
            token = stack.ask("POST", "/users/login", {"username": "lbw", "password": "555"})[1]["token"]
            site(provider, readers, port, token, product(stack, token), seconds)


if __name__ == "__main__":
    main()
