"""Orders per second beside plain SQL.

    python -m benchmarks.orders [--seconds 2]        # of each of eight measurements; a minute

Runs on throw-away engines in durable mode (commits reach the disk), or on DATABASE_URL's server, in a database of its
own. "Plain SQL" sends the same statements as ``order_create`` through psycopg: the ratio is the price of the ORM and of
our code. Both run in one process per client, because that is how web workers run.
"""

import json
import multiprocessing
import os
import time
from collections.abc import Callable
from typing import Any

import psycopg

from benchmarks import kit

CLIENTS = 4

_INSERT_ORDER = """
INSERT INTO shop_order (order_id, user_id, username, total, phone, address, state, order_status, pay_status,
    shiping_status, holds_stock, note, created_at, expires_at, transaction_id, closing, closing_by, sweep_at,
    close_attempts)
VALUES (%s, %s, %s, %s, '', '', 'open', 1, 0, 0, true, '', %s, %s, '', '', '', %s, 0) RETURNING id
"""
_INSERT_LINE = """
INSERT INTO shop_orderline (order_id, product_id, product_code, title, price, quantity, description, image_url,
    vip_level, vip_days)
VALUES (%s, %s, %s, %s, %s, 1, %s, %s, %s, %s)
"""
_INSERT_LOG = """
INSERT INTO shop_orderlog (order_id, at, actor, event, from_state, to_state, detail)
VALUES (%s, %s, %s, '下单', '', 'open', '')
"""


def make_shop() -> tuple[int, list[str]]:
    """The first buyer's pk and the ids of the products."""
    from accounts.models import User
    from permissions.models import Role

    role, _ = Role.objects.get_or_create(roleid="200", defaults={"name": "员工"})
    # Their keys follow each other: one for each client, since orders of one buyer wait for each other.
    user, *_ = [User.objects.create_user(f"buyer{number}", role=role) for number in range(CLIENTS)]
    return user.pk, [product.product_id for product in kit.make_products(200, price="9.90", stock=1_000_000)]


def by_service(buyer_pk: int, connection: psycopg.Connection) -> Callable[[str], None]:
    from django.utils import timezone

    from shop.services.order_create import order_create

    def order(product_id: str) -> None:
        order_create(buyer_pk=buyer_pk, username="buyer", product_id=product_id, now=timezone.now())

    return order


def by_plain_sql(buyer_pk: int, connection: psycopg.Connection) -> Callable[[str], None]:
    from django.utils import timezone

    from shop.models.catalogue import VIP_CATEGORY_ID
    from shop.order_states import State
    from shop.services.order_create import _CLASS, _COUNT, MINUTE, WITHIN, order_id_new
    from shop.services.stock import _TAKE

    states = {state.name.lower(): state.value for state in State}

    def order(product_id: str) -> None:
        now = timezone.now()
        with connection.transaction(), connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [_CLASS, buyer_pk])
            cursor.execute(
                _COUNT, states | {"buyer": buyer_pk, "now": now, "since": now - WITHIN, "minute_ago": now - MINUTE}
            )
            cursor.execute("SELECT id FROM shop_product WHERE product_id = %s LIMIT 1", [product_id])
            (pk,) = cursor.fetchone()
            cursor.execute(
                _TAKE, {"pk": pk, "quantity": 1, "vip": VIP_CATEGORY_ID, "is_narrow": False, "only_of": None}
            )
            code, title, price, description, image_url, *vip, is_vip = cursor.fetchone()
            cursor.execute(_INSERT_ORDER, [order_id_new(now), buyer_pk, "buyer", price, now, now, now])
            (order_pk,) = cursor.fetchone()
            line = [order_pk, pk, code, title, price, description, image_url, *(vip if is_vip else (0, 0))]
            cursor.execute(_INSERT_LINE, line)
            cursor.execute(_INSERT_LOG, [order_pk, now, "buyer"])

    return order


def client(kind: str, buyer_pk: int, products: list[str], seconds: float, offset: int, start: Any, done: Any) -> None:
    """Order for ``seconds`` once all have started; put the number of orders into ``done``."""
    import django

    django.setup()
    connection = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True, cursor_factory=psycopg.ClientCursor)
    order = {"service": by_service, "sql": by_plain_sql}[kind](buyer_pk, connection)
    order(products[0])
    start.wait()
    count, ends = 0, time.perf_counter() + seconds
    while time.perf_counter() < ends:
        order(products[(offset + count * 7) % len(products)])
        count += 1
    done.put(count)


def orders_placed(kind: str, buyer_pk: int, products: list[str], seconds: float) -> tuple[float, float]:
    """Return orders per second, and the milliseconds of CPU of an order, PostgreSQL's included."""
    context = multiprocessing.get_context("spawn")
    start, done = context.Barrier(CLIENTS + 1), context.Queue()
    clients = [
        context.Process(target=client, args=(kind, buyer_pk + n, products, seconds, 31 * n, start, done))
        for n in range(CLIENTS)
    ]
    for process in clients:
        process.start()
    start.wait()
    before = kit.cpu_seconds()
    total = sum(done.get() for _ in clients)
    cpu_ms = 1000 * (kit.cpu_seconds() - before) / total
    for process in clients:
        process.join()
    return total / seconds, cpu_ms


def measure(seconds: float, buyer_pk: int, products: list[str]) -> dict[str, Any]:
    results: dict[str, Any] = {}
    for name, chosen in (("one hot product", products[:1]), ("many products", products)):
        # Turn about, so that a noisy neighbour hits both.
        runs: dict[str, list[tuple[float, float]]] = {"service": [], "sql": []}
        for _ in range(2):
            for kind, figures in runs.items():
                figures.append(orders_placed(kind, buyer_pk, chosen, seconds))
        service, sql = (max(rate for rate, _ in figures) for figures in runs.values())
        service_cpu, sql_cpu = (min(cpu for _, cpu in figures) for figures in runs.values())
        results[name] = {
            "orders/s": round(service),
            "plain SQL orders/s": round(sql),
            "ratio": round(service / sql, 2),
            "CPU ms": round(service_cpu, 2),
            "plain SQL CPU ms": round(sql_cpu, 2),
            "ratio by CPU": round(sql_cpu / service_cpu, 2),
        }
    return results


def main() -> None:
    parser = kit.parser(__doc__)
    parser.add_argument("--seconds", type=float, default=4, help="of each measurement (default: 4)")
    seconds = parser.parse_args().seconds
    # One buyer for each client orders it all.
    limits = dict.fromkeys(("ORDERS_OPEN_MAX", "ORDERS_EXPIRED_MAX", "ORDERS_MINUTE_MAX"), "10000000")
    with kit.prepared(durable=True, **limits):
        print(json.dumps(measure(seconds, *make_shop()), ensure_ascii=False, indent=2))


if __name__ == "__main__":
    main()
