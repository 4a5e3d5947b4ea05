"""Reading and writing sheets: encodings, odd cells, and files made to hurt."""

import csv
import io
import os
import resource
import struct
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from datetime import date, datetime
from functools import cache
from itertools import islice
from pathlib import Path

import pytest
from openpyxl import load_workbook

from core.sheets import read, workbook_reader
from core.sheets.read import Sheet, SheetRefused, book_read, sheet_read
from core.sheets.write import escaped, sheet_write, unescaped
from students.columns import COLUMNS
from students.tests.transfers import workbook as xlsx
from students.tests.transfers import zipped
from students.transfer.admin import template_bytes
from students.transfer.heading import columns_named, headings_read, ignored_in, shape_of

STYLES, TEXTS, SHEET = "xl/styles.xml", "xl/sharedStrings.xml", "xl/worksheets/sheet1.xml"
HEAD_CSV = "姓名,城市\n".encode("gbk")


def parts_of(*rows):
    with zipfile.ZipFile(io.BytesIO(xlsx(*rows))) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@cache
def small():
    return parts_of(["姓名"], ["谭鹏"])


@pytest.mark.parametrize(
    ("encoding", "delimiter"),
    [("utf-8", ","), ("utf-8", ";"), ("utf-8-sig", ","), ("gbk", "\t"), ("gb18030", ";"), ("utf-16", "\t")],
)
def test_reads_the_csv_of_any_program(encoding, delimiter):
    text = f"姓名{delimiter}城市\r\n谭鹏{delimiter}重庆\r\n\r\n王芳{delimiter}南京\r\n"

    rows = list(sheet_read(text.encode(encoding)))

    assert rows == [(1, ["姓名", "城市"]), (2, ["谭鹏", "重庆"]), (4, ["王芳", "南京"])]


def test_reads_cells_of_excel_as_people_see_them_with_the_rows_own_numbers():
    numbers = [21, 22.0, 22.5, None, 123456789012345, 110105200601011000]
    cells = [*numbers, "  韩 ", True, date(2019, 5, 9), datetime(2019, 5, 9, 2, 14, 12)]

    rows = list(sheet_read(xlsx([None, "姓名"], [None, None], *([None, cell] for cell in cells))))

    cut = "1.10105200601011e+17"  # an identity card whose last digits Excel has lost
    shown = ["姓名", "21", "22", "22.5", "123456789012345", cut, "韩", "True", "2019-05-09", "2019-05-09 02:14:12"]
    assert [row[1] for _, row in rows] == shown and {row[0] for _, row in rows} == {""}
    assert [number for number, _ in rows] == [1, 3, 4, 5, *range(7, 13)]


# Made when their test runs: all of them together take 600 MB.
NO_SHEETS = {
    "xls": lambda: b"\xd0\xcf\x11\xe0 an old workbook",
    "broken": lambda: b"PK\x03\x04 and then nothing",
    "garbage": lambda: b"\x81\x00\xff\xff\xff",
    "quote": lambda: b'a,b\n"' + b"x" * 200_000,
    "no workbook": lambda: zipped({"hello.txt": "no workbook"}),
    "parts": lambda: zipped({f"{n}.xml": "" for n in range(workbook_reader.MAX_PARTS + 1)}),
    "bomb": lambda: zipped({f"xl/worksheets/sheet{n}.xml": "0" * 1024**2 for n in range(201)}),
    "size": lambda: b"x" * (read.MAX_FILE_BYTES + 1),
    "entities": lambda: zipped(
        small() | {SHEET: b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]>' + small()[SHEET]}
    ),
}


@pytest.mark.parametrize("content", NO_SHEETS.values(), ids=NO_SHEETS)
def test_refuses_what_is_no_sheet_or_too_much(content):
    with pytest.raises(SheetRefused):
        list(sheet_read(content()))


def part(name, before, more):
    """The part ``name`` of a workbook, with ``more`` in front of ``before``."""
    content = small()[name]
    assert before in content
    return {name: content.replace(before, more + before, 1)}


CRAFTED = {
    # 150,000 formats: openpyxl takes 6.5 s and 143 MB for these 28 KB
    "formats": lambda: part(STYLES, b"</cellXfs>", b'<xf numFmtId="0" fontId="0"/>' * 150_000),
    "deep XML": lambda: part(SHEET, b"<sheetData>", b"<a>" * 1_000_000),
    "shared texts": lambda: {TEXTS: b"<sst>" + b"<si><t>x</t></si>" * 2_000_000 + b"</sst>"},
    "merged cells": lambda: part(
        SHEET, b"</worksheet>", b'<mergeCells><mergeCell ref="A1:XFD1048576"/></mergeCells>' * 1_000_000
    ),
    "a claimed size": lambda: {SHEET: small()[SHEET].replace(b'ref="A1:A2"', b'ref="A1:XFD1048576"')},
    "one drawing": lambda: {
        f"xl/worksheets/_rels/{SHEET.rpartition('/')[2]}.rels": "<r>"
        + "".join(f'<r Id="{n}" Target="/xl/drawings/1.xml"/>' for n in range(2_000))
        + "</r>",
        "xl/drawings/1.xml": "<d>" + '<a><row>1</row><blip embed="x"/></a>' * 20_000 + "</d>",
        "xl/media/1.png": "x",
    },
    "many parts": lambda: {f"xl/media/{n}.xml": b"<a/>" * 20_000 for n in range(400)},
}


def children_cpu_s():
    """What the processes that tests have started have used."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.fixture
def tight_limits(monkeypatch, tmp_path):
    """The reader with a fraction of its limits."""
    code = Path(workbook_reader.__file__).read_text("utf-8")
    tight = code.replace("MEMORY_BYTES = 1024**3", "MEMORY_BYTES = 200 * 1024**2").replace("CPU_S = 20", "CPU_S = 2")
    assert code.count("\n") == tight.count("\n") and tight != code
    (tmp_path / "reader.py").write_text(tight, "utf-8")
    monkeypatch.setattr(workbook_reader, "__file__", str(tmp_path / "reader.py"))


@pytest.mark.parametrize("parts", CRAFTED.values(), ids=CRAFTED)
def test_a_crafted_part_costs_little(parts, tight_limits):
    content = zipped(small() | parts())
    assert len(content) < 300_000

    rows = list(sheet_read(content))

    assert [row[0] for _, row in rows][:2] == ["姓名", "谭鹏"]


@pytest.mark.parametrize(
    "content",
    [
        lambda: zipped(small() | part(SHEET, b"</sheetData>", b"<row>" + b"<c><v>1</v></c>" * 5_000_000 + b"</row>")),
        lambda: zipped(small() | {TEXTS: b"<sst>" + b"<si><t>x</t></si>" * 8_000_000 + b"</sst>"}),
        lambda: HEAD_CSV + "中,".encode("gbk") * 6_000_000,
    ],
    ids=["memory", "time", "csv"],
)
def test_what_costs_much_is_ended_by_the_limits(content, tight_limits):
    content = content()
    before = children_cpu_s()
    with pytest.raises(SheetRefused, match="内容过大"):
        list(sheet_read(content))

    assert children_cpu_s() - before <= 2 + 2


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell a peak")
@pytest.mark.parametrize(
    "content", [lambda: HEAD_CSV + b"," * 19_000_000, lambda: b"\n" * 19_000_000], ids=["one line", "lines of nothing"]
)
def test_a_csv_made_to_hurt_costs_its_own_process_alone(content, tight_limits):
    """In this one, 20 MB took 600 MB."""

    def peak_mb():
        return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) // 1024

    content = content()
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before, used_s = peak_mb(), children_cpu_s()
    with suppress(SheetRefused):
        assert len(list(sheet_read(content))) <= 2

    assert peak_mb() - before < 150 and children_cpu_s() - used_s <= 2 + 2


def test_a_workbook_whose_pictures_are_damaged_is_read_without_them():
    drawing = "xl/drawings/drawing1.xml"
    links = {f"xl/worksheets/_rels/{SHEET.rpartition('/')[2]}.rels": f'<r><r Id="a" Target="/{drawing}"/></r>'}
    content = bytearray(zipped(small() | links | {"xl/media/1.png": "x", drawing: f"<d>{[*range(50_000)]}</d>"}))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entry = archive.getinfo(drawing)
    end = entry.header_offset + 30 + len(drawing) + entry.compress_size
    content[end - 600 : end] = b"\xff" * 600

    book = book_read(bytes(content))

    assert [row for _, row in book.sheets[0].rows] == [["姓名"], ["谭鹏"]] and book.loose_pictures == 1


def in_each_row(rows, picture):
    """A workbook with one part that is the picture of all its rows, as WPS names it."""
    cells = "".join(
        f'<row r="{at}"><c r="A{at}" t="str"><f>DISPIMG("a",1)</f><v>x</v></c></row>' for at in range(1, rows + 1)
    )
    sheet = small()[SHEET]
    head, tail = sheet[: sheet.index(b"<row")], sheet[sheet.index(b"</sheetData>") :]
    images = '<c xmlns:r="r"><cellImage><cNvPr name="a"/><blip r:embed="a"/></cellImage></c>'
    links = '<r><r Id="a" Target="media/1.png"/></r>'
    return zipped(
        small()
        | {SHEET: head + cells.encode() + tail, "xl/cellimages.xml": images, "xl/media/1.png": picture}
        | {"xl/_rels/cellimages.xml.rels": links}
    )


@pytest.mark.parametrize(("rows", "picture"), [(2_001, "x"), (21, b"x" * 10 * 1024**2)], ids=["number", "bytes"])
def test_one_picture_that_every_row_names_is_no_way_to_fill_the_disk(rows, picture):
    """Each student gets a file of the picture: 20,000 rows made 100 GB of 5 MB."""
    few = book_read(in_each_row(20, picture))
    assert len(few.sheets[0].pictures) == 20

    with pytest.raises(SheetRefused, match="图片太多"):
        book_read(in_each_row(rows, picture))


@pytest.fixture
def gate(monkeypatch, tmp_path):
    """What a reader waits for: until the test has opened this and closed it again."""
    gate, reader = tmp_path / "gate", tmp_path / "reader.py"
    os.mkfifo(gate)
    waiting = f"open({str(gate)!r}).read()\n"
    reader.write_text(waiting + Path(workbook_reader.__file__).read_text("utf-8"), "utf-8")
    monkeypatch.setattr(workbook_reader, "__file__", str(reader))
    return gate


def test_one_file_at_a_time_is_read(monkeypatch, gate):
    """A request is a thread of a process, and each may send a file that takes 1 GB to read."""
    monkeypatch.setattr(read, "WAIT_S", 0)

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(sheet_read, HEAD_CSV)
        with gate.open("w"), pytest.raises(SheetRefused, match="同时读取的表格太多"):
            sheet_read(HEAD_CSV)
    assert first.result() == [(1, ["姓名", "城市"])]


def test_few_requests_wait_for_a_sheet_so_that_others_find_a_thread_and_a_connection(gate):
    reader = Path(workbook_reader.__file__)

    with ThreadPoolExecutor(20) as pool:
        reads = [pool.submit(sheet_read, HEAD_CSV) for _ in range(20)]
        refused = list(islice(as_completed(reads), 20 - read.AT_ONCE))
        with gate.open("w"):  # the others need not wait for the test
            reader.write_text(reader.read_text("utf-8").partition("\n")[2], "utf-8")

    assert all(isinstance(one.exception(), SheetRefused) for one in refused)
    assert sum(one.exception() is None for one in reads) == read.AT_ONCE


def named_sheets(number, name, parts=None):
    text = small()["xl/workbook.xml"].decode()
    sheet = text[text.index("<sheet ") : text.index("</sheets>")]
    sheets = (sheet.replace('name="Sheet"', f'name="{name}{at}"') for at in range(number))
    return zipped(small() | (parts or {}) | {"xl/workbook.xml": text.replace(sheet, "".join(sheets))})


def test_sheets_that_no_program_makes_are_refused():
    """What a run keeps of each sheet is read with every list of runs."""
    assert len(book_read(named_sheets(workbook_reader.MAX_SHEETS, "a")).sheets) == workbook_reader.MAX_SHEETS

    for content in (named_sheets(workbook_reader.MAX_SHEETS + 1, "a"), named_sheets(1, "x" * 500)):
        with pytest.raises(SheetRefused, match="工作表"):
            book_read(content)


def test_many_names_of_one_sheet_do_not_multiply_its_merged_cells():
    """Each is kept in this process: 7 KB took 480 MB."""
    merged = part(SHEET, b"</worksheet>", b"<mergeCells>" + b'<mergeCell ref="A1:A9"/>' * 3_000 + b"</mergeCells>")
    with pytest.raises(SheetRefused, match="内容过大"):
        book_read(named_sheets(7, "a", merged))

    assert len(book_read(named_sheets(6, "a", merged)).sheets) == 6


@pytest.mark.parametrize("claimed", [100, 1_000_000])
def test_a_part_that_is_larger_than_it_claims_is_never_unpacked(claimed):
    content = bytearray(zipped(small() | {TEXTS: b"<sst>" + b"<si><t>aaaaaaaa</t></si>" * 2_000_000 + b"</sst>"}))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        size = struct.pack("<I", archive.getinfo(TEXTS).file_size)
    assert content.count(size) == 2  # before the part, and in the directory
    lying, before = bytes(content).replace(size, struct.pack("<I", claimed)), children_cpu_s()

    with pytest.raises(SheetRefused, match="损坏"):
        list(sheet_read(lying))

    assert children_cpu_s() - before < 2


def test_one_long_text_named_by_every_cell_is_no_way_to_fill_the_memory():
    """Each of them is in what the reader writes: of 1 MB that is 80 MB, still within its own memory."""
    text = b"<si><t>" + b"x" * 100_000 + b"</t></si>"
    texts = b'<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">' + text + b"</sst>"
    cells = b"<row>" + b'<c t="s"><v>0</v></c>' * 40 + b"</row>"

    with pytest.raises(SheetRefused, match="内容过大"):
        sheet_read(zipped(small() | {TEXTS: texts} | part(SHEET, b"</sheetData>", cells * 20)))


@pytest.mark.parametrize(("row", "cell"), [(1048576, "XFD1048576"), (999999999999, "A999999999999")])
@pytest.mark.parametrize("rows", [[["姓名"], ["谭鹏"]], [[], ["谭鹏"]]], ids=["beside others", "alone"])
def test_a_cell_at_the_far_end_is_refused_and_not_filled_up_to(rows, row, cell):
    parts = parts_of(*rows)
    far = parts[SHEET].replace(b'r="2"', b'r="%d"' % row).replace(b'r="A2"', b'r="%s"' % cell.encode())

    with pytest.raises(SheetRefused):
        list(sheet_read(zipped(parts | {SHEET: far})))


def test_a_reader_that_is_killed_and_more_rows_than_it_says_are_refusals(monkeypatch):
    assert len(sheet_read(b"head\n" + b"1\n" * 50_000)) == 50_001
    with pytest.raises(SheetRefused, match="最多50000行"):
        read._output(b"head\n" + b"1\n" * 50_001)  # the process with the limits refuses it, not ours
    monkeypatch.setattr(read, "READING_TIMEOUT_S", 0.001)
    with pytest.raises(SheetRefused, match="内容过大"):
        list(sheet_read(xlsx(["姓名"])))


RISKY = ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "  =1", "=", "＝1+1", "'=1", "'quoted", "''", "=cmd()"]


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_no_cell_that_is_written_is_a_formula_and_escaping_is_undone_exactly(kind):
    for text in (*RISKY, "", "a=b", "谭鹏", "it's", "1"):
        assert unescaped(escaped(text)) == text
        assert escaped(text)[:1] not in tuple("=+-@\t\r＝")
    content = sheet_write(kind, ["=head"], [[text] for text in RISKY])

    if kind == "csv":
        cells = [row[0] for row in csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""))]
    else:
        column = next(iter(load_workbook(io.BytesIO(content)).active.iter_cols()))
        assert {cell.data_type for cell in column} == {"s"}
        cells = [cell.value for cell in column]
    assert len(cells) == len(RISKY) + 1
    assert all(cell.startswith("'") for cell in cells)


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_the_template_can_be_filled_in(kind):
    sheets = book_read(template_bytes(kind)).sheets

    assert len(columns_named(sheets[:1])) == len(COLUMNS)
    # Columns are known by either name in any order.
    heads = ["自我评价", "结果", "sid", "班级*", "Name", "", "AGE", "创建时间", "头像", "爱好", "名字"]
    sheet = Sheet("", [(1, heads), (2, ["x"] * 11)], [], {})
    columns = columns_named([sheet])
    (heading,) = headings_read([sheet], columns)
    assert heading.places == {"description": 0, "sId": 2, "class": 3, "name": 4, "age": 6}
    assert ignored_in(shape_of([sheet]), columns) == ["（F 列）", "爱好", "名字"]
