"""The import itself: collection by collection, in batches.

A batch is one transaction, which also notes what has arrived. Killed between two of them, or at any moment, the next
run skips what is here and goes on; so does a run a week later with a newer dump.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import psycopg
import structlog
from django.db import InterfaceError, OperationalError, transaction

from core.db.direct import direct_options
from core.db.limits import limits_raise
from moving.catalogue import CARTS, CATEGORIES, PRODUCTS
from moving.dump import Document, DocumentRefused, ImportRefused, documents, files_find
from moving.models import Arrival
from moving.orders import ORDERS, detail_read
from moving.pictures import picture_exists
from moving.report import ImportReport, Outcome
from moving.roles import ROLES_AS_DOCUMENTS
from moving.students import STUDENTS
from moving.translation import AlreadyHere, ImportRun, Translation
from moving.users import LOGINS, USERS
from moving.values import Values, known, plain
from moving.weather import WEATHER
from permissions.models import DEFAULT_ROLEID, Role
from students.counts import counts_fold

log = structlog.get_logger("moving")

# The collections in the order of their import: each one after those that it refers to.
TRANSLATIONS = (ROLES_AS_DOCUMENTS, USERS, LOGINS, WEATHER, STUDENTS, CATEGORIES, PRODUCTS, CARTS, ORDERS)
DETAILS, DETAILS_LABEL = "order_details", "订单明细"  # they come with their orders
COLLECTIONS = [*(translation.collection for translation in TRANSLATIONS), DETAILS]
Tell = Callable[[str, int], None]  # label, documents so far
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
        row = connection.execute(_LOCK).fetchone()
        if row is None or not row[0]:
            raise ImportRefused("另一个导入正在运行；这一次什么也没有改动")
        try:
            yield
        finally:
            # Before the connection ends: its server may notice that after the next import has begun.
            with suppress(psycopg.Error):
                connection.execute("SELECT pg_advisory_unlock_all()")


@dataclass
class Import:
    """Import the dump in a folder, or only check it."""

    run: ImportRun
    report: ImportReport
    tell: Tell
    order_outcomes: dict[str, Outcome] = field(default_factory=dict)  # by order_id

    def folder(self, folder: Path) -> list[Path]:
        """Go through all collections. Return the files that belong to none.

        A check does all of it in one transaction, and takes that back: so it foretells exactly what a run will do.

        :raises ImportRefused: nothing was begun, or a file cannot be read; what came until then stays.
        """
        if not self.run.is_check:
            return self._collections(folder)
        with transaction.atomic():
            limits_raise(CHECK_LIMIT)
            others = self._collections(folder)
            transaction.set_rollback(True)
        return others

    def _collections(self, folder: Path) -> list[Path]:
        if not Role.objects.filter(roleid=DEFAULT_ROLEID).exists():
            raise ImportRefused("还没有角色：请先运行 manage.py prepare")
        files, others = files_find(folder, COLLECTIONS)
        if DETAILS in files:
            self._keep_details(files[DETAILS])
        for translation in TRANSLATIONS:
            if path := files.get(translation.collection):
                self._collection(translation, path)
        if DETAILS in files:
            self._end_details()
        if not self.run.is_check:
            counts_fold()
        return others

    def _collection(self, translation: Translation, path: Path) -> None:
        self.report.collection(translation.collection, translation.label)
        stream, number = documents(path), 0
        while batch := list(islice(stream, translation.batch)):
            self._batch(translation, batch)
            number += len(batch)
            self.tell(translation.label, number)

    def _batch(self, translation: Translation, batch: list[Document]) -> None:
        ids = [document.old_id for document in batch if document.old_id]
        arrivals = Arrival.objects.filter(collection=translation.collection, old_id__in=ids)
        old_ids = known(arrivals, "old_id")
        existing = translation.look_up([document for document in batch if not document.fault], self.run)
        arriving, here = [], []
        for document in batch:
            values = self._values(document)
            outcome, record = self._judge(translation, values, existing)
            if document.old_id in old_ids:
                outcome = Outcome.HERE
            if outcome is Outcome.CAME:
                arriving.append((values, record))
                continue
            if outcome is Outcome.HERE:
                here.append(document)
            self._end(translation, values, outcome, record or "")
        _note(translation.collection, here, ignore_conflicts=True)
        if arriving:
            translation.before([record for _, record in arriving], self.run)
            self._arrive(translation, arriving)

    def _judge(self, translation: Translation, values: Values, existing: Any) -> tuple[Outcome, Any]:
        """Return the outcome of a document, with its record, or with the reason why it is refused."""
        document = values.document
        if document.fault:
            return Outcome.REFUSED, document.fault
        name = f"{translation.collection} {document.old_id}"
        if document.old_id and self.run.claim("_id", name) is not None:
            return Outcome.REFUSED, "与前面的文档重复：_id 相同"
        try:
            return Outcome.CAME, translation.translate(values, existing, self.run)
        except AlreadyHere:
            return Outcome.HERE, None
        except DocumentRefused as refusal:
            return Outcome.REFUSED, str(refusal)
        except Exception as error:  # whatever a document holds: a bad one must not keep the others out
            log.exception("document not understood", place=document.place)
            return Outcome.REFUSED, f"意外的内容（{type(error).__name__}）"

    def _arrive(self, translation: Translation, arriving: Sequence[tuple[Values, Any]]) -> None:
        """Write a batch in one transaction; if the database refuses it, write its records one by one."""
        try:
            with transaction.atomic():
                translation.write([record for _, record in arriving], self.run)
                _note(translation.collection, [values.document for values, _ in arriving])
        except (OperationalError, InterfaceError):  # the database is gone or busy: no document is to blame
            raise
        except Exception as error:
            if len(arriving) > 1:
                for pair in arriving:
                    self._arrive(translation, [pair])
                return
            [(values, _)] = arriving
            log.warning("document not stored", place=values.document.place, reason=str(error))
            self._end(translation, values, Outcome.REFUSED, f"数据库拒绝（{type(error).__name__}）")
        else:
            for values, _ in arriving:
                self._end(translation, values, Outcome.CAME)

    def _end(self, translation: Translation, values: Values, outcome: Outcome, reason: str = "") -> None:
        self.report.add(translation.collection, outcome, values.document, fixes=values.fixes, reason=reason)
        order_id = plain(values.document.fields.get("order_id"))
        # Of two documents of one order, one is refused, and its outcome may be told before the other one's.
        if translation is ORDERS and (outcome is not Outcome.REFUSED or order_id not in self.order_outcomes):
            self.order_outcomes[order_id] = outcome

    def _keep_details(self, path: Path) -> None:
        """Keep all details until their order is read, since the file has them in any sequence."""
        for number, document in enumerate(documents(path), 1):
            values = self._values(document)
            try:
                if document.fault:
                    raise DocumentRefused(document.fault)
                detail = detail_read(values)
            except DocumentRefused as refusal:
                self.report.add(DETAILS, Outcome.REFUSED, document, reason=str(refusal))
            else:
                self.run.details.setdefault(detail.order_id, []).append(detail)
            if number % 1000 == 0:
                self.tell(DETAILS_LABEL, number)

    def _end_details(self) -> None:
        self.report.collection(DETAILS, DETAILS_LABEL)
        for order_id, details in self.run.details.items():
            outcome = self.order_outcomes.get(order_id)
            reason = "" if outcome in (Outcome.CAME, Outcome.HERE) else "订单没有带入" if outcome else "没有这个订单"
            for detail in details:
                fixes = [] if reason else detail.values.fixes
                what = Outcome.REFUSED if reason or outcome is None else outcome
                self.report.add(DETAILS, what, detail.values.document, fixes=fixes, reason=reason)

    def _values(self, document: Document) -> Values:
        folder = self.run.pictures
        return Values(document, self.run.now, partial(picture_exists, folder) if folder else None)


def _note(collection: str, documents: Sequence[Document], *, ignore_conflicts: bool = False) -> None:
    rows = [Arrival(collection=collection, old_id=document.old_id) for document in documents if document.old_id]
    Arrival.objects.bulk_create(rows, ignore_conflicts=ignore_conflicts)
