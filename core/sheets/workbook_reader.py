"""Read a .csv, or the first sheet of an .xlsx or .xls, and write its rows to standard output, a JSON list a line.

Run by ``core.sheets.read`` as a process of its own, with limits of memory and time: a workbook is a ZIP of
XML, and 27 KB of it can ask for gigabytes; 20 MB of CSV in one line ask for 600 MB. It imports nothing of the project.
Why a file is refused goes to standard error.
"""

import csv
import io
import json
import re
import resource
import sys
import zipfile
from collections.abc import Iterator
from datetime import date, datetime
from itertools import islice
from typing import Any

MEMORY_BYTES = 1024**3
CPU_S = 20
MAX_UNPACKED_BYTES = 200 * 1024**2
MAX_PARTS = 500
MAX_COLUMNS = 40
# A file may claim any number of empty rows, and each costs a little.
MAX_SCANNED = 200_000
# Every cell may name the same long text, so the output can be far larger than the file.
MAX_OUTPUT_BYTES = 64 * 1024**2

TOO_LARGE, REFUSED = 10, 11
BROKEN = "Excel 文件已损坏或设了密码，无法读取"
ZIP = b"PK\x03\x04"
AS_TEXT = re.compile(r'^="(.*)"$')  # how programs keep Excel from rounding a long number in a CSV
OLD_EXCEL = b"\xd0\xcf\x11\xe0"  # .xls, and an .xlsx with a password


class WorkbookRefused(Exception):
    """The file is refused; the text says why, to staff. Without a text, it is too large."""


def main() -> int:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    content = sys.stdin.buffer.read()
    try:
        size = 0
        all_rows = rows(content) if content.startswith((ZIP, OLD_EXCEL)) else csv_rows(content)
        for row in islice(all_rows, MAX_SCANNED + 1):  # one more shows that there are too many
            line = json.dumps(row, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n"
            size += len(line)
            if size > MAX_OUTPUT_BYTES:
                raise WorkbookRefused
            sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()
    except WorkbookRefused as refusal:
        sys.stderr.buffer.write(str(refusal).encode())
        return REFUSED if str(refusal) else TOO_LARGE
    except MemoryError:
        return TOO_LARGE
    except BaseException as error:
        # The reader is written in Rust and panics where a sheet claims more cells than it can count, such as one whose
        # only cell is XFD1048576. A panic is no Exception.
        if type(error).__name__ != "PanicException":
            raise
        return TOO_LARGE
    return 0


def check_parts(content: bytes) -> None:
    """Refuse an archive of too many or too large parts, and XML that declares entities."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            parts = archive.infolist()
            # zipfile and the reader never unpack more of a part than its entry claims, so the claims are what counts.
            if len(parts) > MAX_PARTS or sum(part.file_size for part in parts) > MAX_UNPACKED_BYTES:
                raise WorkbookRefused
            for part in parts:
                if part.filename.endswith((".xml", ".rels")):
                    with archive.open(part) as stream:
                        if b"<!DOCTYPE" in stream.read(64 * 1024):
                            raise WorkbookRefused("Excel 文件含有不允许的内容")
    except (WorkbookRefused, MemoryError):
        raise
    except Exception:  # a broken archive, an unknown compression, a password
        raise WorkbookRefused(BROKEN) from None


def rows(content: bytes) -> Iterator[list[Any]]:
    """Yield the cells of each row as JSON can hold them, from A1 on."""
    from python_calamine import CalamineWorkbook  # only here: the caps on memory are set before it is loaded

    if content.startswith(ZIP):
        check_parts(content)
    try:
        book = CalamineWorkbook.from_filelike(io.BytesIO(content))
        for row in book.get_sheet_by_index(0).to_python(skip_empty_area=False):
            yield [plain(cell) for cell in row[:MAX_COLUMNS]]
    except MemoryError:
        raise
    except Exception:  # the reader raises several kinds for broken files: none of them is our fault
        raise WorkbookRefused(BROKEN) from None


def csv_rows(content: bytes) -> Iterator[list[str]]:
    text = decoded(content)
    first = text[: text.find("\n") + 1 or len(text)]
    delimiter = max(",;\t", key=first.count)
    try:
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter):
            yield [AS_TEXT.sub(r"\1", cell) for cell in row[:MAX_COLUMNS]]
    except csv.Error:
        raise WorkbookRefused("CSV 文件格式不正确（引号没有成对，或单元格过长）") from None


def decoded(content: bytes) -> str:
    is_utf16 = content.startswith((b"\xff\xfe", b"\xfe\xff"))  # what Excel calls Unicode text
    encodings = ["utf-16"] if is_utf16 else ["utf-8-sig", "gb18030"]
    for encoding in encodings:
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise WorkbookRefused("无法识别文件编码，请使用 UTF-8 或 GBK 编码的 CSV，或 .xlsx")


def plain(cell: Any) -> Any:
    """Return a cell as people see it: whole numbers without a point, midnights without a time."""
    match cell:
        case float() if cell.is_integer():
            return str(int(cell))
        case datetime() if (cell.hour, cell.minute, cell.second) == (0, 0, 0):
            return cell.date().isoformat()
        case datetime():
            return cell.isoformat(sep=" ")
        case date():
            return cell.isoformat()
    return str(cell).strip()


if __name__ == "__main__":
    sys.exit(main())
