"""Give many students the same values in some fields, at once or not at all; an undo works as that of an import."""

from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any

from django.db import transaction

from students.bulk import STORED, changes_between, changes_dump, students_change, students_lock
from students.columns import label_of
from students.errors import SelectionChanged, StudentUnchanged
from students.models import RowKind, RunKind, RunState, Student, TransferRow, TransferRun

MAX_EDITED = 2_000


def edit_mark(students: Sequence[Student]) -> str:
    """Return a hash of all that the students are: it differs once somebody has changed one of them."""
    facts = [[student.pk, *(getattr(student, name) for name in STORED)] for student in students]
    return sha256(repr(sorted(facts)).encode()).hexdigest()


def students_edit(
    *, pks: Sequence[int], values: dict[str, Any], mark: str, user_pk: int | None, now: datetime
) -> TransferRun:
    """Set fields of the students; return the run that can take it back.

    :param mark: of the students that the page has shown (:func:`edit_mark`).
    :raises SelectionChanged: these are other students by now, or somebody has changed one. Nothing is changed.
    :raises StudentUnchanged: all of them have these values already.
    """
    with transaction.atomic():
        locked = list(students_lock(pks).values())
        if edit_mark(locked) != mark:
            raise SelectionChanged("名单或其中学员的资料在你确认之前变了，没有修改任何学员。请核对后再次确认")
        changes = {student.pk: changes_between(student, values) for student in locked}
        changed = [student for student in locked if changes[student.pk]]
        if not changed:
            raise StudentUnchanged
        what = "，".join(f"{label_of(name)} → {value}" for name, value in values.items())
        run = TransferRun.objects.create(
            kind=RunKind.EDIT, state=RunState.DONE, created_by_id=user_pk, confirmed_by_id=user_pk,
            created_at=now, phase_at=now, file_name=what[:120],
            counts={RowKind.CHANGED: len(changed), RowKind.UNCHANGED: len(locked) - len(changed)},
        )  # fmt: skip
        TransferRow.objects.bulk_create(
            TransferRow(
                run=run, number=number, student_pk=student.pk, diff=changes_dump(changes[student.pk]),
                kind=RowKind.CHANGED if changes[student.pk] else RowKind.UNCHANGED,
                cells={"sId": student.sid, "name": student.name, "class": student.class_name},
            )
            for number, student in enumerate(locked, 1)
        )  # fmt: skip
        students_change(changed, [changes[student.pk] for student in changed], actor_pk=user_pk, now=now)
    return run
