import itertools
import json
from pathlib import Path

import pytest
from django.core.management import call_command

from moving.tests.dumps import dump_write


class Mover:
    """Write documents as a dump and import it; the answer is the table."""

    folder: Path  # of the last report

    def __init__(self, folder):
        self._folder, self._numbers = folder, itertools.count(1)

    def dump(self, records, form="lines"):
        folder = self._folder / f"dump{next(self._numbers)}"
        dump_write(folder, records, form=form)
        return folder

    def command(self, dump, **options):
        self.folder = self._folder / f"report{next(self._numbers)}"
        call_command("import_old", str(dump), **{"report": self.folder} | options)

    def __call__(self, records, *, form="lines", **options):
        self.command(self.dump(records, form), **options)
        return (self.folder / "table.txt").read_text("utf-8").split("\n\n被拒绝")[0]

    def entries(self):
        return [json.loads(line) for line in (self.folder / "documents.jsonl").read_text("utf-8").splitlines()]

    def reasons(self):
        return [reason for entry in self.entries() for reason, _ in entry["reasons"]]


@pytest.fixture
def move(roles, tmp_path):
    return Mover(tmp_path)
