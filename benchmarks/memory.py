"""What a web process keeps in memory: when it has started, and after requests.

    python benchmarks/memory.py
    python benchmarks/memory.py --requests 20000 --root CHECKOUT       # of another version

Runs on throw-away engines. Two processes each, as ``deploy/systemd`` and as ``make up`` start them, without what is for
development (sandbox, demo data). They are asked for the students' list over 32 connections, then for pages of the back
office. RSS counts a library that processes share in each of them, PSS its part; both are those of the larger process.
"""

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import kit, serving, students  # noqa: E402

STUDENTS = 1_000
PAGES = ("/admin/", "/admin/students/student/", "/admin/shop/order/", "/admin/payments/payment/")
PAGE_ROUNDS = 10
# Each with what its environment has in addition.
SERVERS = {
    serving.Server("systemd", "config.wsgi:application", options=("--workers", "2", "--blocking-threads", "16")): {
        "MALLOC_ARENA_MAX": "2"
    },
    serving.Server("make up", "config.asgi:application", "asgi", ("--workers", "2")): {},
}


@contextmanager
def workers(server: serving.Server, environ: dict[str, str]) -> Iterator[tuple[int, list[psutil.Process]]]:
    """Run ``server``; return its port and its two processes."""
    others = psutil.Process().children()
    with serving.served(server, environ) as port:
        [main] = [process for process in psutil.Process().children() if process not in others]
        # The third child watches what processes share; it is small.
        yield port, sorted(main.children(), key=lambda process: process.memory_info().rss)[-2:]


def megabytes(processes: list[psutil.Process]) -> str:
    taken = [process.memory_full_info() for process in processes]
    return "".join(f"{max(getattr(one, kind) for one in taken) / 2**20:8.0f}" for kind in ("rss", "pss"))


def ask_for_pages(port: int, cookie: str) -> None:
    for _ in range(PAGE_ROUNDS):
        for path in PAGES:
            head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n"
            serving.body_of(port, head.encode())  # exits unless it is a 200


def cookie_of_root() -> str:
    from django.conf import settings
    from django.test import Client

    from accounts.models import User

    browser = Client(headers={"host": "127.0.0.1"})
    browser.force_login(User.objects.create_superuser("root", "-"))
    return f"{settings.SESSION_COOKIE_NAME}={browser.cookies[settings.SESSION_COOKIE_NAME].value}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=2_000, help="for the students' list (default: 2,000)")
    parser.add_argument("--root", type=Path, default=ROOT, help="the version that serves (default: this one)")
    options = parser.parse_args()
    serving.ROOT = options.root
    with kit.engines(), kit.own_databases(), TemporaryDirectory() as figures:
        os.environ |= {"DJANGO_SETTINGS_MODULE": "config.settings.local", "LOG_LEVEL": "ERROR"}
        import django
        from django.conf import settings
        from django.db import connections

        django.setup()
        kit.use(kit.LARGE_DATABASE)
        students.fill(STUDENTS)
        listing = serving.request_of(f"/students/getstulist?page=1&count={students.PAGE}", students.caller_token())
        cookie = cookie_of_root()
        environ = os.environ | {"PYTHONPATH": str(options.root), "LOG_LEVEL": "INFO", "LOG_FORMAT": "json"}
        environ |= {"DJANGO_SECRET_KEY": settings.SECRET_KEY, "PROMETHEUS_MULTIPROC_DIR": figures}
        environ |= {"SANDBOX": "0", "DEMO_DATA": "0"}
        print(f"{'':12}{'started':>16}{'list':>16}{'back office':>16}\n{'':12}" + 3 * f"{'RSS':>8}{'PSS':>8}")
        for server, more in SERVERS.items():
            with workers(server, environ | more) as (port, processes):
                serving.settle()
                row = megabytes(processes)
                serving.load(port, listing, options.requests)
                row += megabytes(processes)
                ask_for_pages(port, cookie)
                print(f"{server.name:12}{row}{megabytes(processes)}")
        connections.close_all()
        connections["default"].close_pool()


if __name__ == "__main__":
    main()
