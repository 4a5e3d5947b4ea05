"""Change how students stand in the school (在读, 休学, 退学, 结业): a run that can be undone."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from django.db import transaction

from core.ids import mark_of
from permissions.scope import EVERYTHING, Scope
from students.accounts import accounts_settle
from students.bulk import FieldChange, students_lock
from students.errors import SelectionChanged, StudentUnchanged
from students.events import event_of
from students.models import LEFT_STATES, EventKind, Student, StudentEvent, StudentState, TransferRun
from students.recorded_change import RecordedChange
from students.run_facts import UndoNote


def state_changes(
    students: Sequence[Student], state: StudentState, on: date, reason: str
) -> tuple[list[list[FieldChange]], list[StudentEvent]]:
    """Return what changes when students get another state, and the events of it. Nothing is saved."""
    kind = EventKind.RETURNED if state == StudentState.STUDYING else EventKind(state)
    values: dict[str, Any] = {"state": state.value, "state_on": on, "state_reason": reason[:200]}
    changes, events = [], []
    for student in students:
        new = values | ({"left_on": on} if state == StudentState.GRADUATED and not student.left_on else {})
        pairs = [(name, getattr(student, name), value) for name, value in new.items()]
        changes.append([FieldChange(*pair) for pair in pairs if pair[1] != pair[2]])
        left = {"had_left": student.has_left, "has_left": state in LEFT_STATES}
        events.append(event_of(student, kind, on, **left, detail=reason))
    return changes, events


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
        record = RecordedChange(f"{kind.label}：{names}", user_pk, now, UndoNote("state"))
        if kind in LEFT_STATES:
            record.note.disabled = accounts_settle([student.account_id for student in students], fate)
        changes, events = state_changes(students, kind, on, reason)
        record.change(students, changes)
        return record.save(events)
