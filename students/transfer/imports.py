"""An import of students from a sheet: one task checks it, a person confirms, another task writes all of it or nothing.

Each row is judged by the rules of the calls addstu and updatestu, except that staff may leave some columns empty and
that a class has one spelling (``students.selectors.ClassSpelling``). An undo leaves what was changed since.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, TypeVar

from rest_framework.exceptions import ValidationError

from core.api.params import present
from core.errors import BadParameter
from core.sheets.read import SheetRefused, sheet_kind, sheet_read
from core.sheets.write import sheet_write
from permissions.scope import Scope
from runs.progress import with_progress
from students.api.params import AddParams, EditParams
from students.bulk import (
    FieldChange,
    changes_between,
    changes_dump,
    changes_load,
    students_change,
    students_create,
    students_delete,
    students_lock,
)
from students.columns import BY_WIRE, COLUMNS, PHOTO, RESULT
from students.errors import RunStale, StudentUnknown
from students.models import RowKind, RunKind, RunState, Student, TransferRow, TransferRun
from students.run_rights import run_scope, run_scope_required
from students.runs import rows_save, source_of
from students.selectors import ClassSpelling, archived_among, class_list, values_in_use
from students.transfer.heading import UNSTORABLE, Heading, Rows, heading_read, is_sum, mapping_known, shape_of
from students.transfer.staff_params import StaffAddParams, StaffEditParams

T = TypeVar("T")
BATCH = 1000
ARCHIVED = "这名学员已归档，请先恢复"
MAX_NAMED = 20  # new classes and degrees that the page names
NOT_ALLOWED = "您现在没有修改的权限"
NOT_OWN = "不是您录入的学员，不能修改"
# By the kind of a row: what the result file says before and after the import is written.
_RESULTS = {
    RowKind.NEW: ("可以新增", "已新增"),
    RowKind.CHANGED: ("可以修改", "已修改"),
    RowKind.UNCHANGED: ("没有变化", "没有变化，跳过"),
    RowKind.UNDONE: ("已撤销", "已撤销"),
}


def batches(items: Iterable[T]) -> Iterator[list[T]]:
    items = iter(items)
    while batch := list(islice(items, BATCH)):
        yield batch


# --- To check a sheet ---
def import_check(run: TransferRun, now: datetime) -> None:
    """Read the file and keep what each row would do. Leaves the run ``READY``, or ``REFUSED`` with what is wrong."""
    rows = list(sheet_read(source_of(run)))
    if len(rows) < 2:
        raise SheetRefused("文件中没有学员：要有一行列名，下面每行一名学员")
    shape = shape_of(rows)
    run.options |= {"shape": shape}
    try:
        heading = heading_read(rows, run.options.get("mapping") or mapping_known(run, shape["heads"]))
    except SheetRefused as refusal:  # not raised on: the page needs the shape, to ask a person which column is which
        run.state, run.message, run.counts = RunState.FAILED, refusal.msg, {}
        return
    rows = [(number, texts) for number, texts in rows if number > heading.row and not is_sum(texts)]
    TransferRow.objects.filter(run=run).delete()
    counts, classes, degrees, namesakes = Counter[str](), set[str](), set[str](), 0
    known: set[tuple[str, str]] = set()
    scope = run_scope_required(run)
    for batch in batches(with_progress(_rows_check(run, heading, rows), run, total=len(rows))):
        namesakes += _mark_namesakes(batch, known, scope)
        TransferRow.objects.bulk_create(batch)
        counts.update(row.kind for row in batch)
        classes |= {row.cells["class"] for row in batch if "class_name" in row.diff}
        degrees |= {row.cells["degree"] for row in batch if "degree" in row.diff}
    run.options |= {
        "mapping": heading.places,
        "ignored": heading.ignored,
        "new_classes": sorted(classes - set(class_list(scope)))[:MAX_NAMED],
        "new_degrees": sorted(degrees - set(values_in_use("degree", scope=scope)))[:MAX_NAMED],
    }
    run.counts = dict(counts)
    # A file without numbers that is sent twice would add every student twice.
    run.message = f"其中 {namesakes} 名新增学员与同班学员同名（下面标出），请确认不是重复导入" if namesakes else ""
    run.state = RunState.REFUSED if counts[RowKind.ERROR] else RunState.READY


def _mark_namesakes(rows: Sequence[TransferRow], known: set[tuple[str, str]], scope: Scope) -> int:
    """Say of each new student whether the class, or a row above, has the name already; return of how many."""
    new = [(row, (row.diff["class_name"][1], row.diff["name"][1])) for row in rows if row.kind == RowKind.NEW]
    classes, names = {pair[0] for _, pair in new}, {pair[1] for _, pair in new}
    students = Student.objects.filter(scope.visible(), class_name__in=classes, name__in=names).order_by()
    known |= set(students.values_list("class_name", "name"))
    marked = 0
    for row, pair in new:
        if pair in known:
            row.errors = [["姓名", "同班已有同名学员"]]
            marked += 1
        known.add(pair)
    return marked


def _rows_check(run: TransferRun, heading: Heading, rows: Rows) -> Iterator[TransferRow]:
    """Judge the rows of a sheet, with the cells that the person has corrected on the page. They are not saved yet.

    A student whom the person's data scope hides is unknown; one that it does not let change is an error.
    """
    add, edit, spelling, scope = StaffAddParams(), StaffEditParams(), ClassSpelling(run_scope(run)), run_scope(run)
    fixes: dict[str, dict[str, str]] = run.options.get("fixes", {})
    first_rows: dict[str, int] = {}  # number of a student -> the row that names it first
    numbered = ((number, heading.cells(texts) | fixes.get(str(number), {})) for number, texts in rows)
    for batch in batches(numbered):
        sids = {sid for _, cells in batch if (sid := cells.get("sId")) and not UNSTORABLE.search(sid)}
        students = {one.sid: one for one in Student.objects.filter(scope.visible(), sid__in=sids).order_by()}
        archived = archived_among("sid", sids - students.keys(), scope=scope)
        for number, cells in batch:
            if "class" in cells:
                cells["class"] = spelling.of(cells["class"])
            sid = cells.get("sId", "")
            student = students.get(sid)
            row = TransferRow(run=run, number=number, student_pk=student.pk if student else None)
            if sid in first_rows:
                row.errors = [[heading.cell_name("sId", number), f"与第{first_rows[sid]}行的学号重复"]]
            elif student and not scope.may_change(student):
                row.errors = [[heading.cell_name("sId", number), NOT_OWN]]
            else:
                values, errors = _read(edit if sid else add, cells)
                if not errors and sid and not student:
                    errors = [("sId", ARCHIVED if sid in archived else StudentUnknown.msg)]
                row.errors = [[heading.cell_name(wire, number), reason] for wire, reason in errors]
                row.diff = {} if errors else changes_dump(changes_between(student, values))
            if sid:
                first_rows.setdefault(sid, number)
            row.cells = {wire: UNSTORABLE.sub("\ufffd", text) for wire, text in cells.items()}
            kind = RowKind.CHANGED if row.diff else RowKind.UNCHANGED
            row.kind = RowKind.ERROR if row.errors else kind if student else RowKind.NEW
            yield row


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


# --- To write what was confirmed ---
def import_apply(run: TransferRun, now: datetime) -> None:
    """Write all rows that change something.

    :raises RunNotAllowed: whoever confirmed may not do so any more. Nothing is written.
    :raises RunStale: a student is gone, was changed, or is none that this person may change.
    """
    scope = run_scope_required(run)
    rows = TransferRow.objects.filter(run=run)
    total = sum(run.counts.get(kind, 0) for kind in (RowKind.NEW, RowKind.CHANGED))
    number = _change(run, list(rows.filter(kind=RowKind.CHANGED)), total, scope, now)
    _add(run, rows.filter(kind=RowKind.NEW).iterator(BATCH), number, total, now)
    run.message = ""
    run.state = RunState.DONE


def _change(run: TransferRun, rows: list[TransferRow], total: int, scope: Scope, now: datetime) -> int:
    students = students_lock(row.student_pk for row in rows)
    for row in rows:
        _refuse_stale(row, students.get(row.student_pk or 0), scope)
    for batch in batches(with_progress(rows, run, total=total)):
        students_change(
            [students[row.student_pk or 0] for row in batch],
            [changes_load(row.diff) for row in batch],
            actor_pk=run.confirmed_by_id,
            now=now,
        )
    return len(rows)


def _refuse_stale(row: TransferRow, student: Student | None, scope: Scope) -> None:
    if student is None:
        raise RunStale(f"第{row.number}行的学员在预览之后被删除了，没有写入任何数据。请重新检查")
    if not scope.may_change(student):
        raise RunStale(f"第{row.number}行的学员，{NOT_ALLOWED}，没有写入任何数据。请重新检查")
    for change in changes_load(row.diff):
        if getattr(student, change.field) not in (change.before, change.after):
            raise RunStale(f"第{row.number}行的学员在预览之后被别人修改了，没有写入任何数据。请重新检查")


def _add(run: TransferRun, rows: Iterator[TransferRow], start: int, total: int, now: datetime) -> None:
    for batch in batches(with_progress(rows, run, start=start, total=total)):
        students = [
            Student(
                created_at=now,
                created_by_id=run.confirmed_by_id,
                **{change.field: change.after for change in changes_load(row.diff)},
            )
            for row in batch
        ]
        students_create(students, actor_pk=run.confirmed_by_id, now=now)
        for row, student in zip(batch, students, strict=True):
            row.student_pk = student.pk  # undoing deletes it
            row.cells["sId"] = student.sid  # the result file names it
        rows_save(batch, "student_pk", "cells")


# --- The result file ---
def import_result(run: TransferRun) -> tuple[str, bytes]:
    """Make the file that says what became of each row; return its name and its content.

    :raises RunNotReady: the run's file and rows are removed already.
    """
    kind = sheet_kind(source_of(run))
    head = [*(column.label for column in COLUMNS), RESULT]
    is_written = run.state in {RunState.DONE, RunState.UNDONE}
    rows = (
        [*(row.cells.get(column.wire, "") for column in COLUMNS), _row_result(row, is_written)]
        for row in TransferRow.objects.filter(run=run).iterator(2_000)
    )
    content = sheet_write(kind, head, rows, [*(column.width for column in COLUMNS), 40])
    stem = run.file_name.rpartition(".")[0] or run.file_name
    return f"{stem[-100:]}-结果.{kind}", content


def _row_result(row: TransferRow, is_written: bool) -> str:
    if row.kind in {RowKind.ERROR, RowKind.KEPT}:
        word = "错误" if row.kind == RowKind.ERROR else "无法撤销"
        return f"{word}：" + "；".join(f"{cell}：{reason}" for cell, reason in row.errors)
    return _RESULTS[RowKind(row.kind)][is_written]


# --- To take it back ---
def rows_take_back(run: TransferRun, rows: list[TransferRow], now: datetime) -> None:
    """Take back what an import or a change of many wrote, but not where a student was changed since."""
    students = students_lock(row.student_pk for row in rows)
    scope = run_scope(run)
    archived = archived_among("pk", [row.student_pk for row in rows if row.student_pk not in students], scope=scope)
    since = "修改之后" if run.kind == RunKind.EDIT else "导入之后"
    additions: list[Student] = []
    edits: list[Student] = []
    reversals: list[list[FieldChange]] = []
    for row in rows:
        student = students.get(row.student_pk or 0)
        if student is None:
            what = "已归档" if row.student_pk in archived else "已被删除"
            row.kind, row.errors = RowKind.KEPT, [["学员", f"{since}{what}"]]
        elif not scope.may_change(student):
            row.kind, row.errors = RowKind.KEPT, [["学员", NOT_ALLOWED]]
        elif labels := _changed_since(row, student):
            row.kind, row.errors = RowKind.KEPT, [["、".join(labels), f"{since}被修改过，保留现在的内容"]]
        elif row.kind == RowKind.NEW:
            row.kind = RowKind.UNDONE
            additions.append(student)
        else:
            row.kind = RowKind.UNDONE
            edits.append(student)
            reversals.append([change.reversed() for change in changes_load(row.diff)])
    students_delete(additions, actor_pk=run.undone_by_id, now=now)
    students_change(edits, reversals, actor_pk=run.undone_by_id, now=now)
    rows_save(rows, "kind", "errors")


def _changed_since(row: TransferRow, student: Student) -> list[str]:
    """Name the fields that were changed since the import wrote them."""
    changes = changes_load(row.diff)
    labels = [change.label for change in changes if getattr(student, change.field) != change.after]
    if row.kind == RowKind.NEW and student.headimgurl:
        labels.append(PHOTO)
    return labels
