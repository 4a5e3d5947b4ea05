"""A real PgBouncer in transaction mode in front of the test database."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import psycopg
from django.db import connection, connections

from config.database import database
from devstack.engines import temporary_directory
from devstack.process import run_as
from devstack.system_user import account_for
from tests.kit import free_ports
from tests.needs import PGBOUNCER
from tests.processes import ROOT, Service

SERVER_CONNECTIONS = 3
DEPLOYED = ROOT / "deploy" / "pgbouncer.ini"


@contextmanager
def pgbouncer(*, size: int = SERVER_CONNECTIONS) -> Iterator[int]:
    """Run PgBouncer; the value is its port on 127.0.0.1. All clients share ``size`` connections of the server's."""
    assert PGBOUNCER
    facts = connection.settings_dict
    names = ("host", "port", "user", "password")
    [port] = free_ports(1)
    folder = temporary_directory()  # pytest's own is closed to other accounts
    settings = folder / "pgbouncer.ini"
    words = " ".join(f"{name}='{facts[name.upper()]}'" for name in names if facts[name.upper()])
    # The deployment's own file, with another server, port and account.
    text = DEPLOYED.read_text("utf-8")
    for name, value in {
        "spms": f"* = {words} pool_size={size}",
        "listen_port": f"listen_port = {port}",
        "auth_type": "auth_type = any",
        "auth_file": "",
    }.items():
        text, found = re.subn(rf"(?m)^{name} = .*$", value, text)
        assert found == 1, name
    settings.write_text(text)
    # The account of the embedded engines: their socket is for it alone, and PgBouncer refuses to run as root.
    account = account_for(folder / "of-nobody")
    command = [PGBOUNCER, "--quiet", str(settings)]
    server = Service(command, os.environ, folder / "log", cwd="/", **run_as(account))
    try:
        server.wait_until(lambda: _is_open(port))
        yield port
    finally:
        server.end()
        shutil.rmtree(folder)


def _is_open(port: int) -> bool:
    with psycopg.connect(pooled_url(port), connect_timeout=2):
        return True


def pooled_url(port: int) -> str:
    facts = connection.settings_dict
    return f"postgresql://{quote(facts['USER'] or 'app')}@127.0.0.1:{port}/{facts['NAME']}"


@contextmanager
def through(port: int) -> Iterator[None]:
    """Let this process, and the threads it starts, reach the test database by way of the pooler."""
    facts: dict[str, Any] = connections.databases["default"]
    direct = dict(facts)
    pooled = database(pooled_url(port), pool_size=1, pooler="transaction")
    pooled["OPTIONS"].pop("pool")  # tests have none: each thread is a client of its own
    connection.close()
    facts.update(pooled)
    try:
        yield
    finally:
        connection.close()
        facts.clear()
        facts.update(direct)
