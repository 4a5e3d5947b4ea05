"""A migration leaves the running release working: hosts are upgraded one after another (CONTRIBUTING.md).

``last_release.json`` holds the migrations, columns and routines of the last release. ``RELEASE=1 pytest
tests/test_migrations.py -n0`` writes it anew, which belongs into the commit that makes a release and into no other.
"""

import json
import os
from collections import defaultdict
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from payments.models import Payment, Refund
from payments.services.refund import PAID_TWICE
from students.models import ArchivedStudent, StudentEvent

ROOT = Path(__file__).parents[1]
RELEASE = Path(__file__).with_name("last_release.json")
OURS = (
    *("accounts", "attendance", "core", "dormitory", "lessons", "moving", "payments", "permissions", "practice"),
    *("shop", "students", "uploads", "weather"),
)
OPTIONAL = "?"  # after the type: an INSERT may leave the column out
# What the linter cannot know to be harmless, with the reason.
HARMLESS = {
    "dormitory": {"0001_initial": "the indexes are of tables that are new"},
    "students": {
        "0015_student_life": "its index is of a new column that is empty everywhere: 20 ms at 100,000 students"
    },
    "weather": {"0003_tally_ends": "no code of the last release names the table that it drops"},
}
# A migration may lock one table, so that it can wait for no request that waits for it; and these, with the reason.
RARE = {
    "students_transferrun": "only imports and deletions write it",
    **dict.fromkeys(("shop_orderview", "shop_ordercolumns"), "only two buttons of the last release write them"),
}
# What the last release has and does not use: weather is counted by the records alone.
UNUSED = {"weather_tally", "weather_tally_record()"}
COLUMNS = """
    SELECT table_name, column_name, data_type, is_nullable = 'YES',
           column_default IS NOT NULL OR is_identity = 'YES' OR is_generated = 'ALWAYS'
    FROM information_schema.columns JOIN information_schema.tables USING (table_schema, table_name)
    WHERE table_schema = 'public' AND table_type = 'BASE TABLE' AND table_name NOT LIKE 'sandbox%'
    ORDER BY table_name, column_name
"""
ROUTINES = """
    SELECT oid::regprocedure::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_proc.oid AND deptype = 'e') ORDER BY 1
"""
# The modes in which another transaction cannot write.
STRONG_LOCKS = """
    SELECT DISTINCT relname FROM pg_locks JOIN pg_class ON relation = pg_class.oid
    WHERE pid = pg_backend_pid() AND relkind = 'r'
    AND mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
"""


def state():
    """Describe the database: what a release relies on."""
    with connection.cursor() as cursor:
        cursor.execute(COLUMNS)
        columns = defaultdict(dict)
        for table, column, kind, is_nullable, has_default in cursor.fetchall():
            columns[table][column] = kind + (OPTIONAL if is_nullable or has_default else "")
        cursor.execute(ROUTINES)
        routines = [name for (name,) in cursor.fetchall()]
        cursor.execute("SELECT app, name FROM django_migrations WHERE app <> 'sandbox' ORDER BY app, name")
        migrations = [list(row) for row in cursor.fetchall()]
    return {"migrations": migrations, "routines": routines, "columns": columns}


@pytest.fixture(scope="module")
def last_release():
    return json.loads(RELEASE.read_text("utf-8"))


@pytest.fixture
def no_transaction(django_db_setup, django_db_blocker):
    """Access to the database without a transaction: inside one ``CONCURRENTLY`` is refused."""
    with django_db_blocker.unblock():
        yield
        connection.close()


def use_database(name):
    connection.close()
    connection.close_pool()
    connection.settings_dict["NAME"] = name


@pytest.fixture
def empty_database(no_transaction):
    """Another database instead of the tests' own."""
    usual = connection.settings_dict["NAME"]
    with connection.cursor() as cursor:
        cursor.execute("CREATE DATABASE before_the_upgrade")
    try:
        use_database("before_the_upgrade")
        yield
    finally:
        use_database(usual)
        with connection.cursor() as cursor:
            cursor.execute("DROP DATABASE before_the_upgrade WITH (FORCE)")


def test_no_migration_stops_the_running_release(no_transaction, last_release):
    from django_migration_linter import MigrationLinter  # reads its configuration when it is imported

    linter = MigrationLinter(
        str(ROOT),
        no_cache=True,
        no_output=True,
        # To the linter these are warnings: the running release waits while an index is built.
        warnings_as_errors_tests=["CREATE_INDEX", "CREATE_INDEX_EXCLUSIVE", "DROP_INDEX", "REINDEX"],
    )
    harmful = defaultdict(set)
    for (app, name), migration in sorted(linter.migration_loader.disk_migrations.items()):
        if app not in OURS or [app, name] in last_release["migrations"]:
            continue
        before = linter.nb_erroneous
        linter.lint_migration(migration)
        if linter.nb_erroneous > before:
            harmful[app].add(name)

    reasons = {app: set(names) for app, names in HARMLESS.items()}
    assert harmful == reasons, "see `python manage.py sqlmigrate`; CONTRIBUTING.md says how to do it in two releases"


def test_a_migration_locks_one_table(empty_database, last_release):
    executor = MigrationExecutor(connection)
    executor.migrate(list(dict(last_release["migrations"]).items()))  # the last one of each app
    locked = defaultdict(set)
    running = ""

    def watch(action, migration=None, fake=False):
        nonlocal running
        running = str(migration) if action == "apply_start" else ""

    def look(execute, sql, params, many, context):
        answer = execute(sql, params, many, context)
        if running and "pg_locks" not in sql:
            with context["connection"].cursor() as cursor:
                cursor.execute(STRONG_LOCKS)
                locked[running] |= {name for (name,) in cursor.fetchall()}
        return answer

    executor = MigrationExecutor(connection, watch)
    with connection.execute_wrapper(look):
        executor.migrate(executor.loader.graph.leaf_nodes())

    assert locked, "no migration was watched"
    in_use = last_release["columns"].keys() - RARE.keys() - UNUSED
    assert not {name: tables & in_use for name, tables in locked.items() if len(tables & in_use) > 1}


@pytest.mark.django_db
def test_the_last_release_can_still_write_every_table(last_release):
    now = state()
    if os.environ.get("RELEASE"):
        columns = (f"  {json.dumps(table)}: {json.dumps(columns)}" for table, columns in now["columns"].items())
        rest = (f' "{key}": {json.dumps(now[key])}' for key in ("migrations", "routines"))
        RELEASE.write_text("{\n" + ",\n".join([*rest, ' "columns": {\n' + ",\n".join(columns)]) + "\n }\n}\n", "utf-8")
        last_release = json.loads(RELEASE.read_text("utf-8"))

    assert set(last_release["routines"]) - UNUSED <= set(now["routines"]), "the last release calls what is gone"
    for table in last_release["columns"].keys() - UNUSED:
        columns = last_release["columns"][table]
        assert columns.keys() <= now["columns"][table].keys(), f"{table}: the last release uses what is gone"
        for name, kind in now["columns"][table].items():
            # An INSERT of the last release names only the columns that it knows.
            assert name in columns or kind.endswith(OPTIONAL), f"{table}.{name} needs db_default or null=True"
            assert name not in columns or kind.startswith(columns[name]), f"{table}.{name} was {columns[name]}"


@pytest.mark.django_db
def test_rows_that_nothing_reads_any_more_keep_no_user_from_being_deleted(person):
    user = person("wang").user
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO shop_orderview (name, query, user_id) VALUES ('退货', 'q=1', %s)", [user.pk])
        cursor.execute("INSERT INTO shop_ordercolumns (names, user_id) VALUES ('[]', %s)", [user.pk])

    user.delete()

    connection.check_constraints()


@pytest.mark.django_db
def test_what_the_last_release_writes_meanwhile_is_filled_in_afterwards():
    now = timezone.now()
    ArchivedStudent.objects.create(id=7, sid="S7", name="谭", class_name="H1", age=20, created_at=now, archived_at=now)
    payment = Payment.objects.create(out_trade_no="o", amount_fen=1, time_start=now, time_expire=now, created_at=now)
    Refund.objects.create(payment=payment, out_refund_no="r", amount_fen=1, last_error=PAID_TWICE, created_at=now)

    for _ in range(2):
        call_command("fill_new_columns")

    assert [event.kind for event in StudentEvent.objects.filter(student_pk=7)] == ["archived"]
    assert Refund.objects.get().paid_twice_at == now
