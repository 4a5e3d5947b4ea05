"""DATABASE_URL, the pool of connections, waits, migrations, and statements that are planned once."""

import os
import select
import socket
import socketserver
import threading
import time
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from unittest import mock

import psycopg
import pytest
from django.contrib.postgres import operations
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError
from django.db import NotSupportedError, OperationalError, connection, models, transaction
from django.db.migrations.loader import MigrationLoader
from psycopg_pool import ConnectionPool

from config.database import database
from core.db import connections
from core.db.connections import direct_options, limits_raise
from core.db.indexes import AddIndexConcurrently
from core.db.purge import rows_purge
from core.db.reading import prepared_rows, read_one, read_page
from operations.management.commands.migrate import with_short_locks
from permissions.models import Role
from shop.models import Category, Order, Product
from shop.tests.factories import make_category, make_order, make_product
from tests.kit import at_once
from tests.processes import until

LIMITS = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
URL = "postgresql://spms:a%40b@db1:5432,db2:5433/spms?target_session_attrs=read-write&sslmode=verify-full"


def shown(name):
    with connection.cursor() as cursor:
        cursor.execute(f"SHOW {name}")
        return cursor.fetchone()[0]


def test_every_host_and_option_arrives_and_goes_before_our_own_values():
    url = URL + "&connect_timeout=9&keepalives_idle=60&options=-c%20lock_timeout%3D1s"
    facts = database(url, pool_size=4)
    options = facts["OPTIONS"]

    assert (facts["HOST"], facts["PORT"], facts["PASSWORD"]) == ("db1,db2", "5432,5433", "a@b")
    assert (options["target_session_attrs"], options["sslmode"]) == ("read-write", "verify-full")
    assert (options["connect_timeout"], options["keepalives_idle"]) == ("9", "60")
    assert options["options"].endswith("-c lock_timeout=1s")  # PostgreSQL heeds the last one
    # The second host is reached within the time that a request waits for a connection.
    assert options["pool"]["timeout"] > 2 * 9


def test_a_bad_address_is_refused_by_the_name_of_its_variable():
    with pytest.raises(ImproperlyConfigured, match=r"^DATABASE_URL has a bad value"):
        database("postgresql://x?nonsense=1", pool_size=1)


@pytest.mark.parametrize(("serving", "limits"), [(True, ["30s", "10s", "5s"]), (False, ["0", "10s", "0"])])
def test_the_limits_hold_and_a_command_may_take_as_long_as_it_needs(serving, limits):
    options = database(URL, pool_size=1, serving=serving)["OPTIONS"]["options"]

    with psycopg.connect(os.environ["DATABASE_URL"], options=options) as connected:
        assert [connected.execute(f"SHOW {name}").fetchone()[0] for name in LIMITS] == limits


@pytest.mark.django_db(transaction=True)
def test_a_transaction_may_have_limits_of_its_own_and_leaves_none_behind():
    before = [shown(name) for name in LIMITS]

    with transaction.atomic():
        limits_raise(timedelta(minutes=5))
        assert [shown(name) for name in LIMITS] == ["5min"] * 3

    assert [shown(name) for name in LIMITS] == before


@pytest.mark.django_db(transaction=True)
def test_who_waits_too_long_for_a_row_gets_a_503_and_nothing_is_half_written(root):
    category = make_category("旧名")
    body = {"category_id": category.category_id, "categoryName": "新名"}
    with psycopg.connect(**direct_options()) as holder:
        holder.execute("SELECT FROM shop_category FOR UPDATE")
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '200ms'")

        answer = root.post("/category/updateCategory", body)

    connection.close()  # its lock_timeout is this test's

    assert (answer.status_code, answer.json()["msg"]) == (503, "服务暂时不可用,请稍后再试")
    assert Category.objects.get(pk=category.pk).name == "旧名"


class TestAMigration:
    """A backup reads in one transaction for minutes, and a migration waits for it."""

    @pytest.fixture
    def backup(self):
        with psycopg.connect(**direct_options()) as other:
            other.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            other.execute("SELECT count(*) FROM shop_category")
            yield other

    @staticmethod
    def build(operation):
        index = models.Index(fields=["name"], name="index_of_this_test")
        add = operation(model_name="category", index=index)
        before = MigrationLoader(connection).project_state()
        after = before.clone()
        add.state_forwards("shop", after)
        with connection.schema_editor(atomic=False) as editor:
            add.database_forwards("shop", editor, before, after)

    @pytest.mark.django_db(transaction=True)
    def test_waits_and_replaces_what_another_attempt_left(self, backup):
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '300ms'")
        timer = threading.Timer(1.5, backup.rollback)
        timer.daemon = True
        try:
            with pytest.raises(OperationalError, match="lock timeout"):  # the twin: Django's own operation
                self.build(operations.AddIndexConcurrently)
            timer.start()
            self.build(AddIndexConcurrently)

            with connection.cursor() as cursor:
                cursor.execute("SELECT indisvalid FROM pg_index WHERE indexrelid = 'index_of_this_test'::regclass")
                assert cursor.fetchone() == (True,)
            assert shown("lock_timeout") != "0"
        finally:
            timer.cancel()
            backup.rollback()
            with connection.cursor() as cursor:
                cursor.execute("DROP INDEX IF EXISTS index_of_this_test")
            connection.close()  # its lock_timeout is this test's

    @staticmethod
    def change():
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("ALTER TABLE shop_category ALTER COLUMN name DROP DEFAULT")

    @pytest.mark.django_db(transaction=True)
    def test_makes_no_request_wait_long_while_it_waits(self, backup):
        def visit():
            """Ask twice while the change is queueing: it takes turns, else the answer would come after the backup."""
            for _ in range(2):
                assert until(lambda: backup.execute("SELECT 1 FROM pg_locks WHERE NOT granted").fetchone(), 30)
                list(Category.objects.all())
            backup.rollback()

        at_once([partial(with_short_locks, self.change), visit])

    @pytest.mark.django_db(transaction=True)
    def test_names_the_statement_and_who_is_in_its_way(self, backup):
        with pytest.raises(CommandError) as refusal:
            with_short_locks(self.change, patience_s=0)

        assert "ALTER TABLE shop_category" in str(refusal.value)
        assert f"pid {backup.info.backend_pid}" in str(refusal.value)
        assert shown("lock_timeout") == "10s"


@pytest.mark.django_db(transaction=True)
def test_what_was_deleted_before_a_failure_stays_deleted():
    for number in range(5):
        Role.objects.create(roleid=f"80{number}", name="旧")
    deletions = []

    def fail_at_the_second(execute, sql, params, many, context):
        if sql.startswith('DELETE FROM "permissions_role" '):
            deletions.append(sql)
            if len(deletions) == 2:
                raise RuntimeError("killed")
        return execute(sql, params, many, context)

    with pytest.raises(RuntimeError), connection.execute_wrapper(fail_at_the_second):
        rows_purge(Role.objects.filter(name="旧"), batch=2)

    assert sorted(Role.objects.filter(name="旧").values_list("roleid", flat=True)) == ["802", "803", "804"]
    assert rows_purge(Role.objects.filter(name="旧"), batch=2) == 3


def test_only_a_connection_that_the_server_ended_is_asked_and_replaced(monkeypatch):
    assert ConnectionPool.check_connection is connections.connection_check  # Django uses it
    check = mock.Mock(wraps=connections._ask)
    monkeypatch.setattr(connections, "_ask", check)
    with ConnectionPool(os.environ["DATABASE_URL"], min_size=1, check=connections.connection_check) as pool:
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
    monkeypatch.setattr(connections, "SILENCE_S", 0.2)
    with freezable_server() as (address, freeze), connections.WatchedConnection.connect(address) as connection:
        assert connection.execute("SELECT pg_sleep(0.7), 1").fetchone()[1] == 1
        freeze.set()
        begun = time.monotonic()

        with pytest.raises(psycopg.OperationalError, match="does not answer"):
            connection.execute("SELECT 1")

        assert time.monotonic() - begun < 30 and connection.closed


@pytest.mark.django_db(transaction=True)
def test_a_plan_from_before_a_migration_is_no_failure():
    """As a running release sees it: another connection changes a column that statements of this one read."""
    with psycopg.connect(**direct_options()) as other:
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
            connection.close()
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
