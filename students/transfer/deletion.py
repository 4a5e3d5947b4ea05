"""Delete many students, as many as one import may bring: in steps, and so that all of them can be restored.

A row of the run keeps each student as it was. It owns the picture meanwhile, so that the picture stays in the store.
"""

from collections.abc import Collection, Sequence
from datetime import datetime

from django.db import connection, transaction
from django.db.models import Q, QuerySet

from core.audit import StaffAction, action_record
from core.ids import mark_of
from core.sheets.workbook_reader import MAX_ROWS
from runs.work import run_send
from students.bulk import STORED, diff_dump, diff_load, students_create, students_delete, students_lock
from students.errors import SelectionChanged
from students.listener import tell_back
from students.models import RowKind, RunKind, RunState, Student, TransferRow, TransferRun
from students.runs import rows_save, run_begin, run_scope
from uploads.services import images_hand_over

MAX_DELETED = MAX_ROWS
_TITLE_NAMES = 3
_NOTE = """
INSERT INTO students_transferrow (run_id, number, kind, cells, diff, errors, student_pk)
SELECT %s, row_number() OVER (ORDER BY id DESC), 'waiting',
    jsonb_build_object('sId', sid, 'name', name, 'class', class_name), '{{}}', '[]', id
FROM students_student WHERE id IN ({chosen})
"""


def deletion_start(*, students: QuerySet[Student], mark: str, user_pk: int | None, now: datetime) -> TransferRun:
    """Note which students are to be deleted, and let a worker begin.

    :param mark: of the keys of the students that the page has shown.
    :raises SelectionChanged: these are other students by now, or none. Nothing is deleted.
    """
    size = students.count()
    if not size:
        raise SelectionChanged
    names = list(students.order_by("-pk").values_list("name", flat=True)[:_TITLE_NAMES])
    more = f" 等 {size} 名" if size > len(names) else ""
    with transaction.atomic():
        run = run_begin(
            kind=RunKind.DELETE, title=("、".join(names) + more)[-120:], state=RunState.APPLYING,
            user_pk=user_pk, now=now, counts={RowKind.WAITING: size},
        )  # fmt: skip
        selection_sql, values = students.order_by().values("pk").query.sql_with_params()
        with connection.cursor() as cursor:
            cursor.execute(_NOTE.format(chosen=selection_sql), [run.pk, *values])
        # Compare what is noted: a colleague may change a student at any moment before.
        if mark_of(TransferRow.objects.filter(run=run).values_list("student_pk", flat=True)) != mark:
            raise SelectionChanged
        action_record(run, StaffAction.BULK, {"删除": run.file_name, "人数": str(size)}, actor_pk=user_pk)
        run_send(run)
    return run


def rows_delete(run: TransferRun, rows: list[TransferRow], now: datetime) -> None:
    """Delete students that the run has noted, and keep them in their rows."""
    students, scope = students_lock(row.student_pk for row in rows), run_scope(run)
    for row in rows:
        student = students.get(row.student_pk)
        if student is None:
            row.kind = RowKind.GONE
        elif not scope.may_change(student):
            row.kind, row.errors = RowKind.SKIPPED, [["学员", "您现在没有删除的权限"]]
        else:
            row.kind = RowKind.DELETED
            row.diff = diff_dump({name: (getattr(student, name), None) for name in STORED})
    rows_save(rows, "kind", "diff", "errors")
    deletions = [row for row in rows if row.kind == RowKind.DELETED]
    images_hand_over([(students[row.student_pk].owner_ref, row.owner_ref) for row in deletions])
    students_delete([students[row.student_pk] for row in deletions], actor_pk=run.confirmed_by_id, now=now)


def rows_restore(run: TransferRun, rows: list[TransferRow], now: datetime) -> None:
    """Bring deleted students back, each with number, id, date and picture; one that cannot come back says why."""
    students = {row.pk: _student(row) for row in rows if row.kind == RowKind.DELETED}
    existing, scope = _keys_in_use(students.values()), run_scope(run)
    for row in rows:
        student = students.get(row.pk)
        if student is None:
            row.kind = RowKind.SKIPPED
        elif not scope.may_change(student):
            row.kind, row.errors = RowKind.KEPT, [["学员", "您现在没有恢复的权限"]]
        elif existing & {student.pk, student.sid}:
            row.kind, row.errors = RowKind.KEPT, [["学号", "已经属于另一名学员"]]
        else:
            row.kind = RowKind.UNDONE
    undone_rows = [row for row in rows if row.kind == RowKind.UNDONE]
    returned = [students[row.pk] for row in undone_rows]
    _accounts_unlink_taken(returned)
    students_create(returned, actor_pk=run.undone_by_id, now=now)
    tell_back([student.pk for student in returned], now)
    images_hand_over([(row.owner_ref, students[row.pk].owner_ref) for row in undone_rows])
    rows_save(rows, "kind", "diff", "errors")


def _keys_in_use(students: Collection[Student]) -> set[int | str]:
    """Return ids and numbers of these students that others have by now."""
    pks, sids = [student.pk for student in students], [student.sid for student in students]
    pairs = Student.objects.filter(Q(pk__in=pks) | Q(sid__in=sids)).values_list("pk", "sid")
    return {key for pair in pairs for key in pair}


def _accounts_unlink_taken(students: Sequence[Student]) -> None:
    """Take off the students' accounts that belong to others by now."""
    accounts = [student.account_id for student in students if student.account_id]
    taken = set(Student.objects.filter(account__in=accounts).values_list("account", flat=True))
    for student in students:
        if student.account_id in taken:
            student.account_id = None


def _student(row: TransferRow) -> Student:
    return Student(pk=row.student_pk, **{name: before for name, (before, _) in diff_load(row.diff).items()})
