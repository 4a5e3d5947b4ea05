"""The page of an import: a table of its rows, each of which may be mended or left out, and what its form decides."""

import json
import re
from collections import Counter
from collections.abc import Collection
from typing import Any, NamedTuple

from django.db.models import QuerySet
from django.http import HttpRequest

from core.admin.base import KnownCount
from core.admin.phones import phones_masked
from core.ids import mark_of
from permissions.scope import Scope, scope_of
from students.bulk import changes_load
from students.classes import classes_overfull
from students.columns import BY_WIRE, COLUMNS, Column, hidden_fields, value_shown
from students.models import LEFT_STATES, RowKind, RunKind, RunState, Student, TransferRow, TransferRun
from students.run_rights import ARCHIVE, WITHDRAW
from students.selectors import class_list, values_in_use
from students.transfer.heading import place_of
from students.transfer.imports import LEAVERS_FROM, NEW, WRITTEN
from students.transfer.photos import MAX_FILES

PER_PAGE = 40
MAX_CELL = 2_000
MAX_OPEN = 300  # characters of a cell that can be mended: forty rows of the longest texts are too much for one form
MAX_FIXED = 2_000  # rows whose cells are mended on the page
WARNED = "warned"
LABELS = {RowKind.ERROR: "错误", RowKind.CHOICE: "同名", WARNED: "提醒", RowKind.UNCHANGED: "不变"}
_CHECKED = ("fixes", "answers", "spellings", "constants")  # what changes the rows, so that they are checked again
_CHOSEN = ("skips", "off", "leavers", "disables")


class Cell(NamedTuple):
    column: Column
    text: str
    before: str | None  # what the student has now, where that is something else
    is_bad: bool
    is_open: bool


def choices_mark(run: TransferRun) -> str:
    """Return a hash of what has been decided: another one since the page was shown means that a colleague was at it."""
    return mark_of([json.dumps([run.options.get(name) for name in (*_CHECKED, *_CHOSEN)], sort_keys=True)])


def choices_posted(run: TransferRun, data: Any, hidden: Collection[str]) -> tuple[dict[str, Any], bool]:
    """Read the form of a page; return the options that it makes, and whether they change what the rows are.

    :param hidden: fields that the page does not let its user mend.

    ``row`` names the rows of the page, and ``take`` those that are ticked; ``cell-<row>-<column>`` is a cell,
    ``answer-<row>`` who a namesake is, ``spell-<n>`` what the new class or degree is to be called, ``spell`` for which
    of them (or ``all``) the suggestion is taken, ``value-<column>`` what a missing column holds; ``column`` names the
    columns that can be ticked, and ``use`` those that are.
    """
    options = run.options
    numbers, taken = ({int(n) for n in data.getlist(name) if n.isdecimal() and len(n) < 12} for name in ("row", "take"))
    skips = {*options.get("skips", [])} - numbers | (numbers - taken)
    answers, fixes = dict(options.get("answers", {})), dict(options.get("fixes", {}))
    for row in TransferRow.objects.filter(run=run, number__in=numbers, number__lt=LEAVERS_FROM):
        key = str(row.number)
        if (answer := data.get(f"answer-{key}")) is not None:
            answers = {number: text for number, text in answers.items() if number != key}
            answers |= {key: answer} if answer == NEW or answer.isdecimal() else {}
            skips |= {row.number} if answer == "skip" else set()
        texts = _texts_posted(data, f"cell-{key}-", hidden)
        if mended := {wire: text for wire, text in texts.items() if text != row.cells.get(wire, "").strip()}:
            fixes[key] = fixes.get(key, {}) | mended
    off = {*options.get("off", [])} - {*data.getlist("column")} | ({*data.getlist("column")} - {*data.getlist("use")})
    spellings = {wire: dict(words) for wire, words in options.get("spellings", {}).items()}
    for at, one in enumerate(options.get("new", [])):
        word = one["alike"] if data.get("spell") in {str(at), "all"} else _storable(data.get(f"spell-{at}", ""))
        if word and word != one["value"]:
            spellings.setdefault(one["wire"], {})[one["value"]] = word[:64]
    values = _texts_posted(data, "value-")
    choices = {
        "constants": {wire: text for wire, text in (options.get("constants", {}) | values).items() if text},
        "fixes": dict(list(fixes.items())[:MAX_FIXED]),
        "answers": answers,
        "spellings": spellings,
        "skips": sorted(skips),
        "off": sorted(off & {column.field for column in COLUMNS}),
    }
    if data.get("leavers") in {"", ARCHIVE, WITHDRAW}:
        choices |= {"leavers": data["leavers"], "disables": data.get("disables") == "1"}
    return choices, any(choices[name] != options.get(name, {}) for name in _CHECKED)


def _texts_posted(data: Any, prefix: str, hidden: Collection[str] = ()) -> dict[str, str]:
    texts = {wire: data.get(prefix + wire) for wire, column in BY_WIRE.items() if column.field not in hidden}
    return {wire: _storable(text)[:MAX_CELL] for wire, text in texts.items() if text is not None}


def _storable(text: str) -> str:
    return text.replace("\x00", "").strip()  # PostgreSQL keeps no NUL


# What a button decides about all rows that still wait for an answer: their kind, and the answer.
REST = {
    "skip_errors": (RowKind.ERROR, "skip"),
    "all_skip": (RowKind.CHOICE, "skip"),
    "all_new": (RowKind.CHOICE, NEW),
    "all_same": (RowKind.CHOICE, "same"),
}


def rest_decided(run: TransferRun, choices: dict[str, Any], do: str) -> dict[str, Any]:
    """Add to what a page has decided one answer for all the rows that have none; ``same`` is the nearest namesake."""
    kind, answer = REST[do]
    rows = TransferRow.objects.filter(run=run, kind=kind).exclude(number__in=choices["skips"])
    if answer == "skip":
        return choices | {"skips": sorted({*choices["skips"], *rows.values_list("number", flat=True)})}
    if answer == NEW:
        answers = {str(row.number): NEW for row in rows}
    else:
        answers = {str(row.number): str(row.cells["nearest"]) for row in rows if "nearest" in row.cells}
    return choices | {"answers": answers | choices["answers"]}


def columns_posted(run: TransferRun, data: Any) -> dict[str, str]:
    """Read which column is which from the fields ``column-<n>``."""
    heads = run.options.get("shape", {}).get("heads", [])
    columns = {head: data.get(f"column-{at}", "") for at, head in enumerate(heads)}
    return {head: wire for head, wire in columns.items() if wire in BY_WIRE}


def unresolved(run: TransferRun) -> int:
    """Count the rows that must be mended, answered or left out before the rest can be written."""
    rows = TransferRow.objects.filter(run=run, kind__in=[RowKind.ERROR, RowKind.CHOICE])
    return rows.exclude(number__in=run.options.get("skips", [])).count()


def overfull(run: TransferRun, scope: Scope) -> list[str]:
    """Say which classes would have more students than room."""
    more, moves_nobody = Counter[str](), "class_name" in run.options.get("off", ())
    rows = TransferRow.objects.filter(run=run, kind__in=[RowKind.NEW] if moves_nobody else WRITTEN)
    rows = rows.filter(diff__has_key="class_name").exclude(number__in=run.options.get("skips", []))
    rows = rows.exclude(student_pk__in=Student.objects.filter(state__in=LEFT_STATES).values("pk"))
    for before, after in rows.values_list("diff__class_name", flat=True):
        more.update({after: 1, before: -1})
    return classes_overfull(more, scope)


def preview(request: HttpRequest, run: TransferRun) -> dict[str, Any]:
    """Return a page of the run's rows; of an import also what the table and its form need."""
    options, rows, is_zip = run.options, TransferRow.objects.filter(run=run), run.kind == RunKind.PHOTOS
    is_import = run.kind == RunKind.IMPORT
    is_open = is_import and run.state in {RunState.READY, RunState.REFUSED}
    counts = dict(run.counts) | ({WARNED: options.get("warned", 0)} if is_open else {})
    kinds = dict.fromkeys(kind for kind in (RowKind.ERROR, RowKind.CHOICE, WARNED, *RowKind) if counts.get(kind))
    kind = next((kind for kind in kinds if kind == request.GET.get("kind")), next(iter(kinds), ""))
    # All ticks of a ZIP are sent together, so all its rows are on one page.
    page = KnownCount(
        rows if is_zip else _of_kind(rows, kind), 2 * MAX_FILES if is_zip else PER_PAGE,
        sum(counts.values()) if is_zip else counts.get(kind, 0),
    ).get_page(request.GET.get("p", "1"))  # fmt: skip
    labels = LABELS if is_import else {}
    facts: dict[str, Any] = {"kind": kind, "page": page, "is_open": is_open}
    facts["tabs"] = [(one, labels.get(one) or RowKind(one).label, counts[one]) for one in kinds]
    if not is_import:
        return facts | {"rows": [(row, changes_load(row.diff) if row.kind in WRITTEN else []) for row in page]}
    skips = {*options.get("skips", [])} if is_open else set()
    hidden = hidden_from(run, request.user)
    columns, changed = [BY_WIRE[wire] for wire in options.get("shown", BY_WIRE)], options.get("changed", {})
    skipped = rows.filter(kind__in=WRITTEN, number__in=skips).count() if skips else 0
    names, new = {}, options.get("new", ()) if is_open else ()
    if new:
        scope = scope_of(request.user)
        names = {"class": class_list(scope), "degree": values_in_use("degree", scope=scope)}
    return facts | {
        "head": [(one, changed.get(one.field, 0), one.field not in options.get("off", ())) for one in columns],
        "rows": [_row(run, row, columns, hidden, skips, is_open=is_open) for row in page],
        "writes": sum(counts.get(one, 0) for one in WRITTEN) - skipped,
        "unresolved": unresolved(run) if is_open else 0,
        "overfull": overfull(run, scope_of(request.user)) if is_open else [],
        "new": [one | {"names": names[one["wire"]], "label": BY_WIRE[one["wire"]].label} for one in new],
        "alike": sum(bool(one["alike"]) for one in new),
        "missing": [(BY_WIRE[wire], options.get("constants", {}).get(wire, "")) for wire in options.get("missing", ())],
        "mark": choices_mark(run),
        "may_archive": request.user.has_perm("students.delete_student"),
        "may_disable": request.user.has_perm("students.account_student"),
    }


def _of_kind(rows: QuerySet[TransferRow], kind: str) -> QuerySet[TransferRow]:
    return rows.filter(kind__in=WRITTEN).exclude(errors=[]) if kind == WARNED else rows.filter(kind=kind)


def _row(
    run: TransferRun, row: TransferRow, columns: list[Column], hidden: set[str], skips: set[int], *, is_open: bool
) -> dict[str, Any]:
    before = {change.field: change.shown[0] for change in changes_load(row.diff) if change.before is not None}
    cells, is_listed = [], row.number < LEAVERS_FROM
    for column in columns:
        text, is_hidden = row.cells.get(column.wire, ""), column.field in hidden
        is_fixed = is_hidden or len(text) > MAX_OPEN or (column.wire == "sId" and row.student_pk)
        may_mend = is_open and is_listed and not is_fixed
        shown = value_shown(column.field, text) if is_hidden else text
        cells.append(Cell(column, shown, before.get(column.field), column.wire in row.cells.get("bad", ()), may_mend))
    return {
        "row": row,
        "cells": cells,
        "is_taken": row.number not in skips,
        "place": re.sub("[“第行]", "", place_of(run, row.number)).replace("”", " ") if is_listed else "",
        "students": row.cells.get("students", []),
    }


def hidden_from(run: TransferRun, user: Any) -> set[str]:
    """Name the fields that this user may read only in part. Who has sent the file in knows what it holds."""
    return set() if run.created_by_id == user.pk else hidden_fields(user)


def must_map(run: TransferRun, columns: list[dict[str, Any]]) -> bool:
    """Tell whether the person should first say which column is which: one is missing, and one is not understood."""
    is_missing = run.state == RunState.FAILED or bool(run.options.get("missing"))
    return is_missing and any(not column["wire"] for column in columns)


def mapping(run: TransferRun, user: Any) -> list[dict[str, Any]]:
    """Return the columns of the file for the form that maps them: head, samples, and which of ours it is."""
    shown = phones_masked if hidden_from(run, user) else str
    shape, columns = run.options.get("shape", {"heads": [], "samples": []}), run.options.get("columns", {})
    pairs = zip(shape["heads"], shape["samples"], strict=True)
    return [
        {"at": at, "head": head, "samples": [shown(text) for text in samples], "wire": columns.get(head, "")}
        for at, (head, samples) in enumerate(pairs)
        if samples
    ]
