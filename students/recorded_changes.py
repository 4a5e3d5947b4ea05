"""Change many students in the request of a person: each such change is kept as a run that can be taken back."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any

from django.db import transaction

from core.audit import StaffAction, action_head
from core.ids import mark_of
from permissions.scope import EVERYTHING, Scope
from students.accounts import accounts_settle
from students.bulk import STORED, Diff, diff_between, diff_dump, students_change, students_lock
from students.columns import label_of
from students.errors import SelectionChanged, StudentUnchanged
from students.events import event_of, events_add
from students.listener import tell_renamed
from students.models import (
    LEFT_STATES,
    EventKind,
    RowKind,
    RunKind,
    RunState,
    Student,
    StudentEvent,
    StudentState,
    TransferRow,
    TransferRun,
)
from students.run_facts import UndoNote
from students.runs import run_begin

MAX_EDITED = 2_000


def change_record(
    title: str, students: Sequence[Student], diffs: Sequence[Diff], *, user_pk: int | None, now: datetime,
    note: UndoNote | None = None, events: Iterable[StudentEvent] = (),
) -> TransferRun:  # fmt: skip
    """Write the changes of locked students, and keep them in a run.

    :param note: what an undo needs beside the rows, of a step of a class or of a change of states.
    :param events: to be saved with it. An event for each student who moves to another class is added here, but not if
        the class only gets another name.
    """
    rows = [
        TransferRow(
            number=number, student_pk=student.pk, diff=diff_dump(diff),
            kind=RowKind.CHANGED if diff else RowKind.UNCHANGED,
            cells={"sId": student.sid, "name": student.name, "class": student.class_name},
        )
        for number, (student, diff) in enumerate(zip(students, diffs, strict=True), 1)
    ]  # fmt: skip
    targets = [student for student, diff in zip(students, diffs, strict=True) if diff]
    moves = students_change(targets, [*filter(None, diffs)], actor_pk=user_pk, now=now)
    if note and note.step in {"rename", "merge"}:  # the listeners hear of it once the students are in the class
        note.notes = tell_renamed(before=note.before, after=note.after)
    run = run_begin(
        kind=RunKind.CLASS if note else RunKind.EDIT, title=title[:120], state=RunState.DONE, user_pk=user_pk, now=now,
        options=note.dump() if note else {}, counts=Counter(row.kind for row in rows),
    )  # fmt: skip
    for row in rows:
        row.run = run
    TransferRow.objects.bulk_create(rows)
    events_add([*events, *(moves if not note or note.step != "rename" else [])], run.pk)
    if note:
        action_head(run, StaffAction.BULK, {"班级": run.file_name}, actor_pk=user_pk)
    return run


def edit_mark(students: Sequence[Student]) -> str:
    """Return a hash of all that the students are: it differs once one of them has changed."""
    return mark_of([student.pk, *(getattr(student, name) for name in STORED)] for student in students)


def students_edit(
    *, pks: Sequence[int], values: dict[str, Any], mark: str, user_pk: int | None, now: datetime,
    scope: Scope = EVERYTHING,
) -> TransferRun:  # fmt: skip
    """Give the students the same values in some fields, all or none; return the run that can take it back.

    :param mark: of the students that the page has shown (:func:`edit_mark`).
    :raises SelectionChanged: one has changed by now, is gone or out of sight. Nothing is changed.
    :raises NotPermitted: ``scope`` shows one of them, but does not allow changes.
    :raises StudentUnchanged: all of them have these values already.
    :raises ClassNotOwn: ``scope`` does not let a student into the class.
    """
    with transaction.atomic():
        students = list(students_lock(pks, scope).values())
        if edit_mark(students) != mark:
            raise SelectionChanged("名单或其中学员的资料在你确认之前变了，没有修改任何学员。请核对后再次确认")
        diffs = [diff_between(student, values) for student in students]
        if not any(diffs):
            raise StudentUnchanged
        if "class_name" in values:
            scope.require_class(values["class_name"])
        title = "，".join(f"{label_of(name)} → {value}" for name, value in values.items())
        return change_record(title, students, diffs, user_pk=user_pk, now=now)


def state_changes(
    students: Sequence[Student], state: StudentState, on: date, reason: str
) -> tuple[list[Diff], list[StudentEvent]]:
    """Return what changes when students get another state, and the events of it. Nothing is saved."""
    kind = EventKind.RETURNED if state == StudentState.STUDYING else EventKind(state)
    values: dict[str, Any] = {"state": state.value, "state_on": on, "state_reason": reason[:200]}
    diffs, events = [], []
    for student in students:
        new = values | ({"left_on": on} if state == StudentState.GRADUATED and not student.left_on else {})
        pairs = {name: (getattr(student, name), value) for name, value in new.items()}
        diffs.append({name: pair for name, pair in pairs.items() if pair[0] != pair[1]})
        left = {"had_left": student.has_left, "has_left": state in LEFT_STATES}
        events.append(event_of(student, kind, on, **left, detail=reason))
    return diffs, events


def students_state_set(
    *, pks: Sequence[int], state: str, on: date, reason: str, fate: str, mark: str, user_pk: int | None, now: datetime,
    scope: Scope = EVERYTHING,
) -> TransferRun:  # fmt: skip
    """Make students 在读, 休学, 退学 or 结业 from a day on, all or none.

    :raises SelectionChanged: one is gone since the page was shown, or out of sight. Nothing is changed.
    :raises NotPermitted: ``scope`` shows one of them, but does not allow changes.
    :raises StudentUnchanged: all of them are that already.
    """
    kind = StudentState(state)
    with transaction.atomic():
        students = list(students_lock(pks, scope).values())
        if mark_of(student.pk for student in students) != mark:
            raise SelectionChanged("名单在你确认之前变了，没有修改任何学员。请核对后再次确认")
        students = [student for student in students if student.state != kind]
        if not students:
            raise StudentUnchanged
        names = "、".join(one.name for one in students[:3]) + (f" 等 {len(students)} 名" if len(students) > 3 else "")
        note = UndoNote("state")
        if kind in LEFT_STATES:
            note.disabled = accounts_settle([student.account_id for student in students], fate)
        diffs, events = state_changes(students, kind, on, reason)
        who: dict[str, Any] = {"user_pk": user_pk, "now": now}
        return change_record(f"{kind.label}：{names}", students, diffs, **who, note=note, events=events)
