"""Write workbooks (.xlsx) with openpyxl, which only ``core.sheets`` loads, once somebody wants one."""

import io
from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.styles import Font
from openpyxl.utils import get_column_letter

from core.formulas import escaped
from core.times import local

FORMATS = {Decimal: "#,##0.00", datetime: "yyyy-mm-dd hh:mm:ss", date: "yyyy-mm-dd"}


def book_bytes(pages: Iterable[Any]) -> bytes:
    """Return a workbook of sheets (``core.sheets.Page``)."""
    book = Workbook(write_only=True)
    for page in pages:
        _add_sheet(book, page)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _add_sheet(book: Workbook, page: Any) -> None:
    sheet = book.create_sheet(page.title)
    sheet.freeze_panes = "A2"
    for at, width in enumerate(page.widths, 1):
        sheet.column_dimensions[get_column_letter(at)].width = width
    sheet.append([_bold(sheet, text) for text in page.head])
    # Making a cell with a format takes longer than writing it. The sheet writes a row at once, so the next row can use
    # the same cell again.
    cells: dict[tuple[int, type], WriteOnlyCell] = {}
    last = 1
    for row in page.rows:
        last += 1
        sheet.append([_cell(sheet, cells, at, value) for at, value in enumerate(row)])
    if last > 1 and page.head:
        sheet.auto_filter.ref = f"A1:{get_column_letter(len(page.head))}{last}"
    if last > 1 and page.sums:
        sheet.append([_sum(sheet, at, last) if at in page.sums else None for at in range(len(page.head))])


def _bold(sheet: Any, text: str) -> WriteOnlyCell:
    cell = WriteOnlyCell(sheet, _storable(text))
    cell.font = Font(bold=True)
    return cell


def _sum(sheet: Any, at: int, last: int) -> WriteOnlyCell:
    letter = get_column_letter(at + 1)
    cell = WriteOnlyCell(sheet, f"=SUBTOTAL(109,{letter}2:{letter}{last})")
    cell.font, cell.number_format = Font(bold=True), FORMATS[Decimal]
    return cell


def _cell(sheet: Any, cells: dict[tuple[int, type], WriteOnlyCell], at: int, value: Any) -> Any:
    kind = type(value)
    if kind not in FORMATS:
        return _storable(value)
    if (at, kind) not in cells:
        cells[at, kind] = WriteOnlyCell(sheet)
        cells[at, kind].number_format = FORMATS[kind]
    cells[at, kind].value = local(value).replace(tzinfo=None, microsecond=0) if kind is datetime else value
    return cells[at, kind]


def _storable(value: Any) -> Any:
    return ILLEGAL_CHARACTERS_RE.sub("", escaped(value)) if isinstance(value, str) else value
