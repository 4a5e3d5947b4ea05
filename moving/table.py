"""How the documents of a collection become records: what all collections have in common."""

from collections.abc import Sequence
from typing import Any

from django.db.models import Model

from moving.document import Document, DocumentRefused
from moving.dump import Dump


class AlreadyHere(Exception):
    """The record is here already, from an earlier run or from elsewhere."""


class Table:
    """A collection on its way into a table of ours. It is made when the collections before it are in the database.

    ``key`` names the columns by which a record is known; ``here`` holds those that were here before, ``seen`` those of
    the documents so far.
    """

    collection: str
    model: type[Model]
    key: tuple[str, ...] = ()

    def __init__(self, dump: Dump) -> None:
        self.dump = dump
        self.here: set[Any] = set(self.model._default_manager.values_list(*self.key)) if self.key else set()
        self.seen: set[Any] = set()

    def arrive(self, old: Document) -> Any:
        """Return the record of a document.

        :raises DocumentRefused: it cannot be imported, or has come before.
        :raises AlreadyHere: its record has.
        """
        if old.fault:
            raise DocumentRefused(old.fault)
        if old.old_id:
            self.claim(("_id", old.old_id), "_id")
        record = self.record(old)
        if self.key:
            self.claim(tuple(getattr(record, name) for name in self.key), "、".join(self.key))
        return record

    def record(self, old: Document) -> Any:
        """Make the record, unsaved; ``arrive`` says what it may raise."""
        raise NotImplementedError

    def claim(self, key: tuple[Any, ...], name: str) -> None:
        if key in self.seen:
            raise DocumentRefused(f"与前面的文档重复：{name} 相同")
        self.seen.add(key)
        if key in self.here:
            raise AlreadyHere

    def write(self, records: Sequence[Any]) -> None:
        """Save records, in the transaction that notes their arrival."""
        self.model._default_manager.bulk_create(records)
