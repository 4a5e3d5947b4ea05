"""Write .xlsx and .csv files. Texts that a spreadsheet program would run as a formula are escaped.

openpyxl is imported where it is used: it takes 60 ms and 8 MB of each process that loads it.
"""

import csv
import io
import tempfile
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from itertools import chain
from typing import Any, NamedTuple

from django.http import HttpResponse
from django.utils.http import content_disposition_header

from core.times import format_office_time, local

CSV_TYPE = "text/csv; charset=utf-8"
XLSX_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
TYPES = {"csv": CSV_TYPE, "xlsx": XLSX_TYPE}
FORMATS = {Decimal: "#,##0.00", datetime: "yyyy-mm-dd hh:mm:ss", date: "yyyy-mm-dd"}
MAX_TITLE = 31  # characters, as Excel has it
A4 = 9  # as Excel counts sizes of paper
WIDE = 7  # more columns than these are printed across the paper
# By the first character programs take a text for a formula. The apostrophe is among them so that `unescaped` gives back
# exactly what `escaped` took.
_RISKY = "=+-@'＝＋－＠\t\r\n"


class Page(NamedTuple):
    """One sheet of a workbook: a line of heads above its rows."""

    title: str
    head: Sequence[str]
    rows: Iterable[Sequence[Any]]
    widths: Sequence[int] = ()
    sums: Sequence[int] = ()  # positions of the columns that a last row adds up, as far as a filter shows their rows


def escaped(text: str) -> str:
    """Return a text that no spreadsheet program takes for a formula; ``unescaped`` undoes it."""
    first = text.lstrip(" ")[:1]
    return "'" + text if first and first in _RISKY else text


def unescaped(text: str) -> str:
    return text[1:] if text[:1] == "'" and escaped(text[1:]) == text else text


def sheet_write(kind: str, head: Sequence[str], rows: Iterable[Sequence[Any]], widths: Sequence[int] = ()) -> bytes:
    """Write a sheet with one line of heads. Texts are escaped; numbers and times stay such, money has two decimals.

    The rows are read one after the other, and those of a workbook go to a temporary file.

    :param kind: ``xlsx`` or ``csv`` (UTF-8 with a BOM, without which Excel shows Chinese as garbage).
    """
    if kind == "xlsx":
        return book_write(Page("Sheet1", head, rows, widths))
    with tempfile.TemporaryFile() as out:
        text = io.TextIOWrapper(out, "utf-8-sig", "replace", newline="")
        csv.writer(text).writerows([_text(value) for value in row] for row in chain([head], rows))
        text.flush()
        out.seek(0)
        return out.read()


def _text(value: Any) -> Any:
    if isinstance(value, Decimal):
        return f"{value:.2f}"
    if isinstance(value, datetime):
        return format_office_time(value)
    return escaped(value) if isinstance(value, str) else value


def column_letters(number: int) -> str:
    """Return what spreadsheet programs call the column with this number, counted from 1."""
    from openpyxl.utils import get_column_letter

    return get_column_letter(number)


def book_write(*pages: Page) -> bytes:
    """Write a workbook (.xlsx) of several sheets, by the rules of :func:`sheet_write`."""
    from openpyxl import Workbook

    book = Workbook(write_only=True)
    for page in pages:
        _add_sheet(book, page)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _add_sheet(book: Any, page: Page) -> None:
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
    from openpyxl.styles import Font
    from openpyxl.workbook.child import INVALID_TITLE_REGEX

    # Making a cell with a format takes longer than writing it. The sheet writes a row at once, so the next row can use
    # the same cell again.
    cells: dict[tuple[int, type], WriteOnlyCell] = {}
    sheet = book.create_sheet(INVALID_TITLE_REGEX.sub("_", page.title)[-MAX_TITLE:])

    def cell(at: int, value: Any) -> Any:
        kind = type(value)
        if kind not in FORMATS:
            return ILLEGAL_CHARACTERS_RE.sub("", escaped(value)) if isinstance(value, str) else value
        if (at, kind) not in cells:
            cells[at, kind] = WriteOnlyCell(sheet)
            cells[at, kind].number_format = FORMATS[kind]
        cells[at, kind].value = local(value).replace(tzinfo=None, microsecond=0) if kind is datetime else value
        return cells[at, kind]

    def bold(value: str) -> WriteOnlyCell:
        cell = WriteOnlyCell(sheet, value)
        cell.font, cell.number_format = Font(bold=True), FORMATS[Decimal]
        return cell

    letters = [column_letters(number) for number in range(1, len(page.head) + 1)]
    for letter, width in zip(letters, page.widths, strict=False):
        sheet.column_dimensions[letter].width = width
    _set_up(sheet, is_wide=len(page.head) > WIDE)
    sheet.append([bold(cell(0, text)) for text in page.head])
    last = 1
    for row in page.rows:
        last += 1
        sheet.append([cell(at, value) for at, value in enumerate(row)])
    if last > 1 and page.head:
        sheet.auto_filter.ref = f"A1:{letters[-1]}{last}"
    if last > 1 and page.sums:
        formulas = [f"=SUBTOTAL(109,{letter}2:{letter}{last})" for letter in letters]
        sums = [bold(formula) if at in page.sums else None for at, formula in enumerate(formulas)]
        sheet.append([sums[0] or bold("合计"), *sums[1:]])


def _set_up(sheet: Any, *, is_wide: bool) -> None:
    """Keep the heads in sight; on paper print them on every page of A4, as wide as the columns."""
    from openpyxl.worksheet.properties import PageSetupProperties

    sheet.freeze_panes, sheet.print_title_rows = "A2", "1:1"
    sheet.page_setup.paperSize, sheet.page_setup.fitToHeight = A4, 0
    sheet.page_setup.orientation = "landscape" if is_wide else "portrait"
    sheet.sheet_properties.pageSetUpPr = PageSetupProperties(fitToPage=True)


def download(name: str, content: bytes) -> HttpResponse:
    """Send a sheet as a file."""
    response = HttpResponse(content, content_type=TYPES[name.rpartition(".")[2]])
    response["Content-Disposition"] = content_disposition_header(True, name) or "attachment"
    return response
