"""The page of an import: a table of its rows, each of which may be mended or left out."""

import re
from collections import Counter
from typing import Any, ClassVar, NamedTuple

from django.db.models import QuerySet
from django.http import HttpRequest

from core.admin.phones import phones_masked
from permissions.scope import scope_of
from students.bulk import changes_load
from students.columns import BY_WIRE, COLUMNS, Column, hidden_fields, value_shown
from students.models import RowKind, RunState, TransferRow, TransferRun
from students.run_facts import LEAVERS_FROM, Choices, Findings, Leavers, RowFacts
from students.selectors import classes_known, values_in_use
from students.transfer.import_apply import overfull, unresolved
from students.transfer.import_check import WRITTEN
from students.transfer.import_form import choices_mark
from students.transfer.run_pages import RunPage

MAX_OPEN = 300  # characters of a cell that can be mended: forty rows of the longest texts are too much for one form
WARNED = "warned"


class Cell(NamedTuple):
    column: Column
    text: str
    before: str | None  # what the student has now, where that is something else
    is_bad: bool
    is_open: bool


class ImportPage(RunPage):
    file_template = "students/import_file.html"
    rows_template = "students/import_table.html"
    another_file = "admin:students_import"
    is_wide = True
    labels: ClassVar = {RowKind.ERROR: "错误", RowKind.CHOICE: "同名", WARNED: "提醒", RowKind.UNCHANGED: "不变"}
    what, before = "导入", "导入之前"

    def __init__(self, run: TransferRun) -> None:
        super().__init__(run)
        self.choices, self.findings = Choices.load(run.options), Findings.load(run.options)
        self.is_open = run.state in {RunState.READY, RunState.REFUSED}

    def has_result(self) -> bool:
        ends = {RunState.DONE, RunState.REFUSED, RunState.UNDONE}
        return self.run.state in ends and bool(self.counts)

    def shows_rows(self) -> bool:
        return not self.run.is_working

    def leavers_text(self) -> str:
        return str(Leavers(self.choices.leavers).label) if self.choices.leavers else ""

    def done_text(self) -> str:
        new, changed, same, left = (
            self.counts[kind] for kind in (RowKind.NEW, RowKind.CHANGED, RowKind.UNCHANGED, RowKind.LEFT)
        )
        text = f"导入完成：新增 {new} 名，修改 {changed} 名，{same} 行没有变化"
        return text + (f"，{left} 名不在名单里，已{self.leavers_text()}。" if left else "。")

    def undo_text(self) -> str:
        left = self.counts[RowKind.LEFT]
        text = (
            f"新增的 {self.counts[RowKind.NEW]} 名学员会被删除，修改的 {self.counts[RowKind.CHANGED]} 名改回原来的内容"
        )
        text += f"，不在名单里的 {left} 名回到原来的状态" if left else ""
        return text + "；导入之后又被修改过的学员保持不变，并会列出来。"

    def kinds(self) -> dict[str, int]:
        counts = self.counts + Counter({WARNED: self.findings.warned if self.is_open else 0})
        return {kind: counts[kind] for kind in (RowKind.ERROR, RowKind.CHOICE, WARNED, *RowKind) if counts[kind]}

    def rows(self, kind: str) -> QuerySet[TransferRow]:
        rows = TransferRow.objects.filter(run=self.run)
        return rows.filter(kind__in=WRITTEN).exclude(errors=[]) if kind == WARNED else rows.filter(kind=kind)

    def facts(self, request: HttpRequest) -> dict[str, Any]:
        facts, run, choices, findings = super().facts(request), self.run, self.choices, self.findings
        hidden, scope = hidden_from(run, request.user), scope_of(request.user)
        columns = [BY_WIRE[wire] for wire in findings.shown or BY_WIRE]
        facts |= {
            "head": [(one, findings.changed.get(one.field, 0), one.field not in choices.off) for one in columns],
            "rows": [self._row(row, columns, hidden) for row in facts["page"]],
            "columns": self._mapping(hidden),
            "ours": COLUMNS,
        }
        is_missing = run.state == RunState.FAILED or findings.missing
        # The person should first say which column is which: one is missing, and one is not understood.
        facts["must_map"] = is_missing and any(not column["wire"] for column in facts["columns"])
        if not self.is_open:
            return facts
        written = TransferRow.objects.filter(run=run, kind__in=WRITTEN)
        skipped = written.filter(number__in=choices.skips).count() if choices.skips else 0
        names, may_archive = {}, request.user.has_perm("students.delete_student")
        if findings.new:
            names = {"class": sorted(classes_known(scope)), "degree": values_in_use("degree", scope=scope)}
        return facts | {
            "writes": self.counts[RowKind.NEW] + self.counts[RowKind.CHANGED] - skipped,
            "unresolved": unresolved(run),
            "overfull": overfull(run, scope),
            "new": [{**one, "names": names[one["wire"]], "label": BY_WIRE[one["wire"]].label} for one in findings.new],
            "mended": [{**one, "label": BY_WIRE[one["wire"]].label} for one in findings.mended],
            "alike": sum(bool(one["alike"]) for one in findings.new),
            "missing": [(BY_WIRE[wire], choices.constants.get(wire, "")) for wire in findings.missing],
            "mark": choices_mark(run),
            "leavers": [one for one in Leavers.choices if one[0] != Leavers.ARCHIVE or may_archive],
            "may_disable": request.user.has_perm("students.account_student"),
        }

    def _row(self, row: TransferRow, columns: list[Column], hidden: set[str]) -> dict[str, Any]:
        before = {change.field: change.shown[0] for change in changes_load(row.diff) if change.before is not None}
        cells, facts, is_listed = [], RowFacts.load(row.cells), row.number < LEAVERS_FROM
        for column in columns:
            text, is_hidden = facts.texts.get(column.wire, ""), column.field in hidden
            is_fixed = is_hidden or len(text) > MAX_OPEN or (column.wire == "sId" and row.student_pk)
            may_mend = self.is_open and is_listed and not is_fixed
            shown = value_shown(column.field, text) if is_hidden else text
            is_bad = column.wire in (facts.bad or ())
            cells.append(Cell(column, shown, before.get(column.field), is_bad, may_mend))
        return {
            "row": row,
            "cells": cells,
            "facts": facts,
            "is_taken": not self.is_open or row.number not in self.choices.skips,
            "place": re.sub("[“第行]", "", self.findings.place_of(row.number)).replace("”", " ") if is_listed else "",
        }

    def _mapping(self, hidden: set[str]) -> list[dict[str, Any]]:
        """Return the columns of the file for the form that maps them: head, samples, and which of ours it is."""
        shape, columns, shown = self.findings.shape, self.choices.columns or {}, phones_masked if hidden else str
        return [
            {"at": at, "head": head, "samples": [shown(text) for text in samples], "wire": columns.get(head, "")}
            for at, (head, samples) in enumerate(zip(shape["heads"], shape["samples"], strict=True))
            if samples
        ]


def hidden_from(run: TransferRun, user: Any) -> set[str]:
    """Name the fields that this user may read only in part. Who has sent the file in knows what it holds."""
    return set() if run.created_by_id == user.pk else hidden_fields(user)
