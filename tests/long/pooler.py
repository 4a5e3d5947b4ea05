"""A real PgBouncer in transaction mode in front of the test database."""

import re
import shutil
import subprocess
import time
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
from tests.processes import ROOT

SERVER_CONNECTIONS = 3
START_TIMEOUT_S = 10
DEPLOYED = ROOT / "deploy" / "pgbouncer.ini"


@contextmanager
def pgbouncer(*, size: int = SERVER_CONNECTIONS) -> Iterator[int]:
    """Run PgBouncer; the value is its port on 127.0.0.1. All clients share ``size`` connections of the server's."""
    assert PGBOUNCER
    facts = connection.settings_dict
    server = {"host": facts["HOST"], "port": facts["PORT"], "user": facts["USER"], "password": facts["PASSWORD"]}
    [port] = free_ports(1)
    folder = temporary_directory()  # pytest's own is closed to other accounts
    settings = folder / "pgbouncer.ini"
    words = " ".join(f"{name}='{value}'" for name, value in server.items() if value)
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
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd="/", start_new_session=True, **run_as(account))
    try:
        until = time.monotonic() + START_TIMEOUT_S
        while not _answers(port):
            assert process.poll() is None and time.monotonic() < until, (folder / "log").read_text()
            time.sleep(0.02)
        yield port
    finally:
        process.terminate()
        process.wait(10)
        shutil.rmtree(folder)


def _answers(port: int) -> bool:
    try:
        psycopg.connect(pooled_url(port), connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
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
