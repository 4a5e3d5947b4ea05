import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from moving.tests.dumps import dump_write


@pytest.fixture
def move(roles: dict[str, Any], tmp_path: Path) -> Callable[..., str]:
    """Write documents as a dump and import it; answer the table. ``move.folder`` holds the last report."""
    numbers = itertools.count(1)

    def run(found: dict[str, list[dict[str, Any]]], *, form: str = "lines", **options: Any) -> str:
        number = next(numbers)
        dump_write(tmp_path / f"dump{number}", found, form=form)
        run.folder = tmp_path / f"report{number}"  # type: ignore[attr-defined]
        call_command("import_old", str(tmp_path / f"dump{number}"), report=run.folder, **options)  # type: ignore[attr-defined]
        return (run.folder / "table.txt").read_text("utf-8").split("\n\n被拒绝")[0]  # type: ignore[attr-defined]

    return run
