"""The database's machine or ours vanishes without a word: people notice for ten seconds at most."""

import json
import subprocess
import sys
import time

import psycopg
import pytest

from config.database import database
from devstack.engines import Engines
from devstack.process import stop_all
from tests.concurrency.network import HERE, first_address_silent, ip, second_machine
from tests.kit import free_ports
from tests.processes import ROOT, until

pytestmark = pytest.mark.network
MAX_WAIT_S = 10
THREADS = 4
# Threads that ask all the time on the second machine; a line for each answer: thread, seconds taken, whether it worked.
ASKING = """
import sys, threading, time
import django
django.setup()
from django.db import connection, Error

def ask(number):
    while True:
        began = time.monotonic()
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
            worked = 1
        except Error:
            worked = 0
        finally:
            connection.close()
        sys.stdout.write(f"{number} {time.monotonic() - began:.2f} {worked}\\n")
        sys.stdout.flush()
        time.sleep(0.05)

threads = [threading.Thread(target=ask, args=[n], daemon=True) for n in range(int(sys.argv[2]))]
for thread in threads:
    thread.start()
time.sleep(float(sys.argv[1]))
"""
# Holds a row for which two others of the same machine wait, and says so, until it is cut off.
HOLDING = """
import json, sys, threading, time
import psycopg
holder, *others, looker = [psycopg.connect(**json.loads(sys.argv[1])) for _ in range(4)]
holder.execute("SELECT * FROM thing FOR UPDATE")
for other in others:
    threading.Thread(target=other.execute, args=["SELECT * FROM thing FOR UPDATE"], daemon=True).start()
while looker.execute("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'").fetchone() != (2,):
    time.sleep(0.1)
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture(scope="module")
def machine():
    with second_machine() as machine:
        yield machine


@pytest.fixture(scope="module")
def server(machine, tmp_path_factory):
    """PostgreSQL at both of our addresses; the value is its port."""
    [port] = free_ports(1)
    with Engines(tmp_path_factory.mktemp("engines"), missing=["DATABASE_URL"]) as engines:
        postgres = engines.children["postgres"]
        stop_all([postgres], 10)
        with (postgres.cwd / "pg_hba.conf").open("a") as rules:
            rules.write("host all all 10.0.0.0/8 trust\n")
        options = [f"--listen_addresses={','.join(HERE)}", f"--port={port}"]
        postgres.argv = [*postgres.argv, *options]
        postgres.start()
        url = f"postgresql://app@{HERE[1]}:{port}/postgres?connect_timeout=2"
        connection = until(lambda: psycopg.connect(url), 20)
        connection.close()
        yield port


def test_of_the_databases_two_hosts_one_vanishes(machine, server, tmp_path):
    """Without the limits a request hung for more than 40 s."""
    url = f"postgresql://app@{','.join(HERE)}/postgres?port={server}&target_session_attrs=read-write"
    environ = {
        "DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "config.settings.local", "PYTHONPATH": str(ROOT),
        "PATH": "/usr/bin:/bin", "STATE_DIR": str(tmp_path), "DJANGO_SECRET_KEY": "x" * 50, "REDIS_URL": "redis://x",
    }  # fmt: skip
    seconds = 2 + MAX_WAIT_S + 5
    command = machine.command(sys.executable, "-c", ASKING, str(seconds), str(THREADS))
    process = subprocess.Popen(command, env=environ, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    lines = (line.split() for line in process.stdout)
    assert next(lines)[2] == "1"

    with first_address_silent():
        cut_at = time.monotonic()
        calls = [(time.monotonic() - cut_at, thread, float(took), worked == "1") for thread, took, worked in lines]
    process.stdout.close()
    process.wait(10)

    assert max(took for _, _, took, _ in calls) < MAX_WAIT_S
    late = [(thread, worked) for at, thread, _, worked in calls if at > MAX_WAIT_S]
    assert {thread for thread, _ in late} == {str(n) for n in range(THREADS)}, "some still hang"
    assert all(worked for _, worked in late)


def test_a_row_that_our_machine_had_locked_is_free_soon_after_it_vanished(machine, server):
    """By default PostgreSQL finds out after two hours; with a limit of 5 s a second request of that machine took 10."""
    direct = {"host": HERE[1], "port": server, "user": "app", "dbname": "postgres"}
    facts = database(f"postgresql://app@{HERE[0]}:{server}/postgres", pool_size=1, serving=False)
    options = {name: value for name, value in facts["OPTIONS"].items() if name not in ("pool", "prepare_threshold")}
    options |= {"host": facts["HOST"], "port": facts["PORT"], "user": facts["USER"], "dbname": facts["NAME"]}
    with psycopg.connect(**direct, autocommit=True) as other:
        other.execute("CREATE TABLE IF NOT EXISTS thing AS SELECT 1 AS x")
        command = machine.command(sys.executable, "-c", HOLDING, json.dumps(options))
        holder = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            assert holder.stdout.readline() == "held\n"
            ip("-n", machine.name, "route", "add", "blackhole", f"{HERE[0]}/32")  # no farewell of its kernel's either
            with first_address_silent():
                other.execute(f"SET lock_timeout = '{MAX_WAIT_S}s'")

                assert other.execute("SELECT x FROM thing FOR UPDATE").fetchone() == (1,)
        finally:
            holder.kill()
            holder.communicate()
