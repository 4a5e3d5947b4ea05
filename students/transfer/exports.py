"""Export students to a file: at once if they are few, by a worker if they are many; and the empty sheet for imports."""

from collections.abc import Iterator
from typing import Any

from django.db.models import Q, QuerySet
from openpyxl import Workbook

from core.times import slash
from students.columns import COLUMNS, CREATED, PHOTO
from students.errors import SheetRefused
from students.models import Student
from students.selectors import student_page, value_matches
from students.transfer.models import FilePurpose, RunState, TransferFile, TransferRun
from students.transfer.runs import run_in_one_transaction, with_progress
from students.transfer.sheets import add_sheet, book_bytes, sheet_write

AT_ONCE = 2_000
MAX_ROWS = 200_000
HEAD = [column.label for column in COLUMNS]
_WIDTHS = [column.width for column in COLUMNS]


def template_bytes(kind: str) -> bytes:
    """Make the sheet to fill in; as .xlsx it has a second sheet that says what goes where."""
    if kind == "csv":
        return sheet_write("csv", HEAD, [])
    book = Workbook(write_only=True)
    add_sheet(book, "学员", HEAD, [], _WIDTHS)
    hints = [[column.label, column.hint, column.sample] for column in COLUMNS]
    add_sheet(book, "填写说明", ["列", "怎样填", "例"], hints, [12, 44, 34])
    return book_bytes(book)


def export_filter(class_name: str, text: str) -> QuerySet[Student]:
    """Find all students that the list shows for a class and a searched text."""
    students = Student.objects.all()
    if class_name:
        students = students.filter(class_name=class_name)
    if text:
        students = students.filter(Q(name__contains=text) | value_matches(text))
    return students


def export_count(class_name: str, text: str) -> int:
    """Tell how many students there are to export, without counting them. One found by number alone is not included."""
    return student_page(slice(0, 1), class_name=class_name, key=text).total


def export_refuse_too_many(count: int) -> None:
    """Refuse an export that no spreadsheet program opens well.

    :raises SheetRefused: more than ``MAX_ROWS`` students.
    """
    if count > MAX_ROWS:
        raise SheetRefused(f"共{count}名学员,一次最多导出{MAX_ROWS}名,请先按班级或姓名筛选")


def export_bytes(kind: str, students: Iterator[Student]) -> bytes:
    rows = (_row(student) for student in students)
    return sheet_write(kind, [*HEAD, PHOTO, CREATED], rows, [*_WIDTHS, 40, 22])


def _row(student: Student) -> list[Any]:
    values = [getattr(student, column.field) for column in COLUMNS]
    return [*values, student.headimgurl, slash(student.created_at)]


def export_make(*, run_pk: int) -> None:
    """Make the file that the run's options describe, and keep it as the run's result."""
    run_in_one_transaction(run_pk=run_pk, state=RunState.CHECKING, do=_make)


def _make(run: TransferRun) -> None:
    class_name, text = run.options["class"], run.options["q"]
    total = export_count(class_name, text)
    export_refuse_too_many(total)
    # The cursor stays open within the transaction, so all rows are of one moment.
    students = export_filter(class_name, text)[:MAX_ROWS].iterator(2_000)
    written = 0

    def counted() -> Iterator[Student]:
        nonlocal written
        for student in with_progress(students, run.pk, total=total):
            written += 1
            yield student

    content = export_bytes(run.options["format"], counted())
    TransferFile.objects.create(run=run, role=FilePurpose.RESULT, name=run.file_name, content=content)
    run.counts = {"rows": written}
    run.state = RunState.DONE
