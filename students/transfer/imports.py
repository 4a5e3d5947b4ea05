"""An import of students from a sheet: one task checks it, a person confirms, another task writes all of it or nothing.

Each row is judged by the rules of the calls addstu and updatestu, except that staff may leave some columns empty and
that a class has one spelling (``students.spelling``). The result file says what became of each row. An
import can be undone: new students are deleted and changed ones get their old values, except where somebody has changed
them since.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import partial
from itertools import islice
from typing import Any, TypeVar

from django.db import connection
from rest_framework.exceptions import ValidationError

from core.api.params import present
from core.cache.progress import with_progress
from core.errors import BadParameter
from core.sheets import sheet_write
from permissions.scope import EVERYTHING, Scope
from students.api.params import AddParams, EditParams
from students.bulk import (
    FieldChange,
    changes_between,
    changes_dump,
    changes_load,
    students_change,
    students_create,
    students_delete,
)
from students.columns import BY_WIRE, COLUMNS, PHOTO, RESULT
from students.errors import RunStale, SheetRefused, StudentUnknown
from students.models import Student, new_sid
from students.models.transfer import FilePurpose, RowKind, RunState, TransferFile, TransferRow, TransferRun
from students.selectors import archived_pks, archived_sids, class_list, values_in_use
from students.spelling import ClassSpelling
from students.transfer.heading import UNSTORABLE, Heading, heading_read, is_sum, mapping_known, shape_of
from students.transfer.runs import (
    Steps,
    rows_save,
    run_in_one_transaction,
    run_in_steps,
    run_scope,
    source_of,
)
from students.transfer.sheets import sheet_kind, sheet_read

T = TypeVar("T")
BATCH = 1000
ARCHIVED = "这名学员已归档，请先恢复"
MAX_NAMED = 20  # new classes and degrees that the page names
NOT_OWN = "不是您录入的学员，不能修改"
# By the kind of a row: what the result file says before and after the import is written.
_RESULTS = {
    RowKind.NEW: ("可以新增", "已新增"),
    RowKind.CHANGED: ("可以修改", "已修改"),
    RowKind.UNCHANGED: ("没有变化", "没有变化，跳过"),
    RowKind.UNDONE: ("已撤销", "已撤销"),
}


def batches(items: Iterable[T], size: int = BATCH) -> Iterator[list[T]]:
    items = iter(items)
    while batch := list(islice(items, size)):
        yield batch


# --- To check a sheet ---
def import_check(*, run_pk: int) -> None:
    """Read the file and keep what each row would do. Ends ``READY``, or ``REFUSED`` with what is wrong."""
    run_in_one_transaction(run_pk=run_pk, state=RunState.CHECKING, do=_check)
    _result_make(run_pk, RunState.REFUSED)


def _check(run: TransferRun) -> None:
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
    run.options |= {"mapping": heading.places, "ignored": heading.ignored}
    rows = [(number, texts) for number, texts in rows if number > heading.row and not is_sum(texts)]
    fixes: dict[str, dict[str, str]] = run.options.get("fixes", {})
    classes, degrees = Counter[str](), Counter[str]()
    counts: Counter[str] = Counter()
    namesakes = 0
    TransferRow.objects.filter(run=run).delete()
    TransferFile.objects.filter(run=run, role=FilePurpose.RESULT).delete()
    for batch in batches(with_progress(rows_check(heading, rows, run_scope(run), fixes), run.pk, total=len(rows))):
        counts.update(row.kind for row in batch)
        namesakes += _namesakes(batch)
        classes.update(row.cells["class"] for row in batch if row.diff.get("class_name"))
        degrees.update(row.cells["degree"] for row in batch if row.diff.get("degree"))
        for row in batch:
            row.run = run
        TransferRow.objects.bulk_create(batch)
    run.counts = dict(counts)
    scope = run_scope(run)
    run.options |= {
        "new_classes": sorted(classes.keys() - set(class_list(scope)))[:MAX_NAMED],
        "new_degrees": sorted(degrees.keys() - set(values_in_use("degree", scope=scope)))[:MAX_NAMED],
    }
    # A file without numbers that is sent twice would add everybody twice.
    run.message = f"其中 {namesakes} 名新增学员与同班现有学员同名，请确认不是重复导入" if namesakes else ""
    run.state = RunState.REFUSED if counts[RowKind.ERROR] else RunState.READY


def _namesakes(rows: list[TransferRow]) -> int:
    new = [(row.diff["class_name"][1], row.diff["name"][1]) for row in rows if row.kind == RowKind.NEW]
    students = Student.objects.filter(class_name__in={c for c, _ in new}, name__in={name for _, name in new})
    existing = set(students.order_by().values_list("class_name", "name"))
    return sum(pair in existing for pair in new)


class StaffAddParams(AddParams):
    """The rules for a row without a number: those of addstu, but staff may leave some columns empty."""

    def get_fields(self) -> dict[str, Any]:
        fields = super().get_fields()
        for column in COLUMNS:
            if column.is_optional_for_staff:
                fields[column.wire].required = False
        return fields


def rows_check(
    heading: Heading,
    rows: Iterable[tuple[int, list[str]]],
    scope: Scope = EVERYTHING,
    fixes: dict[str, dict[str, str]] | None = None,
) -> Iterator[TransferRow]:
    """Judge the numbered rows of a sheet. What comes out is not saved, and belongs to no run yet.

    A student whom ``scope`` hides is unknown; one that it does not let change is an error.

    :param fixes: cells that somebody has corrected on the page: number of the row, API's name, text.
    """
    add, edit, spelling = StaffAddParams(), EditParams(), ClassSpelling()
    first_rows: dict[str, int] = {}  # number of a student -> the row that names it first
    corrected = fixes or {}
    for batch in batches((number, heading.cells(texts) | corrected.get(str(number), {})) for number, texts in rows):
        students = _students_of((cells.get("sId", "") for _, cells in batch), scope)
        unknown = {sid for _, cells in batch if (sid := _storable(cells.get("sId", ""))) and sid not in students}
        archived = archived_sids(unknown) if unknown else set()
        for number, cells in batch:
            if "class" in cells:
                cells["class"] = spelling.of(cells["class"])
            row = TransferRow(number=number, cells=cells)
            sid = cells.get("sId", "")
            if sid in first_rows:
                row.kind = RowKind.ERROR
                row.errors = [[heading.cell_name("sId", number), f"与第{first_rows[sid]}行的学号重复"]]
            elif sid:
                first_rows[sid] = number
                _judge(row, heading, edit, students.get(sid), ARCHIVED if sid in archived else StudentUnknown.msg)
                if (student := students.get(sid)) and not scope.may_change(student):
                    row.kind, row.errors = RowKind.ERROR, [[heading.cell_name("sId", number), NOT_OWN]]
            else:
                _judge(row, heading, add, None)
            row.cells = {wire: UNSTORABLE.sub("\ufffd", text) for wire, text in cells.items()}
            yield row


def _storable(sid: str) -> str:
    return "" if UNSTORABLE.search(sid) else sid


def _students_of(sids: Iterable[str], scope: Scope) -> dict[str, Student]:
    storable = {sid for sid in sids if _storable(sid)}
    return {student.sid: student for student in Student.objects.filter(scope.visible(), sid__in=storable).order_by()}


def _judge(
    row: TransferRow,
    heading: Heading,
    params: AddParams | EditParams,
    student: Student | None,
    unknown: str = StudentUnknown.msg,
) -> None:
    """Note in the row what it would do, or what is wrong with it; ``unknown`` says why nobody has its number."""
    try:
        values = params.run_validation(present(row.cells))
    except BadParameter as refusal:
        row.errors = [[heading.cell_name(refusal.field, row.number), "含有非法字符"]]
    except ValidationError as refusal:
        row.errors = [[heading.cell_name(wire, row.number), reason] for wire, reason in _reasons(refusal)]
    else:
        if student is None and "sId" in values:
            row.errors = [[heading.cell_name("sId", row.number), unknown]]
    if row.errors:
        row.kind = RowKind.ERROR
        return
    row.diff = changes_dump(changes_between(student, values))
    row.student_pk = student.pk if student else None
    row.kind = RowKind.NEW if student is None else RowKind.CHANGED if row.diff else RowKind.UNCHANGED


def _reasons(refusal: ValidationError) -> list[tuple[str, str]]:
    detail: Any = refusal.detail
    return [
        (wire, "不能为空（新增学员时必填）" if errors[0].code == "required" else str(errors[0]))
        for wire, errors in detail.items()
        if wire in BY_WIRE
    ]


# --- To write what was confirmed ---
def import_apply(*, run_pk: int, now: datetime) -> None:
    """Write all rows that change something, in one transaction; then make the result file."""
    run_in_one_transaction(run_pk=run_pk, state=RunState.APPLYING, do=partial(_apply, now=now))
    _result_make(run_pk, RunState.DONE)


def _apply(run: TransferRun, now: datetime) -> None:
    rows = TransferRow.objects.filter(run=run)
    total = sum(run.counts.get(kind, 0) for kind in (RowKind.NEW, RowKind.CHANGED))
    changed = _change(run, list(rows.filter(kind=RowKind.CHANGED)), total, now)
    _add(run, rows.filter(kind=RowKind.NEW).iterator(BATCH), changed, total, now)
    run.message = ""
    run.state = RunState.DONE


def _change(run: TransferRun, rows: list[TransferRow], total: int, now: datetime) -> int:
    students = _students_lock(rows)
    for row in rows:
        _refuse_stale(row, students.get(row.student_pk or 0))
    for batch in batches(with_progress(rows, run.pk, total=total)):
        students_change(
            [students[row.student_pk or 0] for row in batch],
            [changes_load(row.diff) for row in batch],
            actor_pk=run.confirmed_by_id,
            now=now,
        )
    return len(rows)


def _students_lock(rows: list[TransferRow]) -> dict[int, Student]:
    # In the order of keys: two imports of the same students wait for each other, but never in a circle.
    students = Student.objects.select_for_update().filter(pk__in=[row.student_pk for row in rows])
    return {student.pk: student for student in students.order_by("pk")}


def _refuse_stale(row: TransferRow, student: Student | None) -> None:
    if student is None:
        raise RunStale(f"第{row.number}行的学员在预览之后被删除了，没有写入任何数据。请重新检查")
    for change in changes_load(row.diff):
        if getattr(student, change.field) not in (change.before, change.after):
            raise RunStale(f"第{row.number}行的学员在预览之后被别人修改了，没有写入任何数据。请重新检查")


def _add(run: TransferRun, rows: Iterator[TransferRow], start: int, total: int, now: datetime) -> None:
    for batch in batches(with_progress(rows, run.pk, start=start, total=total)):
        students = [
            Student(
                sid=sid,
                created_at=now,
                created_by_id=run.confirmed_by_id,
                **{change.field: change.after for change in changes_load(row.diff)},
            )
            for sid, row in zip(_free_sids(len(batch)), batch, strict=True)
        ]
        students_create(students, actor_pk=run.confirmed_by_id, now=now)
        _rows_number(batch, students)


def _free_sids(count: int) -> list[str]:
    free: set[str] = set()
    while len(free) < count:
        drawn = {new_sid() for _ in range(count - len(free))}
        free |= drawn - set(Student.objects.filter(sid__in=drawn).order_by().values_list("sid", flat=True))
    return list(free)


_NUMBER_ROWS = """
UPDATE students_transferrow AS r
SET student_pk = v.student_pk, cells = r.cells || jsonb_build_object('sId', v.sid)
FROM unnest(%s::bigint[], %s::bigint[], %s::text[]) AS v (id, student_pk, sid)
WHERE r.id = v.id
"""


def _rows_number(rows: list[TransferRow], students: list[Student]) -> None:
    """Note in each row which student came of it: the result file names it, and undoing deletes it."""
    columns: list[list[Any]] = [[row.pk for row in rows]]
    columns += [[getattr(student, name) for student in students] for name in ("pk", "sid")]
    with connection.cursor() as cursor:
        cursor.execute(_NUMBER_ROWS, columns)


# --- The result file ---
def _result_make(run_pk: int, state: str) -> None:
    # After the commit, so that nobody waits for it. Whoever asks for the file earlier makes it.
    if run := TransferRun.objects.filter(pk=run_pk, state=state).first():
        import_result(run=run)


def import_result(*, run: TransferRun) -> TransferFile:
    """Read the file that says what became of each row; it is made at the first call, then kept."""
    existing = TransferFile.objects.filter(run=run, role=FilePurpose.RESULT).first()
    if existing:
        return existing
    kind = sheet_kind(source_of(run))
    head = [*(column.label for column in COLUMNS), RESULT]
    is_written = run.state in {RunState.DONE, RunState.UNDONE}
    rows = (
        [*(row.cells.get(column.wire, "") for column in COLUMNS), _row_result(row, is_written)]
        for row in TransferRow.objects.filter(run=run).iterator(2_000)
    )
    content = sheet_write(kind, head, rows, [*(column.width for column in COLUMNS), 40])
    stem = run.file_name.rpartition(".")[0] or run.file_name
    file, _ = TransferFile.objects.get_or_create(
        run=run, role=FilePurpose.RESULT, defaults={"name": f"{stem[-100:]}-结果.{kind}", "content": content}
    )
    return file


def _row_result(row: TransferRow, is_written: bool) -> str:
    if row.kind in {RowKind.ERROR, RowKind.KEPT}:
        word = "错误" if row.kind == RowKind.ERROR else "无法撤销"
        return f"{word}：" + "；".join(f"{cell}：{reason}" for cell, reason in row.errors)
    return _RESULTS[RowKind(row.kind)][is_written]


# --- To take it back ---
def import_undo(*, run_pk: int, now: datetime) -> None:
    """Take back what the import wrote. A student that somebody has changed since stays, and its row says so."""
    # The result file says what became of each row: it is made anew when somebody asks for it.
    TransferFile.objects.filter(run=run_pk, run__state=RunState.UNDOING, role=FilePurpose.RESULT).delete()
    do = partial(_take_back, now=now)
    steps = Steps(do, todo=(RowKind.NEW, RowKind.CHANGED), results=(RowKind.UNDONE, RowKind.KEPT))
    run_in_steps(run_pk=run_pk, state=RunState.UNDOING, steps=steps, end=RunState.UNDONE)


def _take_back(run: TransferRun, rows: list[TransferRow], now: datetime) -> None:
    students = _students_lock(rows)
    archived = archived_pks(row.student_pk for row in rows if row.student_pk and row.student_pk not in students)
    added: list[Student] = []
    changed: list[Student] = []
    reversals: list[list[FieldChange]] = []
    for row in rows:
        student = students.get(row.student_pk or 0)
        if student is None:
            what = "已归档" if row.student_pk in archived else "已被删除"
            row.kind, row.errors = RowKind.KEPT, [["学员", f"导入之后{what}"]]
        elif labels := _changed_since(row, student):
            row.kind, row.errors = RowKind.KEPT, [["、".join(labels), "导入之后被修改过，保留现在的内容"]]
        elif row.kind == RowKind.NEW:
            row.kind = RowKind.UNDONE
            added.append(student)
        else:
            row.kind = RowKind.UNDONE
            changed.append(student)
            reversals.append([change.reversed() for change in changes_load(row.diff)])
    students_delete(added, actor_pk=run.undone_by_id, now=now)
    students_change(changed, reversals, actor_pk=run.undone_by_id, now=now)
    rows_save(rows)


def _changed_since(row: TransferRow, student: Student) -> list[str]:
    """Name the fields that somebody has changed since the import wrote them."""
    changes = changes_load(row.diff)
    labels = [change.label for change in changes if getattr(student, change.field) != change.after]
    if row.kind == RowKind.NEW and student.headimgurl:
        labels.append(PHOTO)
    return labels
