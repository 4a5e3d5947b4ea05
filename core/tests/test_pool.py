import os
import select
import socket
import socketserver
import threading
import time
from contextlib import contextmanager

import psycopg
import pytest
from django.db import NotSupportedError, transaction
from django.db import connection as django_connection
from psycopg_pool import ConnectionPool

from core.db import pool as db_pool


@pytest.fixture
def pool():
    with ConnectionPool(os.environ["DATABASE_URL"], min_size=1, check=db_pool.connection_check) as pool:
        yield pool


@pytest.fixture
def asked(monkeypatch):
    connections = []
    real = db_pool._ask
    monkeypatch.setattr(db_pool, "_ask", lambda connection: connections.append(connection) or real(connection))
    return connections


def test_only_a_connection_that_the_server_ended_is_asked_and_replaced(pool, asked):
    assert ConnectionPool.check_connection is db_pool.connection_check  # Django uses it
    for _ in range(3):
        with pool.connection() as connection:
            pid = connection.info.backend_pid
    assert asked == []
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])

    with pool.connection() as connection:
        assert connection.info.backend_pid != pid
        assert connection.execute("SELECT 1").fetchone() == (1,)

    assert len(asked) == 1


@contextmanager
def freezable_server():
    """Stand before PostgreSQL, and from ``freeze.set()`` on accept connections and answer nothing."""
    facts, freeze = psycopg.conninfo.conninfo_to_dict(os.environ["DATABASE_URL"]), threading.Event()

    class Relay(socketserver.BaseRequestHandler):
        def handle(self):
            with psycopg.connect(os.environ["DATABASE_URL"]) as example:
                host, port = example.info.host, example.info.port
            is_local = host.startswith("/")
            with socket.socket(socket.AF_UNIX if is_local else socket.AF_INET) as server:
                server.connect(f"{host}/.s.PGSQL.{port}" if is_local else (host, port))
                ends = {self.request: server, server: self.request}
                while True:
                    ready, _, _ = select.select(list(ends), [], [], 0.1)
                    for end in ready if not freeze.is_set() else ():
                        if not (part := end.recv(65536)):
                            return
                        ends[end].sendall(part)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Relay) as relay:
        relay.daemon_threads, relay.block_on_close = True, False
        threading.Thread(target=relay.serve_forever, daemon=True).start()
        yield psycopg.conninfo.make_conninfo(**facts | {"host": "127.0.0.1", "port": relay.server_address[1]}), freeze
        relay.shutdown()


def test_a_frozen_server_is_told_from_a_slow_one(monkeypatch):
    monkeypatch.setattr(db_pool, "SILENCE_S", 0.2)
    with freezable_server() as (address, freeze), db_pool.WatchedConnection.connect(address) as connection:
        assert connection.execute("SELECT pg_sleep(0.7), 1").fetchone()[1] == 1
        freeze.set()
        begun = time.monotonic()

        with pytest.raises(psycopg.OperationalError, match="does not answer"):
            connection.execute("SELECT 1")

        assert time.monotonic() - begun < 3 and connection.closed


@pytest.mark.django_db
def test_prepared_rows_are_like_djangos(django_assert_num_queries):
    with django_assert_num_queries(1):
        sql = "SELECT %(text)s::text, 7::bigint, '2020-01-01 08:00+08'::timestamptz"
        ((text, number, moment),) = db_pool.prepared_rows(sql, {"text": "谭"})

    assert (text, number, moment.isoformat()) == ("谭", 7, "2020-01-01T00:00:00+00:00")


@pytest.mark.django_db(transaction=True)
def test_a_plan_from_before_a_migration_is_no_failure():
    """As a running release sees it: another connection changes a column that statements of this one read."""
    with psycopg.connect(os.environ["DATABASE_URL"], dbname=django_connection.settings_dict["NAME"]) as other:
        other.autocommit = True
        other.execute("CREATE TABLE plans AS SELECT 'x'::varchar(9) AS name")
        try:
            for _ in range(8):  # psycopg prepares a statement when it comes for the sixth time
                assert db_pool.prepared_rows("SELECT name FROM plans", {}) == [("x",)]
            other.execute("ALTER TABLE plans ALTER COLUMN name TYPE varchar(20)")

            assert [db_pool.prepared_rows("SELECT name FROM plans", {}) for _ in range(8)] == [[("x",)]] * 8
            other.execute("ALTER TABLE plans ALTER COLUMN name TYPE varchar(30)")

            # A transaction fails, but only the first one.
            with pytest.raises(NotSupportedError), transaction.atomic():
                db_pool.prepared_rows("SELECT name FROM plans", {})
            with transaction.atomic():
                assert db_pool.prepared_rows("SELECT name FROM plans", {}) == [("x",)]
        finally:
            django_connection.close()
            other.execute("DROP TABLE plans")
