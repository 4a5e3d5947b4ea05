import os

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


def test_django_uses_it():
    assert ConnectionPool.check_connection is db_pool.connection_check


def test_a_connection_that_works_is_not_asked(pool, asked):
    for _ in range(3):
        with pool.connection() as connection:
            connection.execute("SELECT 1")

    assert asked == []


def test_a_connection_that_the_server_ended_is_replaced(pool, asked):
    with pool.connection() as connection:
        pid = connection.info.backend_pid
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])

    with pool.connection() as connection:
        assert connection.info.backend_pid != pid
        assert connection.execute("SELECT 1").fetchone() == (1,)

    assert len(asked) == 1


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
