"""The file that says what became of each row of an import."""

from collections.abc import Collection

from core.sheets.read import sheet_kind
from core.sheets.write import sheet_write
from students.columns import COLUMNS, RESULT
from students.models import RowKind, RunState, TransferRow, TransferRun
from students.run_facts import LEAVERS_FROM
from students.runs import source_of

# By the kind of a row: what the result file says before and after the import is written.
_RESULTS = {
    RowKind.NEW: ("可以新增", "已新增"),
    RowKind.CHANGED: ("可以修改", "已修改"),
    RowKind.UNCHANGED: ("没有变化", "没有变化，跳过"),
    RowKind.CHOICE: ("同名，请选择", "同名，没有选择"),
    RowKind.SKIPPED: ("没有选择", "没有选择，跳过"),
    RowKind.UNDONE: ("已撤销", "已撤销"),
}


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
