import csv
import io
import itertools
from pathlib import Path

import pytest
from django.core.management import call_command

from moving.tests.dumps import dump_write

WEAK = "密码不符合要求，登入照常：请提醒他修改"


class Mover:
    """Write documents as a dump and import it; the answer is what the command prints of its counts."""

    folder: Path  # of the last report

    def __init__(self, folder):
        self._folder, self._numbers = folder, itertools.count(1)

    def dump(self, records, form="json"):
        folder = self._folder / f"dump{next(self._numbers)}"
        dump_write(folder, records, form=form)
        return folder

    def command(self, dump, **options):
        self.folder = self._folder / f"report{next(self._numbers)}"
        out = io.StringIO()
        call_command("import_old", str(dump), **{"report": self.folder, "stdout": out} | options)
        return out.getvalue()

    def __call__(self, records, *, form="json", **options):
        return self.command(self.dump(records, form), **options).split("被拒绝和修补")[0]

    def problems(self):
        """The rows of the report's file."""
        with (self.folder / "problems.csv").open(encoding="utf-8-sig", newline="") as file:
            return list(csv.DictReader(file))

    def reasons(self):
        """What was mended or refused, without the weak passwords, and without details."""
        sentences = [sentence for row in self.problems() for sentence in row["原因"].split("；")]
        return [what for sentence in sentences if (what := sentence.split("（")[0]) != WEAK]


@pytest.fixture
def move(roles, tmp_path):
    return Mover(tmp_path)
