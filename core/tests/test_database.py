"""DATABASE_URL: what it says goes first, and what it does not say has sound limits. Waits and migrations."""

import os
import threading
from datetime import timedelta
from functools import partial

import psycopg
import pytest
from django.contrib.postgres import operations
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError
from django.db import OperationalError, connection, models, transaction
from django.db.migrations.loader import MigrationLoader

from config.database import database
from core.db.connections import direct_options, limits_raise
from core.db.indexes import AddIndexConcurrently
from core.db.purge import rows_purge
from operations.management.commands.migrate import with_short_locks
from permissions.models import Role
from shop.models import Category
from shop.tests.factories import make_category
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
