"""Students as a file: at once when few, by a worker when many."""

from collections.abc import Iterator
from typing import Any

from django.db.models import Q, QuerySet

from core.times import slash
from students.models import Student
from students.selectors import student_page
from students.transfer.columns import COLUMNS, CREATED, PHOTO
from students.transfer.errors import SheetRefused
from students.transfer.models import TransferFile, TransferRun
from students.transfer.progress import told
from students.transfer.runs import run_do
from students.transfer.sheets import sheet_write

AT_ONCE = 2_000
MAX_ROWS = 200_000
HEAD = [*(column.label for column in COLUMNS), PHOTO, CREATED]
_WIDTHS = [*(column.width for column in COLUMNS), 40, 22]


def export_filter(class_name: str, text: str) -> QuerySet[Student]:
    """The students the list shows for a class and a searched text, all of them."""
    found = Student.objects.all()
    if class_name:
        found = found.filter(class_name=class_name)
    if text:
        found = found.filter(Q(name__contains=text) | Q(sid=text.upper()))
    return found


def export_count(class_name: str, text: str) -> int:
    """Tell how many it will be, without counting them. One found by number alone is not told."""
    return student_page(slice(0, 1), class_name=class_name, key=text).total


def export_bytes(kind: str, rows: Iterator[Student]) -> bytes:
    return sheet_write(kind, HEAD, (_row(student) for student in rows), _WIDTHS)


def _row(student: Student) -> list[Any]:
    values = [getattr(student, column.field) for column in COLUMNS]
    return [*values, student.headimgurl, slash(student.created_at)]


def export_refuse_too_many(count: int) -> None:
    """:raises SheetRefused: more than fit into a file that still opens."""
    if count > MAX_ROWS:
        raise SheetRefused(f"共{count}名学员,一次最多导出{MAX_ROWS}名,请先按班级或姓名筛选")


def export_work(*, run_pk: int) -> None:
    run_do(run_pk=run_pk, state=TransferRun.State.CHECKING, work=_export)


def _export(run: TransferRun) -> None:
    asked = run.options
    total = export_count(asked["class"], asked["q"])
    export_refuse_too_many(total)
    # One snapshot for all: inside a transaction the cursor stays open.
    rows = export_filter(asked["class"], asked["q"])[:MAX_ROWS].iterator(2_000)
    written = 0

    def counted() -> Iterator[Student]:
        nonlocal written
        for student in told(run.pk, rows, start=0, total=total):
            written += 1
            yield student

    content = export_bytes(asked["format"], counted())
    TransferFile.objects.create(run=run, role=TransferFile.Role.RESULT, name=run.file_name, content=content)
    run.counts = {"rows": written}
    run.state = TransferRun.State.DONE
