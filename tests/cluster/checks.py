"""What must be true whatever has happened: compare what people and WeChat know with what is stored."""

import re
import time
from collections import Counter
from pathlib import Path
from select import select

import psycopg
import requests

from tests.cluster.machines import Machine
from tests.cluster.parts import BUCKET_URL, PASSWORD, Installation
from tests.cluster.traffic import Traffic

STOCK = 1_000_000
COMMIT_S = 2.0


def lost(everything: Installation, traffic: Traffic) -> list[str]:
    """Return what was acknowledged and is not stored, and what does not add up."""
    from django.db import connection

    connection.close()
    return [*_orders(traffic), *_refunds(traffic), *_pictures(everything, traffic), *traffic.wrongs]


def _orders(traffic: Traffic) -> list[str]:
    from django.db.models import F, Sum

    from shop.models import Order, OrderLine, Product

    rows = set(Order.objects.filter(order_id__in=traffic.orders).values_list("order_id", flat=True))
    wrong = [f"order {number}" for number in traffic.orders - rows]
    taken = OrderLine.objects.filter(order__holds_stock=True).aggregate(
        sum=Sum(F("quantity") - F("restocked_quantity") - F("shelved_quantity"))
    )
    if Product.objects.get(product_id=traffic.product_id).stock + (taken["sum"] or 0) != STOCK:
        wrong.append("stock")
    there = {number for number, order in list(traffic.wechat.orders.items()) if order["state"] == "SUCCESS"}
    here = set(Order.objects.filter(pay_status=1).values_list("order_id", flat=True))
    wrong += [f"paid there, not here: {number}" for number in there - here]
    wrong += [f"paid here, not there: {number}" for number in here - there]
    return wrong


def _refunds(traffic: Traffic) -> list[str]:
    from payments.models import Refund, RefundStatus
    from shop.models import Order

    there = {no: refund["amount"]["refund"] for no, refund in list(traffic.wechat.refunds.items())}
    here = dict(Refund.objects.filter(state=RefundStatus.SUCCESS).values_list("out_refund_no", "amount_fen"))
    wrong = [f"refund {no}: {there.get(no)} there, {here.get(no)} here" for no in there.keys() | here.keys()
             if there.get(no) != here.get(no)]  # fmt: skip
    refunds: Counter[str] = Counter()
    for number in there:
        refunds[traffic.wechat.refunds[number]["out_trade_no"]] += there[number]
    for order_id in traffic.returned:
        if refunds[order_id] != traffic.wechat.orders[order_id]["paid_fen"]:
            wrong.append(f"returned {order_id}: {refunds[order_id]} fen given back")
    wrong += [f"a part of {order_id} was not refunded" for order_id in traffic.refunded_part if not refunds[order_id]]
    shown = {o: int(yuan * 100) for o, yuan in Order.objects.filter(refunded__gt=0).values_list("order_id", "refunded")}
    return wrong + [f"order {o} says {shown.get(o)} refunded" for o in shown.keys() | refunds.keys()
                    if shown.get(o, 0) != refunds[o]]  # fmt: skip


def _pictures(everything: Installation, traffic: Traffic) -> list[str]:
    from uploads.models import Upload

    wrong = [f"picture {url}: {why}" for url in list(traffic.pictures) if (why := traffic.picture_problem(url))]
    stored = _bucket_files() if everything.uses_bucket else _folder_files(everything.pictures)
    rows = dict(Upload.objects.values_list("name", "size_bytes"))
    return wrong + [f"file {name} of {size} bytes, row of {rows.get(name)}" for name, size in stored.items()
                    if rows.get(name) != size]  # fmt: skip


def _folder_files(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): path.stat().st_size for path in folder.rglob("*") if path.is_file()}


def _bucket_files() -> dict[str, int]:
    answer = requests.get(f"{BUCKET_URL}/pictures", params={"list-type": "2"}, timeout=5).text
    pairs = re.findall(r"<Key>([^<]+)</Key>.*?<Size>(\d+)</Size>", answer, re.DOTALL)
    return {name: int(size) for name, size in pairs}


def writers(everything: Installation) -> int:
    """How many of the databases acknowledge a write now to a client on their own machine."""
    return sum(machine.inside(lambda machine=machine: _writes(machine)) for machine in everything.databases)


def _writes(machine: Machine) -> bool:
    """Whether a commit is acknowledged within ``COMMIT_S``.

    PostgreSQL's own limit does not end the wait for a standby, and to cancel it is to be told that it was committed.
    So look away: hang up without an answer.
    """
    url = f"postgresql://postgres:{PASSWORD}@{machine.address}/postgres?connect_timeout=2"
    try:
        connection = psycopg.connect(url, autocommit=True)
    except psycopg.Error:
        return False
    line, ends_at = connection.pgconn, time.monotonic() + COMMIT_S
    try:
        line.send_query(b"INSERT INTO written VALUES (now())")
        line.flush()
        while line.is_busy():
            if not select([line.socket], [], [], max(0, ends_at - time.monotonic()))[0]:
                return False
            line.consume_input()
        return line.get_result().status == psycopg.pq.ExecStatus.COMMAND_OK
    except psycopg.Error:
        return False
    finally:
        line.finish()
