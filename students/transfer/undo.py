"""Taking an import back: new students go again and changed ones get their values back, unless somebody changed them."""

from students.models import Student
from students.transfer.audit import log_deleted, log_updated
from students.transfer.columns import BY_FIELD, PHOTO
from students.transfer.models import TransferFile, TransferRow, TransferRun
from students.transfer.runs import Steps, run_in_steps
from students.transfer.writing import rows_save, students_delete, students_update

Kind, State = TransferRow.Kind, TransferRun.State


def import_undo(*, run_pk: int) -> None:
    """Take back what the import wrote; a student that somebody changed since stays, and its row says so."""
    # The result file tells what became of each row: it is made anew when somebody asks for it.
    TransferFile.objects.filter(run=run_pk, run__state=State.UNDOING, role=TransferFile.Role.RESULT).delete()
    steps = Steps(_take_back, todo=(Kind.NEW, Kind.CHANGED), results=(Kind.UNDONE, Kind.KEPT))
    run_in_steps(run_pk=run_pk, state=State.UNDOING, steps=steps, end=State.UNDONE)


def _take_back(run: TransferRun, rows: list[TransferRow]) -> None:
    held = Student.objects.select_for_update().filter(pk__in=[row.student_pk for row in rows])
    students = {student.pk: student for student in held.order_by("pk")}
    gone: list[Student] = []
    changed: list[tuple[Student, dict]] = []
    for row in rows:
        student = students.get(row.student_pk or 0)
        if reason := _why_not(row, student):
            row.kind, row.errors = Kind.KEPT, [reason]
        elif student and row.kind == Kind.NEW:
            row.kind = Kind.UNDONE
            gone.append(student)
        elif student:
            row.kind = Kind.UNDONE
            for field, (before, _) in row.diff.items():
                setattr(student, field, before)
            changed.append((student, {field: [after, before] for field, (before, after) in row.diff.items()}))
    students_delete(gone)
    log_deleted(gone, actor_pk=run.undone_by_id)
    students_update([student for student, _ in changed])
    log_updated([student for student, _ in changed], [diff for _, diff in changed], actor_pk=run.undone_by_id)
    rows_save(rows)


def _why_not(row: TransferRow, student: Student | None) -> list[str] | None:
    """The cell and the reason why the row cannot be taken back, or ``None``."""
    if student is None:
        return ["学员", "导入之后已被删除"]
    others = [BY_FIELD[field].label for field, (_, after) in row.diff.items() if getattr(student, field) != after]
    if row.kind == Kind.NEW and student.headimgurl:
        others.append(PHOTO)
    return ["、".join(others), "导入之后被修改过,保留现在的内容"] if others else None
