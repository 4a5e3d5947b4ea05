"""What the calls that clients repeat cost, each beside a bare function that answers the same.

    python benchmarks/calls.py                        # about a minute
    python benchmarks/calls.py --only cart --rounds 9

Runs on throw-away engines, or on DATABASE_URL's server in a database of its own. "Bare" is a WSGI function that knows
its caller beforehand and has psycopg and orjson: no token, no rights, no log line, no metrics; it counts a list once a
second. Both are served by Granian with two workers. A poll of an order whose payment has begun asks WeChat Pay every
five seconds at most and is not measured.
"""

import argparse
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import kit, students  # noqa: E402
from benchmarks.serving import CONNECTIONS, Server, body_of, compare_with_last, measure, request_of, served, table  # noqa: E402

STUDENTS, PRODUCTS, CART, ORDERS = 20_000, 200, 10, 20
ORDER = "20260101080000000benchmark0000"
_COUNT_KEPT_S = 1.0
_SHANGHAI = ZoneInfo("Asia/Shanghai")

CALLS = {
    "poll": ("an order's state", f"/order/query_order_status?order_id={ORDER}"),
    "menu": ("the menu", "/permission/getMenuList"),
    "search": ("search of one character", "/students/searchstu?key=王&page=1&count=10"),
    "products": ("ten of 200 products", "/product/get_product?page=1&count=10"),
    "cart": ("a cart of ten", "/cart/get_cart?page=1&count=10"),
    "orders": ("ten orders of one line", "/order/get_order?page=1&count=10"),
    "verify": ("who am I", "/verify"),
}


# --- The bare functions --------------------------------------------------------------------------
class _ThreadState(threading.local):
    """What a thread of the bare server keeps."""

    def __init__(self) -> None:
        import psycopg

        connection = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)
        self.cursor = connection.cursor(binary=True)
        self.totals: dict[str, tuple[float, int]] = {}

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        return self.cursor.execute(sql, values, prepare=True).fetchall()

    def total(self, sql: str, *values: Any) -> int:
        at, number = self.totals.get(sql, (float("-inf"), 0))
        if time.monotonic() - at > _COUNT_KEPT_S:
            ((number,),) = self.rows(sql, *values)
            self.totals[sql] = time.monotonic(), number
        return number


_state: _ThreadState | None = None


def bare(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    import orjson

    global _state
    state = _state = _state or _ThreadState()
    body = orjson.dumps(_BARE[environ["PATH_INFO"]](state))
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


def _id(created_at: datetime, pk: int) -> str:
    return f"{int(created_at.timestamp()):08x}{pk:016x}"


def _comma(moment: datetime | None) -> str | None:
    if moment is None:
        return None
    t = moment.astimezone(_SHANGHAI)
    return f"{t.year}-{t.month:02}-{t.day:02},{t.hour:02}:{t.minute:02}:{t.second:02}"


def _price(price: Decimal) -> int | float:
    return int(price) if price == int(price) else float(price)


def _poll(state: _ThreadState) -> dict[str, Any]:
    sql = "SELECT order_status, pay_status, shiping_status, note FROM shop_order WHERE order_id = %s AND user_id = %s"
    ((order_status, pay_status, shiping_status, note),) = state.rows(sql, ORDER, int(os.environ["BENCH_USER"]))
    return {
        "status": 3005, "state": False, "msg": "尚未支付", "order_id": ORDER, "order_status": order_status,
        "pay_status": pay_status, "shiping_status": shiping_status, "state_text": "待付款", "note": note,
    }  # fmt: skip


def _menu(state: _ThreadState) -> dict[str, Any]:
    ((name, menu),) = state.rows("SELECT name, menu FROM permissions_role WHERE roleid = '200'")
    return {"status": 200, "state": True, "msg": "success", "roleName": name, "menuList": menu}


def _search(state: _ThreadState) -> dict[str, Any]:
    matching = "FROM students_student WHERE strpos(name, '王') > 0"
    rows = state.rows(f"SELECT id, {students.COLUMNS} {matching} ORDER BY id DESC LIMIT 10")
    total = state.total(f"SELECT count(*) {matching}")
    return {"status": 200, "state": True, "total": total, "data": [students.bare_row(*row) for row in rows]}


def _products(state: _ThreadState) -> dict[str, Any]:
    rows = state.rows(
        "SELECT p.id, p.created_at, p.updated_at, p.updator, product_id, c.category_id, c.name, p.name, price,"
        " description, stock, p.image_url, p.creator FROM shop_product AS p JOIN shop_category AS c"
        " ON c.id = p.category_id WHERE p.removed_at IS NULL ORDER BY p.id LIMIT 10"
    )
    total = state.total("SELECT count(*) FROM shop_product WHERE removed_at IS NULL")
    return {"status": 200, "state": True, "msg": "获取成功", "total": total, "data": [_product(*row) for row in rows]}


def _product(pk: int, created_at: datetime, updated_at: datetime | None, updator: str, *others: Any) -> dict[str, Any]:
    product_id, category_id, category, name, price, description, stock, image_url, creator = others
    return {
        "updateTime": _comma(updated_at), "updator": updator or None, "_id": _id(created_at, pk),
        "product_id": product_id, "category_id": category_id, "categoryName": category, "productName": name,
        "price": _price(price), "description": description, "inventory": stock, "imageUrl": image_url,
        "creator": creator, "createTime": _comma(created_at), "__v": 0,
    }  # fmt: skip


def _cart(state: _ThreadState) -> dict[str, Any]:
    user = int(os.environ["BENCH_USER"])
    rows = state.rows(
        "SELECT i.id, i.created_at, quantity, is_checked, p.product_id, name, price, image_url, stock"
        " FROM shop_cartitem AS i JOIN shop_product AS p ON p.id = i.product_id"
        " WHERE i.user_id = %s ORDER BY i.id LIMIT 10",
        user,
    )
    total = state.total("SELECT count(*) FROM shop_cartitem WHERE user_id = %s", user)
    return {"status": 200, "state": True, "msg": "获取成功", "total": total, "data": [_item(*row) for row in rows]}


def _item(pk: int, created_at: datetime, quantity: int, is_checked: bool, *product: Any) -> dict[str, Any]:
    product_id, name, price, image_url, stock = product
    return {
        "_id": _id(created_at, pk), "unid": os.environ["BENCH_UNID"], "cart_id": product_id, "product_id": product_id,
        "title": name, "productName": name, "price": _price(price), "imageUrl": image_url, "quantity": quantity,
        "count": quantity, "isChecked": is_checked, "isOnSale": True, "inventory": stock,
        "create_time": _comma(created_at), "__v": 0,
    }  # fmt: skip


def _orders(state: _ThreadState) -> dict[str, Any]:
    user = int(os.environ["BENCH_USER"])
    rows = state.rows(
        "SELECT o.id, o.created_at, o.order_id, order_status, pay_status, shiping_status, note, total, u.unid,"
        " o.username, u.nickname, o.phone, address, recipient, express_company, express_no, expires_at, paid_at,"
        " transaction_id FROM shop_order AS o JOIN accounts_user AS u ON u.id = o.user_id"
        " WHERE o.user_id = %s AND hidden_at IS NULL ORDER BY o.id DESC LIMIT 10",
        user,
    )
    lines: dict[int, list[tuple[Any, ...]]] = {row[0]: [] for row in rows}
    for order_pk, *line in state.rows(
        "SELECT order_id, id, product_code, title, price, quantity, description, image_url FROM shop_orderline"
        " WHERE order_id = ANY(%s) ORDER BY id",
        list(lines),
    ):
        lines[order_pk].append(tuple(line))
    total = state.total("SELECT count(*) FROM shop_order WHERE user_id = %s AND hidden_at IS NULL", user)
    data = [_order(lines[row[0]], *row) for row in rows]
    return {"status": 200, "state": True, "msg": "订单获取成功", "total": total, "data": data}


def _order(lines: list[tuple[Any, ...]], pk: int, created_at: datetime, order_id: str, *rest: Any) -> dict[str, Any]:
    order_status, pay_status, shiping_status, note, total, unid, username, nickname, phone, address, *others = rest
    recipient, express_company, express_no, expires_at, paid_at, transaction_id = others
    return {
        "_id": _id(created_at, pk), "order_id": order_id, "order_status": order_status, "pay_status": pay_status,
        "shiping_status": shiping_status, "state_text": "待付款", "note": note, "total_fee": _price(total),
        "unid": unid, "username": username, "user_nickname": nickname, "user_phone": phone, "phone": phone,
        "address": address, "recipient": recipient, "express_company": express_company, "express_no": express_no,
        "create_time": _comma(created_at), "createTime": _comma(created_at), "expire_time": _comma(expires_at),
        "pay_time": _comma(paid_at), "transaction_id": transaction_id,
        "orderDetail": [_line(created_at, order_id, *line) for line in lines], "__v": 0,
    }  # fmt: skip


def _line(created_at: datetime, order_id: str, *line: Any) -> dict[str, Any]:
    pk, code, title, price, quantity, description, image_url = line
    return {
        "_id": _id(created_at, pk), "order_id": order_id, "product_id": code, "title": title, "productName": title,
        "price": _price(price), "quantity": quantity, "count": quantity, "subtotal": _price(price * quantity),
        "description": description, "imageUrl": image_url, "__v": 0,
    }  # fmt: skip


def _verify(state: _ThreadState) -> dict[str, Any]:
    ((username, nickname, unid, roleid),) = state.rows(
        "SELECT username, nickname, unid, r.roleid FROM accounts_user AS u"
        " JOIN permissions_role AS r ON r.id = u.role_id WHERE u.id = %s",
        int(os.environ["BENCH_USER"]),
    )
    iat, exp = map(int, os.environ["BENCH_TIMES"].split())
    decode = {"username": username, "nickname": nickname, "unid": unid, "roleid": roleid, "iat": iat, "exp": exp}
    return {"status": 1, "state": True, "msg": "校验成功", "decode": decode}


_BARE: dict[str, Callable[[_ThreadState], dict[str, Any]]] = {
    "/order/query_order_status": _poll,
    "/permission/getMenuList": _menu,
    "/students/searchstu": _search,
    "/product/get_product": _products,
    "/cart/get_cart": _cart,
    "/order/get_order": _orders,
    "/verify": _verify,
}


# --- Data and start ------------------------------------------------------------------------------
def make_data() -> tuple[str, dict[str, str]]:
    """Fill the database; return a token, and what the bare functions are told."""
    from django.utils import timezone

    from accounts.models import User
    from accounts.tokens import token_claims, token_issue
    from permissions.models import Role
    from permissions.services.roles import roles_seed
    from shop.models import CartItem, Order, OrderLine, Product
    from shop.services.catalogue import category_create

    students.fill(STUDENTS)
    roles_seed()
    user = User.objects.create_user("bench", "-", role=Role.objects.get(roleid="200"), nickname="五五开")
    now = timezone.now()
    category = category_create(name="车辆", actor="root", now=now)
    products = Product.objects.bulk_create(
        Product(
            product_id=f"{20260101000000000 + n}", category=category, name=f"折叠自行车{n}", price=Decimal("899.50"),
            stock=100, description="16寸,可折叠", creator="root", created_at=now,
        )
        for n in range(PRODUCTS)
    )  # fmt: skip
    CartItem.objects.bulk_create(
        CartItem(user=user, product=product, quantity=2, is_checked=True, created_at=now)
        for product in products[: 2 * CART]
    )
    due = now + timedelta(days=1)
    made = Order.objects.bulk_create(
        Order(
            order_id=f"{ORDER[:-2]}{n:02}", user=user, username="bench", total=Decimal("899.50"),
            created_at=now, expires_at=due, sweep_at=due,
        )
        for n in range(ORDERS)
    )  # fmt: skip
    OrderLine.objects.bulk_create(
        OrderLine(
            order=order, product=products[0], product_code=products[0].product_id, title=products[0].name,
            price=products[0].price, quantity=1, description=products[0].description,
        )
        for order in made
    )  # fmt: skip
    token = token_issue(user)
    claims = token_claims(token) or {}
    env = {"BENCH_USER": str(user.pk), "BENCH_UNID": user.unid, "BENCH_TIMES": f"{claims['iat']} {claims['exp']}"}
    return token, env


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=CALLS, help="measure one call")
    parser.add_argument("--requests", type=int, default=2_000, help="to each server in each round (default: 2,000)")
    parser.add_argument("--rounds", type=int, default=5, help="how often each server is asked (default: 5)")
    parser.add_argument("--save", action="store_true", help="keep the ratios as those of the last release")
    options = parser.parse_args()
    with kit.engines(), kit.own_databases():
        os.environ |= {"DJANGO_SETTINGS_MODULE": "config.settings.local", "LOG_LEVEL": "ERROR"}
        import django
        from django.conf import settings
        from django.db import connections

        django.setup()
        kit.use(kit.LARGE_DATABASE)
        token, environment = make_data()
        environ = os.environ | environment | {"PYTHONPATH": str(ROOT), "LOG_LEVEL": "INFO", "LOG_FORMAT": "json"}
        environ |= {"DJANGO_SECRET_KEY": settings.SECRET_KEY, "SANDBOX": "0", "DEMO_DATA": "0"}
        with ExitStack() as stack:
            environ["PROMETHEUS_MULTIPROC_DIR"] = stack.enter_context(TemporaryDirectory())
            servers = Server("bare", "benchmarks.calls:bare"), Server("ours", "config.wsgi:application")
            ports = {server.name: stack.enter_context(served(server, environ)) for server in servers}
            for name in [options.only] if options.only else CALLS:
                title, path = CALLS[name]
                request = request_of(quote(path, safe="/?=&"), token)
                theirs, ours = (json.loads(body_of(port, request)) for port in ports.values())
                assert theirs == ours, (theirs, ours)
                costs = measure(ports, request, requests=options.requests, rounds=options.rounds)
                table(f"{title}: {path}, {CONNECTIONS} connections", costs)
                compare_with_last(f"call {name}", costs, save=options.save)
        connections.close_all()
        connections["default"].close_pool()


if __name__ == "__main__":
    main()
