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
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import psutil

from benchmarks import kit
from tests.kit import free_ports
from tests.processes import DEPLOYED_HOST, deployed_environ, nginx_before

PEOPLE, THINK_S, PATIENCE_S = 40, (0.3, 1.0), 10
ATTACKERS = 16
QUIET = "(quiet)"
TABLES = ("auditlog_logentry", "accounts_user", "shop_order", "uploads_upload", "students_student")
TABLES += ("payments_inboundevent",)
JSON, XML = "application/json", "text/xml"
NESTED_XML = b"<xml>" + b"<a>1</a>" * 2_000 + b"</xml>"
STUDENT = {
    "class": "一班", "name": "王芳", "age": 20, "city": "南京", "degree": "本科", "productUrl": "x", "description": "x",
}  # fmt: skip
STEPS: list[tuple[str, str, Any]] = [
    *[("GET", "/students/getstulist?page=1&count=10", None)] * 4,
    *[("GET", "/students/searchstu?key=王&page=1&count=10", None)] * 3,
    ("POST", "/students/addstu", STUDENT),
    *[("GET", "/product/get_product?page=1&count=10", None)] * 2,
    ("GET", "/cart/get_cart", None),
    ("GET", "/order/get_order?page=1&count=10", None),
    ("GET", "/permission/getMenuList", None),
]


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


def person(scene: Scene, tally: kit.Tally, number: int, is_over: threading.Event) -> None:
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
    tally = kit.Tally()
    request_of = (ATTACKS | PRACTICE_ATTACKS)[name]

    def work(number: int, is_over: threading.Event) -> None:
        n, sender = number, f"127.0.1.{number + 1}"
        while not is_over.is_set():
            if name == SLOW:
                slow_body(scene, tally, sender)
            else:
                path, body, kind, token = request_of(scene, n)
                scene.ask(tally, sender, "GET" if body is None else "POST", path, body, kind=kind, token=token)
            n += ATTACKERS

    with kit.crowd(partial(work, number) for number in range(ATTACKERS)):
        time.sleep(seconds)
    return tally


# --- What is left --------------------------------------------------------------------------------
def footprint(processes: list[psutil.Process], media: Path) -> dict[str, int]:
    from django.db import connection

    sizes = {"MB": sum(process.memory_info().rss for process in processes) // 2**20}
    sizes["KB of files"] = sum(file.stat().st_size for file in media.rglob("*") if file.is_file()) // 1024
    with connection.cursor() as cursor:
        for table in TABLES:
            cursor.execute(f"SELECT count(*) FROM {table}")
            (sizes[table.partition("_")[2]],) = cursor.fetchone()
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
    from students.models import Student

    roles_seed()
    role, password = Role.objects.get(roleid="102"), "right-password"
    people = [User.objects.create_user(f"person{n}", password, role=role) for n in range(PEOPLE)]
    thief = User.objects.create_user("thief", password, role=role, unid="thief")
    (product,) = kit.make_products(1, price="1", stock=100_000)
    fields = {"age": 20, "class_name": "H51901", "city": "南京", "degree": "本科", "product_url": "x"}
    student = Student.objects.create(name="王芳", created_at=timezone.now(), **fields)
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
    """Run them on a server with the deployed file and one setting changed."""
    (web_port,) = free_ports(1)
    settings = {"DJANGO_SETTINGS_MODULE": "config.settings.practice", "WEB_URL": f"http://127.0.0.1:{web_port}"}
    with kit.prepared(**deployed_environ(home, LOG_LEVEL="ERROR", **settings)):
        from django.core.management import call_command

        call_command("seed_roles", verbosity=0)
        call_command("collectstatic", interactive=False, verbosity=0)
        changes = {"X-Forwarded-Proto $scheme": "X-Forwarded-Proto https"}
        with (
            kit.deployed_web(os.environ, port=web_port, log=home / "web.log") as (_, web),
            nginx_before(home, web=web_port, socket=web_port, changes=changes) as (port, _),
        ):
            scene = make_scene(port)
            scene.host, scene.invite = DEPLOYED_HOST, invitation()
            return play(scene, web.children(), home / "media_root", names, seconds)


def invitation() -> str:
    from django.utils import timezone

    from practice.services import invitation_make, terms_keep

    terms_keep(class_name="H5", roleid="102", scope="own", students=3)
    return invitation_make(class_name="H5", days=1, places=200, by="root", now=timezone.now()).code


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
    tally, failed = kit.Tally(), 0
    print(f"{'':18}{'people':>8}{'failed':>8}{'p99 ms':>8}{'ratio':>7}{'sent':>8}  answers; left behind")
    with kit.crowd(partial(person, scene, tally, number) for number in range(PEOPLE)):
        time.sleep(3)
        quiet = 0.0
        for name in [QUIET, *names]:
            tally.seconds, tally.answers = [], Counter()
            before = footprint(workers, media)
            if name == QUIET:
                time.sleep(seconds)
            sent = kit.Tally() if name == QUIET else attack(scene, name, seconds)
            number, hurt, p99 = sum(tally.answers.values()), tally.failed, 1000 * kit.share(tally.seconds, 99)
            quiet = quiet or p99
            failed += hurt
            line = f"{name:18}{number:8,}{hurt:8,}{p99:8,.0f}{p99 / quiet:7.1f}{sum(sent.answers.values()):8,}  {sent}"
            print(f"{line}; {growth(before, footprint(workers, media))}", flush=True)
            if hurt:
                print(" " * 18 + f"people were answered: {tally}")
    return failed > 0


if __name__ == "__main__":
    main()
