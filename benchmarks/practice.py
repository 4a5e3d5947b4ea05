"""What a practice server carries: 300 people at work, 2,000 accounts with their schools, a flood of joiners.

    python -m benchmarks.practice                      # about eight minutes
    python -m benchmarks.practice --accounts 200 --people 40 --seconds 10

Starts throw-away engines, the web server as its unit has it with ``config.settings.practice``, and nginx with
``deploy/nginx.conf``. Each account has 30 students, 5 products and 10 pictures. The people make a call every three
seconds, for a minute in quiet and a minute beside 16 connections that join as fast as they can, with right and wrong
codes. Prints answers, times, memory and disk. Clients and servers share the machine.
"""

import os
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil

from benchmarks import kit
from tests.kit import free_ports
from tests.processes import deployed_environ, nginx_before

HOST, EVERY_S, JOINERS, PICTURES, PRODUCTS, STUDENTS = "api.example.com", 3, 16, 10, 5, 30


@contextmanager
def practice_server(home: Path) -> Iterator[tuple[int, psutil.Process, Path]]:
    """Run a practice server behind nginx, and be Django with its settings; return nginx's port, the web server, media.

    It has the deployed file with one setting changed. Use it once in a process: settings are read once.
    """
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
            yield port, web, home / "media_root"


# --- The school ----------------------------------------------------------------------------------
def invitation(students: int = STUDENTS) -> str:
    """Return the code of an invitation to a class that gives each who joins so many students."""
    from django.utils import timezone

    from practice.services import invitation_make, terms_keep

    terms_keep(class_name="H5", roleid="102", scope="own", students=students)
    return invitation_make(class_name="H5", days=1, places=200, by="root", now=timezone.now()).code


def fill(accounts: int, media: Path) -> list[str]:
    """Make the accounts with their schools; return tokens of all."""
    from django.contrib.auth.hashers import make_password
    from django.utils import timezone
    from PIL import Image

    from accounts.models import User
    from accounts.tokens import token_issue
    from practice.services import terms_keep
    from shop.models import Category, Product
    from students.invented import practice_add
    from uploads.models import ImageUse, Upload

    now, password = timezone.now(), make_password("kai-ge-2026")
    terms = terms_keep(class_name="H5", roleid="102", scope="own", students=STUDENTS)
    fields = {"role": terms.role, "class_name": "H5", "password": password, "last_login": now}
    for number in range(accounts):
        User.objects.create(username=f"p{number}", nickname=f"学员{number}", **fields)
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
    return [token_issue(user) for user in users]


# --- The people ----------------------------------------------------------------------------------
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


def minute(port: int, tokens: list[str], code: str, seconds: float) -> tuple[kit.Tally, kit.Tally]:
    """Let the people work, and joiners join if there is a code; return the answers to both."""
    at_work, joining, ends_at = kit.Tally(), kit.Tally(), time.monotonic() + seconds

    def work(token: str, number: int) -> None:
        luck = random.Random(number)
        next_at = time.monotonic() + luck.uniform(0, EVERY_S)
        while next_at < ends_at:
            time.sleep(max(0, next_at - time.monotonic()))
            next_at += EVERY_S
            step = luck.choice([*STEPS, ("GET", "/sandbox/control/requests", None)])
            kit.ask(port, *step, tally=at_work, sender="127.0.2.1", token=token, Host=HOST)

    def join(number: int) -> None:
        luck = random.Random(number)
        while time.monotonic() < ends_at:
            person = {"username": f"j{luck.getrandbits(40)}", "password": "kai-ge-2026", "nickname": "新来的"}
            body = person | {"invite": luck.choice([code, "H7KM3XQ9"])}
            kit.ask(port, "POST", "/users/join", body, tally=joining, sender="127.0.1.1", Host=HOST)

    threads = [threading.Thread(target=work, args=[token, number]) for number, token in enumerate(tokens)]
    threads += [threading.Thread(target=join, args=[number]) for number in range(JOINERS if code else 0)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return at_work, joining


# --- What it takes -------------------------------------------------------------------------------
def footprint(web: psutil.Process, media: Path) -> str:
    from django.db import connection

    from core.cache import valkey

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_database_size(current_database()), pg_backend_pid()")
        database, backend = cursor.fetchone()
    sizes = {
        "web": kit.memory_mb(web), "PostgreSQL": kit.memory_mb(psutil.Process(backend).parent()),
        "Valkey": valkey.client().info("memory")["used_memory"] / 2**20, "database": database / 2**20,
        "pictures": sum(file.stat().st_size for file in media.rglob("*") if file.is_file()) / 2**20,
    }  # fmt: skip
    return ", ".join(f"{name} {size:,.0f} MB" for name, size in sizes.items())


def main() -> None:
    parser = kit.parser(__doc__)
    parser.add_argument("--accounts", type=int, default=2000)
    parser.add_argument("--people", type=int, default=300)
    parser.add_argument("--seconds", type=float, default=60, help="of each part (default: 60)")
    options = parser.parse_args()
    with TemporaryDirectory() as home, practice_server(Path(home)) as (port, web, media):
        start = time.monotonic()
        code, tokens = invitation(), fill(options.accounts, media)
        print(f"{options.accounts} accounts in {time.monotonic() - start:.0f} s: {footprint(web, media)}", flush=True)
        for name, invite in (("quiet", ""), ("joiners", code)):
            people, joiners = minute(port, tokens[: options.people], invite, options.seconds)
            print(f"{name:8} load {os.getloadavg()[0]:.1f}, people {people.times}: {people}", flush=True)
            if invite:
                print(f"{'':8} joiners {joiners.times}: {joiners}")
            print(f"{'':8} {footprint(web, media)}", flush=True)


if __name__ == "__main__":
    main()
