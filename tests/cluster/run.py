"""Let machines die under traffic, and tell what people noticed and whether anything was lost.

    python -m tests.cluster.run              # all rows of the table of docs/high-availability.md, as it has them
    python -m tests.cluster.run valkey:cut   # one row
    python -m tests.cluster.run --short      # what CI does: two rows, about two minutes

Needs root, Debian's gcc, etcd-server, haproxy, keepalived, curl and patroni, iproute2, and Node.js with the packages of
tests/clients.
"""

import argparse
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import psycopg
import requests

from tests.cluster.checks import STOCK, lost, writers
from tests.cluster.machines import HERE, disks_remove, network
from tests.cluster.parts import DATABASE_URL, ENTRANCE, Installation, ask, awaited
from tests.cluster.rows import NOTICED_S, ROWS, SHORT, Row
from tests.cluster.traffic import KINDS, SCREENS, Traffic
from tests.concurrency.network import can_make_networks
from tests.kit import reply, serving
from tests.processes import ROOT, until

BUYERS = 4
BACK_S = 10  # within which everything works again, once what was broken is mended
PROGRAMS = ("cc", "etcd", "patroni", "haproxy", "keepalived", "curl", "setpriv", "ip", "node")


def obstacle() -> str:
    """Return why this cannot run here; empty if it can."""
    path = f"{os.environ['PATH']}:/usr/sbin:/usr/bin"
    if absent := [name for name in PROGRAMS if not shutil.which(name, path=path)]:
        packages = "gcc etcd-server haproxy keepalived curl patroni python3-etcd iproute2 util-linux nodejs npm"
        return f"{', '.join(absent)} not found (apt install {packages})"
    if not (SCREENS.parent / "node_modules").exists():
        return f"npm ci --prefix {SCREENS.parent.relative_to(ROOT)} was not run"
    return "" if can_make_networks() else "it needs network namespaces: run it as root"


class WeChatLogin(BaseHTTPRequestHandler):
    """WeChat's login. A code is the person's name with something after a dash, and good for everything."""

    def do_GET(self) -> None:
        place = urlsplit(self.path)
        query = dict(parse_qsl(place.query))
        if place.path == "/sns/oauth2/access_token":
            person = query["code"].partition("-")[0]
            token = {"access_token": person, "expires_in": 7200, "scope": "snsapi_userinfo"}
            reply(self, {"openid": f"openid-{person}", **token})
        else:
            reply(self, {"openid": query["openid"], "nickname": query["access_token"], "sex": 1})


@contextmanager
def installation() -> Iterator[tuple[Installation, "Traffic"]]:
    """Start all machines, set the scene, and let the buyers in."""
    from payments.tests.fake_wechat import WeChat

    home = Path(tempfile.mkdtemp(prefix="spms-cluster-"))
    os.environ["PATH"] += ":/usr/sbin:/usr/bin"
    with ExitStack() as stack:
        if os.environ.get("KEEP"):
            print(f"logs: {home}")
        else:
            stack.callback(shutil.rmtree, home, ignore_errors=True)
            stack.callback(disks_remove, home)
        wechat = WeChat("0.0.0.0")
        stack.callback(wechat.stop)
        wechat.refund_status = "SUCCESS"
        (home / "merchant").mkdir()
        merchant = wechat.merchant(home / "merchant")
        merchant["WECHAT_PAY_BASE_URL"] = wechat.url.replace("0.0.0.0", HERE)
        login = stack.enter_context(serving(WeChatLogin, "0.0.0.0"))
        everything = Installation(home, merchant | {"WECHAT_API_BASE_URL": login.replace("0.0.0.0", HERE)})
        stack.enter_context(network(everything.machines))
        for machine in (*everything.databases, *everything.caches, everything.third):
            machine.start()
        for app in everything.apps:
            app.start("etcd", "sentinel")
        awaited(everything.primary_database, "a primary database")
        with psycopg.connect(DATABASE_URL.replace("/spms?", "/postgres?"), autocommit=True) as admin:
            admin.execute("CREATE DATABASE spms")
            admin.execute("CREATE TABLE written (at timestamptz)")
        traffic = Traffic(wechat, *scene(everything))
        for machine in (*everything.apps, *everything.doors):
            machine.start()
        awaited(lambda: ask(f"{ENTRANCE}/health/ready") == 200, "the application", 240)
        awaited(everything.is_whole, "every spare")
        yield everything, traffic


def scene(everything: Installation) -> tuple[list[str], str, requests.Session]:
    """Migrate, once for all machines; make people and a product.

    Return the buyers' tokens, the product's id, and a browser that is logged in to the back office.
    """
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
    from shop.services.catalogue import product_create
    from tests.kit import logged_in

    call_command("migrate", verbosity=0)
    call_command("seed_roles", verbosity=0)
    people = [User(username=f"buyer{n}", password="!", role=Role.objects.get(roleid="200")) for n in range(BUYERS)]
    tokens = [token_issue(user) for user in User.objects.bulk_create(people)]
    category = Category.objects.create(category_id="20210101000000001", name="课程", created_at=timezone.now())
    facts = {"category_id": category.category_id, "name": "课程", "price": "0.01", "stock": STOCK}
    product = product_create(**facts, actor="cluster", now=timezone.now())
    root = User.objects.create(username="root", password="!", role=Role.objects.get(roleid="1"), is_staff=True)
    browser = requests.Session()
    browser.cookies.update({name: cookie.value for name, cookie in logged_in(root).cookies.items()})
    return tokens, product.product_id, browser


def run(everything: Installation, traffic: Traffic, row: Row, lasts_s: float) -> tuple[list[str], list[str]]:
    """Let one thing happen, put it right again; return the cells of the row and what must not be."""
    if row.in_bucket:
        everything.bucket_use()
    traffic.viewers, traffic.silence_s = row.viewers, row.silence_s
    with traffic:
        time.sleep(4)
        since = time.monotonic()
        mend = row.begin(everything, traffic)
        primaries = writers(everything)
        while time.monotonic() < since + lasts_s:
            time.sleep(1)
            everything.tend()
            primaries = max(primaries, writers(everything))
        mended = time.monotonic()
        mend()
        back = awaited(everything.is_whole, "recovery", 180)
        primaries = max(primaries, writers(everything))
        time.sleep(5)
        ends = time.monotonic()
    until(lambda: not lost(everything, traffic), 60)
    loss = lost(everything, traffic)
    if row.in_bucket:
        everything.bucket_leave()
    noticed = {kind: traffic.noticed(kind, since, ends) for kind in KINDS}
    after = {kind: traffic.noticed(kind, mended, ends) for kind in KINDS}
    away, slowest, refused = traffic.longest_away(since), traffic.slowest(since), traffic.refused(since)
    for answer, times in refused.most_common(12):
        print(f"    {times} × {answer}")
    wrong = [f"lost: {loss}"] if loss else []
    wrong += [] if traffic.returned and traffic.refunded_part else ["no order was refunded: nothing is shown"]
    wrong += ["two primaries"] if primaries > 1 else []
    wrong += [f"{kind}: {s:.1f} s" for kind, s in noticed.items() if s > row.limit_s and kind not in row.may_stop]
    wrong += [f"{kind} came back after {s:.1f} s" for kind, s in after.items() if s > BACK_S]
    wrong += [f"a screen was away for {away:.1f} s"] if away > NOTICED_S and "scan" not in row.may_stop else []
    must_not = {answer: n for answer, n in refused.items() if answer.partition(":")[0] not in row.may_stop}
    wrong += [f"refused: {must_not}"] if must_not and not row.refuses else []
    seconds = [f"{seconds:.1f}" for seconds in (*noticed.values(), away, slowest)]
    counts = [str(refused.total()), str(len(loss)), str(primaries), f"{back:.0f}"]
    return [row.who, row.what, *seconds, *counts], wrong


HEAD = "机器 怎么坏 读 下单 付款 退款 图片 扫码 断线 最慢的请求 被拒绝 丢失 可写的主库 恢复后完整"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rows", nargs="*", choices=[[], *ROWS], default=[], metavar="ROW")
    parser.add_argument("--short", action="store_true")
    options = parser.parse_args()
    lasting = SHORT if options.short else {name: ROWS[name].lasts_s for name in options.rows or ROWS}
    if reason := obstacle():
        # In CI nothing may be left out unnoticed.
        print(f"The cluster was not tested: {reason}")
        return int(bool(os.environ.get("CI")))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that networks and disks are removed
    failed = []
    print(f"{os.cpu_count()} cores, {BUYERS} buyers; times in seconds\n| {HEAD.replace(' ', ' | ')} |", flush=True)
    with installation() as (everything, traffic):
        for name, lasts_s in lasting.items():
            cells, wrong = run(everything, traffic, ROWS[name], lasts_s)
            failed += [f"{name}: {what}" for what in wrong]
            print(f"| {' | '.join(cells)} |", flush=True)
        for reason, times in traffic.unforeseen.items():
            print(f"{times} times: {reason}")
    print(*failed, sep="\n")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
