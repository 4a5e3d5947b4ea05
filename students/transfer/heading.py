"""Which column of a school's own sheet is which of ours, and what its rows hold.

Schools send lists as they have them: several sheets, a title above the header, other names for our columns, columns
that we do not know, cells merged over ten rows, a sum at the end. The header is looked for, its names are compared with
ours and their synonyms, and a person can map the columns on the page of the import. The next file with the same header
is mapped like the last one.
"""

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import date, datetime, timedelta
from itertools import zip_longest
from typing import NamedTuple

from core.sheets.read import Rows, Sheet, SheetRefused
from core.sheets.write import column_letters
from students.columns import BY_WIRE, COLUMNS, UNREAD, phone_tidy
from students.models import RunKind, RunState, TransferRun
from students.run_facts import SHEET_STEP, Choices, Shape

MAX_HEAD_ROW = 10  # the header is among the first rows that hold something
MIN_KNOWN = 2  # names that a row must have to be the header
SAMPLES = 3
_ORIGIN = "生源地"  # not where the student lives, but all that some schools keep
_SECOND = (_ORIGIN, "出生", "生日")  # any other column of the city or the age wins
SYNONYMS = {
    "sId": ("学员编号", "学生编号", "学籍号"),
    "class": ("所在班级", "所属班级", "班级名称", "班别", "班"),
    "name": ("学员姓名", "学生姓名", "名字", "学员", "学生"),
    "age": ("岁数", "周岁", "年纪", "出生日期", "出生年月", "出生年月日", "生日"),
    "city": ("所在城市", "现居城市", "居住城市", "目前居住的城市", "所在地", _ORIGIN),
    "degree": ("文化程度", "文化水平", "最高学历", "学历层次"),
    "productUrl": ("项目链接", "作品地址", "作品链接"),
    "gender": ("男女",),
    "phone": ("手机", "手机号", "手机号码", "联系电话", "联系手机号", "电话号码", "本人电话", "本人手机", "联系方式"),
    "parentPhone": ("家长手机", "家长联系方式", "家长联系电话", "家长手机号", "监护人电话"),
    "idCard": ("身份证号", "身份证号码", "证件号码"),
    "enteredOn": ("入学时间", "入校日期", "报到日期"),
    "leftOn": ("毕业日期", "结业时间", "离校日期"),
    "description": ("评价", "自我介绍", "个人简介"),
}
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")  # PostgreSQL stores none of these
DAYS = ("enteredOn", "leftOn")
OF_ONE = {"sId", "name", "phone", "parentPhone", "idCard"}  # never taken from the cell above
_SUMS = {"合计", "总计", "小计", "共计"}
_REMARK = re.compile(r"[(\[【]([^)\]】]*)[)\]】]$")  # behind a head
_OF_OTHERS = re.compile("家长|监护|父|母|联系人|班主任|介绍|备用")  # not the student's own
_CHINESE_SPACE = re.compile(r"(?<=[\u4e00-\u9fff])\s+(?=[\u4e00-\u9fff])")
_AGE = re.compile(r"(\d{1,3})\s*(?:周?岁)?")
_EXCEL_DAY_0 = date(1899, 12, 30)
_WPS_PICTURE = "=DISPIMG("
_NO_CLASS = re.compile(r"(?:sheet|工作表)?\s*\d*", re.IGNORECASE)
_LIST = re.compile(r"班?(?:学员|学生)?(?:名单|花名册|信息表?)?$")


class Heading(NamedTuple):
    """The header of a sheet: its row, and where each of our columns stands, by the API's name."""

    sheet: Sheet
    row: int
    places: dict[str, int]
    first: int  # number of the row above the first of the sheet
    is_alone: bool

    def cell_name(self, wire: str, number: int) -> str:
        """Name a cell as spreadsheet programs do, with the column's label: ``D5 年龄``."""
        label = BY_WIRE[wire].label
        sheet = "" if self.is_alone else f"{self.sheet.name[:20]}!"
        at = column_letters(self.places[wire] + 1) if wire in self.places else ""
        return f"{sheet}{at}{number % SHEET_STEP} {label}" if at else label

    def rows(self) -> Iterator[tuple[int, dict[str, str], str]]:
        """Yield the rows below the header: number, cells by the API's names, and the picture ("" if there is none).

        A merged cell counts for all its rows. A blank class is the one above, unless the row names its student by
        number.
        """
        lines, class_name = dict(self.sheet.rows), ""
        for number, texts in self.sheet.rows:
            if number <= self.row or _folded(next(text for text in texts if text)) in _SUMS:
                continue  # the sum below a list
            cells = {}
            for wire, at in self.places.items():
                source = texts if wire in OF_ONE else lines.get(self._first_merged(number, at), texts)
                if at < len(source) and source[at]:
                    cells[wire] = source[at]
            if "sId" not in cells and (class_name := cells.get("class", class_name)):
                cells["class"] = class_name
            yield self.first + number, cells, self.sheet.pictures.get(number, "")

    def _first_merged(self, number: int, at: int) -> int:
        """Return the first row of the merged cell that a cell belongs to, or its own row."""
        before = bisect_left(self.sheet.merged, (at, number + 1)) - 1
        column, first, last = self.sheet.merged[before] if before >= 0 else (-1, 0, 0)
        return first if column == at and number <= last else number

    @property
    def class_of_sheet(self) -> str:
        """The class that the sheet's name tells, "" if it tells none."""
        name = _LIST.sub("", self.sheet.name.strip())
        return "" if _NO_CLASS.fullmatch(name) else name


def headings_read(sheets: Sequence[Sheet], columns: dict[str, str]) -> list[Heading]:
    """Find the sheets that list students, with their headers.

    :param columns: which column is which of ours, by its key (:func:`keys_of`).
    :raises SheetRefused: there is none, or two columns of one are mapped to the same.
    """
    headings = []
    for sheet in sheets:
        if not sheet.rows:
            continue
        number, texts = sheet.rows[_header(sheet.rows)]
        places: dict[str, int] = {}
        for at, key in enumerate(keys_of(texts)):
            if (wire := columns.get(key, "")) in places:
                raise SheetRefused(f"“{BY_WIRE[wire].label}”选了两次")
            if wire:
                places[wire] = at
        if places.keys() & {"sId", "name"}:
            headings.append((sheet, number, places))
    if not headings:
        raise SheetRefused("前 10 行里没有认出“姓名”或“学号”这一列。请在下面指出各列是什么")
    return [Heading(*one, first=at * SHEET_STEP, is_alone=len(headings) == 1) for at, one in enumerate(headings)]


def heads_joined(sheet: Sheet) -> Sheet:
    """Return a sheet that has its heads in two rows with one: 联系方式 above 本人 becomes 联系方式（本人）.

    A head that is merged over both rows, such as 姓名, tells that there are two.
    """
    lines = dict(sheet.rows)
    header = sheet.rows[_header(sheet.rows)][0] if lines else 0
    doubles = [first for _, first, last in sheet.merged if last == first + 1 and header in (first, last)]
    top = next((first for first in doubles if {first, first + 1} <= lines.keys()), None)
    if top is None:
        return sheet
    heads, above = [], ""
    for upper, lower in zip_longest(lines[top], lines[top + 1], fillvalue=""):
        above = upper or above
        heads.append(_head_joined(above, lower) if lower else upper)
    rows = [(number, heads if number == top + 1 else texts) for number, texts in sheet.rows if number != top]
    return sheet._replace(rows=rows)


def _head_joined(above: str, lower: str) -> str:
    joined = f"{above}（{lower}）"
    texts = [above + lower, joined, *([] if _OF_OTHERS.search(above) else [lower])]
    return next(filter(_wire_of, texts), joined)


def columns_named(sheets: Sequence[Sheet]) -> dict[str, str]:
    """Map the columns whose names are known, by their keys. Of two with one meaning in a sheet, the first counts."""
    columns: dict[str, str] = {}
    for sheet in sheets:
        texts = sheet.rows[_header(sheet.rows)][1] if sheet.rows else []
        named: dict[str, str] = {}
        heads = zip(texts, keys_of(texts), strict=True)
        for text, key in sorted(heads, key=lambda head: _folded(head[0]).startswith(_SECOND)):
            if wire := _wire_of(text):
                named.setdefault(wire, key)
        if len(named) >= min(MIN_KNOWN, len([text for text in texts if text])):
            columns |= {key: wire for wire, key in named.items()}
    return columns


def keys_of(texts: Sequence[str]) -> list[str]:
    """Return what the mapping calls the columns of a header: the text, with the letter where that says too little."""
    keys: list[str] = []
    for at, text in enumerate(_excerpt(text.strip(" *＊")) for text in texts):
        keys.append(text if text and text not in keys else f"{text}（{column_letters(at + 1)} 列）")
    return keys


def _header(rows: Rows) -> int:
    """Return which of the first rows is the header: the one with most known names, or the first with several cells."""
    known = [len({_wire_of(text) for text in texts} - {None}) for _, texts in rows[:MAX_HEAD_ROW]]
    cells = [len([text for text in texts if text]) for _, texts in rows[:MAX_HEAD_ROW]]
    if max(known):
        return known.index(max(known))
    return next((at for at, number in enumerate(cells) if number > 1), 0)


def _folded(text: str) -> str:
    return re.sub(r"[\s*＊:：]", "", unicodedata.normalize("NFKC", text)).casefold()


_WIRES = {
    _folded(name): column.wire
    for column in COLUMNS
    for name in (column.wire, column.label, *SYNONYMS.get(column.wire, ()))
}


def _wire_of(text: str) -> str | None:
    """Return which of our columns a head names, also with a remark behind it: 年龄（周岁）, 电话（家长）."""
    head = _folded(text)
    remark = _REMARK.search(head)
    if head in _WIRES or not remark:
        return _WIRES.get(head)
    name = head[: remark.start()]
    return _WIRES.get(remark[1] + name) or (None if _OF_OTHERS.search(remark[1]) else _WIRES.get(name))


def tidy(wire: str, text: str, today: date) -> str:
    """Write a cell as our column wants it: usual digits, no 岁 or 生, a day without time, no space in Chinese names.

    The age may be a day of birth, and Excel may show a day as a number (:func:`reading_of`).
    """
    if wire in {"age", "sId", "idCard", *DAYS}:
        text = unicodedata.normalize("NFKC", text)
    if wire == "age":
        match = _AGE.fullmatch(text)
        return match[1] if match else _age_of(text, today) or text
    if wire in DAYS:
        return _serial_day(text) or re.split(r"[ T]", text.strip())[0]
    if wire in {"phone", "parentPhone"}:
        return phone_tidy(text)
    if wire == "gender":
        return text.strip().rstrip("生性")  # 女生, 女性
    return _CHINESE_SPACE.sub("", text) if wire in {"name", "city"} else text


def _serial_day(text: str) -> str:
    """Return the day that a number stands for where Excel shows a date as a number: 38412 is 2005-03-01. Else ""."""
    return (_EXCEL_DAY_0 + timedelta(int(text))).isoformat() if re.fullmatch(r"\d{5}", text) else ""


def _age_of(text: str, today: date) -> str:
    """Return the age of a person born on a day or in a month; "" if the text is neither."""
    text = _serial_day(text) or re.sub("[/.年月]", "-", text).rstrip("-日")
    for form in ("%Y-%m-%d", "%Y-%m", "%Y%m", "%Y%m%d"):
        with suppress(ValueError):
            born = datetime.strptime(text, form).date()
            return str(today.year - born.year - ((today.month, today.day) < (born.month, born.day)))
    return ""


def reading_of(wire: str, text: str, tidied: str) -> str:
    """Say how a cell was read, where people see something else in the file; "" where they do not."""
    if wire == "age" and tidied != text and not _AGE.fullmatch(text):
        return f"年龄：{text} 是出生日期，算作 {tidied} 岁"
    is_serial = wire in DAYS and _serial_day(text)
    return f"{BY_WIRE[wire].label}：{text} 是 Excel 的日期序号，读作 {tidied}" if is_serial else ""


def shape_of(sheets: Sequence[Sheet]) -> Shape:
    """Describe a file for the page on which a person maps its columns: their keys, and samples of each."""
    samples: dict[str, list[str]] = {}
    for sheet in sheets:
        at = _header(sheet.rows) if sheet.rows else 0
        for column, key in enumerate(keys_of(sheet.rows[at][1]) if sheet.rows else []):
            texts = [texts[column] for _, texts in sheet.rows[at + 1 :] if column < len(texts) and texts[column]]
            samples[key] = (samples.get(key, []) + [_excerpt(text) for text in texts[:SAMPLES]])[:SAMPLES]
    return Shape(heads=[*samples], samples=[*samples.values()])


def _excerpt(text: str) -> str:
    return UNSTORABLE.sub("\ufffd", text[:40])


def ignored_in(shape: Shape, columns: dict[str, str]) -> list[str]:
    """Name the columns that are not imported."""
    heads = zip(shape["heads"], shape["samples"], strict=True)
    unread = [key for key, samples in heads if any(not text.startswith(_WPS_PICTURE) for text in samples)]
    return [key for key in unread if not columns.get(key) and key not in UNREAD]


def columns_known(run: TransferRun, heads: list[str]) -> dict[str, str] | None:
    """Return how the person has mapped the last file that had the same header; None if there was none."""
    runs = TransferRun.objects.filter(kind=RunKind.IMPORT, state=RunState.DONE, created_by=run.created_by_id)
    last = runs.filter(options__shape__heads=heads, options__has_key="columns").order_by("-pk").first()
    return Choices.load(last.options).columns if last else None
