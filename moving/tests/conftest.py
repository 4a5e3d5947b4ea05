import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from moving.tests.dumps import dump_write


class Mover:
    """Write documents as a dump and import it; the answer is the table."""

    folder: Path  # of the last report

    def __init__(self, folder: Path) -> None:
        self._folder, self._numbers = folder, itertools.count(1)

    def dump(self, records: dict[str, list[dict[str, Any]]], form: str = "lines") -> Path:
        folder = self._folder / f"dump{next(self._numbers)}"
        dump_write(folder, records, form=form)
        return folder

    def command(self, dump: Path, **options: Any) -> None:
        self.folder = self._folder / f"report{next(self._numbers)}"
        call_command("import_old", str(dump), **{"report": self.folder} | options)

    def __call__(self, records: dict[str, list[dict[str, Any]]], *, form: str = "lines", **options: Any) -> str:
        self.command(self.dump(records, form), **options)
        return (self.folder / "table.txt").read_text("utf-8").split("\n\n被拒绝")[0]

    def entries(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / "documents.jsonl").read_text("utf-8").splitlines()]

    def reasons(self) -> list[str]:
        return [reason for entry in self.entries() for reason, _ in entry["reasons"]]


@pytest.fixture
def move(roles: dict[str, Any], tmp_path: Path) -> Mover:
    return Mover(tmp_path)
