"""Statements that PostgreSQL plans once, and instances of models that are read by SQL that is written once.

Problem: the ORM writes its SQL anew for each query, and PostgreSQL plans it anew. Of 3 ms for a page of a cart, the
rows themselves took 0.2 (``benchmarks/calls.py``). So what clients ask for again and again is read here, and
everything else by the ORM.
"""

from functools import lru_cache
from typing import Any, TypeVar

from django.db import DEFAULT_DB_ALIAS, NotSupportedError, connection, connections
from django.db.models import Model
from psycopg import Cursor
from psycopg.pq import Format

M = TypeVar("M", bound=Model)


def prepared_rows(sql: str, values: Any) -> list[tuple[Any, ...]]:
    """Return the rows of a statement that PostgreSQL plans once per connection.

    Use it for short statements whose planning takes longer than their execution. Do not use it where the best plan
    depends on a parameter, as with ``LIKE``; and write numbers that shape the plan, such as LIMIT, into the statement.
    """
    try:
        return _rows(sql, values)
    except NotSupportedError:
        # A migration has changed a column's type, and PostgreSQL refuses plans from before. Inside a transaction
        # nothing can be repeated, and psycopg forgets its plans at the rollback. Outside one, run the statement on a
        # new connection, which has no plans.
        if connection.in_atomic_block:
            raise
        connection.connection.close()
        connection.close()
        return _rows(sql, values, prepare=False)


def _rows(sql: str, values: Any, prepare: bool | None = None) -> list[tuple[Any, ...]]:
    ours: Any = connections[DEFAULT_DB_ALIAS]
    ours.ensure_connection()
    cursor = Cursor(ours.connection)
    cursor.format = Format.BINARY  # psycopg then reads times in C; Django's own reader is slow
    with ours._prepare_cursor(cursor) as wrapper:
        if prepare is None:
            wrapper.execute(sql, values)
        else:
            with ours.wrap_database_errors:
                cursor.execute(sql, values, prepare=prepare)
        return wrapper.fetchall()


def read_one(model: type[M], where: str, **values: Any) -> M | None:
    """Return the one row for which ``where`` holds, or None; :func:`read_page` explains the parameters."""
    return next(iter(read_all(model, where, **values)), None)


def read_page(
    model: type[M],
    where: str,
    window: slice,
    *,
    join: str = "",
    order: str = "t.id",
    **values: Any,
) -> tuple[int, list[M]]:
    """Return how many rows there are, and those of them that lie in ``window``, in one statement.

    :param where: a condition in SQL, in which ``t`` is the model's table and ``%(name)s`` one of ``values``. Make it of
        constants: whatever comes from outside belongs into ``values``.
    :param join: the name of a foreign key whose object is read along with each row.
    """
    limits = f"LIMIT {window.stop - window.start} OFFSET {window.start}"
    rows = prepared_rows(_select(model, where, join, order, limits), values)
    if not rows and window.start:  # it lies behind the last row
        ((total,),) = prepared_rows(f"SELECT {_count(model, where)}", values)
        return total, []
    return (rows[0][-1] if rows else 0), [_instance(model, join, row) for row in rows]


def read_all(model: type[M], where: str, **values: Any) -> list[M]:
    """Return the rows for which ``where`` holds, oldest first. Only for questions whose answer is short."""
    return [_instance(model, "", row) for row in prepared_rows(_select(model, where, "", "t.id", ""), values)]


@lru_cache(maxsize=1024)
def _select(model: type[Model], where: str, join: str, order: str, limits: str) -> str:
    table, columns = f"{model._meta.db_table} AS t", _columns(model, "t")
    if join:
        field: Any = model._meta.get_field(join)
        other = field.related_model._meta
        columns += _columns(field.related_model, "j")
        kind = "LEFT JOIN" if field.null else "JOIN"
        table += f" {kind} {other.db_table} AS j ON j.{other.pk.column} = t.{field.column}"
    if limits:
        columns.append(_count(model, where))
    return f"SELECT {', '.join(columns)} FROM {table} WHERE {where} ORDER BY {order} {limits}"  # noqa: S608  (constants)


def _count(model: type[Model], where: str) -> str:
    return f"(SELECT count(*) FROM {model._meta.db_table} AS t WHERE {where})"  # noqa: S608  (as above)


def _columns(model: type[Model], table: str) -> list[str]:
    return [f'{table}."{field.column}"' for field in model._meta.concrete_fields]


def _instance(model: type[M], join: str, row: tuple[Any, ...]) -> M:
    names = _names(model)
    instance = model.from_db(DEFAULT_DB_ALIAS, names, row[: len(names)])
    if join:
        field: Any = model._meta.get_field(join)
        has_other = getattr(instance, field.attname) is not None
        other = _instance(field.related_model, "", row[len(names) :]) if has_other else None
        field.set_cached_value(instance, other)
    return instance


@lru_cache
def _names(model: type[Model]) -> list[str]:
    return [field.attname for field in model._meta.concrete_fields]
