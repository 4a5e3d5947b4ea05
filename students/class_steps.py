"""Rename, merge, split and end a class: each is a run that can be undone.

Locks are taken in one order: students of the class, those in its archive, the rows of classes. A student who is
added to a class that is being renamed comes before or after it: after it, the class with the old name appears again.
"""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

from django.db import IntegrityError, transaction

from accounts.selectors import users_of_class
from accounts.services.class_accounts import class_accounts_move
from core.ids import mark_of
from permissions.gate import read_only_move, read_only_until
from permissions.scope import NOTHING
from runs.errors import RunNotAllowed
from students.accounts import ACCOUNT_CLASS_LENGTH, accounts_settle
from students.bulk import as_json, students_lock
from students.classes import class_get, classes_add
from students.errors import ClassStepRefused, ClassUnknown, SelectionChanged
from students.listener import tell_rename_undone
from students.models import (
    ArchivedStudent,
    ClassState,
    RowKind,
    RunState,
    SchoolClass,
    Student,
    StudentState,
    TransferRow,
    TransferRun,
)
from students.recorded_changes import change_record, state_changes
from students.run_facts import UndoNote
from students.runs import row_counts, run_scope
from students.selectors import students_total
from students.undo import accounts_enable, rows_take_back

MAX_STUDENTS = 5_000


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
    note = UndoNote("rename", before, after)
    try:
        with transaction.atomic():
            students, archived = _class_lock(before, mark)
            _row_change(note, _row_lock(before), name=after)
            return _move(f"改名 {before} → {after}", note, students, archived, user_pk, now)
    except IntegrityError:  # of two classes that get one name at the same instant, the second
        raise ClassStepRefused(f"已经有班级 {after}，请用“合并”") from None


def class_merge(*, before: str, after: str, mark: str, user_pk: int | None, now: datetime) -> TransferRun:
    """Move all of a class into another one, and end it.

    :raises: as :func:`class_rename`.
    """
    if after == before:
        raise ClassStepRefused("请选择另一个班级")
    note = UndoNote("merge", before, after)
    with transaction.atomic():
        class_get(after)
        students, archived = _class_lock(before, mark)
        if not (students or archived or users_of_class(before).exists()):  # merged already, before a second click
            raise ClassStepRefused(f"{before} 里没有人，不用合并")
        # Both rows: of two merges in opposite directions at one instant, the second finds its target ended.
        list(SchoolClass.objects.select_for_update().filter(name__in=[before, after]).order_by("name"))
        row = _row_lock(before)
        if _row_lock(after).state == ClassState.ENDED:
            raise ClassStepRefused(f"{after} 已经结业，不能合并进去；请先把它改回开班")
        _row_change(note, row, state=ClassState.ENDED)
        return _move(f"合并 {before} → {after}", note, students, archived, user_pk, now)


def class_split(*, before: str, after: str, pks: Sequence[int], user_pk: int | None, now: datetime) -> TransferRun:
    """Move some students of a class, with their accounts, to a class that may be new; then it is of the same campus.

    :raises SelectionChanged: one of them is not in the class any more. Nothing is changed.
    """
    if after == before:
        raise ClassStepRefused("请填写另一个班级")
    with transaction.atomic():
        students = [student for student in students_lock(pks).values() if student.class_name == before]
        if len(students) < len(set(pks)) or not students:
            raise SelectionChanged("所选的学员有的已经不在这个班，没有改动。请重新选择")
        is_new = not SchoolClass.objects.filter(name=after).exists()
        title, note = f"拆分 {before}：{len(students)} 名 → {after}", UndoNote("split", before, after, is_new)
        campus = _row_lock(before).campus
        classes_add([after])
        if is_new:
            SchoolClass.objects.filter(name=after).update(campus=campus)
        return _move(title, note, students, [], user_pk, now)


def class_end(*, before: str, on: date, fate: str, mark: str, user_pk: int | None, now: datetime) -> TransferRun:
    """End a class: its students who have not left become 结业 on that day, and the accounts what ``fate`` says.

    :raises: as :func:`class_rename`.
    """
    with transaction.atomic():
        students, _ = _class_lock(before, mark)
        row, note = _row_lock(before), UndoNote("end", before)
        _row_change(note, row, state=ClassState.ENDED, ends_on=row.ends_on or on)
        note.disabled = accounts_settle([student.account_id for student in students], fate)
        students = [student for student in students if not student.has_left]
        diffs, events = state_changes(students, StudentState.GRADUATED, on, "")
        who: dict[str, Any] = {"user_pk": user_pk, "now": now}
        return change_record(f"结业 {before}", students, diffs, **who, note=note, events=events)


# --- The way back ---
def class_undo(run: TransferRun, now: datetime) -> None:
    """Take back an operation on a class, or a change of states."""
    note, scope = UndoNote.load(run.options), run_scope(run)
    if scope == NOTHING or not (scope.is_all or note.step == "state"):
        run.state, run.message = RunState.DONE, RunNotAllowed.msg
        return
    rows_take_back(run, list(TransferRow.objects.filter(run=run, kind=RowKind.CHANGED)), now)
    pk, values = note.row or (0, {})
    for name, (before, after) in values.items():
        if name != "name" or not SchoolClass.objects.filter(name=before).exists():
            SchoolClass.objects.filter(pk=pk, **{name: after}).update(**{name: before})
    if note.after:
        _move_back(note)
    kept = TransferRow.objects.filter(run=run, kind=RowKind.KEPT).values("student_pk")
    accounts_enable(run, Student.objects.exclude(pk__in=kept))
    run.state, run.message, run.counts = RunState.UNDONE, "", row_counts(run)


def _move_back(note: UndoNote) -> None:
    """Take accounts, archive and what listens back from the class ``after``; one that was made for it goes."""
    before, after = note.before, note.after
    class_accounts_move(before=after, after=before, user_pks=note.accounts)
    ArchivedStudent.objects.filter(pk__in=note.archived or [], class_name=after).update(class_name=before)
    if note.notes is not None:
        tell_rename_undone(before=before, after=after, notes=note.notes)
    if note.step == "rename":
        transaction.on_commit(lambda: read_only_move(after, before))
    if note.is_new and not students_total(after) and not users_of_class(after).exists():
        SchoolClass.objects.filter(name=after).delete()


# --- Parts ---
def _class_lock(name: str, mark: str) -> tuple[list[Student], list[ArchivedStudent]]:
    """Lock a class's students and those of its archive; return them.

    The students twice: one who is being archived is in the archive after the first time, one who is being restored is
    back after the archive is locked.
    """
    _students_of(name)
    archived = _archived_of(name)
    students = _students_of(name)
    if len(students) > MAX_STUDENTS:
        raise ClassStepRefused(f"一次最多 {MAX_STUDENTS} 名学员")
    if mark_of(student.pk for student in students) != mark:
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


def _row_change(note: UndoNote, row: SchoolClass, **values: Any) -> None:
    """Change the class itself, and note how it was."""
    note.row = (row.pk, {name: [as_json(getattr(row, name)), as_json(value)] for name, value in values.items()})
    for name, value in values.items():
        setattr(row, name, value)
    row.save(update_fields=[*values])


def _move(
    title: str, note: UndoNote, students: Sequence[Student], archived: Sequence[ArchivedStudent], user_pk: int | None,
    now: datetime,
) -> TransferRun:  # fmt: skip
    """Give the students, the archive and the accounts the new class; return the run."""
    before, after, is_whole = note.before, note.after, note.step != "split"
    accounts = None if is_whole else [student.account_id for student in students if student.account_id]
    if len(after) > ACCOUNT_CLASS_LENGTH and users_of_class(before).exists():
        raise ClassStepRefused(f"这个班有账号，名称最多 {ACCOUNT_CLASS_LENGTH} 个字")
    note.accounts = class_accounts_move(before=before, after=after, user_pks=accounts)
    note.archived = [student.pk for student in archived]
    ArchivedStudent.objects.filter(pk__in=note.archived).update(class_name=after)
    if is_whole:
        transaction.on_commit(lambda: read_only_move(before, after))
    diffs = [{"class_name": (before, after)} for _ in students]
    return change_record(title, students, diffs, user_pk=user_pk, now=now, note=note)
