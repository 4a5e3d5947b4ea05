"""The page of an import: a table of its rows, each of which may be mended or left out, and what its form decides."""

import json
from collections import Counter
from collections.abc import Collection, Iterable
from copy import deepcopy
from dataclasses import replace
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlencode

from django.db.models import QuerySet
from django.http import HttpRequest

from core.admin.phones import phones_masked
from core.ids import mark_of, pks_of, storable
from permissions.scope import scope_of
from students.bulk import diff_shown
from students.columns import BY_WIRE, COLUMNS, Column, hidden_fields, value_shown
from students.models import RowKind, RunState, TransferRow, TransferRun
from students.run_facts import LEAVERS_FROM, NEW, Choices, Findings, Leavers
from students.transfer.import_apply import overfull, unresolved
from students.transfer.import_check import WRITTEN, values_known

MAX_OPEN = 300  # characters of a cell that can be mended: forty rows of the longest texts are too much for one form
MAX_CELL = 2_000
MAX_FIXED = 2_000  # rows whose cells are mended on the page
WARNED = "warned"
TABS = {RowKind.ERROR: "错误", RowKind.CHOICE: "同名", WARNED: "提醒", RowKind.UNCHANGED: "不变"}
# What a button decides about all rows that still wait for an answer: their kind, and the answer.
REST = {
    "skip_errors": (RowKind.ERROR, "skip"),
    "all_skip": (RowKind.CHOICE, "skip"),
    "all_new": (RowKind.CHOICE, NEW),
    "all_same": (RowKind.CHOICE, "same"),
}
_MARKED = ("fixes", "answers", "spellings", "constants", "skips", "off", "leavers", "disables")
_TICKED = {True: "1", False: ""}


class Cell(NamedTuple):
    name: str  # of its field, "" if it cannot be mended
    label: str
    text: str
    before: str | None  # what the student has now, where that is something else
    is_bad: bool


def is_open(run: TransferRun) -> bool:
    return run.state in {RunState.READY, RunState.REFUSED}


def hidden_from(run: TransferRun, user: Any) -> set[str]:
    """Name the fields that this user may read only in part. Whoever has sent the file in knows what it holds."""
    return set() if run.created_by_id == user.pk else hidden_fields(user)


def tabs_of(run: TransferRun) -> list[tuple[str, str, int]]:
    """Return the kinds of rows that a run has, each with the words on its tab and the number of rows."""
    counts = Counter(run.counts) + Counter({WARNED: rows_of(run, WARNED).count() if is_open(run) else 0})
    kinds = dict.fromkeys((RowKind.ERROR, RowKind.CHOICE, WARNED, *RowKind))
    return [(kind, TABS.get(kind) or RowKind(kind).label, counts[kind]) for kind in kinds if counts[kind]]


def rows_of(run: TransferRun, kind: str) -> QuerySet[TransferRow]:
    rows = TransferRow.objects.filter(run=run)
    return rows.filter(kind__in=WRITTEN).exclude(errors=[]) if kind == WARNED else rows.filter(kind=kind)


def import_facts(run: TransferRun, request: HttpRequest, rows: Iterable[TransferRow]) -> dict[str, Any]:
    """Return what the templates show of an import, and of some of its rows."""
    choices, findings, hidden = Choices.load(run.options), Findings.load(run.options), hidden_from(run, request.user)
    columns, mapping = [BY_WIRE[wire] for wire in findings.shown or BY_WIRE], _mapping(choices, findings, hidden)
    fields = fields_of(run, rows, hidden) if is_open(run) else {}
    is_missing = run.state == RunState.FAILED or findings.missing
    facts = {
        "is_open": is_open(run),
        "head": [(one, findings.changed.get(one.field, 0), one.field not in choices.off) for one in columns],
        "rows": [_line(row, columns, hidden, fields, choices, findings) for row in rows],
        "columns": mapping,
        "ours": COLUMNS,
        "dropped": findings.dropped,
        "notes": findings.notes,
        # The person should first say which column is which: one is missing, and one is not understood.
        "must_map": is_missing and any(not column["wire"] for column in mapping),
        "choices": choices,
        "leavers_text": Leavers(choices.leavers).label if choices.leavers else "",
    }
    if not is_open(run):
        return facts
    scope, may_archive = scope_of(request.user), request.user.has_perm("students.delete_student")
    names = values_known(scope) if findings.new else {}
    return facts | {
        "shown": shown_sent(fields),
        "writes": TransferRow.objects.filter(run=run, kind__in=WRITTEN).exclude(number__in=choices.skips).count(),
        "unresolved": unresolved(run),
        "overfull": overfull(run, scope),
        "new": [{**one, "names": names[one["wire"]], "label": BY_WIRE[one["wire"]].label} for one in findings.new],
        "new_kinds": [*dict.fromkeys(BY_WIRE[one["wire"]].label for one in findings.new)],
        "mended": [{**one, "label": BY_WIRE[one["wire"]].label} for one in findings.mended],
        "alike": sum(bool(one["alike"]) for one in findings.new),
        "missing": [(BY_WIRE[wire], choices.constants.get(wire, "")) for wire in findings.missing],
        "leavers": [one for one in Leavers.choices if one[0] != Leavers.ARCHIVE or may_archive],
        "may_disable": request.user.has_perm("students.account_student"),
    }


def _line(
    row: TransferRow, columns: list[Column], hidden: set[str], fields: dict[str, str], choices: Choices,
    findings: Findings,
) -> dict[str, Any]:  # fmt: skip
    before = {name: was for name, (_, was, _) in diff_shown(row.diff).items() if was is not None}
    cells = []
    for column in columns:
        name, text = f"cell-{row.number}-{column.wire}", row.cells.get(column.wire, "")
        text = value_shown(column.field, text) if column.field in hidden else text
        is_bad = column.wire in row.cells.get("bad", ())
        cells.append(Cell(name if name in fields else "", column.label, text, before.get(column.field), is_bad))
    place = " ".join(filter(None, findings.at(row.number))) if row.number < LEAVERS_FROM else ""
    is_taken = not fields or row.number not in choices.skips
    return {"row": row, "cells": cells, "is_taken": is_taken, "place": place}


def _mapping(choices: Choices, findings: Findings, hidden: set[str]) -> list[dict[str, Any]]:
    """Return the columns of the file for the form that maps them: head, samples, and which of ours it is."""
    shape, columns, shown = findings.shape, choices.columns or {}, phones_masked if hidden else str
    return [
        {"at": at, "head": head, "samples": [shown(text) for text in samples], "wire": columns.get(head, "")}
        for at, (head, samples) in enumerate(zip(shape["heads"], shape["samples"], strict=True))
        if samples
    ]


# --- What its form decides ---
def fields_of(run: TransferRun, rows: Iterable[TransferRow], hidden: Collection[str]) -> dict[str, str]:
    """Return the fields by which a page decides about these rows and about the whole import, with their values.

    ``take-<row>`` is the tick of a row, ``cell-<row>-<column>`` a cell, ``answer-<row>`` who a namesake is,
    ``value-<column>`` what a missing column holds, ``use-<field>`` the tick of a column. ``mark`` is a hash of all that
    has been decided.
    """
    choices = Choices.load(run.options)
    decisions = json.dumps([run.options.get(name) for name in _MARKED], sort_keys=True)
    fields = {"mark": mark_of([decisions]), "leavers": choices.leavers, "disables": _TICKED[choices.disables]}
    fields |= {f"use-{column.field}": _TICKED[column.field not in choices.off] for column in COLUMNS}
    fields |= {f"value-{wire}": choices.constants.get(wire, "") for wire in BY_WIRE}
    for row in rows:
        is_taken = row.number not in choices.skips
        fields[f"take-{row.number}"] = _TICKED[is_taken]
        fields[f"answer-{row.number}"] = choices.answers.get(str(row.number), "") if is_taken else "skip"
        for wire, column in BY_WIRE.items() if row.number < LEAVERS_FROM else ():
            text, is_fixed = row.cells.get(wire, "").strip(), wire == "sId" and row.student_pk
            if column.field not in hidden and len(text) <= MAX_OPEN and not is_fixed:
                fields[f"cell-{row.number}-{wire}"] = text
    return fields


class Decision(NamedTuple):
    choices: Choices
    is_stale: bool  # a colleague has decided something since the page was shown
    lost: list[str]  # what was not taken, because the colleague has changed the same field


def choices_posted(run: TransferRun, data: Any, hidden: Collection[str]) -> Decision:
    """Add what a person has changed on a page to what has been decided.

    :param hidden: fields that the page does not let its user mend.

    Beside the fields of :func:`fields_of`, ``spell-<n>`` is what the new class or degree is to be called, ``spell``
    for which of them (or ``all``) the suggestion is taken, ``unspell`` which of the mended ones is taken back. These
    are read only if nobody has decided anything since: a later page may give their numbers to other values.
    """
    shown, findings, choices = _shown(data), Findings.load(run.options), Choices.load(deepcopy(run.options))
    numbers = pks_of(name.removeprefix("take-") for name in shown if name.startswith("take-"))
    now = fields_of(run, TransferRow.objects.filter(run=run, number__in=numbers), hidden)
    changed = {name: value for name, value in _changed(shown, data).items() if name in now and value != now[name]}
    lost = {name for name in changed if shown[name] != _digest(now[name])}
    for name, value in changed.items():
        if name not in lost:
            _choose(choices, name, value)
    is_stale = shown.get("mark") != _digest(now["mark"])
    if not is_stale:
        _spell(choices, findings, data)
    words = [_in_words(findings, name, value) for name, value in changed.items() if name in lost]
    return Decision(choices, is_stale, words)


def _choose(choices: Choices, name: str, value: str) -> None:
    """Add to the choices what one field of the page was changed to."""
    kind, key, wire = _parts(name)
    match kind:
        case "take":
            choices.skips = sorted({*choices.skips} ^ {int(key)})
        case "answer":
            _choose_person(choices, key, value)
        case "cell" if key in choices.fixes or len(choices.fixes) < MAX_FIXED:
            choices.fixes[key] = choices.fixes.get(key, {}) | {wire: value}
        case "value" if value:
            choices.constants[key] = value
        case "value":
            choices.constants.pop(key, None)
        case "use":
            choices.off = sorted({*choices.off} ^ {key})
        case "leavers" if value in Leavers.values:
            choices.leavers = value
        case "disables":
            choices.disables = value == "1"


def _choose_person(choices: Choices, key: str, value: str) -> None:
    """Keep whom a row means: a student by the key, a new one, or that the row is left out."""
    if value == "skip":
        choices.skips = sorted({*choices.skips, int(key)})
    elif value == NEW or value.isdecimal():
        choices.answers[key] = value
    else:
        choices.answers.pop(key, None)


def _parts(name: str) -> list[str]:
    """Return what a field's name says: its kind, and the row and the column that it is about."""
    return [*name.split("-"), "", ""][:3]


def shown_sent(fields: dict[str, str]) -> str:
    """Make what a page sends along of the fields that it showed.

    It tells which fields this person has changed, and which ones a colleague has changed since the page was made: a
    colleague's change must be neither undone nor confirmed by somebody who has not seen it. It holds digests, because
    the texts of forty rows would double a form that is large already.
    """
    return urlencode({name: _digest(value) for name, value in fields.items()})


def _shown(data: Any) -> dict[str, str]:
    return dict(parse_qsl(data.get("shown", "")))


def _digest(value: str) -> str:
    return mark_of([value])[:10]


def _changed(shown: dict[str, str], data: Any) -> dict[str, str]:
    """Return the fields that the person has changed, with what they hold now."""
    # A browser sends only the ticks that are set; ``box`` names all that the page has.
    ticks = dict.fromkeys(data.getlist("box"), "")
    posted = {name: data.get(name, ticks.get(name)) for name in shown}
    values = {name: storable(value, MAX_CELL) for name, value in posted.items() if value is not None}
    return {name: value for name, value in values.items() if _digest(value) != shown[name]}


def cells_typed(run: TransferRun, data: Any) -> list[str]:
    """Say what a person has typed into the cells of a page."""
    findings, changed = Findings.load(run.options), _changed(_shown(data), data)
    return [_in_words(findings, name, value) for name, value in changed.items() if name.startswith("cell-")]


def _in_words(findings: Findings, name: str, value: str) -> str:
    """Say what a field was to hold: ``第3行 年龄“23”``."""
    kind, key, wire = _parts(name)
    row = findings.place_of(next(iter(pks_of([key])), 0)) if kind in {"cell", "take", "answer"} else ""
    words = f"{BY_WIRE[wire].label}“{value}”" if kind == "cell" and wire in BY_WIRE else "的选择"
    return f"{row} {words}"


def _spell(choices: Choices, findings: Findings, data: Any) -> None:
    for at, one in enumerate(findings.new):
        word = one["alike"] if data.get("spell") in {str(at), "all"} else storable(data.get(f"spell-{at}", ""))
        if word and word != one["value"]:
            choices.spellings.setdefault(one["wire"], {})[one["value"]] = word
    for at, spelt in enumerate(findings.mended):
        if data.get("unspell") == str(at):
            choices.spellings.get(spelt["wire"], {}).pop(spelt["value"], None)


def rest_decided(run: TransferRun, choices: Choices, do: str) -> Choices:
    """Add to what a page has decided one answer for all the rows that have none; ``same`` is the nearest namesake."""
    kind, answer = REST[do]
    rows = TransferRow.objects.filter(run=run, kind=kind).exclude(number__in=choices.skips)
    if answer == "skip":
        return replace(choices, skips=sorted({*choices.skips, *rows.values_list("number", flat=True)}))
    answers = {str(row.number): NEW if answer == NEW else str(row.cells.get("nearest", "")) for row in rows}
    return replace(choices, answers={key: pk for key, pk in answers.items() if pk} | choices.answers)


def columns_posted(run: TransferRun, data: Any) -> dict[str, str]:
    """Read which column is which from the fields ``column-<n>``."""
    heads = Findings.load(run.options).shape["heads"]
    columns = {head: data.get(f"column-{at}", "") for at, head in enumerate(heads)}
    return {head: wire for head, wire in columns.items() if wire in BY_WIRE}
