"""Deleting many students: as many as an import brings in, step by step, and they can come back whole.

A row of the run keeps each student as it was, and owns the picture meanwhile, so that the picture stays in the store.
"""

from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection, transaction
from django.db.models import BigIntegerField, Count, DecimalField, F, Func, Q, QuerySet, Sum, Value

from students.models import Student
from students.transfer.audit import log_created, log_deleted
from students.transfer.errors import SelectionChanged, TooManyChosen
from students.transfer.models import TransferRow, TransferRun
from students.transfer.runs import Steps, run_in_steps, run_send
from students.transfer.sheets import MAX_ROWS
from students.transfer.writing import rows_save, students_delete
from uploads.services import images_hand_over

Kind, State = TransferRow.Kind, TransferRun.State
MOST = MAX_ROWS
FIELDS = (
    *("sid", "name", "age", "class_name", "city", "degree"),
    *("product_url", "description", "headimgurl", "created_at"),
)
_TITLE_NAMES = 3


class Chosen(NamedTuple):
    """How many students are chosen, and a mark of exactly these."""

    size: int
    mark: str


def deletion_chosen(students: QuerySet[Student]) -> Chosen:
    """Tell what would be deleted, without reading it all into memory.

    :raises TooManyChosen: more than one run deletes.
    """
    chosen = _mark(students.order_by()[: MOST + 1], "pk")
    if chosen.size > MOST:
        raise TooManyChosen(f"一次最多删除{MOST}名学员,请先按班级或姓名筛选")
    return chosen


def _mark(rows: QuerySet[Any], field: str) -> Chosen:
    # A sum of hashes: two sets of students of one size that are not the same have another.
    hashed = Func(F(field), Value(0), function="hashint8extended", output_field=BigIntegerField())
    found = rows.aggregate(n=Count(field), mark=Sum(hashed, output_field=DecimalField(max_digits=30, decimal_places=0)))
    return Chosen(found["n"], f"{found['n']}-{found['mark'] or 0}")


def deletion_start(*, students: QuerySet[Student], mark: str, user_pk: int, now: datetime) -> TransferRun:
    """Note which students are to be deleted, and let a worker begin.

    :param mark: of the students that the confirmation has shown (:func:`deletion_chosen`).
    :raises SelectionChanged: they are others by now. :raises TooManyChosen: nothing has happened.
    """
    chosen = deletion_chosen(students)
    if mark != chosen.mark or not chosen.size:
        raise SelectionChanged
    names = list(students.order_by("-pk").values_list("name", flat=True)[:_TITLE_NAMES])
    more = f" 等 {chosen.size} 名" if chosen.size > len(names) else ""
    with transaction.atomic():
        run = TransferRun.objects.create(
            kind=TransferRun.Kind.DELETE, state=State.APPLYING, created_by_id=user_pk, confirmed_by_id=user_pk,
            created_at=now, phase_at=now, file_name=("、".join(names) + more)[-120:],
            counts={Kind.WAITING: chosen.size},
        )  # fmt: skip
        _note(run, students)
        if _mark(TransferRow.objects.filter(run=run), "student_pk").mark != mark:
            raise SelectionChanged
        run_send(run)
    return run


_NOTE = """
INSERT INTO students_transferrow (run_id, number, kind, cells, diff, errors, student_pk)
SELECT %s, row_number() OVER (ORDER BY id DESC), 'waiting',
    jsonb_build_object('sId', sid, 'name', name, 'class', class_name), '{{}}', '[]', id
FROM students_student WHERE id IN ({chosen})
"""


def _note(run: TransferRun, students: QuerySet[Student]) -> None:
    chosen, values = students.order_by().values("pk").query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(_NOTE.format(chosen=chosen), [run.pk, *values])


def deletion_apply(*, run_pk: int) -> None:
    """Delete what the run has noted; started again, it goes on where it stopped."""
    steps = Steps(_delete, todo=(Kind.WAITING,), results=(Kind.DELETED, Kind.GONE))
    run_in_steps(run_pk=run_pk, state=State.APPLYING, steps=steps, end=State.DONE)


def _delete(run: TransferRun, rows: list[TransferRow]) -> None:
    held = Student.objects.select_for_update().filter(pk__in=[row.student_pk for row in rows])
    students = {student.pk: student for student in held.order_by("pk")}
    for row in rows:
        student = students.get(row.student_pk or 0)
        row.kind = Kind.DELETED if student else Kind.GONE
        row.diff = {name: [_as_json(getattr(student, name)), None] for name in FIELDS} if student else {}
    rows_save(rows)
    deleted = [row for row in rows if row.kind == Kind.DELETED]
    images_hand_over([(students[row.student_pk or 0].owner_ref, row.owner_ref) for row in deleted])
    students_delete(list(students.values()))
    log_deleted(list(students.values()), actor_pk=run.confirmed_by_id)


def _as_json(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def deletion_undo(*, run_pk: int) -> None:
    """Bring the deleted students back, each with number, id, date and picture; one that cannot come back says why."""
    # What was not deleted yet when somebody stopped it stays as it is.
    todo = (Kind.DELETED, Kind.WAITING)
    steps = Steps(_restore, todo=todo, results=(Kind.UNDONE, Kind.KEPT, Kind.SKIPPED))
    run_in_steps(run_pk=run_pk, state=State.UNDOING, steps=steps, end=State.UNDONE)


def _restore(run: TransferRun, rows: list[TransferRow]) -> None:
    deleted = [row for row in rows if row.kind == Kind.DELETED]
    pks, sids = [row.student_pk for row in deleted], [row.diff["sid"][0] for row in deleted]
    there = Student.objects.filter(Q(pk__in=pks) | Q(sid__in=sids)).values_list("pk", "sid")
    taken = {key for pair in there for key in pair}
    back: list[tuple[TransferRow, Student]] = []
    for row in rows:
        if row.kind == Kind.WAITING:
            row.kind = Kind.SKIPPED
        elif taken & {row.student_pk, row.diff["sid"][0]}:
            row.kind, row.errors = Kind.KEPT, [["学号", "已经属于另一名学员"]]
        else:
            row.kind = Kind.UNDONE
            back.append((row, _student(row)))
    students = [student for _, student in back]
    Student.objects.bulk_create(students)
    images_hand_over([(row.owner_ref, student.owner_ref) for row, student in back])
    log_created(students, actor_pk=run.undone_by_id)
    rows_save(rows)


def _student(row: TransferRow) -> Student:
    values = {name: row.diff[name][0] for name in FIELDS}
    return Student(pk=row.student_pk, **values | {"created_at": datetime.fromisoformat(values["created_at"])})
