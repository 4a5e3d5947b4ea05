"""Which column of a school's own sheet is which of ours.

Schools send lists as they have them: a title above the header, other names for our columns, columns that we do not
know, a sum at the end. The header is looked for, its names are compared with ours and their synonyms, and a person
can map the columns on the page of the import. The next file with the same header is mapped like the last one.
"""

import re
import unicodedata
from collections.abc import Sequence
from typing import Any, NamedTuple

from core.sheets.read import SheetRefused
from core.sheets.write import column_letters
from students.columns import BY_WIRE, COLUMNS, UNREAD
from students.models import RunKind, RunState, TransferRun

MAX_HEAD_ROW = 10  # the header is among the first rows that hold something
MIN_KNOWN = 2  # names that a row must have to be the header
SAMPLES = 3
SYNONYMS = {
    "sId": ("学员编号", "学生编号", "学籍号"),
    "class": ("所在班级", "班级名称", "班别", "班"),
    "name": ("学员姓名", "学生姓名", "名字"),
    "age": ("岁数", "周岁"),
    "city": ("所在城市", "现居城市", "居住城市", "目前居住的城市", "所在地"),
    "degree": ("文化程度", "最高学历", "学历层次"),
    "productUrl": ("项目链接", "作品地址", "作品链接"),
    "gender": ("男女",),
    "phone": ("手机", "手机号", "手机号码", "联系电话", "电话号码", "本人电话"),
    "parentPhone": ("家长手机", "家长联系电话", "家长手机号", "监护人电话"),
    "idCard": ("身份证号", "身份证号码", "证件号码"),
    "enteredOn": ("入学时间", "入校日期", "报到日期"),
    "leftOn": ("毕业日期", "结业时间", "离校日期"),
    "description": ("评价", "自我介绍", "个人简介"),
}
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")  # PostgreSQL stores none of these
_SUMS = {"合计", "总计", "小计", "共计"}
_CHINESE_SPACE = re.compile(r"(?<=[\u4e00-\u9fff])\s+(?=[\u4e00-\u9fff])")
_AGE = re.compile(r"(\d{1,3})\s*(?:周?岁)?")

Rows = Sequence[tuple[int, list[str]]]


class Heading(NamedTuple):
    """The header of a sheet: its row, its texts, and where each of our columns stands, by the API's name."""

    row: int
    texts: list[str]
    places: dict[str, int]

    def cells(self, texts: list[str]) -> dict[str, str]:
        """Return the cells of a row by the API's names, each written as our columns want it."""
        return {wire: _tidy(wire, texts[at]) for wire, at in self.places.items() if at < len(texts) and texts[at]}

    def cell_name(self, wire: str, number: int) -> str:
        """Name a cell as spreadsheet programs do, with the column's label: ``D5 年龄``."""
        label = BY_WIRE[wire].label
        return f"{column_letters(self.places[wire] + 1)}{number} {label}" if wire in self.places else label

    @property
    def ignored(self) -> list[str]:
        """Name the columns that are not imported."""
        return [
            text for at, text in enumerate(self.texts) if text and at not in self.places.values() and text not in UNREAD
        ]


def heading_read(rows: Rows, mapping: dict[str, int] | None = None) -> Heading:
    """Find the header in the first rows of a sheet.

    :param mapping: where our columns stand, as a person has said it; without it their names decide.
    :raises SheetRefused: there is no header, a column is there twice, or one that every new student needs is missing.
    """
    number, texts = max(rows[:MAX_HEAD_ROW], key=lambda row: len(places_named(row[1])))
    texts = [text.strip(" *＊") for text in texts]
    if mapping is None and len(places_named(texts)) < min(MIN_KNOWN, len([text for text in texts if text])):
        raise SheetRefused("找不到列名：前 10 行里没有一行写着姓名、班级这样的列名。请在下面指出各列是什么")
    places = places_named(texts, is_strict=True) if mapping is None else mapping
    missing = [column.label for column in COLUMNS if column.is_required_of_staff and column.wire not in places]
    if "sId" not in places and missing:
        raise SheetRefused(f"缺少列：{'、'.join(missing)}。没有“学号”列时全部按新增处理，新增时必须有这些列")
    return Heading(number, texts, places)


def places_named(texts: Sequence[str], *, is_strict: bool = False) -> dict[str, int]:
    """Return where each of our columns stands, by what its head says."""
    places: dict[str, int] = {}
    for at, text in enumerate(texts):
        wire = _WIRES.get(_folded(text))
        if wire in places and is_strict:
            raise SheetRefused(f"列“{text.strip()[:20]}”出现了两次（{column_letters(at + 1)} 列）")
        if wire:
            places.setdefault(wire, at)
    return places


def _folded(text: str) -> str:
    return re.sub(r"[\s*＊:：]", "", unicodedata.normalize("NFKC", text)).casefold()


_WIRES = {
    _folded(name): column.wire
    for column in COLUMNS
    for name in (column.wire, column.label, *SYNONYMS.get(column.wire, ()))
}


def is_sum(texts: Sequence[str]) -> bool:
    """Tell whether a row is the sum below a list."""
    return next((_folded(text) for text in texts if text), "") in _SUMS


def _tidy(wire: str, text: str) -> str:
    """Write a cell as our column wants it: usual digits, an age without 岁, a Chinese name without spaces inside."""
    if wire in {"age", "sId"}:
        text = unicodedata.normalize("NFKC", text)
    if wire == "age" and (match := _AGE.fullmatch(text)):
        return match[1]
    return _CHINESE_SPACE.sub("", text) if wire in {"name", "city"} else text


def shape_of(rows: Rows) -> dict[str, Any]:
    """Describe a sheet for the page on which a person maps its columns: its heads, and samples of each column."""
    at, (_, heads) = max(enumerate(rows[:MAX_HEAD_ROW]), key=lambda row: len(places_named(row[1][1])))
    body = [texts for _, texts in rows[at + 1 :]]
    samples = [[texts[n] for texts in body if n < len(texts) and texts[n]][:SAMPLES] for n in range(len(heads))]
    return {
        "heads": [_excerpt(text) for text in heads],
        "samples": [[_excerpt(text) for text in column] for column in samples],
    }


def _excerpt(text: str) -> str:
    return UNSTORABLE.sub("\ufffd", text[:40])


def mapping_known(run: TransferRun, heads: list[str]) -> dict[str, int] | None:
    """Return how the person has mapped the last file that had the same header; None if there was none."""
    runs = TransferRun.objects.filter(kind=RunKind.IMPORT, state=RunState.DONE, created_by=run.created_by_id)
    last = runs.filter(options__shape__heads=heads, options__has_key="mapping").order_by("-pk").first()
    return last.options["mapping"] if last else None


def mapping_posted(data: Any, columns: int) -> dict[str, int]:
    """Read which column is which from the page's fields ``column-<n>``.

    :raises SheetRefused: one of ours is chosen twice.
    """
    mapping: dict[str, int] = {}
    for at in range(columns):
        wire = data.get(f"column-{at}", "")
        if wire in mapping:
            raise SheetRefused(f"“{BY_WIRE[wire].label}”选了两次")
        if wire in BY_WIRE:
            mapping[wire] = at
    return mapping
