"""What a practice server carries: 300 people at work, 2,000 accounts with their schools, a flood of joiners.

    python benchmarks/practice.py                      # about eight minutes
    python benchmarks/practice.py --accounts 200 --people 40 --seconds 10

Starts throw-away engines, the web server as its unit has it with ``config.settings.practice``, and nginx with
``deploy/nginx.conf``. Each account has 30 students, 5 products and 10 pictures. The people make a call every three
seconds, for a minute in quiet and a minute beside 16 connections that join as fast as they can, with right and wrong
codes. Prints answers, times, memory and disk. Clients and servers share the machine.
"""

import argparse
import asyncio
import os
import random
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import kit, serving  # noqa: E402
from operations import units  # noqa: E402

HOST, EVERY_S, JOINERS, PICTURES, PRODUCTS, STUDENTS = "api.example.com", 3, 16, 10, 5, 30


def environ(home: Path, database_url: str, web_port: int) -> dict[str, str]:
    """Return the environment of a practice server: the deployed file with one setting changed, on our own engines."""
    example = (ROOT / "deploy/systemd/spms.env.example").read_text("utf-8")
    facts = dict(line.split("=", 1) for line in example.splitlines() if line and not line.startswith("#"))
    facts["DJANGO_SETTINGS_MODULE"] = "config.settings.practice"
    facts |= {name: str(home / name.lower()) for name in ("STATE_DIR", "MEDIA_ROOT", "STATIC_ROOT")}
    facts |= {"DATABASE_URL": database_url, "REDIS_URL": os.environ["REDIS_URL"], "DJANGO_SECRET_KEY": "k" * 50}
    return facts | {"WEB_URL": f"http://127.0.0.1:{web_port}", "LOG_LEVEL": "ERROR", "PYTHONPATH": str(ROOT)}


@contextmanager
def practice_server(home: Path) -> Iterator[tuple[int, psutil.Process, Path]]:
    """Run a practice server behind nginx, and be Django with its settings; return nginx's port, the web server, media.

    Use it once in a process: settings are read once.
    """
    with kit.engines(), kit.own_databases():
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            web_port = probe.getsockname()[1]
        os.environ |= environ(home, os.environ["DATABASE_URL"], web_port)
        import django
        from django.core.management import call_command
        from django.db import connections

        django.setup()
        call_command("migrate", verbosity=0)
        call_command("seed_roles", verbosity=0)
        call_command("collectstatic", interactive=False, verbosity=0)
        from tests.processes import nginx_before  # noqa: TID251  (here, because it loads models)

        words = units.command(
            "web", "--port", str(web_port), "--log-level", "error", without=["--port", "--log-config"]
        )
        with (home / "web.log").open("wb") as log:
            web = subprocess.Popen(words, cwd=ROOT, env=os.environ | units.environment("web"), stderr=log)
        try:
            serving._wait_for(web_port, "the web server")
            changes = {"X-Forwarded-Proto $scheme": "X-Forwarded-Proto https"}
            with nginx_before(home, web=web_port, socket=web_port, changes=changes) as (port, _):
                yield port, psutil.Process(web.pid), home / "media_root"
        finally:
            web.terminate()
            web.wait(40)
            connections.close_all()
            connections["default"].close_pool()


# --- The school ----------------------------------------------------------------------------------
def fill(accounts: int, media: Path) -> tuple[list[str], str]:
    """Make the accounts with their schools; return tokens of all, and the code of an invitation."""
    from django.contrib.auth.hashers import make_password
    from django.utils import timezone
    from PIL import Image

    from accounts.models import User
    from accounts.tokens import token_issue
    from practice.services import invitation_make, terms_keep
    from shop.models import Category, Product
    from students.practice import practice_add
    from uploads.models import ImageUse, Upload

    now, password = timezone.now(), make_password("kai-ge-2026")
    terms = terms_keep(class_name="H5", roleid="102", scope="own", students=STUDENTS)
    facts = {"role": terms.role, "class_name": "H5", "password": password, "last_login": now}
    for number in range(accounts):
        User.objects.create(username=f"p{number}", nickname=f"学员{number}", **facts)
    users = list(User.objects.filter(class_name="H5").order_by("pk"))
    practice_add(user_pks=[user.pk for user in users], number=STUDENTS, now=now)
    out = BytesIO()
    Image.effect_noise((180, 180), 40).save(out, "PNG")
    picture, folder = out.getvalue(), media / "bench"
    folder.mkdir(parents=True)
    for user in users:
        own = {"created_by": user, "created_at": now}
        category = Category.objects.create(category_id=f"c{user.pk}", name="茶", is_private=True, **own)
        Product.objects.bulk_create(
            Product(product_id=f"{user.pk:09}{n:08}", category=category, name="绿茶", price=1, stock=1000, **own)
            for n in range(PRODUCTS)
        )
        names = [f"bench/{user.pk}-{n}.png" for n in range(PICTURES)]
        for name in names:
            (media / name).write_bytes(picture)
        rows = Upload.objects.bulk_create(
            Upload(name=name, content_type="image/png", size_bytes=len(picture), width=180, height=180,
                   uploaded_by=user, created_at=now)
            for name in names
        )  # fmt: skip
        ImageUse.objects.bulk_create(ImageUse(owner=f"bench:{row.pk}", upload=row) for row in rows)
    invitation = invitation_make(class_name="H5", days=1, places=200, by="root", now=now)
    return [token_issue(user) for user in users], invitation.code


# --- The people ----------------------------------------------------------------------------------
@dataclass
class Tally:
    seconds: list[float] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        took = sorted(self.seconds) or [0.0]
        middle, late = (1000 * took[len(took) * part // 100] for part in (50, 99))
        answers = " ".join(f"{answer}×{number}" for answer, number in self.answers.most_common())
        return f"{len(took):7,} calls, median {middle:5.0f} ms, p99 {late:6.0f} ms: {answers}"


STUDENT = {
    "class": "一班",
    "name": "王芳",
    "age": 20,
    "city": "南京",
    "degree": "本科",
    "productUrl": "x",
    "description": "x",
}
STEPS: list[tuple[str, str, Any]] = [
    *[("GET", "/students/getstulist?page=1&count=10", None)] * 4,
    *[("GET", "/students/searchstu?key=王&page=1&count=10", None)] * 3,
    ("POST", "/students/addstu", STUDENT),
    *[("GET", "/product/get_product?page=1&count=10", None)] * 2,
    ("GET", "/cart/get_cart", None),
    ("GET", "/order/get_order?page=1&count=10", None),
    ("GET", "/permission/getMenuList", None),
    ("GET", "/sandbox/control/requests", None),
]


async def ask(session: Any, tally: Tally, method: str, path: str, body: Any = None, **headers: str) -> None:
    from aiohttp import ClientError

    start = time.perf_counter()
    try:
        async with session.request(method, path, json=body, headers={"Host": HOST} | headers) as answer:
            await answer.read()
            tally.answers[str(answer.status)] += 1
    except (ClientError, TimeoutError) as error:
        tally.answers[type(error).__name__] += 1
    tally.seconds.append(time.perf_counter() - start)


async def works(session: Any, tally: Tally, token: str, number: int, ends_at: float) -> None:
    luck = random.Random(number)
    await asyncio.sleep(luck.uniform(0, EVERY_S))
    while time.monotonic() < ends_at:
        next_at = time.monotonic() + EVERY_S
        await ask(session, tally, *luck.choice(STEPS), authorization=token)
        await asyncio.sleep(max(0, next_at - time.monotonic()))


async def joins(session: Any, tally: Tally, code: str, number: int, ends_at: float) -> None:
    luck = random.Random(number)
    while time.monotonic() < ends_at:
        person = {"username": f"j{luck.getrandbits(40)}", "password": "kai-ge-2026", "nickname": "新来的"}
        await ask(session, tally, "POST", "/users/join", person | {"invite": luck.choice([code, "H7KM3XQ9"])})


async def minute(port: int, tokens: list[str], code: str, seconds: float) -> tuple[Tally, Tally]:
    """Let the people work, and joiners join if there is a code; return the answers to both."""
    import aiohttp

    at_work, joining, ends_at = Tally(), Tally(), time.monotonic() + seconds
    kinds = {"timeout": aiohttp.ClientTimeout(60), "base_url": f"http://127.0.0.1:{port}"}
    people = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, local_addr=("127.0.2.1", 0)), **kinds)
    others = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, local_addr=("127.0.1.1", 0)), **kinds)
    async with people, others:
        tasks = [works(people, at_work, token, number, ends_at) for number, token in enumerate(tokens)]
        tasks += [joins(others, joining, code, number, ends_at) for number in range(JOINERS if code else 0)]
        await asyncio.gather(*tasks)
    return at_work, joining


# --- What it takes -------------------------------------------------------------------------------
def footprint(web: psutil.Process, media: Path) -> str:
    from django.db import connection

    from core.cache import valkey

    processes = sum(one.memory_full_info().pss for one in (web, *web.children(recursive=True)))
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_database_size(current_database()), pg_backend_pid()")
        database, backend = cursor.fetchone()
    server = psutil.Process(backend).parent()
    postgres = sum(one.memory_full_info().pss for one in (server, *server.children()))
    files = sum(file.stat().st_size for file in media.rglob("*") if file.is_file())
    sizes = {
        "web": processes, "PostgreSQL": postgres, "Valkey": valkey.client().info("memory")["used_memory"],
        "database": database, "pictures": files,
    }  # fmt: skip
    return ", ".join(f"{name} {size / 2**20:,.0f} MB" for name, size in sizes.items())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accounts", type=int, default=2000)
    parser.add_argument("--people", type=int, default=300)
    parser.add_argument("--seconds", type=float, default=60, help="of each part (default: 60)")
    options = parser.parse_args()
    with TemporaryDirectory() as home, practice_server(Path(home)) as (port, web, media):
        start = time.monotonic()
        tokens, code = fill(options.accounts, media)
        print(f"{options.accounts} accounts in {time.monotonic() - start:.0f} s: {footprint(web, media)}", flush=True)
        for name, invite in (("quiet", ""), ("joiners", code)):
            tallies = asyncio.run(minute(port, tokens[: options.people], invite, options.seconds))
            print(f"{name:8} load {os.getloadavg()[0]:.1f}, people {tallies[0]}", flush=True)
            if invite:
                print(f"{'':8} joiners {tallies[1]}")
            print(f"{'':8} {footprint(web, media)}", flush=True)


if __name__ == "__main__":
    main()
