"""What the translation of a collection consists of. The table of all of them is ``moving.table``."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from moving.dump import Document
from moving.index import ImportIndex
from moving.values import Values


@dataclass
class ImportRun:
    """One way through the dump: a check, or a run that writes."""

    is_check: bool
    now: datetime
    index: ImportIndex = field(default_factory=ImportIndex)
    pictures: Path | None = None


@dataclass
class Arriving:
    """A document that is imported, and the record that is made from it."""

    values: Values
    record: Any


@dataclass(frozen=True)
class Translation:
    """How the documents of one collection become records.

    :param look_up: asks the database what ``translate`` must know of these documents, once for all of them.
    :param translate: makes a record of one document. Raises ``DocumentRefused`` or ``AlreadyHere``.
    :param write: saves records inside the transaction that notes their arrival.
    :param before: what takes long and needs no transaction.
    """

    collection: str
    label: str
    look_up: Callable[[Sequence[Document], ImportRun], Any]
    translate: Callable[[Values, Any, ImportRun], Any]
    write: Callable[[Sequence[Arriving], ImportRun], None]
    before: Callable[[Sequence[Arriving], ImportRun], None] = lambda arriving, run: None
    batch: int = 1000
