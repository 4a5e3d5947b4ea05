"""Write workbooks (.xlsx) with openpyxl, which only ``core.sheets`` loads, once somebody wants one."""

import io
from collections import defaultdict
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.styles import Font
from openpyxl.utils import get_column_letter

from core.formulas import escaped


def book_bytes(pages: Iterable[tuple[str, Sequence[str], Iterable[Sequence[Any]], Sequence[int]]]) -> bytes:
    """Return a workbook of sheets, each with its title, heads, rows and widths of columns."""
    book = Workbook(write_only=True)
    for page in pages:
        _add_sheet(book, *page)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _add_sheet(
    book: Workbook, title: str, head: Sequence[str], rows: Iterable[Sequence[Any]], widths: Sequence[int]
) -> None:
    sheet = book.create_sheet(title)
    sheet.freeze_panes = "A2"
    for at, width in enumerate(widths, 1):
        sheet.column_dimensions[get_column_letter(at)].width = width
    sheet.append([_bold(sheet, text) for text in head])
    # Making a cell with a format takes longer than writing it. The sheet writes a row at once, so the next row can use
    # the same cell again.
    money: dict[int, WriteOnlyCell] = defaultdict(lambda: _money(sheet))
    for row in rows:
        sheet.append([_cell(value, money, at) for at, value in enumerate(row)])


def _bold(sheet: Any, text: str) -> WriteOnlyCell:
    cell = WriteOnlyCell(sheet, _storable(text))
    cell.font = Font(bold=True)
    return cell


def _money(sheet: Any) -> WriteOnlyCell:
    cell = WriteOnlyCell(sheet)
    cell.number_format = "0.00"
    return cell


def _cell(value: Any, money: dict[int, WriteOnlyCell], at: int) -> Any:
    if not isinstance(value, Decimal):
        return _storable(value)
    money[at].value = value
    return money[at]


def _storable(value: Any) -> Any:
    return ILLEGAL_CHARACTERS_RE.sub("", escaped(value)) if isinstance(value, str) else value
