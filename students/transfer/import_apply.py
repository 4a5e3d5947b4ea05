"""Confirm an import, where what is undecided blocks it; and write it, all of its rows or nothing."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime

from django.db import connection
from django.db.models import QuerySet

from core import times
from permissions.scope import Scope
from runs.work import with_progress
from students.accounts import Fate, accounts_settle
from students.bulk import Diff, diff_dump, diff_load, students_change, students_create, students_lock
from students.classes import classes_overfull
from students.errors import NOT_ALLOWED, ImportUndecided, RunStale
from students.events import events_add
from students.models import LEFT_STATES, RowKind, RunState, Student, StudentState, TransferRow, TransferRun
from students.recorded_changes import state_changes
from students.run_facts import Choices, Findings, Leavers, UndoNote
from students.runs import row_counts, rows_save, run_confirm, run_scope_required, source_withhold
from students.services import students_archive
from students.transfer.import_check import WRITTEN
from students.transfer.row_matching import BATCH, People, batches, unseen_by

# Two imports at one instant would both find that nobody has their new students yet.
_ONE_AT_A_TIME = "SELECT pg_advisory_xact_lock(hashtextextended('students import', 0))"
_TAKE_OFF = "UPDATE students_transferrow SET diff = diff - %s::text[] WHERE run_id = %s AND kind = %s"


def import_confirm(
    *, run: TransferRun, is_new_sure: bool, is_full_sure: bool, scope: Scope, user_pk: int | None, now: datetime
) -> None:
    """Let a worker write the rows that the choices in the run's ``options`` leave.

    :param is_new_sure: the person has agreed that classes and degrees appear that nobody has yet.
    :param is_full_sure: the person has agreed that classes get more students than room.
    :raises ImportUndecided: a row or one of these questions waits for an answer.
    :raises RunNotReady: the run does not wait for a confirmation, or no longer.
    """
    if rest := unresolved(run):
        raise ImportUndecided(f"还有 {rest} 行错误或同名没有处理：请改正、选择，或取消勾选")
    if Findings.load(run.options).new and not is_new_sure:
        raise ImportUndecided("请先勾选：确实要新建这些班级和学历")
    if not is_full_sure and (texts := overfull(run, scope)):
        raise ImportUndecided(f"请先勾选：{'；'.join(texts)}")
    _rows_choose(run)
    run_confirm(run=run, user_pk=user_pk, now=now)


def unresolved(run: TransferRun) -> int:
    """Count the rows that must be mended, answered or left out before the rest can be written."""
    rows = TransferRow.objects.filter(run=run, kind__in=[RowKind.ERROR, RowKind.CHOICE])
    return rows.exclude(number__in=Choices.load(run.options).skips).count()


def overfull(run: TransferRun, scope: Scope) -> list[str]:
    """Say which classes would have more students than room."""
    choices, more = Choices.load(run.options), Counter[str]()
    rows = TransferRow.objects.filter(run=run, kind__in=[RowKind.NEW] if "class_name" in choices.off else WRITTEN)
    rows = rows.filter(diff__has_key="class_name").exclude(number__in=choices.skips)
    rows = rows.exclude(student_pk__in=Student.objects.filter(state__in=LEFT_STATES).values("pk"))
    for before, after in rows.values_list("diff__class_name", flat=True):
        more.update({after: 1, before: -1})
    return classes_overfull(more, scope)


def _rows_choose(run: TransferRun) -> None:
    """Leave out the rows and the columns that are not ticked, when the person confirms.

    Not later: while hosts are upgraded, a worker of 1.1.0 may write the rest, and it knows no ticks.
    """
    rows, choices = TransferRow.objects.filter(run=run), Choices.load(run.options)
    if rows.filter(number__in=choices.skips).exclude(kind=RowKind.UNCHANGED).update(kind=RowKind.SKIPPED):
        source_withhold(run)
    with connection.cursor() as cursor:
        cursor.execute(_TAKE_OFF, [choices.off, run.pk, RowKind.CHANGED])
    emptied = rows.filter(kind=RowKind.CHANGED, diff={}).exclude(cells__has_key="file")
    emptied.update(kind=RowKind.UNCHANGED)


def import_apply(run: TransferRun, now: datetime) -> None:
    """Write the rows that were chosen. Pictures are left to :func:`students.transfer.photos.photos_apply`.

    :raises RunNotAllowed: whoever confirmed may not do so any more. Nothing is written.
    :raises ClassNotOwn: a row is of a class that this person may not fill any more.
    :raises RunStale: a student is gone, was changed or entered since, or is none that this person may change.
    """
    scope, choices = run_scope_required(run), Choices.load(run.options)
    with connection.cursor() as cursor:
        cursor.execute(_ONE_AT_A_TIME)
    rows = TransferRow.objects.filter(run=run)
    changed = list(rows.filter(kind=RowKind.CHANGED))
    new = rows.filter(kind=RowKind.NEW)
    total = len(changed) + new.count()
    _refuse_doubles(run, new, scope)
    _change(run, changed, total, scope, now)
    _add(run, new.iterator(BATCH), len(changed), total, scope, now)
    leavers = rows.filter(kind=RowKind.LEFT)
    if choices.leavers:
        _leave(run, choices, list(leavers), scope, now)
    else:
        leavers.update(kind=RowKind.SKIPPED)
    run.counts, run.message, run.state = row_counts(run), "", RunState.DONE
    if rows.filter(kind__in=WRITTEN, cells__has_key="file").exists():
        run.state, run.options["is_written"] = RunState.APPLYING, True


def _refuse_doubles(run: TransferRun, rows: QuerySet[TransferRow], scope: Scope) -> None:
    """Refuse to add who was entered since the preview; whom it showed as a namesake, the person has seen."""
    unseen = unseen_by(run)
    for batch in batches(rows.only("number", "cells")):
        people = People([row.cells for row in batch], scope, unseen)
        for row in batch:
            match = people.match(row.cells)
            if match.person and match.person.pk != row.cells.get("double_of"):
                raise _stale(run, row, "有人录入了")


def _change(run: TransferRun, rows: list[TransferRow], total: int, scope: Scope, now: datetime) -> None:
    students = students_lock(row.student_pk for row in rows)
    for row in rows:
        _refuse_stale(run, row, students.get(row.student_pk), scope)
    for batch in batches(with_progress(rows, run, total=total)):
        of_batch, diffs = [students[row.student_pk] for row in batch], [diff_load(row.diff) for row in batch]
        for class_name in {diff["class_name"][1] for diff in diffs if "class_name" in diff}:
            scope.require_class(class_name)  # another teacher may have the class since the preview
        events_add(students_change(of_batch, diffs, actor_pk=run.confirmed_by_id, now=now), run.pk)


def _refuse_stale(run: TransferRun, row: TransferRow, student: Student | None, scope: Scope) -> None:
    what = "被删除了" if student is None else ""
    if student and not scope.may_change(student):
        what = f"改动不了：{NOT_ALLOWED}"
    elif student and any(getattr(student, name) not in pair for name, pair in diff_load(row.diff).items()):
        what = "被别人修改了"
    if what:
        raise _stale(run, row, what)


def _stale(run: TransferRun, row: TransferRow, what: str) -> RunStale:
    place = Findings.load(run.options).place_of(row.number)
    return RunStale(f"{place}的学员在预览之后{what}，没有写入任何数据。请重新检查")


def _add(
    run: TransferRun, rows: Iterator[TransferRow], start: int, total: int, scope: Scope, now: datetime
) -> None:  # fmt: skip
    for batch in batches(with_progress(rows, run, start=start, total=total)):
        students = [
            Student(
                created_at=now,
                created_by_id=run.confirmed_by_id,
                **{name: after for name, (_, after) in diff_load(row.diff).items()},
            )
            for row in batch
        ]
        for class_name in {student.class_name for student in students}:
            scope.require_class(class_name)
        students_create(students, actor_pk=run.confirmed_by_id, now=now)
        for row, student in zip(batch, students, strict=True):
            row.student_pk = student.pk  # undoing deletes it
            row.cells["sId"] = student.sid  # the page of the run shows it
        rows_save(batch, "student_pk", "cells")


def _leave(run: TransferRun, choices: Choices, rows: list[TransferRow], scope: Scope, now: datetime) -> None:
    """Archive the leavers, or make them 退学; one who was moved or has left since the preview stays."""
    students = students_lock(row.student_pk for row in rows)
    for row in rows:
        if not _still_leaves(row, students.get(row.student_pk), scope):
            students.pop(row.student_pk, None)
            row.kind, row.errors = RowKind.SKIPPED, [["学员", "预览之后变了，没有处理"]]
    leavers = list(students.values())
    if choices.leavers == Leavers.ARCHIVE:
        students_archive(pks=[one.pk for one in leavers], actor_pk=run.confirmed_by_id, now=now, run_pk=run.pk)
    else:
        _withdraw(run, rows, leavers, now)
    rows_save(rows, "kind", "errors", "diff")
    fate = Fate.DISABLE if choices.disables else Fate.KEEP
    disabled = accounts_settle([one.account_id for one in leavers], fate, actor_pk=run.confirmed_by_id)
    run.options |= UndoNote(disabled=disabled).dump()


def _still_leaves(row: TransferRow, student: Student | None, scope: Scope) -> bool:
    if student is None or student.has_left:
        return False
    return student.class_name == row.cells["class"] and scope.may_change(student)


def _withdraw(run: TransferRun, rows: list[TransferRow], leavers: list[Student], now: datetime) -> None:
    """Make the leavers 退学. Their rows keep what this changes, for an undo."""
    today, reason = times.local(now).date(), f"不在名单里：{run.file_name}"
    diffs, events = state_changes(leavers, StudentState.WITHDRAWN, today, reason)
    students_change(leavers, diffs, actor_pk=run.confirmed_by_id, now=now)
    events_add(events, run.pk)
    diff_of: dict[int | None, Diff] = {student.pk: diff for student, diff in zip(leavers, diffs, strict=True)}
    for row in rows:
        row.diff = diff_dump(diff_of.get(row.student_pk, {}))
