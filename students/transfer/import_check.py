"""Check the file of an import: whom each row means, what it would change, and what is wrong with it.

Each row is judged by the rules of the calls addstu and updatestu, except that staff may leave some columns empty and
that a class has one spelling (``students.selectors.ClassSpelling``).
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

from rest_framework.exceptions import ValidationError

from core import times
from core.api.params import Day, OneOf, PlainText, present
from core.errors import BadParameter
from core.sheets.read import Book, SheetRefused, book_read
from permissions.scope import Scope
from runs.work import with_progress
from students.api.params import AddParams, text
from students.bulk import Diff, diff_between, diff_dump
from students.columns import BY_WIRE, COLUMNS, label_of
from students.errors import StudentUnknown
from students.models import ID_CARD, LEFT_STATES, Gender, RowKind, RunKind, RunState, Student, TransferRow, TransferRun
from students.run_facts import LEAVERS_FROM, Choices, Findings, SpeltValue
from students.runs import row_counts, run_scope_required, source_of, source_withhold
from students.selectors import ClassSpelling, archived_among, classes_known, values_in_use
from students.transfer.heading import (
    UNSTORABLE,
    Heading,
    columns_known,
    columns_named,
    headings_read,
    heads_joined,
    ignored_in,
    reading_of,
    shape_of,
    tidy,
)
from students.transfer.row_matching import BY_NAME, Line, batches, lines_match, student_label, unseen_by

REQUIRED = {column.wire for column in COLUMNS if column.is_required_of_staff}
WRITTEN = (RowKind.NEW, RowKind.CHANGED)
MAX_NEW_VALUES = 20  # new classes and degrees that the page asks about
_LISTED = ("class", "degree")  # columns whose new values are often misspelt ones
MAX_LEAVERS = 2_000
REMEMBERED = 20  # imports whose spellings count for the next one
ARCHIVED = "这名学员已归档，请先恢复"
_UNSEEN = "{}：您的角色看不到完整的，已有的不比较、不修改"
NOT_OWN = "不是您录入的学员，不能修改"


class RowParams(AddParams):
    """What a row may hold: the parameters of addstu, and the columns for staff alone.

    None is required here: those of a new student are asked for below.
    """

    sId = PlainText()
    gender = OneOf(Gender.values)
    phone = text("phone", "电话")
    parentPhone = text("parent_phone", "家长电话", source="parent_phone")
    idCard = text("id_card", "身份证", source="id_card", error_messages={"max_length": ID_CARD.message})
    enteredOn = Day(source="entered_on")
    leftOn = Day(source="left_on")
    remark = text("remark", "备注")

    def get_fields(self) -> dict[str, Any]:
        fields = super().get_fields()
        for field in fields.values():
            field.required = False
        return fields


class Rules(NamedTuple):
    """What the lines of an import are judged by."""

    run: TransferRun
    params: RowParams
    constants: dict[str, str]  # what a missing column holds for a new student; the class is in the lines already
    scope: Scope  # whose students the person sees and may change
    unseen: set[str]  # fields whose present values the person may not be told
    today: date


def import_check(run: TransferRun, now: datetime) -> None:
    """Read the file and keep what each row would do. Leaves the run ``READY``, or ``REFUSED`` with what is wrong."""
    book = _book(run)
    choices, findings = Choices.load(run.options), Findings(shape=shape_of(book.sheets))
    choices.columns = choices.columns or columns_known(run, findings.shape["heads"]) or columns_named(book.sheets)
    try:
        headings = headings_read(book.sheets, choices.columns)
    except SheetRefused as refusal:  # not raised on: the page needs the shape, to ask a person which column is which
        run.state, run.message, run.counts = RunState.FAILED, refusal.msg, {}
        run.options |= choices.dump() | findings.dump()
        return
    findings.sheets = [heading.sheet.name for heading in headings]
    scope = run_scope_required(run)
    known = values_known(scope)
    if "spellings" not in run.options:
        choices.spellings = _spellings_remembered(run, known, scope)
    constants = {wire: text for wire, text in choices.constants.items() if wire != "class"}
    rules = Rules(run, RowParams(), constants, scope, unseen_by(run), times.local(now).date())
    lines = _lines(headings, choices, findings, scope, rules.today)
    lines_match(lines, choices.answers, findings, scope, rules.unseen)
    findings.changed, values = _rows_write(lines, rules)
    _columns_tell(findings, headings, lines, rules.unseen)
    new = _new_values(values, known)
    findings.new = new[:MAX_NEW_VALUES]
    if len(new) > MAX_NEW_VALUES:
        findings.notes.append(f"另有 {len(new) - MAX_NEW_VALUES} 个新的班级或学历没有列出")
    findings.dropped = _dropped(book, headings, ignored_in(findings.shape, choices.columns), lines)
    run.options |= choices.dump() | findings.dump()
    _settle(run)


def _book(run: TransferRun) -> Book:
    """Read the file, with two rows of heads as one."""
    book = book_read(source_of(run))
    book = book._replace(sheets=[heads_joined(sheet) for sheet in book.sheets])
    if sum(len(sheet.rows) for sheet in book.sheets) < 2:
        raise SheetRefused("文件中没有学员：要有一行列名，下面每行一名学员")
    return book


def _rows_write(lines: Sequence[Line], rules: Rules) -> tuple[Counter[str], Counter[tuple[str, str]]]:
    """Replace the rows of the run. Count the rows that change each field, and those of each class and degree."""
    changed, values = Counter[str](), Counter[tuple[str, str]]()
    TransferRow.objects.filter(run=rules.run).delete()
    for rows in batches(with_progress(_rows(lines, rules), rules.run, total=len(lines))):
        TransferRow.objects.bulk_create(rows)
        changed.update(field for row in rows if row.kind == RowKind.CHANGED for field in row.diff)
        named = [row.cells for row in rows if "name" in row.cells]  # not the foot of a page
        values.update((wire, cells[wire]) for cells in named for wire in _LISTED if wire in cells)
    TransferRow.objects.bulk_create(_leavers(rules.run, lines, rules.scope))
    return changed, values


def _columns_tell(findings: Findings, headings: Sequence[Heading], lines: Sequence[Line], unseen: set[str]) -> None:
    """Say which columns the page shows, which are missing, and which are not compared."""
    wires = dict.fromkeys(wire for heading in headings for wire in heading.places)
    is_class_known = all("class" in line.cells for line in lines)  # by the sheets' names
    missing = REQUIRED - wires.keys() - ({"class"} if is_class_known else set())
    findings.shown = [wire for wire in BY_WIRE if wire in REQUIRED | wires.keys()]
    findings.missing = [wire for wire in BY_WIRE if wire in missing]
    findings.notes += [_UNSEEN.format(BY_WIRE[wire].label) for wire in wires if BY_WIRE[wire].field in unseen]


def _settle(run: TransferRun) -> None:
    """Count the rows, and say whether some of them block the rest."""
    run.counts, run.message = row_counts(run), ""
    kinds = run.counts.keys()
    run.state = RunState.REFUSED if kinds & {RowKind.ERROR, RowKind.CHOICE} else RunState.READY
    if kinds & {RowKind.LEFT, RowKind.CHOICE}:
        source_withhold(run)


def values_known(scope: Scope) -> dict[str, list[str]]:
    """Return the existing classes and degrees, by the wire names of their columns."""
    return {"class": sorted(classes_known(scope)), "degree": values_in_use("degree", scope=scope)}


def _spellings_remembered(run: TransferRun, known: dict[str, list[str]], scope: Scope) -> dict[str, dict[str, str]]:
    """Return what the last imports of this data scope read other spellings as, where only that one exists."""
    runs = TransferRun.objects.filter(kind=RunKind.IMPORT, state=RunState.DONE, options__scope=run.options.get("scope"))
    runs = runs.filter(created_by=run.created_by_id) if scope.is_narrow else runs
    spellings: dict[str, dict[str, str]] = {wire: {} for wire in known}
    for choices in reversed(runs.order_by("-pk").values_list("options__spellings", flat=True)[:REMEMBERED]):
        for wire, words in (choices or {}).items():
            right = {value: word for value, word in words.items() if word in known[wire] and value not in known[wire]}
            spellings[wire] |= right
    return spellings


def _lines(headings: Sequence[Heading], choices: Choices, findings: Findings, scope: Scope, today: date) -> list[Line]:
    """Return the rows of all sheets, as the person has corrected them; a class is spelt as it is already."""
    spelling, lines, mended = ClassSpelling(scope), [], Counter[tuple[str, str]]()
    readings: dict[str, str] = {}  # the first of each column
    for heading in headings:
        class_name = choices.constants.get("class") or heading.class_of_sheet
        for number, texts, picture in heading.rows():
            if "class" not in heading.places and class_name:
                texts["class"] = class_name
            texts |= choices.fixes.get(str(number), {})
            cells = {wire: tidy(wire, text, today) for wire, text in texts.items()}
            for wire, cell in cells.items():
                if reading := reading_of(wire, texts[wire], cell):
                    readings.setdefault(wire, reading)
            if cells.get("class"):
                cells["class"] = spelling.of(cells["class"])
            mended.update(_mend(cells, choices.spellings))
            lines.append(Line(heading, number, {wire: text for wire, text in cells.items() if text}, picture))
    findings.notes += readings.values()
    _mended_tell(mended, choices, findings)
    return lines


def _mend(cells: dict[str, str], spellings: dict[str, dict[str, str]]) -> list[tuple[str, str]]:
    """Replace the values of a row that should have been others; return these, by column."""
    wrong = [(wire, cells[wire]) for wire, words in spellings.items() if cells.get(wire) in words]
    for wire, value in wrong:
        cells[wire] = spellings[wire][value]
    return wrong


def _mended_tell(counts: Counter[tuple[str, str]], choices: Choices, findings: Findings) -> None:
    """Say which spellings were read as others. Drops the choices' spellings that no row has."""
    spellings: dict[str, dict[str, str]] = {}
    for (wire, value), rows in counts.items():
        word = choices.spellings[wire][value]
        spellings.setdefault(wire, {})[value] = word
        findings.mended.append({"wire": wire, "value": value, "rows": rows, "alike": word})
    choices.spellings = spellings


def _rows(lines: Sequence[Line], rules: Rules) -> Iterator[TransferRow]:
    """Judge the lines. The rows are not saved yet."""
    scope = rules.scope
    for batch in batches(lines):
        pks = {line.match.person.pk for line in batch if line.match.person}
        students = Student.objects.filter(scope.visible(of=Student), pk__in=pks).in_bulk()
        sids = {sid for line in batch if (sid := line.cells.get("sId")) and not UNSTORABLE.search(sid)}
        archived = archived_among("sid", sids, scope=scope)
        for line in batch:
            student = students.get(line.match.person.pk) if line.match.person else None
            yield _judged(line, student, archived, rules)


def _judged(line: Line, student: Student | None, archived: Collection[Any], rules: Rules) -> TransferRow:
    """Say what a line would do, or what is wrong with it.

    :param student: whom the line means; None is a new one, or a question.
    :param archived: numbers of archived students.
    """
    if student is None and not line.question:
        line.cells = rules.constants | line.cells
    values, reasons = _read(rules.params, line.cells)
    may_be_known = line.question and line.match.candidates
    if student is None and not may_be_known:
        reasons = _refusals_of_new(line, reasons, archived)
    diff = _diff(student, values, rules.unseen)
    reasons = reasons or _refusal_of_scope(student, diff, rules.scope)
    picture = "" if student and student.headimgurl else line.picture
    row = TransferRow(run=rules.run, number=line.number, student_pk=student.pk if student else None)
    row.kind = _kind(line, student, is_refused=bool(reasons), is_changed=bool(diff or picture))
    if row.kind == RowKind.CHOICE:
        reasons = {"name": line.question}
    elif row.kind != RowKind.ERROR:
        row.diff = diff_dump(diff)
        reasons = _warning(line, student, diff, rules.today)
    bad = [wire for wire in BY_WIRE if wire in reasons]
    row.errors = [[line.heading.cell_name(wire, line.number), reasons[wire]] for wire in bad]
    row.cells = _cells(line, student, picture, bad)
    return row


def _read(params: RowParams, cells: dict[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the values of a row, or what is wrong with it, by the API's name of the column."""
    try:
        return params.run_validation(present(cells)), {}
    except BadParameter as refusal:
        return {}, {refusal.field: "含有非法字符"}
    except ValidationError as refusal:
        detail: Any = refusal.detail
        return {}, {wire: str(errors[0]) for wire, errors in detail.items()}


def _refusals_of_new(line: Line, reasons: dict[str, str], archived: Collection[Any]) -> dict[str, str]:
    """Add to what is wrong with a line's values why it cannot be a new student's."""
    sid = line.cells.get("sId")
    if sid is None:
        return reasons | dict.fromkeys(REQUIRED - line.cells.keys(), "不能为空（新增学员时必填）")
    # A row with a number means an existing student: the number is wrong, not what the row lacks.
    return reasons or {"sId": line.question or (ARCHIVED if sid in archived else StudentUnknown.msg)}


def _diff(student: Student | None, values: dict[str, Any], unseen: set[str]) -> Diff:
    """Return what the values change, but where a field that the person may not read is empty alone.

    Where it is not, "不变" would say that a guess is right.
    """
    return {name: pair for name, pair in diff_between(student, values).items() if name not in unseen or not pair[0]}


def _refusal_of_scope(student: Student | None, diff: Diff, scope: Scope) -> dict[str, str]:
    """Say why this person may not write a change: another's student, or a class of another teacher."""
    if student and diff and not scope.may_change(student):
        return {"sId": NOT_OWN}
    _, class_name = diff.get("class_name", ("", ""))
    refusal = scope.class_refusal(class_name) if class_name else None
    return {"class": refusal.msg} if refusal else {}


def _kind(line: Line, student: Student | None, *, is_refused: bool, is_changed: bool) -> RowKind:
    if is_refused:
        return RowKind.ERROR
    if line.question:
        return RowKind.CHOICE
    if student is None:
        return RowKind.NEW
    return RowKind.CHANGED if is_changed else RowKind.UNCHANGED


def _cells(line: Line, student: Student | None, picture: str, bad: list[str]) -> dict[str, Any]:
    """Return what a row keeps of its line (``TransferRow.cells``)."""
    cells: dict[str, Any] = {wire: UNSTORABLE.sub("\ufffd", text) for wire, text in line.cells.items()}
    if student:
        cells |= {"sId": student.sid, "by": line.match.by}
    if candidates := line.match.candidates:
        cells["students"] = [(person.pk, student_label(person)) for person in candidates]
        cells |= {"nearest": candidates[0].pk} if line.match.has_nearest else {}
    cells |= {"double_of": line.double_of} if line.double_of else {}
    return cells | ({"file": picture} if picture else {}) | {"bad": bad}


def _warning(line: Line, student: Student | None, diff: Diff, today: date) -> dict[str, str]:
    _, left_on = diff.get("left_on", (None, None))
    if left_on and left_on < today and not (student and student.has_left):  # a school's sheet of leavers
        return {"leftOn": "已经过去，状态仍是在读：已离校的请取消勾选"}
    if student is None:
        return {"name": "同班已有同名学员"} if line.match.has_namesake else {}
    doubtful = {"身份证": "name", BY_NAME: "phone"}.get(line.match.by, "")  # the two have one name at both places
    before, _ = diff.get(doubtful, ("", ""))
    return {doubtful: f"按{line.match.by}认出，{label_of(doubtful)}不同，请核对"} if before else {}


def _leavers(run: TransferRun, lines: Sequence[Line], scope: Scope) -> list[TransferRow]:
    """Make the rows of students in the classes of the list who are not in it."""
    classes = {line.cells.get("class") for line in lines}
    listed = {line.match.person.pk for line in lines if line.match.person}
    listed |= {person.pk for line in lines for person in line.match.candidates}
    own = scope.changeable(of=Student) & scope.school.visible(of=Student)
    students = Student.objects.filter(own, class_name__in=classes - {None})
    students = students.exclude(state__in=LEFT_STATES).order_by("class_name", "pk")
    missing = [student for student in students if student.pk not in listed][:MAX_LEAVERS]
    columns = [column for column in COLUMNS if column.field == "sid" or not column.is_for_staff]
    return [
        TransferRow(
            run=run, number=number, kind=RowKind.LEFT, student_pk=student.pk,
            cells={column.wire: str(getattr(student, column.field)) for column in columns},
        )
        for number, student in enumerate(missing, LEAVERS_FROM + 1)
    ]  # fmt: skip


def _dropped(book: Book, headings: Sequence[Heading], columns: list[str], lines: Sequence[Line]) -> list[str]:
    """Say what of the file is not imported."""
    used = {heading.sheet.name for heading in headings}
    dropped = [f"工作表“{sheet.name}”（没有姓名列）" for sheet in book.sheets if sheet.rows and sheet.name not in used]
    dropped += [f"隐藏的工作表“{name}”" for name in book.hidden]
    dropped += [f"列“{name}”" for name in columns]
    pictures = sum(len(sheet.pictures) for sheet in book.sheets) - sum(bool(line.picture) for line in lines)
    number = book.loose_pictures + pictures
    return dropped + ([f"{number} 张不在学员行里的图片"] if number else [])


def _new_values(counts: Counter[tuple[str, str]], known: dict[str, list[str]]) -> list[SpeltValue]:
    """Return the classes and degrees that no student has yet, each with another one that it may be meant for.

    Those that may be misspelt come first.
    """
    new: list[SpeltValue] = []
    for (wire, value), rows in counts.most_common():
        if value not in known[wire]:  # meant for one that exists, or for one that more rows have
            new.append({"wire": wire, "value": value, "rows": rows, "alike": _alike(value, known[wire])})
            known[wire].append(value)
    return sorted(new, key=lambda one: not one["alike"])


def _alike(value: str, others: Sequence[str]) -> str:
    """Return the first of the others that differs in signs and blanks alone, or else one that is part of the other."""
    own, *texts = (re.sub(r"[\W_]", "", unicodedata.normalize("NFKC", text)).upper() for text in (value, *others))
    folded = dict(zip(others, texts, strict=True))
    parts = [other for other, text in folded.items() if min(len(own), len(text)) > 1 and (own in text or text in own)]
    return next((other for other, text in folded.items() if text == own), next(iter(parts), ""))
