"""Read a .csv, or the sheets of an .xlsx or .xls, and write what is in them to standard output as JSON.

Run by ``core.sheets.read`` as a process of its own, with limits of memory and time: a workbook is a ZIP of
XML, and 27 KB of it can ask for gigabytes; 20 MB of CSV in one line ask for 600 MB. It imports nothing of the project.
Why a file is refused goes to standard error.
"""

import csv
import io
import json
import posixpath
import re
import resource
import sys
import zipfile
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from functools import cache
from itertools import islice
from typing import Any
from xml.etree import ElementTree

MEMORY_BYTES = 1024**3
CPU_S = 20
MAX_UNPACKED_BYTES = 200 * 1024**2
MAX_PARTS = 2_000  # a picture is one
MAX_SHEETS, MAX_SHEET_NAME = 200, 255  # Excel allows names of 31 characters
MAX_MERGED = 20_000  # of all sheets, which may be one part by many names; the caller keeps each
MAX_ROWS = 50_000  # of all sheets, beside the heads; here, because the caller's memory has no limit
MAX_COLUMNS = 40
# Every cell may name the same long text, so the output can be far larger than the file.
MAX_OUTPUT_BYTES = 64 * 1024**2

TOO_LARGE, REFUSED = 10, 11
BROKEN = "Excel 文件已损坏或设了密码，无法读取"
ZIP = b"PK\x03\x04"
EXACT = 10**15  # Excel keeps 15 digits of a number and writes 0 for the others
AS_TEXT = re.compile(r'^="(.*)"$')  # how programs keep Excel from rounding a long number in a CSV
EXCEL_PICTURE = "_rvRel:LocalImageIdentifier"
WPS_PICTURE = re.compile(r'DISPIMG\("(\w+)"')
OLD_EXCEL = b"\xd0\xcf\x11\xe0"  # .xls, and an .xlsx with a password


class WorkbookRefused(Exception):
    """The file is refused; the text says why, to staff. Without a text, it is too large."""


def main() -> int:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    content = sys.stdin.buffer.read()
    try:
        book = workbook(content) if content.startswith((ZIP, OLD_EXCEL)) else csv_sheet(content)
        if sum(len(sheet["rows"]) for sheet in book["sheets"]) > MAX_ROWS + len(book["sheets"]):  # each has its heads
            raise WorkbookRefused(f"最多{MAX_ROWS}行，请分成几个文件")
        output = json.dumps(book, ensure_ascii=False).encode("utf-8", "surrogatepass")
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
    if len(output) > MAX_OUTPUT_BYTES:
        return TOO_LARGE
    sys.stdout.buffer.write(output)
    return 0


def rows_of(lines: Iterable[Sequence[Any]]) -> list[tuple[int, list[str]]]:
    """Return the lines that are not blank, each with its number; of too many, enough to show it."""
    rows = ((number, [plain(cell) for cell in line[:MAX_COLUMNS]]) for number, line in enumerate(lines, 1))
    return list(islice((row for row in rows if any(row[1])), MAX_ROWS + 2))


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


def workbook(content: bytes) -> dict[str, Any]:
    """Return the sheets that are not hidden, with their cells as texts, from A1 on."""
    from python_calamine import (  # only here: the caps on memory are set before it is loaded
        CalamineWorkbook,
        SheetTypeEnum,
        SheetVisibleEnum,
    )

    pictures: dict[str, dict[int, str]] = {}
    loose_pictures = 0
    if content.startswith(ZIP):
        check_parts(content)
        pictures, loose_pictures = pictures_of(content)
    try:
        book = CalamineWorkbook.from_filelike(io.BytesIO(content))
        tables = [one for one in book.sheets_metadata if one.typ == SheetTypeEnum.WorkSheet]
        if len(tables) > MAX_SHEETS or any(len(one.name) > MAX_SHEET_NAME for one in tables):
            raise WorkbookRefused(f"最多 {MAX_SHEETS} 个工作表，名称最长 {MAX_SHEET_NAME} 个字")
        visible = [one.name for one in tables if one.visible == SheetVisibleEnum.Visible]
        sheets = []
        for name in visible:
            sheet = book.get_sheet_by_name(name)
            sheets.append(
                {
                    "name": name,
                    "rows": rows_of(sheet.to_python(skip_empty_area=False)),
                    "merged": merged_of(sheet),
                    "pictures": [*pictures.pop(name, {}).items()],
                }
            )
    except (WorkbookRefused, MemoryError):
        raise
    except Exception:  # the reader raises several kinds for broken files: none of them is our fault
        raise WorkbookRefused(BROKEN) from None
    if sum(len(one["merged"]) for one in sheets) > MAX_MERGED:
        raise WorkbookRefused
    hidden = [one.name for one in tables if one.name not in visible]
    return {"sheets": sheets, "hidden": hidden, "loose_pictures": loose_pictures + sum(map(len, pictures.values()))}


def merged_of(sheet: Any) -> list[tuple[int, int, int]]:
    """Return the cells that are merged downwards: position of the column, first row, last row."""
    ranges = ((*start, *end) for start, end in islice(sheet.merged_cell_ranges or (), MAX_MERGED))
    merged = [(left, top + 1, bottom + 1) for top, left, bottom, _ in ranges if bottom > top and left < MAX_COLUMNS]
    return sorted(merged)


# --- Pictures in cells ---
# Thousands of sheets may name one part, which is read once. ``{*}`` stands for any namespace.
def pictures_of(content: bytes) -> tuple[dict[str, dict[int, str]], int]:
    """Return for each sheet which part is the picture of which row, and how many pictures stand in no row.

    Excel anchors a picture of a drawing to cells, or places it in one, which names it by a number. WPS keeps it in
    ``xl/cellimages.xml``, and the cell names it by a formula. A workbook whose pictures cannot be read is read without.
    """
    pictures: dict[str, dict[int, str]] = {}
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        media = {name for name in archive.namelist() if "/media/" in name}
        if not media:
            return {}, 0
        try:
            sheets = linked(archive, "xl/workbook.xml")
            for sheet in parsed(archive, "xl/workbook.xml").iterfind(".//{*}sheet"):
                part = sheets.get(attribute(sheet, "id"), "")
                pictures[attribute(sheet, "name")] = anchored(archive, part) | in_cells(archive, part)
        except MemoryError:
            raise
        except Exception:  # a damaged part has as many faces as a damaged archive
            pictures = {}
        sizes = {part.filename: part.file_size for part in archive.infolist()}
    parts = [part for rows in pictures.values() for part in rows.values()]
    # Each student gets a file of the picture, also of one that all rows name.
    if len(parts) > MAX_PARTS or sum(sizes.get(part, 0) for part in parts) > MAX_UNPACKED_BYTES:
        raise WorkbookRefused(f"图片太多：最多 {MAX_PARTS} 张，一共 {MAX_UNPACKED_BYTES // 1024**2} MB")
    return pictures, len(media - {*parts})


def anchored(archive: zipfile.ZipFile, sheet: str) -> dict[int, str]:
    """Return the pictures of a sheet's drawings. One that spans several rows belongs to the middle one."""
    rows: dict[int, str] = {}
    for drawing in dict.fromkeys(linked(archive, sheet).values()):
        if "/drawings/" in drawing and drawing.endswith(".xml"):
            for anchor, part in embedded(archive, drawing):
                if ends := [int(row.text or 0) for row in anchor.iterfind(".//{*}row")]:
                    rows[(ends[0] + ends[-1]) // 2 + 1] = part
    return rows


@cache
def embedded(archive: zipfile.ZipFile, drawing: str) -> list[tuple[ElementTree.Element, str]]:
    """Return the elements of a part of drawings that hold a picture, each with the part of the picture."""
    links = linked(archive, drawing)
    blips = ((element, element.find(".//{*}blip")) for element in parsed(archive, drawing))
    parts = ((element, links.get(attribute(blip, "embed"), "")) for element, blip in blips if blip is not None)
    return [(element, part) for element, part in parts if part]


@cache
def wps_pictures(archive: zipfile.ZipFile) -> dict[str, str]:
    """Return the parts of the pictures of WPS by the names that formulas give them."""
    if "xl/cellimages.xml" not in archive.namelist():
        return {}
    pictures = embedded(archive, "xl/cellimages.xml")
    return {attribute(name, "name"): part for element, part in pictures for name in element.iterfind(".//{*}cNvPr")}


@cache
def excel_pictures(archive: zipfile.ZipFile) -> dict[str, str]:
    """Return the parts of the pictures that Excel 365 has placed in cells, by the ``vm`` of the cells.

    It counts the ``valueMetadata``, each of which names one of the ``rvb``, and that a rich value. The structure of the
    value says which of its texts names one of the links of ``richValueRel.xml``.
    """
    if "xl/richData/richValueRel.xml" not in archive.namelist():
        return {}
    links = linked(archive, "xl/richData/richValueRel.xml")
    parts = [links.get(attribute(one, "id"), "") for one in parsed(archive, "xl/richData/richValueRel.xml")]
    keys = [[attribute(key, "n") for key in one] for one in parsed(archive, "xl/richData/rdrichvaluestructure.xml")]
    pictures = []
    for value in parsed(archive, "xl/richData/rdrichvalue.xml"):
        texts = dict(zip(keys[int(attribute(value, "s"))], (one.text or "" for one in value), strict=False))
        pictures.append(parts[int(texts[EXCEL_PICTURE])] if EXCEL_PICTURE in texts else "")
    metadata = parsed(archive, "xl/metadata.xml")
    values = [pictures[int(attribute(one, "i"))] for one in metadata.iterfind(".//{*}rvb")]
    cells = metadata.iterfind("{*}valueMetadata//{*}rc")
    return {str(number): values[int(attribute(one, "v"))] for number, one in enumerate(cells, 1)}


@cache
def in_cells(archive: zipfile.ZipFile, sheet: str) -> dict[int, str]:
    by_formula, by_number = wps_pictures(archive), excel_pictures(archive)
    if not (by_formula or by_number):
        return {}
    rows = {}
    for cell in parsed(archive, sheet).iterfind(".//{*}c"):
        match = WPS_PICTURE.search("".join(cell.itertext()))
        part = by_formula.get(match[1]) if match else by_number.get(attribute(cell, "vm"))
        if part:
            rows[int(re.sub("[A-Z]", "", attribute(cell, "r")))] = part
    return rows


def parsed(archive: zipfile.ZipFile, part: str) -> ElementTree.Element:
    return ElementTree.fromstring(archive.read(part))  # noqa: S314  (`check_parts` has refused entities)


def linked(archive: zipfile.ZipFile, part: str) -> dict[str, str]:
    """Return the parts that a part refers to, by the ids it uses."""
    folder, name = posixpath.split(part)
    links = f"{folder}/_rels/{name}.rels"
    if links not in archive.namelist():
        return {}
    targets = {one.get("Id", ""): one.get("Target", "") for one in parsed(archive, links)}
    return {key: posixpath.normpath(posixpath.join("/", folder, to)).lstrip("/") for key, to in targets.items()}


def attribute(element: ElementTree.Element, name: str) -> str:
    """Return an attribute by its name without the namespace."""
    return next((value for key, value in element.attrib.items() if key.rpartition("}")[2] == name), "")


def csv_sheet(content: bytes) -> dict[str, Any]:
    text = decoded(content)
    first = text[: text.find("\n") + 1 or len(text)]
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count))
    try:
        rows = rows_of([AS_TEXT.sub(r"\1", cell) for cell in line] for line in lines)
    except csv.Error:
        raise WorkbookRefused("CSV 文件格式不正确（引号没有成对，或单元格过长）") from None
    return {"sheets": [{"name": "", "rows": rows, "merged": [], "pictures": []}], "hidden": [], "loose_pictures": 0}


def decoded(content: bytes) -> str:
    is_utf16 = content.startswith((b"\xff\xfe", b"\xfe\xff"))  # what Excel calls Unicode text
    encodings = ["utf-16"] if is_utf16 else ["utf-8-sig", "gb18030"]
    for encoding in encodings:
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise WorkbookRefused("无法识别文件编码，请使用 UTF-8 或 GBK 编码的 CSV，或 .xlsx")


def plain(cell: Any) -> str:
    """Return a cell as people see it: whole numbers without a point, midnights without a time."""
    match cell:
        case float() if cell.is_integer() and abs(cell) < EXACT:
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
