"""The empty sheet to fill in."""

from openpyxl import Workbook

from students.transfer.columns import COLUMNS
from students.transfer.sheets import add_sheet, saved, sheet_write

HEAD = [column.label for column in COLUMNS]


def template_bytes(kind: str) -> bytes:
    """Columns to fill in; an .xlsx also has a second sheet that says what goes where."""
    if kind == "csv":
        return sheet_write("csv", HEAD, [])
    book = Workbook(write_only=True)
    add_sheet(book, "学员", HEAD, [], [column.width for column in COLUMNS])
    hints = [[column.label, column.hint, column.sample] for column in COLUMNS]
    add_sheet(book, "填写说明", ["列", "怎样填", "例"], hints, [12, 44, 34])
    return saved(book)
