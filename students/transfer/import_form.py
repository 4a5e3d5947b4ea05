"""What the form on the page of an import decides about its rows and columns."""

import json
from collections.abc import Collection
from dataclasses import replace
from typing import Any

from core.ids import mark_of, storable
from students.columns import BY_WIRE, COLUMNS
from students.models import RowKind, TransferRow, TransferRun
from students.run_facts import LEAVERS_FROM, NEW, Choices, Findings, Leavers, RowFacts

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
    spellings = {wire: dict(words) for wire, words in before.spellings.items()}
    for at, one in enumerate(Findings.load(run.options).new):
        word = one["alike"] if data.get("spell") in {str(at), "all"} else storable(data.get(f"spell-{at}", ""))
        if word and word != one["value"]:
            spellings.setdefault(one["wire"], {})[one["value"]] = word[:64]
    for at, spelt in enumerate(Findings.load(run.options).mended):
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
