"""What a sheet would do: every row is judged by the rules of the calls addstu and updatestu, and compared."""

import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, NamedTuple

from openpyxl.utils import get_column_letter
from rest_framework.exceptions import ValidationError

from core.api.params import present
from core.errors import BadParameter
from students.api.params import AddParams, EditParams
from students.errors import StudentUnknown
from students.models import Student
from students.transfer.columns import BY_FIELD, BY_KEY, COLUMNS, IGNORED
from students.transfer.errors import SheetRefused
from students.transfer.models import TransferRow

BATCH = 1000
FIELDS = [column.field for column in COLUMNS if column.field != "sid"]

UNSTORABLE = re.compile("[\x00\ud800-\udfff]")

Numbered = tuple[int, list[str]]


class Sheet(NamedTuple):
    """Where in a row each column stands, by the API's name."""

    places: dict[str, int]

    def cells(self, texts: list[str]) -> dict[str, str]:
        return {key: texts[at] for key, at in self.places.items() if at < len(texts) and texts[at]}

    def cell_name(self, key: str, number: int) -> str:
        """Name a cell as spreadsheet programs do, with the column's label: ``D5 年龄``."""
        label = BY_KEY[key].label
        return f"{get_column_letter(self.places[key] + 1)}{number} {label}" if key in self.places else label


def head_read(texts: list[str]) -> Sheet:
    """:raises SheetRefused: a column is unknown, there twice, or missing."""
    names = {name.casefold(): column.key for column in COLUMNS for name in (column.key, column.label)}
    places: dict[str, int] = {}
    unknown = []
    for at, text in enumerate(texts):
        name = text.strip(" *＊")
        key = names.get(name.casefold())
        if key in places:
            raise SheetRefused(f"列“{name}”出现了两次({get_column_letter(at + 1)}1)")
        if key:
            places[key] = at
        elif name and name not in IGNORED:
            unknown.append(f"{name[:20]}({get_column_letter(at + 1)}1)")
    if unknown:
        raise SheetRefused(f"不认识的列:{'、'.join(unknown[:8])}。第一行必须是模板中的列名")
    missing = [column.label for column in COLUMNS if column.key not in places and column.key != "sId"]
    if "sId" not in places and missing:
        raise SheetRefused(f"缺少列:{'、'.join(missing)}。没有“学号”列时全部按新增处理,其余列都必须有")
    return Sheet(places)


def rows_check(sheet: Sheet, rows: Iterable[Numbered]) -> Iterator[TransferRow]:
    """Judge the rows; the answers are not saved and belong to no run yet."""
    add, edit = AddParams(), EditParams()
    rows = iter(rows)
    seen: dict[str, int] = {}
    while batch := [(number, sheet.cells(texts)) for number, texts in islice(rows, BATCH)]:
        known = _known(cells.get("sId", "") for _, cells in batch)
        for number, cells in batch:
            row = TransferRow(number=number, cells=cells)
            sid = cells.get("sId", "")
            if sid and sid in seen:
                row.kind = TransferRow.Kind.ERROR
                row.errors = [[sheet.cell_name("sId", number), f"与第{seen[sid]}行的学号重复"]]
            elif sid:
                seen[sid] = number
                _judge(row, sheet, edit, known.get(sid), is_new=False)
            else:
                _judge(row, sheet, add, None, is_new=True)
            row.cells = {key: UNSTORABLE.sub("\ufffd", text) for key, text in cells.items()}
            yield row


def _known(sids: Iterable[str]) -> dict[str, Student]:
    wanted = {sid for sid in sids if sid and not UNSTORABLE.search(sid)}
    return {student.sid: student for student in Student.objects.filter(sid__in=wanted).order_by()}


def _judge(
    row: TransferRow, sheet: Sheet, params: AddParams | EditParams, student: Student | None, *, is_new: bool
) -> None:
    try:
        values = params.run_validation(present(row.cells))
    except BadParameter as refusal:
        key = refusal.msg.partition(":")[0]
        row.errors = [[sheet.cell_name(key, row.number), "含有非法字符"]]
    except ValidationError as refusal:
        row.errors = [[sheet.cell_name(key, row.number), _reason(found)] for key, found in _details(refusal)]
    else:
        if not is_new and student is None:
            row.errors = [[sheet.cell_name("sId", row.number), StudentUnknown.msg]]
    if row.errors:
        row.kind = TransferRow.Kind.ERROR
        return
    values.pop("sId", None)
    if student is None:
        row.kind = TransferRow.Kind.NEW
        row.diff = {field: [None, values[field]] for field in FIELDS}
        return
    row.student_pk = student.pk
    row.diff = {f: [getattr(student, f), v] for f, v in values.items() if f in BY_FIELD and getattr(student, f) != v}
    row.kind = TransferRow.Kind.CHANGED if row.diff else TransferRow.Kind.UNCHANGED


def _details(refusal: ValidationError) -> list[tuple[str, Any]]:
    detail: Any = refusal.detail
    return [(key, found) for key, found in detail.items() if key in BY_KEY]


def _reason(found: Any) -> str:
    return "不能为空(新增学员时必填)" if found[0].code == "required" else str(found[0])
