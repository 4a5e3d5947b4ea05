"""Rename, merge, split and end a class, and change how students stand in the school: each is a run that can be undone.

Locks are taken in one order: students of the class, those in its archive, the rows of classes. Who adds a student to a
class that is being renamed comes before or after it: after it, the class with the old name appears again.
"""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

from django.db import IntegrityError, transaction

from accounts.models import User
from accounts.selectors import users_of_class
from accounts.services.class_accounts import class_accounts_move
from core.ids import mark_of
from permissions.gate import read_only_move, read_only_until
from permissions.scope import EVERYTHING, Scope
from students.accounts import accounts_settle
from students.bulk import FieldChange, as_json, students_lock
from students.classes import class_get, classes_add
from students.errors import ClassStepRefused, ClassUnknown, SelectionChanged, StudentUnchanged
from students.events import event_of
from students.listener import tell_renamed
from students.models import (
    LEFT_STATES,
    ArchivedStudent,
    ClassState,
    EventKind,
    SchoolClass,
    Student,
    StudentEvent,
    StudentState,
    TransferRun,
)
from students.selectors import students_total
from students.steps import Step

MAX_STUDENTS = 5_000
ACCOUNT_CLASS_LENGTH = User._meta.get_field("class_name").max_length or 0
_EVENTS = {
    StudentState.STUDYING: EventKind.RETURNED,
    StudentState.SUSPENDED: EventKind.SUSPENDED,
    StudentState.WITHDRAWN: EventKind.WITHDRAWN,
    StudentState.GRADUATED: EventKind.GRADUATED,
}


class ClassFacts(NamedTuple):
    """What goes along when a class is renamed; the preview shows it, and ``mark`` is of exactly these students."""

    students: int
    archived: int
    accounts: int
    is_read_only: bool
    mark: str


def class_facts(name: str) -> ClassFacts:
    pks = list(Student.objects.filter(class_name=name).order_by().values_list("pk", flat=True)[: MAX_STUDENTS + 1])
    archived, accounts = ArchivedStudent.objects.filter(class_name=name).count(), users_of_class(name).count()
    return ClassFacts(len(pks), archived, accounts, read_only_until(name) is not None, mark_of(pks))


# --- Classes ---
def class_rename(*, before: str, after: str, mark: str, user_pk: int | None, now: datetime) -> TransferRun:
    """Give a class another name; students, archive, accounts, read-only hours and what listens go along.

    :param mark: of the students that the page has shown (:func:`class_facts`).
    :raises ClassStepRefused: there is a class of that name already, or the name is too long for accounts.
    :raises ClassUnknown: a colleague has just renamed it.
    :raises SelectionChanged: the class has other students by now. Nothing is changed.
    """
    if after == before:
        raise ClassStepRefused("名称没有变")
    if SchoolClass.objects.filter(name=after).exists() or students_total(after):
        raise ClassStepRefused(f"已经有班级 {after}，请用“合并”")
    step = Step(f"改名 {before} → {after}", user_pk, now, {"step": "rename", "before": before, "after": after})
    try:
        with transaction.atomic():
            students, archived = _class_lock(before, mark)
            _row_change(step, _row_lock(before), name=after)
            _move(step, students, archived)
            return step.save()
    except IntegrityError:  # of two classes that get one name at the same instant, the second
        raise ClassStepRefused(f"已经有班级 {after}，请用“合并”") from None


def class_merge(*, before: str, after: str, mark: str, user_pk: int | None, now: datetime) -> TransferRun:
    """Move all of a class into another one, and end it.

    :raises: as :func:`class_rename`.
    """
    if after == before:
        raise ClassStepRefused("请选择另一个班级")
    step = Step(f"合并 {before} → {after}", user_pk, now, {"step": "merge", "before": before, "after": after})
    with transaction.atomic():
        class_get(after)
        students, archived = _class_lock(before, mark)
        # Both rows: of two merges in opposite directions at one instant, the second finds its target ended.
        list(SchoolClass.objects.select_for_update().filter(name__in=[before, after]).order_by("name"))
        row = _row_lock(before)
        if _row_lock(after).state == ClassState.ENDED:
            raise ClassStepRefused(f"{after} 已经结业，不能合并进去；请先把它改回开班")
        _row_change(step, row, state=ClassState.ENDED)
        return step.save(_move(step, students, archived))


def class_split(*, before: str, after: str, pks: Sequence[int], user_pk: int | None, now: datetime) -> TransferRun:
    """Move some students of a class, with their accounts, to a class that may be new; then it is of the same campus.

    :raises SelectionChanged: one of them is not in the class any more. Nothing is changed.
    """
    if after == before:
        raise ClassStepRefused("请填写另一个班级")
    with transaction.atomic():
        students = [one for one in students_lock(pks).values() if one.class_name == before]
        if len(students) < len(set(pks)) or not students:
            raise SelectionChanged("所选的学员有的已经不在这个班，没有改动。请重新选择")
        is_new = not SchoolClass.objects.filter(name=after).exists()
        facts: dict[str, Any] = {"step": "split", "before": before, "after": after, "is_new": is_new}
        step = Step(f"拆分 {before}：{len(students)} 名 → {after}", user_pk, now, facts)
        campus = _row_lock(before).campus
        classes_add([after])
        if is_new:
            SchoolClass.objects.filter(name=after).update(campus=campus)
        return step.save(_move(step, students, []))


def class_end(*, name: str, on: date, fate: str, mark: str, user_pk: int | None, now: datetime) -> TransferRun:
    """End a class: its students who have not left become 结业 on that day, and the accounts what ``fate`` says.

    :raises: as :func:`class_rename`.
    """
    with transaction.atomic():
        students, _ = _class_lock(name, mark)
        row = _row_lock(name)
        step = Step(f"结业 {name}", user_pk, now, {"step": "end", "before": name})
        _row_change(step, row, state=ClassState.ENDED, ends_on=row.ends_on or on)
        step.options["disabled"] = accounts_settle([one.account_id for one in students], fate)
        students = [one for one in students if not one.has_left]
        events = _state_set(step, students, StudentState.GRADUATED, on, "")
        return step.save(events)


# --- Students ---
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
        if mark_of(one.pk for one in students) != mark:
            raise SelectionChanged("名单在你确认之前变了，没有修改任何学员。请核对后再次确认")
        students = [one for one in students if one.state != kind]
        if not students:
            raise StudentUnchanged
        names = "、".join(one.name for one in students[:3]) + (f" 等 {len(students)} 名" if len(students) > 3 else "")
        step = Step(f"{kind.label}：{names}", user_pk, now, {"step": "state"})
        if kind in LEFT_STATES:
            step.options["disabled"] = accounts_settle([one.account_id for one in students], fate)
        events = _state_set(step, students, kind, on, reason)
        return step.save(events)


def _state_set(
    step: Step, students: Sequence[Student], state: StudentState, on: date, reason: str
) -> list[StudentEvent]:
    changes, events = state_changes(students, state, on, reason)
    step.change(students, changes)
    return events


def state_changes(
    students: Sequence[Student], state: StudentState, on: date, reason: str
) -> tuple[list[list[FieldChange]], list[StudentEvent]]:
    """Return what changes when students get another state, and the events of it. Nothing is saved."""
    values: dict[str, Any] = {"state": state.value, "state_on": on, "state_reason": reason[:200]}
    changes, events = [], []
    for one in students:
        new = values | ({"left_on": on} if state == StudentState.GRADUATED and not one.left_on else {})
        pairs = [(name, getattr(one, name), value) for name, value in new.items()]
        changes.append([FieldChange(*pair) for pair in pairs if pair[1] != pair[2]])
        left = {"had_left": one.has_left, "has_left": state in LEFT_STATES}
        events.append(event_of(one, _EVENTS[state], on, **left, detail=reason))
    return changes, events


# --- Parts ---
def _class_lock(name: str, mark: str) -> tuple[list[Student], list[ArchivedStudent]]:
    """Lock a class's students and those of its archive; return them.

    The students twice: who is being archived is in the archive after the first time, and who is being restored is
    back after the archive is locked.
    """
    _students_of(name)
    archived = _archived_of(name)
    students = _students_of(name)
    if len(students) > MAX_STUDENTS:
        raise ClassStepRefused(f"一次最多 {MAX_STUDENTS} 名学员")
    if mark_of(one.pk for one in students) != mark:
        raise SelectionChanged("名单在你确认之前变了，没有改动。请核对后再次确认")
    return students, archived


def _students_of(name: str) -> list[Student]:
    return list(Student.objects.select_for_update().filter(class_name=name).order_by("pk")[: MAX_STUDENTS + 1])


def _archived_of(name: str) -> list[ArchivedStudent]:
    return list(ArchivedStudent.objects.select_for_update().filter(class_name=name).order_by("pk"))


def _row_lock(name: str) -> SchoolClass:
    row = SchoolClass.objects.select_for_update().filter(name=name).first()
    if row is None:
        raise ClassUnknown
    return row


def _row_change(step: Step, row: SchoolClass, **values: Any) -> None:
    """Change the class itself, and keep in the run how it was."""
    pairs = {name: [as_json(getattr(row, name)), as_json(value)] for name, value in values.items()}
    step.options["row"] = [row.pk, pairs]
    for name, value in values.items():
        setattr(row, name, value)
    row.save(update_fields=[*values])


def _move(step: Step, students: Sequence[Student], archived: Sequence[ArchivedStudent]) -> list[StudentEvent]:
    """Give the students, the archive and the accounts the new class; return the events of it, not saved yet."""
    before, after = step.options["before"], step.options["after"]
    is_whole = step.options["step"] != "split"
    accounts = None if is_whole else [one.account_id for one in students if one.account_id]
    if len(after) > ACCOUNT_CLASS_LENGTH and users_of_class(before).exists():
        raise ClassStepRefused(f"这个班有账号，名称最多 {ACCOUNT_CLASS_LENGTH} 个字")
    step.options["accounts"] = class_accounts_move(before=before, after=after, user_pks=accounts)
    moves = step.change(students, [[FieldChange("class_name", before, after)] for _ in students])
    step.options["archived"] = [one.pk for one in archived]
    ArchivedStudent.objects.filter(pk__in=step.options["archived"]).update(class_name=after)
    if is_whole:
        step.options["notes"] = tell_renamed(before=before, after=after)
        transaction.on_commit(lambda: read_only_move(before, after))
    return moves
