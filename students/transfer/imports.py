"""An import of students: checked by one task, and after a person's word written by another, all of it or nothing."""

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, TypeVar

from django.utils import timezone

from students.models import Student, new_sid
from students.transfer.audit import log_created, log_updated
from students.transfer.check import BATCH, head_read, rows_check
from students.transfer.columns import COLUMNS, RESULT
from students.transfer.errors import RunStale, SheetRefused
from students.transfer.models import TransferFile, TransferRow, TransferRun
from students.transfer.progress import told
from students.transfer.runs import run_do, source_of
from students.transfer.sheets import sheet_kind, sheet_read, sheet_write
from students.transfer.writing import rows_number, students_update

Kind, State = TransferRow.Kind, TransferRun.State
T = TypeVar("T")
_RESULTS = {
    Kind.NEW: ("可以新增", "已新增"),
    Kind.CHANGED: ("可以修改", "已修改"),
    Kind.UNCHANGED: ("没有变化", "没有变化,跳过"),
    Kind.UNDONE: ("已撤销", "已撤销"),
}


def batches(items: Iterable[T], size: int = BATCH) -> Iterator[list[T]]:
    items = iter(items)
    while batch := list(islice(items, size)):
        yield batch


def import_check(*, run_pk: int) -> None:
    """Read the file and keep what each row would do. Ends ``READY``, or ``REFUSED`` with a list of what is wrong."""
    run_do(run_pk=run_pk, state=State.CHECKING, work=_check)


def _check(run: TransferRun) -> None:
    rows = list(sheet_read(source_of(run)))
    if len(rows) < 2:
        raise SheetRefused("文件中没有学员:第一行是列名,从第二行起每行一名学员")
    sheet = head_read(rows.pop(0)[1])
    counts: Counter[str] = Counter()
    namesakes = 0
    TransferRow.objects.filter(run=run).delete()
    TransferFile.objects.filter(run=run, role=TransferFile.Role.RESULT).delete()
    for batch in batches(told(run.pk, rows_check(sheet, rows), start=0, total=len(rows))):
        counts.update(row.kind for row in batch)
        namesakes += _namesakes(batch)
        for row in batch:
            row.run = run
        TransferRow.objects.bulk_create(batch)
    run.counts = dict(counts)
    # The same file sent twice, without numbers, would add everybody twice.
    run.message = f"其中 {namesakes} 名新增学员与同班现有学员同名,请确认不是重复导入" if namesakes else ""
    run.state = State.REFUSED if counts[Kind.ERROR] else State.READY


def _namesakes(rows: list[TransferRow]) -> int:
    new = [(row.diff["class_name"][1], row.diff["name"][1]) for row in rows if row.kind == Kind.NEW]
    same = Student.objects.filter(class_name__in={c for c, _ in new}, name__in={name for _, name in new})
    there = set(same.order_by().values_list("class_name", "name"))
    return sum(who in there for who in new)


def import_apply(*, run_pk: int) -> None:
    """Write all rows that change something, in one transaction; then make the result file."""
    run_do(run_pk=run_pk, state=State.APPLYING, work=_apply)


def _apply(run: TransferRun) -> None:
    wanted = TransferRow.objects.filter(run=run)
    total = sum(run.counts.get(kind, 0) for kind in (Kind.NEW, Kind.CHANGED))
    changed = _change(run, list(wanted.filter(kind=Kind.CHANGED)), total)
    _add(run, wanted.filter(kind=Kind.NEW).iterator(BATCH), start=changed, total=total)
    run.message = ""
    run.state = State.DONE


def _change(run: TransferRun, rows: list[TransferRow], total: int) -> int:
    # All at once and in pk order: two imports of the same students wait for each other, never in a circle.
    held = Student.objects.select_for_update(no_key=True).filter(pk__in=[row.student_pk for row in rows])
    students = {student.pk: student for student in held.order_by("pk")}
    for row in rows:
        _refuse_stale(row, students.get(row.student_pk or 0))
    for batch in batches(told(run.pk, rows, start=0, total=total)):
        touched = []
        for row in batch:
            student = students[row.student_pk or 0]
            for field, (_, after) in row.diff.items():
                setattr(student, field, after)
            touched.append(student)
        students_update(touched)
        log_updated(touched, [row.diff for row in batch], actor_pk=run.confirmed_by_id)
    return len(rows)


def _refuse_stale(row: TransferRow, student: Student | None) -> None:
    if student is None:
        raise RunStale(f"第{row.number}行的学员在预览之后被删除了,没有写入任何数据。请重新检查")
    if any(getattr(student, field) not in values for field, values in row.diff.items()):
        raise RunStale(f"第{row.number}行的学员在预览之后被别人修改了,没有写入任何数据。请重新检查")


def _add(run: TransferRun, rows: Iterator[TransferRow], start: int, total: int) -> None:
    now = timezone.now()
    for batch in batches(told(run.pk, rows, start=start, total=total)):
        sids = _free_sids(len(batch))
        students = [
            Student(sid=sid, created_at=now, **{field: after for field, (_, after) in row.diff.items()})
            for sid, row in zip(sids, batch, strict=True)
        ]
        Student.objects.bulk_create(students)
        rows_number(batch, students)
        log_created(students, actor_pk=run.confirmed_by_id)


def _free_sids(count: int) -> list[str]:
    free: set[str] = set()
    while len(free) < count:
        drawn = {new_sid() for _ in range(count - len(free))}
        free |= drawn - set(Student.objects.filter(sid__in=drawn).order_by().values_list("sid", flat=True))
    return list(free)


def import_result(*, run: TransferRun) -> TransferFile:
    """The rows of the file with what became of each. Made once, then kept."""
    found = TransferFile.objects.filter(run=run, role=TransferFile.Role.RESULT).first()
    if found:
        return found
    kind = sheet_kind(source_of(run))
    head = [*(column.label for column in COLUMNS), RESULT]
    rows = TransferRow.objects.filter(run=run).iterator(2_000)
    done = run.state in {State.DONE, State.UNDONE}
    content = sheet_write(kind, head, (_result_row(row, done) for row in rows), [*(c.width for c in COLUMNS), 40])
    stem = run.file_name.rpartition(".")[0] or run.file_name
    made, _ = TransferFile.objects.get_or_create(
        run=run, role=TransferFile.Role.RESULT, defaults={"name": f"{stem[-100:]}-结果.{kind}", "content": content}
    )
    return made


def _result_row(row: TransferRow, done: bool) -> list[Any]:
    return [*(row.cells.get(column.key, "") for column in COLUMNS), row_result(row, done)]


def row_result(row: TransferRow, done: bool) -> str:
    if row.kind in {Kind.ERROR, Kind.KEPT}:
        word = "错误" if row.kind == Kind.ERROR else "无法撤销"
        return f"{word}:" + ";".join(f"{cell}: {reason}" for cell, reason in row.errors)
    return _RESULTS[Kind(row.kind)][done]
