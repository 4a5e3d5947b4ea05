"""A month of strangers in ten minutes: what attacks do to forty people at work, and what they leave behind.

    python -m benchmarks.strangers                 # about ten minutes
    python -m benchmarks.strangers --short         # two minutes, as CI runs it; exits with 1 where a person was hurt
    python -m benchmarks.strangers --only bodies "audit flood"
    python -m benchmarks.strangers --practice      # only what a practice server has beside: joiners, phones, switches

Starts throw-away engines, the web server as ``deploy/systemd/spms-web.service`` has it, and nginx with
``deploy/nginx.conf`` before it; then the same with ``config.settings.practice``. Forty people list, search, add and buy
with think time; each attack runs beside them from other addresses. For each of them the table says how many requests of
the people failed, their slowest hundredth beside that of a quiet time, and what was left: memory of the web processes
after the attack, rows, and files. A request has failed if it was not answered in 10 s, or with HTTP 400 or more.
Clients and servers share the machine, so the times say little unless it is otherwise idle.
"""

import io
import os
import random
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import psutil

from benchmarks import kit
from benchmarks.practice import HOST, STEPS, STUDENT, invitation, practice_server
from tests.processes import nginx_before

PEOPLE, THINK_S, PATIENCE_S = 40, (0.3, 1.0), 10
ATTACKERS = 16
TABLES = (
    *("auditlog_logentry", "accounts_user", "shop_order", "uploads_storedimage"),
    *("students_student", "payments_inboundevent"),
)
JSON, XML = "application/json", "text/xml"
NESTED_XML = b"<xml>" + b"<a>1</a>" * 2_000 + b"</xml>"


@dataclass
class Scene:
    """The running server and what is known of it."""

    port: int
    tokens: list[str]
    thief: str  # the token that was stolen
    product_id: str
    sid: str
    host: str = "127.0.0.1"
    invite: str = ""

    def ask(self, tally: kit.Tally, sender: str, *request: Any, **options: Any) -> None:
        kit.ask(self.port, *request, tally=tally, sender=sender, patience_s=PATIENCE_S, Host=self.host, **options)


def person(scene: Scene, number: int, tally: kit.Tally, is_over: threading.Event) -> None:
    """List, search, add and buy, with think time."""
    luck, token, sender = random.Random(number), scene.tokens[number], f"127.0.2.{number + 1}"
    steps = [*STEPS, ("POST", "/cart/add_to_cart", {"product_id": scene.product_id, "count": 1})]
    while not is_over.is_set():
        scene.ask(tally, sender, *luck.choice(steps), token=token)
        is_over.wait(luck.uniform(*THINK_S))


# --- The attacks: each is one request, sent again and again by several threads -------------------
class Sent(NamedTuple):
    path: str
    body: Any = None
    kind: str = JSON
    token: str = ""


def many_objects(number: int) -> bytes:
    return b'{"username":[' + b",".join([b"{}"] * number) + b"]}"


@cache
def heavy_picture() -> bytes:
    """Return a progressive JPEG of 36 megapixels, in 200 KB."""
    from PIL import Image

    out = io.BytesIO()
    Image.new("RGB", (6_000, 6_000), "teal").save(out, "JPEG", progressive=True, quality=30)
    return out.getvalue()


def switch_or_call(scene: Scene, n: int) -> Sent:
    """Make the own calls slow, so that each of them is under way for seconds."""
    if n % 8:
        return Sent("/verify", token=scene.thief)
    return Sent("/sandbox/control/calls", {"delay_ms": 5_000, "calls": ["/verify"], "minutes": 1}, token=scene.thief)


OVERLONG = {"order_id": "x" * 500, "openid": "x" * 500, "trade_type": "JSAPI", "page": 10**40}
OVERLONG_PATHS = ("/pay/payment", "/order/get_order", "/cart/update_cart")
PHONE_PATHS = ("/sandbox/phone/", "/sandbox/", "/sandbox/control/trades", "/sandbox/sms/messages/")
PROVIDER_PATHS = ("/sandbox/wxpay/pay/unifiedorder", "/sandbox/wxpay/v3/refund/domestic/refunds")
JOINER = {"password": "kai-ge-2026", "nickname": "新来的"}
SLOW = "slow bodies"  # sent by hand, see slow_body

ATTACKS: dict[str, Callable[[Scene, int], Sent]] = {
    "bodies": lambda scene, n: Sent("/users/login", many_objects((340_000, 40_000, 9_000)[n % 3])),
    "forms with files": lambda scene, n: Sent(
        "/students/uploadStuAvatar", kit.form_of(*[b"x" * 2_000_000] * 12), kit.FORM
    ),
    SLOW: lambda scene, n: Sent("/users/login"),
    "wrong passwords": lambda scene, n: Sent(
        "/users/login", {"username": f"person{n % PEOPLE}", "password": f"wrong{n}"}
    ),
    "wrong codes": lambda scene, n: Sent(
        "/users/login", {"phone": f"1380000{n % 10_000:04}", "code": f"{n % 100_000:05}", "type": "sms", "key": "x"}
    ),
    "messages": lambda scene, n: Sent("/sms/send", {"phone": f"139{n % 10**8:08}"}),
    "phone numbers": lambda scene, n: Sent(
        "/users/updateUser", {"unid": "thief", "phone": f"137{n % 10**8:08}"}, token=scene.thief
    ),
    "audit flood": lambda scene, n: Sent(
        "/students/updatestu", {"sId": scene.sid, "name": f"名{n}"}, token=scene.thief
    ),
    "hoarding": lambda scene, n: Sent(
        "/pay/pre_order", {"product_id": scene.product_id, "quantity": 1}, token=scene.thief
    ),
    "overlong values": lambda scene, n: Sent(OVERLONG_PATHS[n % 3], OVERLONG, token=scene.thief),
    "heavy pictures": lambda scene, n: Sent("/upload/uploadImg", kit.form_of(heavy_picture()), kit.FORM),
    "forged notices": lambda scene, n: Sent("/pay/payResult", NESTED_XML, XML),
}
PRACTICE_ATTACKS: dict[str, Callable[[Scene, int], Sent]] = {
    "joiners": lambda scene, n: Sent(
        "/users/join", JOINER | {"username": f"joiner{n}", "invite": scene.invite if n % 2 else "H7KM3XQ9"}
    ),
    "phones and books": lambda scene, n: Sent(PHONE_PATHS[n % 4], token=scene.thief),
    "provider paths": lambda scene, n: Sent(PROVIDER_PATHS[n % 2], NESTED_XML, XML),
    "switches": switch_or_call,
    "ceilings": lambda scene, n: Sent("/students/addstu", STUDENT | {"name": f"名{n}"}, token=scene.thief),
}


def slow_body(scene: Scene, tally: kit.Tally, sender: str) -> None:
    with socket.create_connection(("127.0.0.1", scene.port), PATIENCE_S, source_address=(sender, 0)) as line:
        line.sendall(b"POST /users/login HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n{")
        time.sleep(5)
    tally.answers["hung up"] += 1


def attack(scene: Scene, name: str, seconds: float) -> kit.Tally:
    tally, ends_at = kit.Tally(), time.monotonic() + seconds
    request_of = (ATTACKS | PRACTICE_ATTACKS)[name]

    def work(number: int) -> None:
        n, sender = number, f"127.0.1.{number + 1}"
        while time.monotonic() < ends_at:
            if name == SLOW:
                slow_body(scene, tally, sender)
            else:
                path, body, kind, token = request_of(scene, n)
                scene.ask(tally, sender, "GET" if body is None else "POST", path, body, kind=kind, token=token)
            n += ATTACKERS

    workers = [threading.Thread(target=work, args=[number]) for number in range(ATTACKERS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return tally


# --- What is left --------------------------------------------------------------------------------
def footprint(processes: list[psutil.Process], media: Path) -> dict[str, int]:
    from django.db import connection

    sizes = {"MB": sum(process.memory_info().rss for process in processes) // 2**20}
    sizes["KB of files"] = sum(file.stat().st_size for file in media.rglob("*") if file.is_file()) // 1024
    with connection.cursor() as cursor:
        for table in TABLES:
            cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [table])
            if cursor.fetchone() == (True,):
                cursor.execute(f"SELECT count(*) FROM {table}")
                sizes[table.partition("_")[2]] = cursor.fetchone()[0]
    return sizes


def growth(before: dict[str, int], after: dict[str, int]) -> str:
    changes = [f"{name} {after[name] - before[name]:+,}" for name in after if after[name] != before[name]]
    return ", ".join(changes) or "nothing"


# --- Start ---------------------------------------------------------------------------------------
def make_scene(port: int) -> Scene:
    from django.utils import timezone

    from accounts.models import User
    from accounts.tokens import token_issue
    from permissions.models import Role
    from permissions.services.roles import roles_seed
    from shop.models import Product
    from shop.services.catalogue import category_create
    from students.models import Student

    roles_seed()
    role, now = Role.objects.get(roleid="102"), timezone.now()
    people = [User.objects.create_user(f"person{n}", "right-password", role=role) for n in range(PEOPLE)]
    thief = User.objects.create_user("thief", "right-password", role=role)
    User.objects.filter(pk=thief.pk).update(unid="thief")
    thief.refresh_from_db()
    category = category_create(name="车辆", actor="root", now=now)
    product = Product.objects.create(
        product_id="20260101000000000", category=category, name="折叠自行车", price=1, stock=100_000, creator="root",
        created_at=now, description="16寸",
    )  # fmt: skip
    fields = {"age": 20, "class_name": "H51901", "city": "南京", "degree": "本科", "product_url": "x"}
    student = Student.objects.create(name="王芳", created_at=now, **fields)
    return Scene(port, [token_issue(user) for user in people], token_issue(thief), product.product_id, student.sid)


def main() -> None:
    parser = kit.parser(__doc__)
    parser.add_argument("--short", action="store_true", help="2 or 3 s for each attack instead of 30")
    parser.add_argument("--only", nargs="+", choices=[*ATTACKS, *PRACTICE_ATTACKS], metavar="ATTACK")
    parser.add_argument("--practice", action="store_true", help="on a practice server alone")
    options, environ = parser.parse_args(), dict(os.environ)
    seconds = (2 if options.practice else 3) if options.short else 30
    with TemporaryDirectory() as home:
        if options.practice:
            hurt = on_practice_server(Path(home), options.only or list(PRACTICE_ATTACKS), seconds)
        else:
            hurt = on_production_server(Path(home), options.only or list(ATTACKS), seconds)
    if not (options.practice or options.only):  # a process of its own: settings are read once
        again = [sys.executable, "-m", "benchmarks.strangers", "--practice", *(["--short"] if options.short else [])]
        hurt |= bool(subprocess.run(again, env=environ).returncode)
    sys.exit(options.short and hurt)


def on_practice_server(home: Path, names: list[str], seconds: float) -> bool:
    with practice_server(home) as (port, web, media):
        scene = make_scene(port)
        scene.host, scene.invite = HOST, invitation(students=3)
        return play(scene, web.children(), media, names, seconds)


def on_production_server(home: Path, names: list[str], seconds: float) -> bool:
    media = home / "media"
    with kit.prepared(MEDIA_ROOT=str(media), STATE_DIR=str(home), TRUSTED_PROXIES="1"):
        from django.conf import settings

        with kit.deployed_web(os.environ | {"DJANGO_SECRET_KEY": settings.SECRET_KEY}) as (web_port, web):
            time.sleep(5)
            workers = sorted(web.children(), key=lambda process: process.memory_info().rss)[-2:]
            with nginx_before(home, web=web_port, socket=web_port) as (port, _):
                return play(make_scene(port), workers, media, names, seconds)


def play(scene: Scene, workers: list[psutil.Process], media: Path, names: list[str], seconds: float) -> bool:
    """Print a line for each attack; tell whether a person's request failed."""
    tally, is_over = kit.Tally(), threading.Event()
    people = [threading.Thread(target=person, args=[scene, n, tally, is_over]) for n in range(PEOPLE)]
    for each in people:
        each.start()
    time.sleep(3)
    failed = 0
    print(f"{'':18}{'people':>8}{'failed':>8}{'p99 ms':>8}{'sent':>8}  answers; left behind")
    for name in ["(quiet)", *names]:
        tally.seconds, tally.answers = [], Counter()
        before = footprint(workers, media)
        if name == "(quiet)":
            time.sleep(seconds)
        sent = kit.Tally() if name == "(quiet)" else attack(scene, name, seconds)
        number, hurt, p99 = sum(tally.answers.values()), tally.failed, 1000 * kit.share(tally.seconds, 99)
        failed += hurt
        remains = growth(before, footprint(workers, media))
        print(f"{name:18}{number:8,}{hurt:8,}{p99:8,.0f}{sum(sent.answers.values()):8,}  {sent}; {remains}", flush=True)
        if hurt:
            print(" " * 18 + f"people were answered: {tally}")
    is_over.set()
    for each in people:
        each.join()
    return failed > 0


if __name__ == "__main__":
    main()
