"""A month of strangers in ten minutes: what attacks do to forty people at work, and what they leave behind.

    python benchmarks/strangers.py                 # about ten minutes
    python benchmarks/strangers.py --short         # two minutes, as CI runs it; exits with 1 where a person was hurt
    python benchmarks/strangers.py --only bodies "audit flood"
    python benchmarks/strangers.py --practice      # only what a practice server has beside: joiners, phones, switches

Starts throw-away engines, the web server as ``deploy/systemd/spms-web.service`` has it, and nginx with
``deploy/nginx.conf`` before it; then the same with ``config.settings.practice``. Forty people list, search, add and buy
with think time; each attack runs beside them from other addresses. For each of them the table says how many requests of
the people failed, their slowest hundredth beside that of a quiet time, and what was left: memory of the web processes
after the attack, rows, and files. A request has failed if it was not answered in 10 s, or with HTTP 400 or more.
Clients and servers share the machine, so the times say little unless it is otherwise idle.
"""

import argparse
import http.client
import io
import json
import os
import random
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote, urlencode

import psutil

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import kit, serving  # noqa: E402
from operations import units  # noqa: E402

PEOPLE, THINK_S, PATIENCE_S = 40, (0.3, 1.0), 10
ATTACKERS = 16
TABLES = (
    *("auditlog_logentry", "accounts_loginattempt", "accounts_user", "shop_order", "uploads_storedimage"),
    *("students_student", "payments_inboundevent"),
)
JSON, FORM = "application/json", "application/x-www-form-urlencoded"


@dataclass
class Tally:
    """What the people, or an attack, were answered."""

    seconds: list[float] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)

    @property
    def failed(self) -> int:
        return sum(number for answer, number in self.answers.items() if answer[0] not in "123")

    @property
    def p99_ms(self) -> float:
        took = sorted(self.seconds) or [0.0]
        return 1000 * took[len(took) * 99 // 100]


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

    def ask(
        self, tally: Tally, sender: str, method: str, path: str, body: Any = None, kind: str = JSON, **headers: str
    ) -> str:
        """Send a request from an address of this machine; note and return the answer's HTTP status."""
        if isinstance(body, dict):
            body = json.dumps(body).encode() if kind == JSON else urlencode(body).encode()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S, source_address=(sender, 0))
        start = time.perf_counter()
        try:
            types = {"Host": self.host} | ({"Content-Type": kind} if body is not None else {})
            connection.request(method, quote(path, safe="/?=&"), body, types | headers)
            answer = connection.getresponse()
            answer.read()
            status = str(answer.status)
        except (OSError, http.client.HTTPException) as error:
            status = type(error).__name__
        finally:
            connection.close()
        tally.seconds.append(time.perf_counter() - start)
        tally.answers[status] += 1
        return status


# --- The people ----------------------------------------------------------------------------------
def person(scene: Scene, number: int, tally: Tally, is_over: threading.Event) -> None:
    """List, search, add and buy, with think time."""
    luck, token, sender = random.Random(number), scene.tokens[number], f"127.0.2.{number + 1}"
    student = {"class": f"H{number:03}", "name": "王芳", "age": 20, "city": "南京", "degree": "本科", "productUrl": "x"}
    steps: list[tuple[str, str, Any]] = [
        ("GET", "/students/getstulist?page=1&count=10", None),
        ("GET", "/students/searchstu?key=王&page=1&count=10", None),
        ("POST", "/students/addstu", student | {"description": "x"}),
        ("GET", "/product/get_product?page=1&count=10", None),
        ("POST", "/cart/add_to_cart", {"product_id": scene.product_id, "count": 1}),
        ("GET", "/cart/get_cart", None),
        ("GET", "/order/get_order?page=1&count=10", None),
    ]
    while not is_over.is_set():
        scene.ask(tally, sender, *luck.choice(steps), authorization=token)
        is_over.wait(luck.uniform(*THINK_S))


# --- The attacks: each is one request, sent again and again by several threads -----------------------
def bodies(scene: Scene, tally: Tally, sender: str, n: int) -> None:
    size = (340_000, 40_000, 9_000)[n % 3]
    scene.ask(tally, sender, "POST", "/users/login", b'{"username":[' + b",".join([b"{}"] * size) + b"]}")


def forms(scene: Scene, tally: Tally, sender: str, n: int) -> None:
    part = b'--x\r\nContent-Disposition: form-data; name="a"; filename="a"\r\n\r\n' + b"x" * 2_000_000 + b"\r\n"
    scene.ask(
        tally, sender, "POST", "/students/uploadStuAvatar", part * 12 + b"--x--\r\n", "multipart/form-data; boundary=x"
    )


def slow_bodies(scene: Scene, tally: Tally, sender: str, n: int) -> None:
    with socket.create_connection(("127.0.0.1", scene.port), PATIENCE_S, source_address=(sender, 0)) as line:
        line.sendall(b"POST /users/login HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n{")
        time.sleep(5)
    tally.answers["hung up"] += 1


def wrong_passwords(scene: Scene, tally: Tally, sender: str, n: int) -> None:
    scene.ask(tally, sender, "POST", "/users/login", {"username": f"person{n % PEOPLE}", "password": f"wrong{n}"})


def wrong_codes(scene: Scene, tally: Tally, sender: str, n: int) -> None:
    body = {"phone": f"1380000{n % 10_000:04}", "code": f"{n % 100_000:05}", "type": "sms", "key": "x"}
    scene.ask(tally, sender, "POST", "/users/login", body)


def messages(scene: Scene, tally: Tally, sender: str, n: int) -> None:
    scene.ask(tally, sender, "POST", "/sms/send", {"phone": f"139{n % 10**8:08}"})


def phones(scene: Scene, tally: Tally, sender: str, n: int) -> None:
    body = {"unid": "thief", "phone": f"137{n % 10**8:08}"}
    scene.ask(tally, sender, "POST", "/users/updateUser", body, authorization=scene.thief)


def audit_flood(scene: Scene, tally: Tally, sender: str, n: int) -> None:
    body = {"sId": scene.sid, "name": f"名{n}"}
    scene.ask(tally, sender, "POST", "/students/updatestu", body, authorization=scene.thief)


def hoarding(scene: Scene, tally: Tally, sender: str, n: int) -> None:
    body = {"product_id": scene.product_id, "quantity": 1}
    scene.ask(tally, sender, "POST", "/pay/pre_order", body, authorization=scene.thief)


def overlong(scene: Scene, tally: Tally, sender: str, n: int) -> None:
    body = {"order_id": "x" * 500, "openid": "x" * 500, "trade_type": "JSAPI", "page": 10**40}
    path = ("/pay/payment", "/order/get_order", "/cart/update_cart")[n % 3]
    scene.ask(tally, sender, "POST", path, body, authorization=scene.thief)


def pictures(scene: Scene, tally: Tally, sender: str, n: int) -> None:
    part = (
        b'--x\r\nContent-Disposition: form-data; name="img"; filename="a.jpg"\r\n\r\n'
        + heavy_picture()
        + b"\r\n--x--\r\n"
    )
    scene.ask(tally, sender, "POST", "/upload/uploadImg", part, "multipart/form-data; boundary=x")


_pictures: list[bytes] = []


def heavy_picture() -> bytes:
    """Return a progressive JPEG of 36 megapixels, in 200 KB."""
    from PIL import Image

    if not _pictures:
        out = io.BytesIO()
        Image.new("RGB", (6_000, 6_000), "teal").save(out, "JPEG", progressive=True, quality=30)
        _pictures.append(out.getvalue())
    return _pictures[0]


def notices(scene: Scene, tally: Tally, sender: str, n: int) -> None:
    scene.ask(tally, sender, "POST", "/pay/payResult", b"<xml>" + b"<a>1</a>" * 2_000 + b"</xml>", "text/xml")


# --- Those that only a practice server knows ---
def joiners(scene: Scene, tally: Tally, sender: str, n: int) -> None:
    person = {"username": f"joiner{n}", "password": "kai-ge-2026", "nickname": "新来的"}
    scene.ask(tally, sender, "POST", "/users/join", person | {"invite": scene.invite if n % 2 else "H7KM3XQ9"})


def own_phones(scene: Scene, tally: Tally, sender: str, n: int) -> None:
    path = ("/sandbox/phone/", "/sandbox/", "/sandbox/control/trades", "/sandbox/sms/messages/")[n % 4]
    scene.ask(tally, sender, "GET", path, authorization=scene.thief)


def providers(scene: Scene, tally: Tally, sender: str, n: int) -> None:
    path = ("/sandbox/wxpay/pay/unifiedorder", "/sandbox/wxpay/v3/refund/domestic/refunds")[n % 2]
    scene.ask(tally, sender, "POST", path, b"<xml>" + b"<a>1</a>" * 2_000 + b"</xml>", "text/xml")


def switches(scene: Scene, tally: Tally, sender: str, n: int) -> None:
    """Make the own calls slow, so that each of them is under way for seconds."""
    body = {"delay_ms": 5_000, "calls": ["/verify"], "minutes": 1}
    if n % 8 == 0:
        scene.ask(tally, sender, "POST", "/sandbox/control/calls", body, authorization=scene.thief)
    scene.ask(tally, sender, "GET", "/verify", authorization=scene.thief)


def ceilings(scene: Scene, tally: Tally, sender: str, n: int) -> None:
    facts = {"class": "H", "name": f"名{n}", "age": 20, "city": "x", "degree": "x", "productUrl": "x"}
    scene.ask(tally, sender, "POST", "/students/addstu", facts | {"description": "x"}, authorization=scene.thief)


PRACTICE_ATTACKS: dict[str, Callable[[Scene, Tally, str, int], None]] = {
    "joiners": joiners,
    "phones and books": own_phones,
    "provider paths": providers,
    "switches": switches,
    "ceilings": ceilings,
}
ATTACKS: dict[str, Callable[[Scene, Tally, str, int], None]] = {
    "bodies": bodies,
    "forms with files": forms,
    "slow bodies": slow_bodies,
    "wrong passwords": wrong_passwords,
    "wrong codes": wrong_codes,
    "messages": messages,
    "phone numbers": phones,
    "audit flood": audit_flood,
    "hoarding": hoarding,
    "overlong values": overlong,
    "heavy pictures": pictures,
    "forged notices": notices,
}


def attack(scene: Scene, name: str, seconds: float) -> Tally:
    tally, ends_at = Tally(), time.monotonic() + seconds

    def work(number: int) -> None:
        n = number
        while time.monotonic() < ends_at:
            (ATTACKS | PRACTICE_ATTACKS)[name](scene, tally, f"127.0.1.{number + 1}", n)
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
    facts = {"age": 20, "class_name": "H51901", "city": "南京", "degree": "本科", "product_url": "x"}
    student = Student.objects.create(name="王芳", created_at=now, **facts)
    return Scene(port, [token_issue(user) for user in people], token_issue(thief), product.product_id, student.sid)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true", help="2 or 3 s for each attack instead of 30")
    parser.add_argument("--only", nargs="+", choices=[*ATTACKS, *PRACTICE_ATTACKS], metavar="ATTACK")
    parser.add_argument("--practice", action="store_true", help="on a practice server alone")
    options, environ = parser.parse_args(), dict(os.environ)
    seconds, hurt = (2 if options.practice else 3) if options.short else 30, False
    with TemporaryDirectory() as home:
        if options.practice:
            hurt = on_practice_server(Path(home), options.only or list(PRACTICE_ATTACKS), seconds)
        else:
            hurt = on_production_server(Path(home), options.only or list(ATTACKS), seconds)
    if not (options.practice or options.only):  # a process of its own: settings are read once
        again = [sys.executable, __file__, "--practice", *(["--short"] if options.short else [])]
        hurt |= bool(subprocess.run(again, env=environ).returncode)
    sys.exit(options.short and hurt)


def on_practice_server(home: Path, names: list[str], seconds: float) -> bool:
    from benchmarks.practice import HOST, practice_server

    with practice_server(home) as (port, web, media):
        from django.utils import timezone

        from practice.services import invitation_make, terms_keep

        terms_keep(class_name="H5", roleid="102", students=3)
        code = invitation_make(class_name="H5", days=1, places=200, by="root", now=timezone.now()).code
        scene = make_scene(port)
        scene.host, scene.invite = HOST, code
        return play(scene, web.children(), media, names, seconds)


def on_production_server(home: Path, names: list[str], seconds: float) -> bool:
    with kit.engines(), kit.own_databases():
        media = home / "media"
        os.environ |= {"DJANGO_SETTINGS_MODULE": "config.settings.local", "LOG_LEVEL": "ERROR"}
        os.environ |= {"MEDIA_ROOT": str(media), "STATE_DIR": str(home), "TRUSTED_PROXIES": "1"}
        import django
        from django.conf import settings
        from django.db import connections

        django.setup()
        kit.use(kit.LARGE_DATABASE)
        from tests.processes import nginx_before  # noqa: TID251  (here, because it loads models)

        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            web_port = probe.getsockname()[1]
        environ = os.environ | units.environment("web") | {"DJANGO_SECRET_KEY": settings.SECRET_KEY}
        words = units.command(
            "web", "--port", str(web_port), "--log-level", "error", without=["--port", "--log-config"]
        )
        with Path(os.devnull).open("wb") as nowhere:
            server = subprocess.Popen(words, cwd=ROOT, env=environ | {"PYTHONPATH": str(ROOT)}, stderr=nowhere)
        try:
            serving._wait_for(web_port, "the web server")
            time.sleep(5)
            children = psutil.Process(server.pid).children()
            workers = sorted(children, key=lambda process: process.memory_info().rss)[-2:]
            with nginx_before(home, web=web_port, socket=web_port) as (port, _):
                return play(make_scene(port), workers, media, names, seconds)
        finally:
            server.terminate()
            server.wait(40)
            connections.close_all()
            connections["default"].close_pool()


def play(scene: Scene, workers: list[psutil.Process], media: Path, names: list[str], seconds: float) -> bool:
    """Print a line for each attack; tell whether a person's request failed."""
    tally, is_over = Tally(), threading.Event()
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
        sent = Tally() if name == "(quiet)" else attack(scene, name, seconds)
        number, hurt, p99 = sum(tally.answers.values()), tally.failed, tally.p99_ms
        failed += hurt
        answers = " ".join(f"{answer}×{number}" for answer, number in sent.answers.most_common())
        remains = growth(before, footprint(workers, media))
        print(
            f"{name:18}{number:8,}{hurt:8,}{p99:8,.0f}{sum(sent.answers.values()):8,}  {answers}; {remains}", flush=True
        )
        if hurt:
            print(" " * 18 + "people were answered: " + str(dict(tally.answers)))
    is_over.set()
    for each in people:
        each.join()
    return failed > 0


if __name__ == "__main__":
    main()
