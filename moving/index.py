"""What a pass has read so far, in a temporary SQLite file, so that memory does not grow with the dump."""

import json
import sqlite3
from collections.abc import Iterator
from typing import Any


class ImportIndex:
    def __init__(self) -> None:
        self._db = sqlite3.connect("", isolation_level=None)  # a private file, gone with the connection
        self._db.execute("CREATE TABLE claims (kind, key, value, PRIMARY KEY (kind, key)) WITHOUT ROWID")
        self._db.execute("CREATE TABLE lines (order_id, line, outcome DEFAULT '')")
        self._db.execute("BEGIN")  # nobody else reads it: nothing ever has to be written through to the disk

    def close(self) -> None:
        self._db.close()

    def claim(self, kind: str, key: str, value: str = "") -> str | None:
        """Claim ``key``. Return None, or if it was claimed before, the value of that claim."""
        earlier = self.value(kind, key)
        if earlier is None:
            self._db.execute("INSERT INTO claims VALUES (?, ?, ?)", (kind, key, value))
        return earlier

    def value(self, kind: str, key: str) -> str | None:
        found = self._db.execute("SELECT value FROM claims WHERE kind = ? AND key = ?", (kind, key)).fetchone()
        return found and found[0]

    def line_keep(self, order_id: str, line: dict[str, Any]) -> None:
        self._db.execute("INSERT INTO lines (order_id, line) VALUES (?, ?)", (order_id, json.dumps(line)))

    def lines_ready(self) -> None:
        self._db.execute("CREATE INDEX lines_of_order ON lines (order_id)")

    def lines_of(self, order_id: str) -> list[dict[str, Any]]:
        found = self._db.execute("SELECT line FROM lines WHERE order_id = ? ORDER BY rowid", (order_id,))
        return [json.loads(line) for (line,) in found]

    def lines_end(self, order_id: str, outcome: str) -> None:
        """Note the outcome of an order, which is also that of its lines. Only the first note of an order counts."""
        self._db.execute("UPDATE lines SET outcome = ? WHERE order_id = ? AND outcome = ''", (outcome, order_id))

    def lines_ended(self) -> Iterator[tuple[dict[str, Any], str]]:
        for line, outcome in self._db.execute("SELECT line, outcome FROM lines ORDER BY rowid"):
            yield json.loads(line), outcome
