"""A migration leaves the running release working: hosts are upgraded one after another (CONTRIBUTING.md).

``last_release.json`` holds the columns that the last release knows. ``RELEASE=1 pytest tests/test_migrations.py -n0``
writes it anew, which belongs into the commit that makes a release and into no other.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

ROOT = Path(__file__).parents[1]
RELEASE = Path(__file__).with_name("last_release.json")
OURS = ("accounts", "core", "moving", "payments", "permissions", "shop", "students", "uploads", "weather")
# Made before the first release, so no running release has to survive them. No new names here.
OLD = {
    "accounts": ["0001_initial", "0002_vip_and_phone", "0003_class_accounts", "0005_longer_unid"],
    "payments": ["0002_merchant", "0004_refund_ends", "0005_bills"],
    "shop": ["0002_order_search", "0003_line_description", "0004_vip", "0005_parcels", "0006_part_refunds"],
    "students": ["0001_initial", "0003_two_ways_to_search", "0004_undo", "0005_transfer_rows"],
    "uploads": ["0002_sender"],
    "weather": ["0001_initial"],
}
OPTIONAL = "?"  # after the type: an INSERT may leave the column out
# What the linter cannot know to be harmless, with the reason.
HARMLESS = {
    "shop": {"0008_attention": "OrderLog.detail becomes longer"},
}
COLUMNS = """
    SELECT table_name, column_name, data_type, is_nullable = 'YES',
           column_default IS NOT NULL OR is_identity = 'YES' OR is_generated = 'ALWAYS'
    FROM information_schema.columns JOIN information_schema.tables USING (table_schema, table_name)
    WHERE table_schema = 'public' AND table_type = 'BASE TABLE' AND table_name NOT LIKE 'sandbox%'
    ORDER BY table_name, column_name
"""


@pytest.fixture
def no_transaction(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """Access to the database without a transaction: inside one ``CONCURRENTLY`` is refused."""
    with django_db_blocker.unblock():
        yield
        connection.close()


def test_no_migration_stops_the_running_release(no_transaction):
    from django_migration_linter import MigrationLinter  # reads its configuration when it is imported

    linter = MigrationLinter(
        str(ROOT),
        no_cache=True,
        no_output=True,
        # To the linter these are warnings: the running release waits while an index is built.
        warnings_as_errors_tests=["CREATE_INDEX", "CREATE_INDEX_EXCLUSIVE", "DROP_INDEX", "REINDEX"],
    )
    harmful: dict[str, list[str]] = {}
    for (app, name), migration in sorted(linter.migration_loader.disk_migrations.items()):
        before = linter.nb_erroneous
        if app in OURS:
            linter.lint_migration(migration)
        if linter.nb_erroneous > before:
            harmful.setdefault(app, []).append(name)

    for app, names in HARMLESS.items():
        harmful[app] = [name for name in harmful[app] if name not in names]
    assert harmful == OLD, "see `python manage.py sqlmigrate`; CONTRIBUTING.md says how to do it in two releases"


@pytest.mark.django_db
def test_the_last_release_can_still_write_every_table():
    with connection.cursor() as cursor:
        cursor.execute(COLUMNS)
        rows = cursor.fetchall()
    now: dict[str, dict[str, str]] = {}
    for table, column, kind, is_nullable, has_default in rows:
        now.setdefault(table, {})[column] = kind + (OPTIONAL if is_nullable or has_default else "")
    if os.environ.get("RELEASE"):
        lines = (f" {json.dumps(table)}: {json.dumps(columns)}" for table, columns in now.items())
        RELEASE.write_text("{\n" + ",\n".join(lines) + "\n}\n", "utf-8")
    before = json.loads(RELEASE.read_text("utf-8"))

    for table, columns in before.items():
        assert columns.keys() <= now[table].keys(), f"{table}: the last release reads and writes what is gone"
        for name, kind in now[table].items():
            # An INSERT of the last release names only the columns that it knows.
            assert name in columns or kind.endswith(OPTIONAL), f"{table}.{name} needs db_default or null=True"
            assert name not in columns or kind.startswith(columns[name]), f"{table}.{name} was {columns[name]}"
