"""Read .xlsx, .xls and .csv. Uploaded files may be hostile: huge, zip bombs, with XML entities, oddly encoded."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import BoundedSemaphore
from typing import Any, NamedTuple

from core.errors import DomainError
from core.sheets import workbook_reader
from core.sheets.workbook_reader import OLD_EXCEL, ZIP
from core.sheets.write import unescaped

MAX_FILE_BYTES = 20 * 1024 * 1024
MAX_SENT = 5_000  # rows that are read within a request
READING_TIMEOUT_S = 60
# A reader may take 1 GB, so each of our processes has one at a time. A usual file takes less than a second, the largest
# `workbook_reader.CPU_S`: a task that checks an import waits for another one's file, and does not refuse its own.
WAIT_S = 30
# One is read and the others wait, each with a thread and a connection of its process. Those are for all requests, so
# more are refused at once.
AT_ONCE = 4
_places, _reader = BoundedSemaphore(AT_ONCE), BoundedSemaphore()

SHEET_START = 4_096  # bytes that `sheet_refusal` looks at
_TOO_LARGE = "Excel 文件内容过大，请只保留需要导入的工作表，删除多余的格式和空行"
_CSV_TOO_LARGE = "CSV 文件内容过大，请分成几个文件"


class SheetRefused(DomainError):
    """The file as a whole is refused; ``msg`` says why."""

    msg = "无法读取这个文件"


Rows = list[tuple[int, list[str]]]


class Sheet(NamedTuple):
    """A sheet: its rows that are not blank, each with its number as spreadsheet programs show it."""

    name: str
    rows: Rows
    merged: list[tuple[int, int, int]]  # cells merged downwards, in order: position of the column, first and last row
    pictures: dict[int, str]  # row -> the part of the workbook that holds the picture in it


class Book(NamedTuple):
    """A file: its sheets that are not hidden, the names of the hidden ones, and how many pictures stand in no row."""

    sheets: list[Sheet]
    hidden: list[str]
    loose_pictures: int


def book_read(content: bytes) -> Book:
    """Read all sheets of a file.

    :raises SheetRefused: the file is no sheet or too large.
    """
    if len(content) > MAX_FILE_BYTES:
        raise SheetRefused(f"文件不能超过{MAX_FILE_BYTES // 1024**2}MB")
    book = json.loads(_output(content))
    sheets = [
        Sheet(
            one["name"],
            [(number, [unescaped(cell) for cell in cells]) for number, cells in one["rows"]],
            [(column, first, last) for column, first, last in one["merged"]],
            dict(one["pictures"]),
        )
        for one in book["sheets"]
    ]
    if not sheets:
        raise SheetRefused("文件里没有可以读取的工作表")
    return Book(sheets, book["hidden"], book["loose_pictures"])


def sheet_read(content: bytes) -> Rows:
    """Read the rows of the first sheet.

    :raises SheetRefused: as :func:`book_read`.
    """
    return book_read(content).sheets[0].rows


def rows_sent(text: str, file: Any) -> list[tuple[int, list[str]]]:
    """Return the rows of an uploaded sheet, or of a pasted text, each with its number.

    :raises SheetRefused: the file is no sheet, or has more rows than one page can need.
    """
    if file:
        if refusal := sheet_refusal(file.name.lower(), file.read(SHEET_START)):
            raise SheetRefused(refusal)
        file.seek(0)
        rows = sheet_read(file.read())
    else:
        lines = (_cells(line) for line in text.splitlines())
        rows = [(number, cells) for number, cells in enumerate(lines, 1) if any(cells)]
    if len(rows) > MAX_SENT:
        raise SheetRefused(f"一次最多读 {MAX_SENT} 行，请只留需要的行")
    return rows


def _cells(line: str) -> list[str]:
    if "\t" in line:  # copied in a spreadsheet, where a cell may hold "1,299.00" or nothing
        return [cell.strip() for cell in line.split("\t")]
    return re.split(r"\s*[,，]\s*|\s+", line.strip())


def sheet_refusal(name: str, start: bytes) -> str:
    """Say why a file cannot be a sheet, judged by its name in lower case and its first bytes; "" if it may be one."""
    if not name.endswith((".xlsx", ".xls", ".csv")):
        return "只能导入 .xlsx、.xls 或 .csv 文件：请把表格另存为其中一种格式"
    if name.endswith(".xlsx") and not start.startswith((ZIP, OLD_EXCEL)):
        return "这不是 Excel 文件：扩展名是 .xlsx，内容不是。请用 Excel 或 WPS 另存为 .xlsx"
    if not start.strip():
        return "文件是空的"
    return ""


def sheet_kind(content: bytes) -> str:
    return "xlsx" if content.startswith((ZIP, OLD_EXCEL)) else "csv"


def _output(content: bytes) -> bytes:
    """Return what the workbook reader has read. A parser in this process could take the memory of everything else."""
    too_large = _TOO_LARGE if sheet_kind(content) == "xlsx" else _CSV_TOO_LARGE
    command = [sys.executable, "-I", str(Path(workbook_reader.__file__))]
    with _acquired(_places, 0), _acquired(_reader, WAIT_S):
        try:
            reader = subprocess.run(command, input=content, capture_output=True, timeout=READING_TIMEOUT_S)  # noqa: S603
        except subprocess.TimeoutExpired:
            raise SheetRefused(too_large) from None
    # A negative code is a signal: the reader went over its limits.
    if reader.returncode < 0 or reader.returncode == workbook_reader.TOO_LARGE:
        raise SheetRefused(too_large)
    words = reader.stderr[-500:].decode(errors="replace")
    if reader.returncode == workbook_reader.REFUSED:
        raise SheetRefused(words)
    if reader.returncode:
        raise RuntimeError(f"the workbook reader failed: {words}")
    return reader.stdout


@contextmanager
def _acquired(semaphore: BoundedSemaphore, wait_s: float) -> Iterator[None]:
    if not semaphore.acquire(timeout=wait_s):
        raise SheetRefused("同时读取的表格太多，请稍后再试")
    try:
        yield
    finally:
        semaphore.release()
