"""Let machines die under traffic, and write down what people noticed and whether anything was lost.

    python -m tests.cluster.run                 # everything; writes the table into docs/high-availability.md
    python -m tests.cluster.run valkey:cut      # one row, printed
    python -m tests.cluster.run --short         # what CI does: a few rows, about two minutes

Needs root, Debian's etcd-server, haproxy and patroni, and iproute2.
"""

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from tests.cluster.machines import HERE, Machine, network, until
from tests.cluster.parts import DATABASE_URL, ENTRANCE, ROOT, Installation, ask
from tests.cluster.traffic import Traffic
from tests.concurrency.network import can_make_networks

PAGE = ROOT / "docs" / "high-availability.md"
BEGIN, END = "<!-- table -->", "<!-- /table -->"
BUYERS, STOCK = 4, 1_000_000
PROGRAMS = ("etcd", "patroni", "haproxy", "setpriv", "ip")
VICTIMS = {
    "primary": ("数据库主库", lambda all: all.primary_database()),
    "standby": ("数据库备库", lambda all: next(m for m in all.databases if m is not all.primary_database())),
    "valkey": ("Valkey 主库", lambda all: all.primary_cache()),
    "spare": ("Valkey 备库", lambda all: next(m for m in all.caches if m is not all.primary_cache())),
    "app": ("一台应用(web、socket、worker、beat、Sentinel)", lambda all: all.apps[0]),
    "third": ("etcd、Sentinel 的第三台", lambda all: all.third),
}
FAULTS = {"kill": ("死机", Machine.kill), "freeze": ("冻结", Machine.freeze), "cut": ("拔网线", Machine.cut)}
ROWS = [f"{victim}:{fault}" for victim in VICTIMS for fault in FAULTS]
FAULT_S = 32
# For how long each fault lasts in the short version; a database that vanishes is replaced after 20 to 30 s.
SHORT = {"valkey:kill": 8, "app:cut": 8, "primary:cut": FAULT_S}


def obstacle() -> str:
    """Return why this cannot run here; empty if it can."""
    path = f"{os.environ['PATH']}:/usr/sbin:/usr/bin"
    if absent := [name for name in PROGRAMS if not shutil.which(name, path=path)]:
        packages = "etcd-server haproxy patroni python3-etcd iproute2 util-linux"
        return f"{', '.join(absent)} not found (apt install {packages})"
    return "" if can_make_networks() else "it needs network namespaces: run it as root"


@contextmanager
def installation() -> Iterator[tuple[Installation, "Traffic"]]:
    """Start all machines, set the scene, and let the buyers in."""
    from payments.tests.standin import WeChat

    home = Path(tempfile.mkdtemp(prefix="spms-cluster-"))
    os.environ["PATH"] += ":/usr/sbin:/usr/bin"
    wechat = WeChat("0.0.0.0")
    try:
        (home / "merchant").mkdir()
        merchant = wechat.merchant(home / "merchant")
        merchant["WECHAT_PAY_BASE_URL"] = wechat.url.replace("0.0.0.0", HERE)
        everything = Installation(home, merchant)
        with network(everything.machines):
            for machine in (*everything.databases, *everything.caches, everything.third):
                machine.start()
            until(everything.primary_database, "a primary database")
            with psycopg.connect(DATABASE_URL.replace("/spms?", "/postgres?"), autocommit=True) as admin:
                admin.execute("CREATE DATABASE spms")
            traffic = Traffic(wechat, *scene(everything))
            for machine in (*everything.apps, everything.door):
                machine.start()
            until(lambda: ask(f"{ENTRANCE}/health/ready") == 200, "the application", 240)
            until(everything.is_whole, "every spare")
            yield everything, traffic
    finally:
        wechat.stop()
        if os.environ.get("KEEP"):
            print(f"logs: {home}")
        else:
            shutil.rmtree(home, ignore_errors=True)


def scene(everything: Installation) -> tuple[list[str], str]:
    """Migrate, as one does once for all machines; make buyers and a product. Return tokens and the product's id."""
    os.environ |= {name: everything.app_environ[name] for name in everything.app_environ if name != "PATH"}
    os.environ["STATE_DIR"] = str(everything.home / "here")
    import django

    django.setup()
    from django.core.management import call_command
    from django.utils import timezone

    from accounts.models import User
    from accounts.tokens import token_issue
    from permissions.models import Role
    from shop.models import Category
    from shop.services.products import product_create

    call_command("migrate", verbosity=0)
    call_command("seed_roles", verbosity=0)
    people = [User(username=f"buyer{n}", password="!", role=Role.objects.get(roleid="200")) for n in range(BUYERS)]
    tokens = [token_issue(user) for user in User.objects.bulk_create(people)]
    category = Category.objects.create(category_id="20210101000000001", name="课程", created_at=timezone.now())
    facts = {"category_id": category.category_id, "name": "课程", "price": "0.01", "stock": STOCK}
    return tokens, product_create(**facts, actor="cluster", now=timezone.now()).product_id


def lost(traffic: Traffic) -> list[str]:
    """Return what was acknowledged and is not stored, and what does not add up."""
    from django.db import connection
    from django.db.models import Sum

    from shop.models import Order, OrderLine, Product

    connection.close()
    orders = set(traffic.orders)
    stored = set(Order.objects.filter(order_id__in=orders).values_list("order_id", flat=True))
    wrong = [f"order {number}" for number in orders - stored]
    out = OrderLine.objects.filter(order__holds_stock=True).aggregate(sum=Sum("quantity"))["sum"] or 0
    if Product.objects.get(product_id=traffic.product_id).stock + out != STOCK:
        wrong.append("stock")
    there = {number for number, order in traffic.wechat.orders.items() if order["state"] == "SUCCESS"}
    here = set(Order.objects.filter(pay_status=1).values_list("order_id", flat=True))
    wrong += [f"paid there, not here: {number}" for number in there - here]
    wrong += [f"paid here, not there: {number}" for number in here - there]
    return wrong


def row(everything: Installation, traffic: Traffic, name: str, fault_s: float = FAULT_S) -> list[str]:
    """Let one thing happen to one machine, put it right again, and return the cells of its row."""
    victim, fault = name.split(":")
    (who, find), (what, do) = VICTIMS[victim], FAULTS[fault]
    machine = find(everything)
    with traffic:
        time.sleep(4)
        since = time.monotonic()
        do(machine)
        primaries = 0
        while time.monotonic() < since + fault_s:
            time.sleep(1)
            primaries = max(primaries, writers(everything))
        noticed = [traffic.noticed(kind, since) for kind in ("read", "order", "pay")]
        slowest, refused = traffic.slowest(since), traffic.refused(since)
        machine.mend()
        back = until(everything.is_whole, f"recovery from {name}", 180)
        primaries = max(primaries, writers(everything))
        time.sleep(2)
    try:
        until(lambda: not lost(traffic), "agreement", 60)
        loss = "0"
    except AssertionError:
        loss = "; ".join(lost(traffic))[:200]
    after = [f"{seconds:.1f}" for seconds in (*noticed, slowest)]
    return [who, what, *after, str(refused), loss, str(primaries), f"{back:.0f}"]


def writers(everything: Installation) -> int:
    """How many of the databases would take a write now."""
    found = 0
    for machine in everything.databases:
        url = f"postgresql://postgres:secret@{machine.address}/spms?connect_timeout=2&options=-cstatement_timeout%3D800"
        try:
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute("CREATE TABLE IF NOT EXISTS written (at timestamptz)")
                connection.execute("INSERT INTO written VALUES (now())")
            found += 1
        except psycopg.Error:
            pass
    return found


HEAD = [
    "机器",
    "怎么坏",
    "读,秒",
    "下单,秒",
    "付款,秒",
    "最慢的请求,秒",
    "被拒绝的请求",
    "丢失",
    "同时可写的主库",
    "恢复后完整,秒",
]


def table(rows: list[list[str]], orders: int) -> str:
    lines = [HEAD, ["---"] * len(HEAD), *rows]
    when = f"{datetime.now(UTC):%Y-%m-%d},{os.cpu_count()} 核的一台机器,{BUYERS} 个买家,共 {orders} 个订单。"
    return "\n".join([when, "", *(f"| {' | '.join(cells)} |" for cells in lines)])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rows", nargs="*", choices=[[], *ROWS], default=[], metavar="MACHINE:FAULT")
    parser.add_argument("--short", action="store_true")
    asked = parser.parse_args()
    names = list(SHORT) if asked.short else asked.rows
    if reason := obstacle():
        # In CI nothing may be left out unnoticed.
        print(f"The cluster was not tested: {reason}")
        return int(bool(os.environ.get("CI")))
    rows = []
    with installation() as (everything, traffic):
        for name in names or ROWS:
            rows.append(row(everything, traffic, name, SHORT[name] if asked.short else FAULT_S))
            print(name, *rows[-1], sep="\t", flush=True)
        for reason, times in traffic.unforeseen.items():
            print(f"{times} times: {reason}")
        text = table(rows, len(traffic.orders))
    if names:
        print(text)
    else:
        before, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest.partition(END)[2]}", "utf-8")
    return int(any(cells[7] != "0" or cells[8] not in ("0", "1") for cells in rows))


if __name__ == "__main__":
    sys.exit(main())
