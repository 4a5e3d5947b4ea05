"""Write .xlsx and .csv files. Texts that a spreadsheet program would run as a formula are escaped."""

import csv
import io
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import chain
from typing import Any

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.styles import Font
from openpyxl.utils import get_column_letter

from core.formulas import escaped

CSV_TYPE = "text/csv; charset=utf-8"
XLSX_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
TYPES = {"csv": CSV_TYPE, "xlsx": XLSX_TYPE}


def sheet_write(
    kind: str, head: Sequence[str], rows: Iterable[Sequence[Any]], widths: Sequence[int] = (), *, title: str = "Sheet1"
) -> bytes:
    """Write a sheet with one line of heads. Texts are escaped; numbers stay numbers, money has two decimals.

    The rows are read one after the other, and those of a workbook go to a temporary file.

    :param kind: ``xlsx`` or ``csv`` (UTF-8 with a BOM, without which Excel shows Chinese as garbage).
    """
    if kind == "csv":
        return _csv_bytes(head, rows)
    book = Workbook(write_only=True)
    add_sheet(book, title, head, rows, widths)
    return book_bytes(book)


def _csv_bytes(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    with tempfile.TemporaryFile() as out:
        text = io.TextIOWrapper(out, "utf-8-sig", "replace", newline="")
        writer = csv.writer(text)
        for row in chain([head], rows):
            writer.writerow([_text(value) for value in row])
        text.flush()
        out.seek(0)
        return out.read()


def _text(value: Any) -> Any:
    if isinstance(value, Decimal):
        return f"{value:.2f}"
    return escaped(value) if isinstance(value, str) else value


def add_sheet(
    book: Workbook, title: str, head: Sequence[str], rows: Iterable[Sequence[Any]], widths: Sequence[int]
) -> None:
    sheet = book.create_sheet(title)
    sheet.freeze_panes = "A2"
    for at, width in enumerate(widths, 1):
        sheet.column_dimensions[get_column_letter(at)].width = width
    sheet.append([_bold(sheet, text) for text in head])
    # To make a cell with a format takes longer than to write it, and the sheet is done with it when the next row comes.
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


def book_bytes(book: Workbook) -> bytes:
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()
