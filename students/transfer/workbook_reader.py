"""Read the first sheet of an .xlsx from standard input and write its rows to standard output, a JSON list a line.

Run by ``students.transfer.sheets`` as a process of its own, with limits of memory and time: a workbook is a ZIP of
XML, and 27 KB of it can ask for gigabytes. It imports nothing of the project. Refusals leave by their exit code.
"""

import io
import json
import resource
import sys
import zipfile
from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

MEMORY_BYTES = 1024**3
CPU_S = 20
MAX_UNPACKED_BYTES = 200 * 1024**2
MAX_PARTS = 500
MAX_COLUMNS = 40
# A text that stands once in the file may be named by every cell.
MAX_OUTPUT_BYTES = 64 * 1024**2

TOO_LARGE, BROKEN, FORBIDDEN = 10, 11, 12


class Refused(Exception):
    def __init__(self, code: int) -> None:
        self.code = code


def main() -> int:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    content = sys.stdin.buffer.read()
    try:
        check_parts(content)
        written = 0
        for row in rows(content):
            line = json.dumps(row) + "\n"
            written += len(line)
            if written > MAX_OUTPUT_BYTES:
                raise Refused(TOO_LARGE)
            sys.stdout.write(line)
        sys.stdout.flush()
    except Refused as refused:
        return refused.code
    except MemoryError:
        return TOO_LARGE
    return 0


def check_parts(content: bytes) -> None:
    """Refuse an archive of too many or too large parts, and XML that declares entities."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            parts = archive.infolist()
            # zipfile and the reader never unpack more of a part than its entry claims, so the claims are what counts.
            if len(parts) > MAX_PARTS or sum(part.file_size for part in parts) > MAX_UNPACKED_BYTES:
                raise Refused(TOO_LARGE)
            for part in parts:
                if part.filename.endswith((".xml", ".rels")):
                    with archive.open(part) as stream:
                        if b"<!DOCTYPE" in stream.read(64 * 1024):
                            raise Refused(FORBIDDEN)
    except (Refused, MemoryError):
        raise
    except Exception:  # a broken archive, an unknown compression, a password
        raise Refused(BROKEN) from None


def rows(content: bytes) -> Iterator[list[Any]]:
    """The cells of each row as JSON can hold them, from A1 on."""
    from python_calamine import CalamineWorkbook  # only here: the caps on memory are set before it is loaded

    try:
        book = CalamineWorkbook.from_filelike(io.BytesIO(content))
        for row in book.get_sheet_by_index(0).to_python(skip_empty_area=False):
            yield [plain(cell) for cell in row[:MAX_COLUMNS]]
    except MemoryError:
        raise
    except Exception:  # the reader raises several kinds for broken files: none of them is our fault
        raise Refused(BROKEN) from None


def plain(cell: Any) -> Any:
    """A cell as people see it: whole numbers without a point, midnights without a time."""
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
