"""The page of an import: a table of its rows, each of which may be mended or left out, and what its form decides."""

import json
import re
from collections import Counter
from collections.abc import Collection
from dataclasses import replace
from typing import Any, ClassVar, NamedTuple

from django.db.models import QuerySet
from django.http import HttpRequest

from core.admin.phones import phones_masked
from core.ids import mark_of, storable
from permissions.scope import scope_of
from students.bulk import changes_load
from students.columns import BY_WIRE, COLUMNS, Column, hidden_fields, value_shown
from students.models import RowKind, RunState, TransferRow, TransferRun
from students.run_facts import LEAVERS_FROM, NEW, Choices, Findings, Leavers, RowFacts
from students.transfer.import_apply import overfull, unresolved
from students.transfer.import_check import WRITTEN, values_known
from students.transfer.run_pages import RunPage

MAX_OPEN = 300  # characters of a cell that can be mended: forty rows of the longest texts are too much for one form
WARNED = "warned"
_MARKED = ("fixes", "answers", "spellings", "constants", "skips", "off", "leavers", "disables")
MAX_CELL = 2_000
MAX_FIXED = 2_000  # rows whose cells are mended on the page
# What a button decides about all rows that still wait for an answer: their kind, and the answer.
REST = {
    "skip_errors": (RowKind.ERROR, "skip"),
    "all_skip": (RowKind.CHOICE, "skip"),
    "all_new": (RowKind.CHOICE, NEW),
    "all_same": (RowKind.CHOICE, "same"),
}


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
        context, run, choices, findings = super().facts(request), self.run, self.choices, self.findings
        hidden, scope = hidden_from(run, request.user), scope_of(request.user)
        columns = [BY_WIRE[wire] for wire in findings.shown or BY_WIRE]
        context |= {
            "head": [(one, findings.changed.get(one.field, 0), one.field not in choices.off) for one in columns],
            "rows": [self._row(row, columns, hidden) for row in context["page"]],
            "columns": self._mapping(hidden),
            "ours": COLUMNS,
        }
        is_missing = run.state == RunState.FAILED or findings.missing
        # The person should first say which column is which: one is missing, and one is not understood.
        context["must_map"] = is_missing and any(not column["wire"] for column in context["columns"])
        if not self.is_open:
            return context
        written = TransferRow.objects.filter(run=run, kind__in=WRITTEN)
        skipped = written.filter(number__in=choices.skips).count() if choices.skips else 0
        names, may_archive = {}, request.user.has_perm("students.delete_student")
        if findings.new:
            names = values_known(scope)
        return context | {
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


# --- What its form decides ---
def choices_mark(run: TransferRun) -> str:
    """Return a hash of what has been decided: another one since the page was shown means that a colleague was at it."""
    return mark_of([json.dumps([run.options.get(name) for name in _MARKED], sort_keys=True)])


def choices_posted(run: TransferRun, data: Any, hidden: Collection[str]) -> Choices:
    """Read the form of a page, and add to what has been decided before.

    :param hidden: fields that the page does not let its user mend.

    ``row`` names the rows of the page, and ``take`` those that are ticked; ``cell-<row>-<column>`` is a cell,
    ``answer-<row>`` who a namesake is, ``spell-<n>`` what the new class or degree is to be called, ``spell`` for which
    of them (or ``all``) the suggestion is taken, ``unspell`` which of the mended ones is taken back; ``value-<column>``
    what a missing column holds; ``column`` names the columns that can be ticked, and ``use`` those that are.
    """
    before = Choices.load(run.options)
    numbers, taken = ({int(n) for n in data.getlist(name) if n.isdecimal() and len(n) < 12} for name in ("row", "take"))
    skips = {*before.skips} - numbers | (numbers - taken)
    answers, fixes = dict(before.answers), dict(before.fixes)
    for row in TransferRow.objects.filter(run=run, number__in=numbers, number__lt=LEAVERS_FROM):
        key = str(row.number)
        if (answer := data.get(f"answer-{key}")) is not None:
            answers.pop(key, None)
            answers |= {key: answer} if answer == NEW or answer.isdecimal() else {}
            skips |= {row.number} if answer == "skip" else set()
        texts = _texts_posted(data, f"cell-{key}-", hidden)
        if mended := {wire: text for wire, text in texts.items() if text != row.cells.get(wire, "").strip()}:
            fixes[key] = fixes.get(key, {}) | mended
    spellings, findings = {wire: dict(words) for wire, words in before.spellings.items()}, Findings.load(run.options)
    for at, one in enumerate(findings.new):
        word = one["alike"] if data.get("spell") in {str(at), "all"} else storable(data.get(f"spell-{at}", ""))
        if word and word != one["value"]:
            spellings.setdefault(one["wire"], {})[one["value"]] = word[:64]
    for at, spelt in enumerate(findings.mended):
        if data.get("unspell") == str(at):
            spellings.get(spelt["wire"], {}).pop(spelt["value"], None)
    constants = before.constants | _texts_posted(data, "value-")
    off = {*before.off} - {*data.getlist("column")} | ({*data.getlist("column")} - {*data.getlist("use")})
    choices = replace(
        before,
        constants={wire: text for wire, text in constants.items() if text},
        spellings=spellings,
        fixes=dict(list(fixes.items())[:MAX_FIXED]),
        answers=answers,
        skips=sorted(skips),
        off=sorted(off & {column.field for column in COLUMNS}),
    )
    if data.get("leavers") in Leavers.values:
        choices.leavers, choices.disables = data["leavers"], data.get("disables") == "1"
    return choices


def _texts_posted(data: Any, prefix: str, hidden: Collection[str] = ()) -> dict[str, str]:
    texts = {wire: data.get(prefix + wire) for wire, column in BY_WIRE.items() if column.field not in hidden}
    return {wire: storable(text, MAX_CELL) for wire, text in texts.items() if text is not None}


def rest_decided(run: TransferRun, choices: Choices, do: str) -> Choices:
    """Add to what a page has decided one answer for all the rows that have none; ``same`` is the nearest namesake."""
    kind, answer = REST[do]
    rows = TransferRow.objects.filter(run=run, kind=kind).exclude(number__in=choices.skips)
    if answer == "skip":
        return replace(choices, skips=sorted({*choices.skips, *rows.values_list("number", flat=True)}))
    if answer == NEW:
        answers = {str(row.number): NEW for row in rows}
    else:
        nearest = {row.number: RowFacts.load(row.cells).nearest for row in rows}
        answers = {str(number): str(pk) for number, pk in nearest.items() if pk}
    return replace(choices, answers=answers | choices.answers)


def columns_posted(run: TransferRun, data: Any) -> dict[str, str]:
    """Read which column is which from the fields ``column-<n>``."""
    heads = Findings.load(run.options).shape["heads"]
    columns = {head: data.get(f"column-{at}", "") for at, head in enumerate(heads)}
    return {head: wire for head, wire in columns.items() if wire in BY_WIRE}
