"""Take back what a run has written to students: an import, a change of many, a step of a class."""

from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from accounts.selectors import users_of_class
from accounts.services.class_accounts import class_accounts_move
from accounts.services.users import users_enable
from permissions.gate import read_only_move
from permissions.scope import NOTHING
from runs.errors import RunNotAllowed
from students.bulk import diff_load, students_change, students_delete, students_lock
from students.columns import PHOTO, PICTURE, label_of
from students.errors import NOT_ALLOWED, NotArchived, NumberTaken
from students.listener import tell_rename_undone
from students.models import (
    ArchivedStudent,
    RowKind,
    RunKind,
    RunState,
    SchoolClass,
    Student,
    StudentEvent,
    TransferRow,
    TransferRun,
)
from students.run_facts import UndoNote
from students.run_rights import run_scope
from students.runs import row_counts, rows_save
from students.selectors import archived_among, students_total
from students.services import student_restore
from uploads.services import images_release

_WORDS = {RunKind.IMPORT: "导入之后", RunKind.EDIT: "修改之后"}


def rows_take_back(run: TransferRun, rows: list[TransferRow], now: datetime) -> None:
    """Take back what the run wrote to these students, but not where one was changed since; the row says so then."""
    students, scope = students_lock(row.student_pk for row in rows), run_scope(run)
    archived = archived_among("pk", [row.student_pk for row in rows if row.student_pk not in students], scope=scope)
    additions, edits, reversals, pictured = [], [], [], []
    for row in rows:
        student, kind, since = students.get(row.student_pk or 0), row.kind, _WORDS.get(RunKind(run.kind), "之后")
        row.kind, row.errors = RowKind.KEPT, []
        if kind == RowKind.LEFT and not row.diff:
            row.errors = _bring_back(run, row, archived, now)
        elif student is None:
            row.errors = [["学员", f"{since}{'已归档' if row.student_pk in archived else '已被删除'}"]]
        elif not scope.may_change(student):
            row.errors = [["学员", NOT_ALLOWED]]
        elif labels := _changed_since(row, student, is_new=kind == RowKind.NEW):
            row.errors = [["、".join(labels), f"{since}被修改过，保留现在的内容"]]
        elif kind == RowKind.NEW:
            additions.append(student)
        else:
            edits.append(student)
            reversals.append({name: (after, before) for name, (before, after) in diff_load(row.diff).items()})
        if not row.errors:
            row.kind = RowKind.UNDONE
            pictured += [student] if student and PICTURE in row.diff else []
    images_release(owners=[student.owner_ref for student in pictured])
    students_delete(additions, actor_pk=run.undone_by_id, now=now)
    students_change(edits, reversals, actor_pk=run.undone_by_id, now=now)
    StudentEvent.objects.filter(run_pk=run.pk, student_pk__in=[student.pk for student in edits]).delete()
    back = [row.student_pk or 0 for row in rows if row.kind == RowKind.UNDONE]
    _accounts_enable(run, Student.objects.filter(pk__in=back))
    rows_save(rows, "kind", "errors")


def _accounts_enable(run: TransferRun, students: QuerySet[Student]) -> None:
    """Let those of the students log in again whose accounts the run has disabled."""
    accounts = students.filter(account__in=UndoNote.load(run.options).disabled or [])
    users_enable(user_pks=list(accounts.values_list("account", flat=True)))


def _bring_back(run: TransferRun, row: TransferRow, archived: set[Any], now: datetime) -> list[list[str]]:
    """Restore a student whom the run has archived; return why that cannot be."""
    if row.student_pk not in archived:
        return [["学员", "导入之后已恢复，或您现在没有恢复的权限"]]
    try:
        student_restore(pk=row.student_pk or 0, actor_pk=run.undone_by_id, now=now)
    except (NotArchived, NumberTaken) as refusal:
        return [["学员", refusal.msg]]
    return []


def _changed_since(row: TransferRow, student: Student, *, is_new: bool) -> list[str]:
    """Name the fields that were changed since the run wrote them."""
    labels = [label_of(name) for name, (_, after) in diff_load(row.diff).items() if getattr(student, name) != after]
    return [*labels, PHOTO] if is_new and student.headimgurl and PICTURE not in row.diff else labels


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
    _accounts_enable(run, Student.objects.exclude(pk__in=kept))
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
