"""What the translation of a collection consists of, and what an import remembers. All translations: ``moving.run``."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from moving.dump import Document, DocumentRefused
from moving.values import Values


class AlreadyHere(Exception):
    """The record is here already, from an earlier run or from elsewhere."""


class Detail(NamedTuple):
    """A document of `order_details`, which waits for its order."""

    order_id: str
    line: dict[str, Any]  # the fields of an ``OrderLine``
    values: Values


@dataclass
class ImportRun:
    """One way through the dump: a check, or a run that writes. It remembers which keys the documents so far had."""

    is_check: bool
    now: datetime
    pictures: Path | None = None
    claims: dict[tuple[str, str], str] = field(default_factory=dict)
    details: dict[str, list[Detail]] = field(default_factory=dict)  # by order_id

    def claim(self, kind: str, key: str, value: str = "") -> str | None:
        """Claim ``key``. Return None, or if it was claimed before, the value of that claim."""
        earlier = self.claims.get((kind, key))
        if earlier is None:
            self.claims[kind, key] = value
        return earlier

    def claim_once(self, kind: str, key: str, value: str = "", *, is_here: bool, what: str) -> None:
        """Claim the key by which a document is known.

        :raises DocumentRefused: an earlier document has it; ``what`` says what they have in common.
        :raises AlreadyHere: ``is_here``, a record has it.
        """
        if self.claim(kind, key, value) is not None:
            raise DocumentRefused(f"与前面的文档重复：{what}")
        if is_here:
            raise AlreadyHere

    def value(self, kind: str, key: str) -> str | None:
        return self.claims.get((kind, key))


def records_create(records: Sequence[Any], _: ImportRun) -> None:
    type(records[0])._default_manager.bulk_create(records)


@dataclass(frozen=True)
class Translation:
    """How the documents of one collection become records.

    :param translate: makes a record of one document. Raises ``DocumentRefused`` or ``AlreadyHere``.
    :param look_up: asks the database what ``translate`` must know of these documents, once for all of them.
    :param write: saves records inside the transaction that notes their arrival.
    :param before: what takes long and needs no transaction.
    """

    collection: str
    label: str
    translate: Callable[[Values, Any, ImportRun], Any]
    look_up: Callable[[Sequence[Document], ImportRun], Any] = lambda documents, run: None
    write: Callable[[Sequence[Any], ImportRun], None] = records_create
    before: Callable[[Sequence[Any], ImportRun], None] = lambda records, run: None
    batch: int = 1000
