"""Export students to a file: at once if they are few, by a worker if they are many; and the empty sheet for imports."""

from collections.abc import Iterator
from typing import Any

from django.db.models import QuerySet

from core.cache.progress import with_progress
from core.sheets import Page, book_write, sheet_write
from core.times import slash
from students.columns import COLUMNS, CREATED, PHOTO
from students.counts import student_count
from students.errors import SheetRefused
from students.filters import filters_q, filters_read
from students.models import Student
from students.selectors import search_q
from students.transfer.models import FilePurpose, RunState, TransferFile, TransferRun
from students.transfer.runs import run_in_one_transaction

AT_ONCE = 2_000
MAX_ROWS = 200_000
HEAD = [column.label for column in COLUMNS]
_WIDTHS = [column.width for column in COLUMNS]


def template_bytes(kind: str) -> bytes:
    """Make the sheet to fill in; as .xlsx it has a second sheet that says what goes where."""
    if kind == "csv":
        return sheet_write("csv", HEAD, [])
    hints = [[column.label, column.hint, column.sample] for column in COLUMNS]
    return book_write(Page("学员", HEAD, [], _WIDTHS), Page("填写说明", ["列", "怎样填", "例"], hints, [12, 44, 34]))


def export_filter(filters: dict[str, str], text: str) -> QuerySet[Student]:
    """Find all students that the list shows for its filters (``students.filters``) and a searched text."""
    students = Student.objects.filter(filters_q(filters))
    return students.filter(search_q(text)) if text else students


def export_count(filters: dict[str, str], text: str) -> int:
    """Tell how many students there are to export, one more than ``MAX_ROWS`` at most."""
    if text or filters.keys() - {"class"}:
        return export_filter(filters, text).order_by()[: MAX_ROWS + 1].count()
    return student_count(filters.get("class", ""))


def export_refuse_too_many(count: int) -> None:
    """Refuse an export that no spreadsheet program opens well.

    :raises SheetRefused: more than ``MAX_ROWS`` students.
    """
    if count > MAX_ROWS:
        raise SheetRefused(f"一次最多导出{MAX_ROWS}名学员,请先筛选")


def export_bytes(kind: str, students: Iterator[Student]) -> bytes:
    rows = (_row(student) for student in students)
    return sheet_write(kind, [*HEAD, PHOTO, CREATED], rows, [*_WIDTHS, 40, 22], title="学员")


def _row(student: Student) -> list[Any]:
    values = [getattr(student, column.field) for column in COLUMNS]
    return [*values, student.headimgurl, slash(student.created_at)]


def export_make(*, run_pk: int) -> None:
    """Make the file that the run's options describe, and keep it as the run's result."""
    run_in_one_transaction(run_pk=run_pk, state=RunState.CHECKING, do=_make)


def _make(run: TransferRun) -> None:
    # Runs of the release before have the class alone.
    filters, text = run.options.get("filters") or filters_read(run.options), run.options["q"]
    total = export_count(filters, text)
    export_refuse_too_many(total)
    # The cursor stays open within the transaction, so all rows are of one moment.
    students = export_filter(filters, text)[:MAX_ROWS].iterator(2_000)
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
