"""Orders and payments while processes are killed: afterwards every piece and every fen must be where it belongs.

    python -m benchmarks.chaos --orders 500
    python -m benchmarks.chaos --orders 16 --each-once  # short: of each kind of process one dies

Starts a whole stack of its own (``manage.py up``: engines, web, worker, beat, sandbox as WeChat Pay) in a temporary
directory, lets buyers order, pay, cancel and return over HTTP, and meanwhile kills (-9) web, worker, beat, Valkey and
PostgreSQL at random. Then it waits until all is settled and counts.
"""

import json
import os
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple, Self
from urllib.parse import urlencode

import psutil

from benchmarks import kit
from tests.kit import free_ports
from tests.processes import Service, family, plain_environ

ORDER_TTL_S = 5
BUYERS, AT_ONCE = 12, 16
SETTLE_TIMEOUT_S = 150
# What marks a process of the stack in its command line.
VICTIMS = {
    "web": ("operations.web",),
    "worker": ("celery", " worker "),
    "beat": ("celery", " beat "),
    "valkey": ("valkey-server",),
    "postgres": ("postgres",),
}


class Stack(Service):
    """``manage.py up`` in a directory of its own; the block begins when it answers."""

    def __init__(self, home: Path, **environ: str) -> None:
        self.home, (self.port,) = home, free_ports(1)
        self.killed: Counter[str] = Counter()
        limits = dict.fromkeys(("ORDERS_OPEN_MAX", "ORDERS_EXPIRED_MAX", "ORDERS_MINUTE_MAX"), "100000")
        places = {"STATE_DIR": str(home), "MEDIA_ROOT": str(home / "media"), "PORT": str(self.port)}
        # The demo's orders stand in every state for good: they would never count as settled.
        own = {"DEMO_DATA": "0", "ORDER_TTL": f"{ORDER_TTL_S}s", "LOG_LEVEL": "ERROR", "UP_ENDS_WITH_PARENT": "1"}
        self.environ = plain_environ(**limits, **places, **own | environ)
        super().__init__([sys.executable, "manage.py", "up"], self.environ, home / "up.log")

    def __enter__(self) -> Self:
        self.wait_until(self.answers)
        return self

    def answers(self) -> bool:
        try:
            return self.ask("GET", "/health/ready", retry=False)[0] == 200
        except OSError:
            return False

    def kill_one(self, chance: random.Random, kind: str = "") -> bool:
        """Kill a process of a kind, or of any; False if there is none just now. No process but our own is touched."""
        kind, victims = kind or chance.choice(list(VICTIMS)), []
        for process in family(self.process.pid)[1:]:
            with suppress(psutil.NoSuchProcess):
                if all(word in " ".join(process.cmdline()) for word in VICTIMS[kind]):
                    victims.append(process)
        if not victims:
            return False
        chance.choice(victims).kill()
        self.killed[kind] += 1
        return True

    def ask(self, method: str, path: str, data: Any = None, token: str = "", retry: bool = True) -> tuple[int, Any]:
        """One request, repeated like a stubborn client while the stack is down."""
        if method == "GET" and data:
            path, data = f"{path}?{urlencode(data)}", None
        until = time.monotonic() + 30
        while True:
            status, answer, _ = kit.ask(self.port, method, path, data, token=token, patience_s=20)
            if status.isdigit() and (int(status) < 500 or not retry):
                return int(status), answer
            if not retry or time.monotonic() > until:
                raise OSError(f"{path} does not answer: {status}")
            time.sleep(0.3)


class Scene(NamedTuple):
    """Tokens of buyers and of a shipper, and what is on the shelf: product id to pieces."""

    buyers: list[str]
    shipper: str
    shelf: dict[str, int]


def buy(stack: Stack, scene: Scene, chance: random.Random) -> None:
    """Do what a buyer does, at random; what is answered is of no interest, only where things end up."""
    token = chance.choice(scene.buyers)
    wish = {"product_id": chance.choice(list(scene.shelf)), "quantity": chance.randint(1, 3)}
    order_id = stack.ask("POST", "/pay/pre_order", wish, token)[1].get("order_id")
    if order_id is None or chance.random() < 0.1:
        return
    order = {"order_id": order_id}
    stack.ask("POST", "/pay/payment", order, token)
    time.sleep(chance.random())
    does = chance.random()
    if does < 0.7:
        stack.ask("POST", "/sandbox/control/pay", {"out_trade_no": order_id})
    if 0.6 < does < 0.8:
        stack.ask("GET", "/order/cancel", order, token)
    if does < 0.3:
        stack.ask("GET", "/order/query_order_status", order, token)
    if does < 0.15:
        stack.ask("POST", "/order/returns", order, token)
    elif does < 0.3:
        stack.ask("GET", "/order/ship", order | {"action": 1}, scene.shipper)
        stack.ask("GET", "/order/ship", order | {"action": 2}, token)


@contextmanager
def killing(stack: Stack, every_s: float | None, seed: int) -> Iterator[threading.Thread]:
    """Kill something every ``every_s`` seconds, give or take, for the length of the block.

    :param every_s: None: kill one process of each kind, the next one only when the stack answers again. The value of
        the block is the thread that does so, and ends then.
    """
    chance, stop = random.Random(seed), threading.Event()

    def each_once() -> None:
        for kind in chance.sample(list(VICTIMS), len(VICTIMS)):
            while not stop.wait(0.3) and not (stack.answers() and stack.kill_one(chance, kind)):
                pass

    def run() -> None:
        stack.kill_one(chance)
        while not stop.wait(every_s * chance.uniform(0.5, 1.5)):
            stack.kill_one(chance)

    thread = threading.Thread(target=run if every_s else each_once)
    thread.start()
    try:
        yield thread
    finally:
        stop.set()
        thread.join()


def connect(stack: Stack) -> None:
    """Let this process's Django use the stack's engines, to set the scene and to count afterwards."""
    os.environ |= json.loads((stack.home / "engines.json").read_text())
    os.environ |= {name: stack.environ[name] for name in ("STATE_DIR", "PORT", "ORDER_TTL", "LOG_LEVEL", "MEDIA_ROOT")}
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings.local"
    import django

    django.setup()


def set_scene() -> Scene:
    from django.utils import timezone

    from accounts.models import User
    from accounts.tokens import token_issue
    from permissions.models import Role
    from shop.models import Category
    from shop.services.catalogue import product_create

    people = [User(username=f"chaos{n}", password="!", role=Role.objects.get(roleid="200")) for n in range(BUYERS)]
    tokens = [token_issue(user) for user in User.objects.bulk_create(people)]
    shipper = User.objects.create(username="shipper", password="!", role=Role.objects.get(roleid="102"))
    category = Category.objects.create(category_id="20210101000000001", name="混沌", created_at=timezone.now())
    shelf = {}
    for price, stock in (("9.90", 40), ("0.01", 1000), ("128.00", 150), ("33.33", 400)):
        facts = {"category_id": category.category_id, "name": f"混沌{price}", "price": price, "stock": stock}
        product = product_create(**facts, actor="chaos", now=timezone.now())
        shelf[product.product_id] = stock
    return Scene(tokens, token_issue(shipper), shelf)


def unsettled() -> dict[str, int]:
    """What still moves: open orders, refunds under way, money there that is not here."""
    from payments.models import Refund, RefundStatus
    from sandbox.models import Trade, TradeState
    from shop.models import Order

    paid_there = set(
        Trade.objects.exclude(state__in=[TradeState.NOTPAY, TradeState.CLOSED]).values_list("out_trade_no", flat=True)
    )
    paid_here = set(Order.objects.filter(pay_status=1).values_list("order_id", flat=True))
    under_way = Refund.objects.filter(state__in=[RefundStatus.PENDING, RefundStatus.PROCESSING])
    numbers = {
        "open orders": Order.objects.filter(state="open").count(),
        "refunds under way": under_way.count(),
        "paid there, not here": len(paid_there - paid_here),
    }
    return {name: count for name, count in numbers.items() if count}


def count_up(shelf: dict[str, int]) -> tuple[list[str], dict[str, Any]]:
    """Complaints (there must be none) and figures."""
    from django.db.models import Sum

    from payments.models import Payment, Refund
    from sandbox.models import Refund as RefundThere
    from sandbox.models import Trade
    from shop.models import Order, OrderLine, OrderLog, Product

    wrong = [f"unsettled: {name} {count}" for name, count in unsettled().items()]
    for product_id, initial in shelf.items():
        product = Product.objects.get(product_id=product_id)
        lines = OrderLine.objects.filter(product=product, order__holds_stock=True)
        out = lines.aggregate(sum=Sum("quantity"))["sum"] or 0
        if product.stock + out != initial:
            wrong.append(f"{product}: {product.stock} on the shelf + {out} out != {initial}")
    there = {trade.out_trade_no: trade for trade in Trade.objects.all()}
    back_there = dict(RefundThere.objects.values_list("out_refund_no", "refund_fee"))
    for order in Order.objects.filter(pay_status=1):
        trade = there.get(order.order_id)
        if trade is None or not trade.is_paid or trade.total_fee != order.total_fen:
            wrong.append(f"{order} is paid here, not there")
    for refund in Refund.objects.filter(state="success"):
        if back_there.get(refund.out_refund_no) != refund.amount_fen:
            wrong.append(f"{refund} is refunded here, not there")
    if extra := set(back_there) - set(Refund.objects.values_list("out_refund_no", flat=True)):
        wrong.append(f"refunded there, unknown here: {extra}")
    for state in ("paid", "closed", "cancelled"):
        twice = OrderLog.objects.filter(to_state=state).exclude(from_state__in=["preparing", state])
        numbers = Counter(twice.values_list("order_id", flat=True))
        wrong += [f"order {pk} became {state} {n} times" for pk, n in numbers.items() if n > 1]
    late = [
        (log.at - log.order.expires_at).total_seconds()
        for log in OrderLog.objects.filter(code="expire").select_related("order")
    ]
    figures = {
        "orders": Order.objects.count(),
        "states": dict(Counter(Order.objects.values_list("state", flat=True))),
        "payments": Payment.objects.count(),
        "refunds": Refund.objects.count(),
        "closed after their deadline by (s), median": round(kit.share(late, 50), 1),
        "most": round(max(late, default=0), 1),
    }
    return wrong, figures


def run(orders: int, *, kill_every_s: float | None, seed: int) -> tuple[list[str], dict[str, Any]]:
    """Let people order while processes die, and wait until all is settled; return complaints and figures.

    :param orders: at the least; where one process of each kind dies, people order until the last has died.
    :param kill_every_s: see :func:`killing`.
    """
    # A short name: sockets live below it.
    with tempfile.TemporaryDirectory(prefix="chaos-") as home, Stack(Path(home)) as stack:
        connect(stack)
        scene, numbers, lost = set_scene(), count(), Counter[str]()
        start = time.monotonic()
        with killing(stack, kill_every_s, seed) as killer, ThreadPoolExecutor(AT_ONCE) as pool:

            def visit(_: int) -> None:
                while (number := next(numbers)) < orders or (kill_every_s is None and killer.is_alive()):
                    try:
                        buy(stack, scene, random.Random(seed + number))
                    except OSError as error:
                        lost[str(error)[:40]] += 1

            list(pool.map(visit, range(AT_ONCE)))
        traffic_s = time.monotonic() - start
        from django.db import DatabaseError, close_old_connections, connections

        close_old_connections()
        until = time.monotonic() + SETTLE_TIMEOUT_S
        while time.monotonic() < until:
            try:
                if not unsettled():
                    break
            except DatabaseError:  # the database was killed, and comes back
                close_old_connections()
            time.sleep(0.5)
        settle_s = time.monotonic() - start - traffic_s
        wrong, figures = count_up(scene.shelf)
        figures |= {
            "killed": dict(stack.killed),
            "traffic_s": round(traffic_s),
            "settled_after_s": round(settle_s),
            "gave up": dict(lost),
        }
        connections["default"].close()
        connections["default"].close_pool()
        if wrong:
            print(stack.log()[-6000:], file=sys.stderr)
        return wrong, figures


def main() -> int:
    parser = kit.parser(__doc__)
    parser.add_argument("--orders", type=int, default=500)
    parser.add_argument("--kill-every", type=float, default=2.0, help="seconds")
    parser.add_argument("--each-once", action="store_true", help="kill one process of each kind")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    every_s = None if options.each_once else options.kill_every
    wrong, figures = run(options.orders, kill_every_s=every_s, seed=options.seed)
    print(json.dumps({"wrong": wrong} | figures, ensure_ascii=False, indent=2))
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
