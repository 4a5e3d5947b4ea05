"""An import of students from a file: one task checks it, a person confirms, another task writes all of it or nothing.

Each row is judged by the rules of the calls addstu and updatestu, except that staff may leave some columns empty and
that a class has one spelling (``students.selectors.ClassSpelling``). An undo leaves what was changed since.

A run's ``options`` hold what the person has decided. The check reads what changes the rows: ``columns`` (which is
which), ``constants`` (one value for a missing column), ``spellings``, ``fixes`` (corrected cells) and ``answers`` (who
a namesake is). What only chooses among them counts when the person confirms: ``skips`` (rows), ``off`` (columns) and
``leavers``.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, TypeVar

from django.db import connection
from django.db.models import QuerySet
from rest_framework.exceptions import ValidationError

from core import times
from core.api.params import present
from core.errors import BadParameter
from core.sheets.read import Book, SheetRefused, book_read, sheet_kind
from core.sheets.write import sheet_write
from permissions.scope import Scope
from runs.progress import with_progress
from students.accounts import Fate, accounts_settle
from students.api.params import AddParams, EditParams
from students.bulk import (
    FieldChange,
    changes_between,
    changes_dump,
    changes_load,
    students_change,
    students_create,
    students_lock,
)
from students.columns import BY_WIRE, COLUMNS, RESULT, hidden_fields, label_of
from students.errors import RunStale, StudentUnknown
from students.events import events_add
from students.models import LEFT_STATES, RowKind, RunState, Student, StudentState, TransferRow, TransferRun
from students.run_rights import ARCHIVE, run_scope_required
from students.runs import row_counts, rows_save, source_of
from students.selectors import ClassSpelling, archived_among, class_list, values_in_use
from students.services import students_archive
from students.student_states import state_changes
from students.transfer.heading import (
    SHEET_STEP,
    UNSTORABLE,
    Heading,
    columns_known,
    columns_named,
    headings_read,
    ignored_in,
    place_of,
    shape_of,
    tidy,
)
from students.transfer.people import NOBODY, Match, People
from students.transfer.staff_params import StaffAddParams, StaffEditParams
from students.undo import NOT_ALLOWED

T = TypeVar("T")
BATCH = 1000
WRITTEN = (RowKind.NEW, RowKind.CHANGED)
MAX_NEW_VALUES = 20  # new classes and degrees that the page asks about
_LISTED = ("class", "degree")  # columns whose new values are often misspelt ones
MAX_LEAVERS = 2_000
LEAVERS_FROM = 2_000 * SHEET_STEP  # the numbers of their rows
NEW = "new"  # the answer that a namesake is somebody else
ARCHIVED = "这名学员已归档，请先恢复"
_UNSEEN = "{}：您的角色看不到完整的，已有的不比较、不修改"
NOT_OWN = "不是您录入的学员，不能修改"
# Two imports at one instant would both find that nobody has their new students yet.
_ONE_AT_A_TIME = "SELECT pg_advisory_xact_lock(hashtextextended('students import', 0))"
_TAKE_OFF = "UPDATE students_transferrow SET diff = diff - %s::text[] WHERE run_id = %s AND kind = %s"
# By the kind of a row: what the result file says before and after the import is written.
_RESULTS = {
    RowKind.NEW: ("可以新增", "已新增"),
    RowKind.CHANGED: ("可以修改", "已修改"),
    RowKind.UNCHANGED: ("没有变化", "没有变化，跳过"),
    RowKind.CHOICE: ("同名，请选择", "同名，没有选择"),
    RowKind.SKIPPED: ("没有选择", "没有选择，跳过"),
    RowKind.UNDONE: ("已撤销", "已撤销"),
}


def batches(items: Iterable[T]) -> Iterator[list[T]]:
    items = iter(items)
    while batch := list(islice(items, BATCH)):
        yield batch


def unseen_by(run: TransferRun) -> set[str]:
    """Name the fields whose present values are not compared: whoever has sent the file in may be guessing at them."""
    user: Any = run.created_by
    return hidden_fields(user) if user else set()


# --- To check a file ---
@dataclass
class Line:
    """A row of the file: where it stands, its cells by the API's names, its picture, and whom it means."""

    heading: Heading
    number: int
    cells: dict[str, str]
    picture: str
    match: Match = NOBODY
    double_of: int | None = None  # the student whom a line above means as well
    question: str = ""  # why a person has to say whom it means


def import_check(run: TransferRun, now: datetime) -> None:
    """Read the file and keep what each row would do. Leaves the run ``READY``, or ``REFUSED`` with what is wrong."""
    book = book_read(source_of(run))
    if sum(len(sheet.rows) for sheet in book.sheets) < 2:
        raise SheetRefused("文件中没有学员：要有一行列名，下面每行一名学员")
    run.options |= {"shape": (shape := shape_of(book.sheets))}
    columns = run.options.get("columns") or columns_known(run, shape["heads"]) or columns_named(book.sheets)
    try:
        headings = headings_read(book.sheets, columns)
    except SheetRefused as refusal:  # not raised on: the page needs the shape, to ask a person which column is which
        run.state, run.message, run.counts = RunState.FAILED, refusal.msg, {}
        run.options["columns"] = columns
        return
    scope = run_scope_required(run)
    run.options |= {"sheets": [heading.sheet.name for heading in headings]}
    lines, unseen = _lines(run, headings, scope), unseen_by(run)
    _match(run, lines, scope, unseen)
    TransferRow.objects.filter(run=run).delete()
    counts, changed, new, warned = Counter[str](), Counter[str](), Counter[tuple[str, str]](), 0
    for batch in batches(with_progress(_rows_check(run, lines, scope, unseen), run, total=len(lines))):
        TransferRow.objects.bulk_create(batch)
        counts.update(row.kind for row in batch)
        changed.update(field for row in batch if row.kind == RowKind.CHANGED for field in row.diff)
        new.update((wire, row.cells[wire]) for row in batch for wire in _LISTED if wire in row.cells)
        warned += sum(bool(row.errors) for row in batch if row.kind in WRITTEN)
    leavers = _leavers(run, lines, scope)
    TransferRow.objects.bulk_create(leavers)
    counts[RowKind.LEFT] = len(leavers)
    present_wires = dict.fromkeys(wire for heading in headings for wire in heading.places)
    told = set() if any("class" not in line.cells for line in lines) else {"class"}  # by the sheets' names
    required = {column.wire for column in COLUMNS if column.is_required_of_staff}
    run.options |= {
        "columns": columns,
        "shown": [one.wire for one in COLUMNS if one.wire in required | present_wires.keys()],
        "missing": [one.wire for one in COLUMNS if one.wire in required - present_wires.keys() - told],
        "dropped": [
            *_dropped(book, headings, ignored_in(shape, columns), lines),
            *(_UNSEEN.format(BY_WIRE[wire].label) for wire in present_wires if BY_WIRE[wire].field in unseen),
        ],
        "new": _new_values(new, scope),
        "changed": changed,
        "warned": warned,
    }
    run.counts, run.message = {kind: count for kind, count in counts.items() if count}, ""
    run.state = RunState.REFUSED if counts[RowKind.ERROR] or counts[RowKind.CHOICE] else RunState.READY


def _lines(run: TransferRun, headings: Sequence[Heading], scope: Scope) -> list[Line]:
    """Return the rows of all sheets, as the person has corrected them; a class is spelt as it is already."""
    spelling, options = ClassSpelling(scope), run.options
    lines = []
    for heading in headings:
        class_name = options.get("constants", {}).get("class") or heading.class_of_sheet
        for number, cells, picture in heading.rows():
            if "class" not in heading.places and class_name:
                cells["class"] = class_name
            for wire, words in options.get("spellings", {}).items():
                cells |= {wire: words[cells[wire]]} if cells.get(wire) in words else {}
            fixes = options.get("fixes", {}).get(str(number), {})
            cells |= {wire: tidy(wire, text) for wire, text in fixes.items()}
            if cells.get("class"):
                cells["class"] = spelling.of(cells["class"])
            lines.append(Line(heading, number, {wire: text for wire, text in cells.items() if text}, picture))
    return lines


def _match(run: TransferRun, lines: Sequence[Line], scope: Scope, unseen: set[str]) -> None:
    """Say of each line whom it means, or why a person has to say so. Two lines never mean one student."""
    people, answers = People([line.cells for line in lines], scope, unseen), run.options.get("answers", {})
    classes = {line.cells.get("class") for line in lines}
    first: dict[Any, Line] = {}  # the first line of a student, or of the name and the class of a new one
    for line in lines:
        line.match = people.match(line.cells)
        answer = answers.get(str(line.number), "")
        if chosen := [one for one in line.match.candidates if str(one.pk) == answer]:
            line.match = Match(chosen[0], "您的选择")
        if line.match.person:
            first.setdefault(line.match.person.pk, line)
    for line in lines:
        person, key = line.match.person, (line.cells.get("name"), line.cells.get("class"))
        candidates = [one for one in line.match.candidates if one.pk not in first]
        nearest = [one for one in candidates if one.class_name in classes] or candidates
        others = [one for one in candidates if one not in nearest]
        line.match = line.match._replace(candidates=(*nearest, *others), has_nearest=len(nearest) == 1)
        if person and first[person.pk] is not line:
            line.match, line.double_of = Match(has_namesake=True), person.pk
            line.question = f"与{place_of(run, first[person.pk].number)}是同一名学员"
        elif line.match.candidates:
            line.question = "可能是已有的学员，请选择"
        elif not person and "sId" not in line.cells and first.setdefault(key, line) is not line:
            line.question = f"与{place_of(run, first[key].number)}同名同班"
        if answers.get(str(line.number)) == NEW:
            line.question = ""


def _rows_check(run: TransferRun, lines: Sequence[Line], scope: Scope, unseen: set[str]) -> Iterator[TransferRow]:
    """Judge the lines. The rows are not saved yet."""
    constants = {wire: text for wire, text in run.options.get("constants", {}).items() if wire != "class"}
    add, edit = StaffAddParams(), StaffEditParams()
    for batch in batches(lines):
        pks = {line.match.person.pk for line in batch if line.match.person}
        students = Student.objects.filter(scope.visible(of=Student), pk__in=pks).in_bulk()
        sids = {sid for line in batch if (sid := line.cells.get("sId")) and not UNSTORABLE.search(sid)}
        archived = archived_among("sid", sids, scope=scope)
        for line in batch:
            student = students.get(line.match.person.pk) if line.match.person else None
            if not (student or line.question):
                line.cells = constants | line.cells
            # Who may be somebody known is judged by the rules for that.
            likely = line.match.candidates[0].sid if line.question and line.match.candidates else ""
            sid = student.sid if student else likely or line.cells.get("sId", "")
            values, errors = _read(edit if sid else add, line.cells | ({"sId": sid} if sid else {}))
            if not errors and sid and not student and not likely:
                errors = [("sId", line.question or (ARCHIVED if sid in archived else StudentUnknown.msg))]
            # What this person may not read is filled in where it is empty: "不变" would say that a guess is right.
            changes = [one for one in changes_between(student, values) if not (one.before and one.field in unseen)]
            if student and changes and not scope.may_change(student):
                errors = [("sId", NOT_OWN)]
            moves = (scope.class_refusal(one.after) for one in changes if one.field == "class_name")
            errors = errors or [("class", refusal.msg) for refusal in moves if refusal]
            row = TransferRow(run=run, number=line.number, student_pk=student.pk if student else None)
            row.cells = _cells(line, student)
            if errors:
                row.kind = RowKind.ERROR
            elif line.question:
                row.kind, errors = RowKind.CHOICE, [("name", line.question)]
            else:
                row.diff, errors = changes_dump(changes), _warnings(line, student, changes)
                is_changed = changes or "file" in row.cells
                row.kind = RowKind.NEW if not student else RowKind.CHANGED if is_changed else RowKind.UNCHANGED
            row.errors = [[line.heading.cell_name(wire, line.number), text] for wire, text in errors]
            row.cells["bad"] = [wire for wire, _ in errors]
            yield row


def _cells(line: Line, student: Student | None) -> dict[str, Any]:
    """Return what a row keeps of a line: the texts, by what its student was recognised (``by``), whom it may mean
    (``students``, first those of the list's classes; ``nearest``, if that is one; ``double_of``), which part of the
    file is its picture (``file``), and to which cells its ``errors`` belong (``bad``)."""
    cells: dict[str, Any] = {wire: UNSTORABLE.sub("\ufffd", text) for wire, text in line.cells.items()}
    if line.picture and not (student and student.headimgurl):
        cells["file"] = line.picture
    if line.double_of:
        cells["double_of"] = line.double_of
    if line.match.candidates:
        cells["students"] = [[one.pk, one.label] for one in line.match.candidates]
    if line.match.has_nearest:
        cells["nearest"] = line.match.candidates[0].pk
    return cells | ({"sId": student.sid, "by": line.match.by} if student else {})


def _warnings(line: Line, student: Student | None, changes: Sequence[FieldChange]) -> list[tuple[str, str]]:
    if student is None:
        return [("name", "同班已有同名学员")] if line.match.has_namesake else []
    doubtful = {"身份证": "name", "姓名和班级": "phone"}.get(line.match.by, "")  # the two have one name at both places
    differs = any(change.field == doubtful and change.before for change in changes)
    return [(doubtful, f"按{line.match.by}认出，{label_of(doubtful)}不同，请核对")] if differs else []


def _read(params: AddParams | EditParams, cells: dict[str, str]) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """Return the values of a row, or what is wrong with it: the API's name of the column, and the reason."""
    try:
        return params.run_validation(present(cells)), []
    except BadParameter as refusal:
        return {}, [(refusal.field, "含有非法字符")]
    except ValidationError as refusal:
        detail: Any = refusal.detail
        return {}, [
            (wire, "不能为空（新增学员时必填）" if errors[0].code == "required" else str(errors[0]))
            for wire, errors in detail.items()
            if wire in BY_WIRE
        ]


def _leavers(run: TransferRun, lines: Sequence[Line], scope: Scope) -> list[TransferRow]:
    """Make the rows of students in the classes of the list who are not in it."""
    classes = {line.cells.get("class") for line in lines}
    listed = {line.match.person.pk for line in lines if line.match.person}
    listed |= {one.pk for line in lines for one in line.match.candidates}
    students = Student.objects.filter(scope.changeable(of=Student), class_name__in=classes - {None})
    students = students.exclude(state__in=LEFT_STATES).order_by("class_name", "pk")
    missing = [one for one in students if one.pk not in listed][:MAX_LEAVERS]
    columns = [one for one in COLUMNS if one.field == "sid" or not one.is_for_staff]
    rows = [TransferRow(run=run, number=LEAVERS_FROM + at, kind=RowKind.LEFT) for at in range(1, len(missing) + 1)]
    for row, student in zip(rows, missing, strict=True):
        row.student_pk = student.pk
        row.cells = {column.wire: str(getattr(student, column.field)) for column in columns}
    return rows


def _dropped(book: Book, headings: Sequence[Heading], columns: list[str], lines: Sequence[Line]) -> list[str]:
    """Say what of the file is not imported."""
    used = {heading.sheet.name for heading in headings}
    dropped = [f"工作表“{one.name}”（没有姓名列）" for one in book.sheets if one.rows and one.name not in used]
    dropped += [f"隐藏的工作表“{name}”" for name in book.hidden]
    dropped += [f"列“{name}”" for name in columns]
    pictures = sum(len(one.pictures) for one in book.sheets) - sum(bool(line.picture) for line in lines)
    number = book.loose_pictures + pictures
    return dropped + ([f"{number} 张不在学员行里的图片"] if number else [])


def _new_values(counts: Counter[tuple[str, str]], scope: Scope) -> list[dict[str, Any]]:
    """Return the classes and degrees that no student has yet, each with another one that it may be meant for."""
    known = {"class": class_list(scope), "degree": values_in_use("degree", scope=scope)}
    new = []
    for (wire, value), rows in counts.most_common():
        if value not in known[wire]:  # meant for one that exists, or for one that more rows have
            new.append({"wire": wire, "value": value, "rows": rows, "alike": _alike(value, known[wire])})
            known[wire].append(value)
    return new[:MAX_NEW_VALUES]


def _alike(value: str, others: Sequence[str]) -> str:
    """Return the first of the others that differs in signs and blanks alone, or else one that is part of the other."""
    own, *texts = (re.sub(r"[\W_]", "", unicodedata.normalize("NFKC", text)).upper() for text in (value, *others))
    folded = dict(zip(others, texts, strict=True))
    parts = [other for other, text in folded.items() if min(len(own), len(text)) > 1 and (own in text or text in own)]
    return next((other for other, text in folded.items() if text == own), next(iter(parts), ""))


# --- To write what was confirmed ---
def rows_choose(run: TransferRun) -> None:
    """Leave out the rows and the columns that are not ticked, when the person confirms.

    Not later: while hosts are upgraded, a worker of the release before may write the rest, and it knows no ticks.
    """
    rows = TransferRow.objects.filter(run=run)
    rows.filter(number__in=run.options.get("skips", [])).exclude(kind=RowKind.UNCHANGED).update(kind=RowKind.SKIPPED)
    with connection.cursor() as cursor:
        cursor.execute(_TAKE_OFF, [run.options.get("off", []), run.pk, RowKind.CHANGED])
    emptied = rows.filter(kind=RowKind.CHANGED, diff={}).exclude(cells__has_key="file")
    emptied.update(kind=RowKind.UNCHANGED)


def import_apply(run: TransferRun, now: datetime) -> None:
    """Write the rows that were chosen. Pictures are left to :func:`students.transfer.photos.photos_apply`.

    :raises RunNotAllowed: whoever confirmed may not do so any more. Nothing is written.
    :raises ClassNotOwn: a row is of a class that this person may not fill any more.
    :raises RunStale: a student is gone, was changed or entered since, or is none that this person may change.
    """
    scope, options = run_scope_required(run), run.options
    with connection.cursor() as cursor:
        cursor.execute(_ONE_AT_A_TIME)
    rows = TransferRow.objects.filter(run=run)
    changed = list(rows.filter(kind=RowKind.CHANGED))
    new = rows.filter(kind=RowKind.NEW)
    total = len(changed) + new.count()
    _refuse_doubles(run, new, scope)
    _change(run, changed, total, scope, now)
    _add(run, new.iterator(BATCH), len(changed), total, scope, now)
    leavers = rows.filter(kind=RowKind.LEFT)
    if options.get("leavers"):
        _leave(run, list(leavers), scope, now)
    else:
        leavers.update(kind=RowKind.SKIPPED)
    run.counts, run.message, run.state = row_counts(run), "", RunState.DONE
    if rows.filter(kind__in=WRITTEN, cells__has_key="file").exists():
        run.state, run.options["is_written"] = RunState.APPLYING, True


def _refuse_doubles(run: TransferRun, rows: QuerySet[TransferRow], scope: Scope) -> None:
    """Refuse to add who was entered since the preview; whom it showed as a namesake, the person has seen."""
    unseen = unseen_by(run)
    for batch in batches(rows.only("number", "cells")):
        people = People([row.cells for row in batch], scope, unseen)
        for row in batch:
            match = people.match(row.cells)
            if match.person and match.person.pk != row.cells.get("double_of"):
                raise RunStale(f"{place_of(run, row.number)}的学员在预览之后有人录入了，没有写入任何数据。请重新检查")


def _change(run: TransferRun, rows: list[TransferRow], total: int, scope: Scope, now: datetime) -> None:
    students = students_lock(row.student_pk for row in rows)
    for row in rows:
        _refuse_stale(run, row, students.get(row.student_pk or 0), scope)
    for batch in batches(with_progress(rows, run, total=total)):
        of_batch, changes = [students[row.student_pk or 0] for row in batch], [changes_load(row.diff) for row in batch]
        for class_name in {one.after for of_row in changes for one in of_row if one.field == "class_name"}:
            scope.require_class(class_name)  # another teacher may have the class since the preview
        events_add(students_change(of_batch, changes, actor_pk=run.confirmed_by_id, now=now), run.pk)


def _refuse_stale(run: TransferRun, row: TransferRow, student: Student | None, scope: Scope) -> None:
    what = "被删除了" if student is None else ""
    if student and not scope.may_change(student):
        what = f"改动不了：{NOT_ALLOWED}"
    elif student and any(getattr(student, one.field) not in (one.before, one.after) for one in changes_load(row.diff)):
        what = "被别人修改了"
    if what:
        raise RunStale(f"{place_of(run, row.number)}的学员在预览之后{what}，没有写入任何数据。请重新检查")


def _add(
    run: TransferRun, rows: Iterator[TransferRow], start: int, total: int, scope: Scope, now: datetime
) -> None:  # fmt: skip
    for batch in batches(with_progress(rows, run, start=start, total=total)):
        students = [
            Student(
                created_at=now,
                created_by_id=run.confirmed_by_id,
                **{change.field: change.after for change in changes_load(row.diff)},
            )
            for row in batch
        ]
        for class_name in {student.class_name for student in students}:
            scope.require_class(class_name)
        students_create(students, actor_pk=run.confirmed_by_id, now=now)
        for row, student in zip(batch, students, strict=True):
            row.student_pk = student.pk  # undoing deletes it
            row.cells["sId"] = student.sid  # the result file names it
        rows_save(batch, "student_pk", "cells")


def _leave(run: TransferRun, rows: list[TransferRow], scope: Scope, now: datetime) -> None:
    """Archive the leavers, or make them 退学; one who was moved or has left since the preview stays."""
    students = students_lock(row.student_pk for row in rows)
    for row in rows:
        one = students.get(row.student_pk or 0)
        if one is None or one.class_name != row.cells["class"] or one.has_left or not scope.may_change(one):
            students.pop(row.student_pk or 0, None)
            row.kind, row.errors = RowKind.SKIPPED, [["学员", "预览之后变了，没有处理"]]
    leavers, actor_pk = list(students.values()), run.confirmed_by_id
    if run.options["leavers"] == ARCHIVE:
        students_archive(pks=[*students], actor_pk=actor_pk, now=now)
    else:
        today, reason = times.local(now).date(), f"不在名单里：{run.file_name}"
        changes, events = state_changes(leavers, StudentState.WITHDRAWN, today, reason)
        diffs = dict(zip(students, map(changes_dump, changes), strict=True))
        for row in rows:
            row.diff = diffs.get(row.student_pk or 0, {})
        students_change(leavers, changes, actor_pk=actor_pk, now=now)
        events_add(events, run.pk)
    fate = Fate.DISABLE if run.options.get("disables") else Fate.KEEP
    run.options["disabled"] = accounts_settle([one.account_id for one in leavers], fate)
    rows_save(rows, "kind", "errors", "diff")


# --- The result file ---
def import_result(run: TransferRun, hidden: Collection[str] = ()) -> tuple[str, bytes]:
    """Make the file that says what became of each row; return its name and its content.

    :param hidden: fields that are left out.
    :raises RunNotReady: the run's file and rows are removed already.
    """
    kind = sheet_kind(source_of(run))
    columns = [column for column in COLUMNS if column.field not in hidden]
    is_written = run.state in {RunState.DONE, RunState.UNDONE}
    rows = (
        [*(row.cells.get(column.wire, "") for column in columns), _row_result(row, is_written)]
        for row in TransferRow.objects.filter(run=run, number__lt=LEAVERS_FROM).iterator(2_000)
    )
    content = sheet_write(kind, [*(one.label for one in columns), RESULT], rows, [*(one.width for one in columns), 40])
    stem = run.file_name.rpartition(".")[0] or run.file_name
    return f"{stem[-100:]}-结果.{kind}", content


def _row_result(row: TransferRow, is_written: bool) -> str:
    if row.kind in {RowKind.ERROR, RowKind.KEPT}:
        word = "错误" if row.kind == RowKind.ERROR else "无法撤销"
        return f"{word}：" + "；".join(f"{cell}：{reason}" for cell, reason in row.errors)
    return _RESULTS[RowKind(row.kind)][is_written]
