"""Take back what a run has written to students, but not where one was changed since."""

from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from accounts.services.users import users_enable
from permissions.scope import Scope
from students.bulk import diff_load, students_change, students_delete, students_lock
from students.columns import PHOTO, PICTURE, label_of
from students.errors import NOT_ALLOWED, NotArchived, NumberTaken
from students.models import RowKind, RunKind, Student, StudentEvent, TransferRow, TransferRun
from students.run_facts import UndoNote
from students.runs import rows_save, run_scope
from students.selectors import archived_among
from students.services import student_restore
from uploads.services import images_release

_WORDS = {RunKind.IMPORT: "导入之后", RunKind.EDIT: "修改之后"}


def rows_take_back(run: TransferRun, rows: list[TransferRow], now: datetime) -> None:
    """Take back what the run wrote to these students, but not where one was changed since; the row says so then."""
    students, scope = students_lock(row.student_pk for row in rows), run_scope(run)
    archived = archived_among("pk", [row.student_pk for row in rows if row.student_pk not in students], scope=scope)
    for row in rows:
        if _has_archived(row):
            row.errors = _bring_back(run, row, archived, now)
        else:
            row.errors = _refusal(run, row, students.get(row.student_pk), archived, scope)
    undone = [row for row in rows if not row.errors]
    _write_back(run, [(row, students[row.student_pk]) for row in undone if not _has_archived(row)], now)
    back = [row.student_pk or 0 for row in undone]
    StudentEvent.objects.filter(run_pk=run.pk, student_pk__in=back).delete()
    accounts_enable(run, Student.objects.filter(pk__in=back))
    for row in rows:
        row.kind = RowKind.KEPT if row.errors else RowKind.UNDONE
    rows_save(rows, "kind", "errors")


def accounts_enable(run: TransferRun, students: QuerySet[Student]) -> None:
    """Let those of the students log in again whose accounts the run has disabled."""
    accounts = students.filter(account__in=UndoNote.load(run.options).disabled or [])
    users_enable(user_pks=list(accounts.values_list("account", flat=True)), actor_pk=run.undone_by_id)


def _has_archived(row: TransferRow) -> bool:
    """Tell whether the run has archived the row's student. A leaver who became 退学 has a diff."""
    return row.kind == RowKind.LEFT and not row.diff


def _bring_back(run: TransferRun, row: TransferRow, archived: set[Any], now: datetime) -> list[list[str]]:
    """Restore a student whom the run has archived; return why that cannot be."""
    if row.student_pk not in archived:
        return [["学员", "导入之后已恢复，或您现在没有恢复的权限"]]
    try:
        student_restore(pk=row.student_pk or 0, actor_pk=run.undone_by_id, now=now, run_pk=run.pk)
    except (NotArchived, NumberTaken) as refusal:
        return [["学员", refusal.msg]]
    return []


def _refusal(
    run: TransferRun, row: TransferRow, student: Student | None, archived: set[Any], scope: Scope
) -> list[list[str]]:
    """Say why a row cannot be taken back; nothing if it can."""
    since = _WORDS.get(RunKind(run.kind), "之后")
    if student is None:
        return [["学员", f"{since}{'已归档' if row.student_pk in archived else '已被删除'}"]]
    if not scope.may_change(student):
        return [["学员", NOT_ALLOWED]]
    if labels := _changed_since(row, student, is_new=row.kind == RowKind.NEW):
        return [["、".join(labels), f"{since}被修改过，保留现在的内容"]]
    return []


def _changed_since(row: TransferRow, student: Student, *, is_new: bool) -> list[str]:
    """Name the fields that were changed since the run wrote them."""
    labels = [label_of(name) for name, (_, after) in diff_load(row.diff).items() if getattr(student, name) != after]
    return [*labels, PHOTO] if is_new and student.headimgurl and PICTURE not in row.diff else labels


def _write_back(run: TransferRun, pairs: list[tuple[TransferRow, Student]], now: datetime) -> None:
    """Delete the students whom these rows have added, and give the others the values that they had before."""
    images_release(owners=[student.owner_ref for row, student in pairs if PICTURE in row.diff])
    additions = [student for row, student in pairs if row.kind == RowKind.NEW]
    students_delete(additions, actor_pk=run.undone_by_id, now=now)
    edits = [(row, student) for row, student in pairs if row.kind != RowKind.NEW]
    reversals = [{name: (after, before) for name, (before, after) in diff_load(row.diff).items()} for row, _ in edits]
    students_change([student for _, student in edits], reversals, actor_pk=run.undone_by_id, now=now)
