"""The columns of an export of students, and the empty sheet for imports."""

from operator import attrgetter

from core.admin.exports import ExportColumn
from core.api.request import full_url
from core.sheets import Page, book_write, sheet_write
from core.times import format_api_time
from students.columns import COLUMNS, CREATED, PHOTO

HEAD = [column.label for column in COLUMNS]
_WIDTHS = [column.width for column in COLUMNS]


EXPORT_COLUMNS = (
    *(ExportColumn(column.label, column.width, attrgetter(column.field)) for column in COLUMNS),
    ExportColumn(PHOTO, 40, lambda student: full_url(student.headimgurl)),
    ExportColumn(CREATED, 22, lambda student: format_api_time(student.created_at)),
)


def template_bytes(kind: str) -> bytes:
    """Make the sheet to fill in; as .xlsx it has a second sheet that says what goes where."""
    if kind == "csv":
        return sheet_write("csv", HEAD, [])
    hints = [[column.label, column.hint, column.sample] for column in COLUMNS]
    return book_write(Page("学员", HEAD, [], _WIDTHS), Page("填写说明", ["列", "怎样填", "例"], hints, [12, 44, 34]))
