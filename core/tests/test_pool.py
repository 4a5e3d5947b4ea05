"""The pool of connections, statements that are planned once, and the rows that are read by them."""

import os
import select
import socket
import socketserver
import threading
import time
from contextlib import contextmanager
from unittest import mock

import psycopg
import pytest
from django.db import NotSupportedError, transaction
from django.db import connection as django_connection
from psycopg_pool import ConnectionPool

from core.db import connections as db_pool
from core.db.reading import prepared_rows, read_one, read_page
from shop.models import Order, Product
from shop.tests.factories import make_category, make_order, make_product


def test_only_a_connection_that_the_server_ended_is_asked_and_replaced(monkeypatch):
    assert ConnectionPool.check_connection is db_pool.connection_check  # Django uses it
    check = mock.Mock(wraps=db_pool._ask)
    monkeypatch.setattr(db_pool, "_ask", check)
    with ConnectionPool(os.environ["DATABASE_URL"], min_size=1, check=db_pool.connection_check) as pool:
        for _ in range(3):
            with pool.connection() as connection:
                pid = connection.info.backend_pid
        assert not check.called
        with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])

        with pool.connection() as connection:
            assert connection.info.backend_pid != pid
            assert connection.execute("SELECT 1").fetchone() == (1,)

    assert check.call_count == 1


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
                    for end in select.select(list(ends), [], [])[0]:
                        if not (part := end.recv(65536)):
                            return
                        if not freeze.is_set():
                            ends[end].sendall(part)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Relay) as relay:
        relay.daemon_threads = True  # nobody waits for what a connection that was given up keeps open
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

        assert time.monotonic() - begun < 30 and connection.closed


@pytest.mark.django_db(transaction=True)
def test_a_plan_from_before_a_migration_is_no_failure():
    """As a running release sees it: another connection changes a column that statements of this one read."""
    with psycopg.connect(os.environ["DATABASE_URL"], dbname=django_connection.settings_dict["NAME"]) as other:
        other.autocommit = True
        other.execute("CREATE TABLE plans AS SELECT 'x'::varchar(9) AS name")
        try:
            for _ in range(8):  # psycopg prepares a statement when it comes for the sixth time
                assert prepared_rows("SELECT name FROM plans", {}) == [("x",)]
            other.execute("ALTER TABLE plans ALTER COLUMN name TYPE varchar(20)")

            assert [prepared_rows("SELECT name FROM plans", {}) for _ in range(8)] == [[("x",)]] * 8
            other.execute("ALTER TABLE plans ALTER COLUMN name TYPE varchar(30)")

            # A transaction fails, but only the first one.
            with pytest.raises(NotSupportedError), transaction.atomic():
                prepared_rows("SELECT name FROM plans", {})
            with transaction.atomic():
                assert prepared_rows("SELECT name FROM plans", {}) == [("x",)]
        finally:
            django_connection.close()
            other.execute("DROP TABLE plans")


@pytest.fixture
def products(db):
    category = make_category("车辆")
    return [make_product(f"自行车{n}", category=category) for n in range(5)]


def state(instance):
    return {field.attname: getattr(instance, field.attname) for field in instance._meta.concrete_fields}


def test_reads_what_the_orm_reads_and_values_are_no_sql(products, django_assert_num_queries):
    with django_assert_num_queries(1):
        total, rows = read_page(Product, "t.removed_at IS NULL", slice(1, 3), join="category")
        names = [row.category.name for row in rows]

    assert (total, names) == (5, ["车辆", "车辆"])
    assert [state(row) for row in rows] == [state(row) for row in Product.objects.order_by("pk")[1:3]]
    rows[0].name = "新名字"
    rows[0].save(update_fields=["name"])
    assert Product.objects.get(pk=rows[0].pk).name == "新名字"
    # The number is known behind the last row, and of nothing.
    assert read_page(Product, "t.removed_at IS NULL", slice(10, 20)) == (5, [])
    assert read_page(Product, "t.name = %(name)s", slice(0, 10), name="' OR true --") == (0, [])
    assert read_one(Product, "t.name = %(name)s", name="没有") is None


def test_a_row_without_the_joined_one_is_read_too(lbw):
    make_order(lbw.user)
    Order.objects.filter(pk=make_order(lbw.user).pk).update(user=None)

    _, orders = read_page(Order, "t.username = 'lbw'", slice(0, 10), join="user", order="t.id DESC")

    assert [order.user for order in orders] == [None, lbw.user]
