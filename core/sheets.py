"""Write .xlsx and .csv files. Texts that a spreadsheet program would run as a formula are escaped."""

import csv
import io
import tempfile
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import chain
from typing import Any, NamedTuple

from core.formulas import escaped
from core.times import format_office_time

CSV_TYPE = "text/csv; charset=utf-8"
XLSX_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
TYPES = {"csv": CSV_TYPE, "xlsx": XLSX_TYPE}


class Page(NamedTuple):
    """One sheet of a workbook: a line of heads above its rows."""

    title: str
    head: Sequence[str]
    rows: Iterable[Sequence[Any]]
    widths: Sequence[int] = ()
    sums: Sequence[int] = ()  # positions of the columns that a last row adds up, as far as a filter shows their rows


def sheet_write(
    kind: str, head: Sequence[str], rows: Iterable[Sequence[Any]], widths: Sequence[int] = (), *, title: str = "Sheet1"
) -> bytes:
    """Write a sheet with one line of heads. Texts are escaped; numbers and times stay such, money has two decimals.

    The rows are read one after the other, and those of a workbook go to a temporary file.

    :param kind: ``xlsx`` or ``csv`` (UTF-8 with a BOM, without which Excel shows Chinese as garbage).
    """
    if kind == "csv":
        return _csv_bytes(head, rows)
    return book_write(Page(title, head, rows, widths))


def book_write(*pages: Page) -> bytes:
    """Write a workbook (.xlsx) of several sheets, by the rules of :func:`sheet_write`."""
    from core.workbook import book_bytes  # here, because openpyxl takes 60 ms and 8 MB of each process that loads it

    return book_bytes(pages)


def column_letters(number: int) -> str:
    """Return what spreadsheet programs call the column with this number, counted from 1."""
    letters = ""
    while number:
        number, place = divmod(number - 1, 26)
        letters = chr(ord("A") + place) + letters
    return letters


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
    if isinstance(value, datetime):
        return format_office_time(value)
    return escaped(value) if isinstance(value, str) else value
