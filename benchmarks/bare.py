"""The calls that clients repeat as a bare WSGI function answers them, with psycopg, orjson and nothing else.

It does what no server can leave out: who calls, by one statement, the rows, the totals, one line of log. It knows no
rights, limits, metrics or other paths, and counts what no trigger counts once a second.
``benchmarks/calls.py`` runs it.
"""

import logging
import os
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from random import getrandbits
from typing import Any
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

import jwt
import orjson
import psycopg

COLUMNS = "sid, name, age, class_name, city, degree, product_url, description, headimgurl, created_at"
CALLER = """
SELECT u.id, u.username, u.nickname, u.unid, u.class_name, r.roleid, r.xmin::text || r.ctid::text AS version
FROM accounts_user u JOIN permissions_role r ON r.id = u.role_id
WHERE u.unid = %s AND u.is_active AND u.epoch = %s AND NOT EXISTS (SELECT FROM accounts_revokedtoken WHERE jti = %s)
"""
_COUNT_KEPT_S = 1.0
_SHANGHAI = ZoneInfo("Asia/Shanghai")


class _Call(threading.local):
    """The call that a thread answers, with the thread's connection."""

    def __init__(self) -> None:
        logging.basicConfig(format="%(message)s", level="INFO")
        self.cursor = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True).cursor(binary=True)
        self.totals: dict[str, tuple[float, int]] = {}

    def begin(self, environ: dict[str, Any]) -> None:
        """Find who calls, and read the query."""
        self.query = dict(parse_qsl(environ["QUERY_STRING"]))
        self.claims = claims = _claims(environ["HTTP_AUTHORIZATION"])  # the signature is checked once, as in ours
        [(self.user, self.username, self.nickname, self.unid, _, self.roleid, _)] = self.rows(
            CALLER, claims["unid"], claims["epoch"], claims["jti"]
        )
        assert claims["exp"] > time.time()

    @property
    def page(self) -> tuple[int, int]:
        """LIMIT and OFFSET."""
        count = int(self.query["count"])
        return count, count * (int(self.query["page"]) - 1)

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        return self.cursor.execute(sql, values, prepare=True).fetchall()

    def total(self, sql: str, *values: Any) -> int:
        at, number = self.totals.get(sql, (float("-inf"), 0))
        if time.monotonic() - at > _COUNT_KEPT_S:
            ((number,),) = self.rows(sql, *values)
            self.totals[sql] = time.monotonic(), number
        return number


_call: _Call | None = None


@cache
def _claims(token: str) -> dict[str, Any]:
    return jwt.decode(token, os.environ["DJANGO_SECRET_KEY"], ["HS256"])


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    global _call
    start = time.perf_counter()
    call = _call = _call or _Call()
    call.begin(environ)
    body = orjson.dumps(_ANSWERS[environ["PATH_INFO"]](call))
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    line = {"request_id": f"{getrandbits(80):020x}", "caller": call.unid, "method": environ["REQUEST_METHOD"]}
    line |= {"path": environ["PATH_INFO"], "http_status": 200, "event": "request", "level": "info", "logger": "bare"}
    line |= {"timestamp": datetime.now(UTC).isoformat(), "took_ms": round(1000 * (time.perf_counter() - start), 1)}
    logging.getLogger("bare").info(orjson.dumps(line).decode())
    return [body]


def page_sql(limit: int, offset: int) -> str:
    """Return the statement that ours sends. With the numbers as parameters PostgreSQL would plan it for each call."""
    return f"""
SELECT id, {COLUMNS}, total FROM students_student
RIGHT JOIN (SELECT coalesce(sum(n), 0)::bigint AS total FROM students_tally WHERE key = '*') AS counted
ON id = ANY (ARRAY(SELECT id FROM students_student ORDER BY id DESC LIMIT {limit} OFFSET {offset})) ORDER BY id DESC
"""


def _id(created_at: datetime, pk: int) -> str:
    return f"{int(created_at.timestamp()):08x}{pk:016x}"


def _comma(moment: datetime | None) -> str | None:
    if moment is None:
        return None
    t = moment.astimezone(_SHANGHAI)
    return f"{t.year}-{t.month:02}-{t.day:02},{t.hour:02}:{t.minute:02}:{t.second:02}"


def _price(price: Decimal) -> int | float:
    return int(price) if price == int(price) else float(price)


def _students(call: _Call) -> dict[str, Any]:
    rows = call.rows(page_sql(*call.page))
    data = [student_row(*row[:-1]) for row in rows]
    return {"status": 1, "state": True, "msg": "请求成功", "total": rows[0][-1], "data": data}


def student_row(pk: int, sid: str, name: str, age: int, class_: str, *others: Any) -> dict[str, Any]:
    city, degree, url, description, picture, created_at = others
    t = created_at.astimezone(_SHANGHAI)
    return {
        "_id": _id(created_at, pk), "name": name, "headimgurl": picture, "age": str(age), "class": class_, "city": city,
        "degree": degree, "productUrl": url, "description": description,
        "cTime": f"{t.year}/{t.month:02}/{t.day:02} {t.hour:02}:{t.minute:02}:{t.second:02}", "sId": sid, "__v": 0,
    }  # fmt: skip


def _poll(call: _Call) -> dict[str, Any]:
    sql = "SELECT order_status, pay_status, shiping_status, note FROM shop_order WHERE order_id = %s AND user_id = %s"
    ((order_status, pay_status, shiping_status, note),) = call.rows(sql, call.query["order_id"], call.user)
    return {
        "status": 3005, "state": False, "msg": "尚未支付", "state_text": "待付款", "order_id": call.query["order_id"],
        "order_status": order_status, "pay_status": pay_status, "shiping_status": shiping_status, "note": note,
    }  # fmt: skip


def _menu(call: _Call) -> dict[str, Any]:
    ((name, menu),) = call.rows("SELECT name, menu FROM permissions_role WHERE roleid = '200'")
    return {"status": 200, "state": True, "msg": "success", "roleName": name, "menuList": menu}


def _search(call: _Call) -> dict[str, Any]:
    matching = "FROM students_student WHERE strpos(name, '王') > 0"
    rows = call.rows(f"SELECT id, {COLUMNS} {matching} ORDER BY id DESC LIMIT 10")
    total = call.total(f"SELECT count(*) {matching}")
    return {"status": 200, "state": True, "total": total, "data": [student_row(*row) for row in rows]}


def _products(call: _Call) -> dict[str, Any]:
    rows = call.rows(
        "SELECT p.id, p.created_at, p.updated_at, p.updator, product_id, c.category_id, c.name, p.name, price,"
        " description, stock, p.image_url, p.creator FROM shop_product AS p JOIN shop_category AS c"
        " ON c.id = p.category_id WHERE p.removed_at IS NULL ORDER BY p.id LIMIT 10"
    )
    total = call.total("SELECT count(*) FROM shop_product WHERE removed_at IS NULL")
    return {"status": 200, "state": True, "msg": "获取成功", "total": total, "data": [_product(*row) for row in rows]}


def _product(pk: int, created_at: datetime, updated_at: datetime | None, updator: str, *others: Any) -> dict[str, Any]:
    product_id, category_id, category, name, price, description, stock, image_url, creator = others
    return {
        "updateTime": _comma(updated_at), "updator": updator or None, "_id": _id(created_at, pk),
        "product_id": product_id, "category_id": category_id, "categoryName": category, "productName": name,
        "price": _price(price), "description": description, "inventory": stock, "imageUrl": image_url,
        "creator": creator, "createTime": _comma(created_at), "__v": 0,
    }  # fmt: skip


def _cart(call: _Call) -> dict[str, Any]:
    rows = call.rows(
        "SELECT i.id, i.created_at, quantity, is_checked, p.product_id, name, price, image_url, stock"
        " FROM shop_cartitem AS i JOIN shop_product AS p ON p.id = i.product_id"
        " WHERE i.user_id = %s ORDER BY i.id LIMIT 10",
        call.user,
    )
    total = call.total("SELECT count(*) FROM shop_cartitem WHERE user_id = %s", call.user)
    return {
        "status": 200,
        "state": True,
        "msg": "获取成功",
        "total": total,
        "data": [_item(call.unid, *row) for row in rows],
    }


def _item(unid: str, pk: int, created_at: datetime, quantity: int, is_checked: bool, *product: Any) -> dict[str, Any]:
    product_id, name, price, image_url, stock = product
    return {
        "_id": _id(created_at, pk), "unid": unid, "cart_id": product_id, "product_id": product_id,
        "title": name, "productName": name, "price": _price(price), "imageUrl": image_url, "quantity": quantity,
        "count": quantity, "isChecked": is_checked, "isOnSale": True, "inventory": stock,
        "create_time": _comma(created_at), "__v": 0,
    }  # fmt: skip


def _orders(call: _Call) -> dict[str, Any]:
    rows = call.rows(
        "SELECT o.id, o.created_at, o.order_id, order_status, pay_status, shiping_status, note, total, u.unid,"
        " o.username, u.nickname, o.phone, address, recipient, express_company, express_no, expires_at, paid_at,"
        " transaction_id FROM shop_order AS o JOIN accounts_user AS u ON u.id = o.user_id"
        " WHERE o.user_id = %s AND hidden_at IS NULL ORDER BY o.id DESC LIMIT 10",
        call.user,
    )
    lines: dict[int, list[tuple[Any, ...]]] = {row[0]: [] for row in rows}
    for order_pk, *line in call.rows(
        "SELECT order_id, id, product_code, title, price, quantity, description, image_url FROM shop_orderline"
        " WHERE order_id = ANY(%s) ORDER BY id",
        list(lines),
    ):
        lines[order_pk].append(tuple(line))
    total = call.total("SELECT count(*) FROM shop_order WHERE user_id = %s AND hidden_at IS NULL", call.user)
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


def _verify(call: _Call) -> dict[str, Any]:
    who = {"username": call.username, "nickname": call.nickname, "unid": call.unid, "roleid": call.roleid}
    decode = who | {key: call.claims[key] for key in ("iat", "exp")}
    return {"status": 1, "state": True, "msg": "校验成功", "decode": decode}


_ANSWERS: dict[str, Callable[[_Call], dict[str, Any]]] = {
    "/students/getstulist": _students,
    "/order/query_order_status": _poll,
    "/permission/getMenuList": _menu,
    "/students/searchstu": _search,
    "/product/get_product": _products,
    "/cart/get_cart": _cart,
    "/order/get_order": _orders,
    "/verify": _verify,
}
