"""A backup brings back what was there, refuses what is damaged, and leaves nothing half-done."""

import tarfile
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from permissions.models import Role

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def media(tmp_path: Path, settings: Any) -> Path:
    settings.MEDIA_ROOT = str(tmp_path / "media")
    (tmp_path / "media").mkdir()
    (tmp_path / "media" / "picture.png").write_bytes(b"as it was")
    return tmp_path / "media"


def test_restores_rows_and_pictures(tmp_path: Path, media: Path) -> None:
    Role.objects.create(roleid="777", name="原来的")
    file = tmp_path / "one.tar"
    call_command("backup", str(file))
    Role.objects.filter(roleid="777").update(name="改过的")
    Role.objects.create(roleid="778", name="后来的")
    (media / "picture.png").unlink()

    call_command("restore", str(file), "--yes")

    assert list(Role.objects.filter(roleid__in=["777", "778"]).values_list("name", flat=True)) == ["原来的"]
    assert (media / "picture.png").read_bytes() == b"as it was"
    assert file.stat().st_mode & 0o077 == 0


def test_refuses_a_damaged_file_and_changes_nothing(tmp_path: Path, media: Path) -> None:
    file, bad = tmp_path / "one.tar", tmp_path / "bad.tar"
    call_command("backup", str(file))
    with tarfile.open(file) as archive:
        archive.extractall(tmp_path / "x", filter="data")
    (tmp_path / "x" / "database.dump").write_bytes(b"PGDMP nonsense")
    with tarfile.open(bad, "w") as archive:
        archive.add(tmp_path / "x" / "manifest.json", "manifest.json")
        archive.add(tmp_path / "x" / "database.dump", "database.dump")
    Role.objects.create(roleid="779", name="还在")

    with pytest.raises(CommandError, match="damaged"):
        call_command("restore", str(bad), "--yes")

    assert Role.objects.filter(roleid="779").exists()


def test_never_overwrites_a_backup(tmp_path: Path, media: Path) -> None:
    file = tmp_path / "one.tar"
    file.write_bytes(b"precious")

    with pytest.raises(CommandError, match="exists already"):
        call_command("backup", str(file))

    assert file.read_bytes() == b"precious"
