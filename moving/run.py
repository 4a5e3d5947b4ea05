"""The import itself: collection by collection, in batches.

A batch is one transaction, which also notes what has arrived. Killed between two of them, or at any moment, the next
run skips what is here and goes on; so does a run a week later with a newer dump.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from itertools import islice
from typing import Any

import psycopg
import structlog
from django.db import InterfaceError, OperationalError, transaction

from core.db.connections import direct_options, limits_raise
from moving.document import Document, DocumentRefused
from moving.dump import Dump, ImportRefused
from moving.models import Arrival
from moving.report import Outcome, Report
from moving.school import Logins, Roles, Students, Weather
from moving.shop import Carts, Categories, OrderDetails, Orders, Products
from moving.table import AlreadyHere, Table
from moving.users import Users
from permissions.models import DEFAULT_ROLEID, Role
from students.counts import counts_fold

log = structlog.get_logger("moving")

# In the order of their import: each one after those that it refers to.
TABLES = (Roles, Users, Logins, Weather, Students, Categories, Products, Carts, Orders, OrderDetails)
COLLECTIONS = [table.collection for table in TABLES]
BATCH = 500  # documents in a transaction
# A check of ten years of data takes some minutes; it keeps its transaction open meanwhile.
CHECK_LIMIT = timedelta(hours=2)
_LOCK = "SELECT pg_try_advisory_lock(hashtextextended('moving', 0))"


@contextmanager
def alone() -> Iterator[None]:
    """Let only one import write at a time. The lock ends with its connection, also if the process is killed.

    :raises ImportRefused: another one is at work.
    """
    options: Any = direct_options()
    with psycopg.connect(**options, autocommit=True) as connection:
        if connection.execute(_LOCK).fetchone() != (True,):
            raise ImportRefused("另一个导入正在运行；这一次什么也没有改动")
        try:
            yield
        finally:
            # Before the connection ends: its server may notice that after the next import has begun.
            with suppress(psycopg.Error):
                connection.execute("SELECT pg_advisory_unlock_all()")


@contextmanager
def taken_back() -> Iterator[None]:
    """Take all of a check back, so that it foretells exactly what a run will do."""
    with transaction.atomic():
        limits_raise(CHECK_LIMIT)
        yield
        transaction.set_rollback(True)


def dump_import(dump: Dump, report: Report, tell: Callable[[str, int], None]) -> None:
    """Import all collections.

    :param tell: is called with a collection and how many of its documents are done.
    :raises ImportRefused: nothing was begun, or a file cannot be read; what came until then stays.
    """
    if not Role.objects.filter(roleid=DEFAULT_ROLEID).exists():
        raise ImportRefused("还没有角色：请先运行 manage.py prepare")
    for kind in TABLES:
        table, documents, number = kind(dump), dump.documents(kind.collection), 0
        while batch := list(islice(documents, BATCH)):
            _batch(table, batch, report)
            number += len(batch)
            tell(table.collection, number)
    if not dump.is_check:
        counts_fold()


def _batch(table: Table, batch: Sequence[Document], report: Report) -> None:
    arrivals = Arrival.objects.filter(collection=table.collection, old_id__in=[old.old_id for old in batch])
    arrived = set(arrivals.values_list("old_id", flat=True))
    arriving, here = [], []
    for old in batch:
        record = None
        try:
            record = table.arrive(old)
        except AlreadyHere:
            pass
        except DocumentRefused as refusal:
            old.fault = str(refusal)
        except Exception as error:  # whatever a document holds: a bad one must not keep the others out
            log.exception("document not understood", place=old.place)
            old.fault = f"意外的内容（{type(error).__name__}）"
        if old.old_id in arrived or not (record or old.fault):
            here.append(old)
            report.add(table.collection, Outcome.HERE, old)
        elif old.fault:
            report.add(table.collection, Outcome.REFUSED, old)
        else:
            arriving.append((old, record))
    _note(table.collection, here, ignore_conflicts=True)
    if arriving:
        _write(table, arriving, report)


def _write(table: Table, arriving: Sequence[tuple[Document, Any]], report: Report) -> None:
    """Write a batch in one transaction; if the database refuses it, write its records one by one."""
    try:
        with transaction.atomic():
            table.write([record for _, record in arriving])
            _note(table.collection, [old for old, _ in arriving])
    except (OperationalError, InterfaceError):  # the database is gone or busy: no document is to blame
        raise
    except Exception as error:
        if len(arriving) > 1:
            for one in arriving:
                _write(table, [one], report)
            return
        [(old, _)] = arriving
        log.warning("document not stored", place=old.place, reason=str(error))
        old.fault = f"数据库拒绝（{type(error).__name__}）"
        report.add(table.collection, Outcome.REFUSED, old)
    else:
        for old, _ in arriving:
            report.add(table.collection, Outcome.CAME, old)


def _note(collection: str, documents: Sequence[Document], *, ignore_conflicts: bool = False) -> None:
    rows = (Arrival(collection=collection, old_id=old.old_id) for old in documents if old.old_id)
    Arrival.objects.bulk_create(rows, ignore_conflicts=ignore_conflicts)
