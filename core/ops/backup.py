"""Write the database and the pictures into one file, and restore them from it.

A backup is a tar of ``manifest.json``, ``database.dump`` (pg_dump's custom format) and ``media/``. pg_dump reads one
snapshot. A picture that is deleted while the backup is written is one that no row of the snapshot refers to.
"""

import hashlib
import io
import json
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any

import psycopg
from django.conf import settings
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from core.db.direct import NoDirectWay
from core.ops import pgtools
from core.ops.at_work import machines_at_work

FORMAT = 1
# Problem: pg_restore --clean drops only what the dump holds. After an upgrade, a new table that refers to an old one
# makes that DROP fail, so the upgrade could not be undone; a new table that stays makes the next `migrate` fail.
# So everything of ours is dropped first. Remove this if pg_restore learns to empty a schema.
_DROP_OURS = """
SET LOCAL client_min_messages = warning;
DO $$
DECLARE item text;
BEGIN
  FOREACH item IN ARRAY ARRAY(
    SELECT format('DROP %s IF EXISTS public.%I CASCADE', CASE relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN
      'MATERIALIZED VIEW' WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, relname)
    FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'S')
      -- Not what belongs to an extension, nor what goes with its table.
      AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_class.oid AND deptype IN ('e', 'i', 'a'))
    UNION ALL
    SELECT format('DROP ROUTINE IF EXISTS %s CASCADE', pg_proc.oid::regprocedure)
    FROM pg_proc WHERE pronamespace = 'public'::regnamespace
      AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_proc.oid AND deptype = 'e')
  ) LOOP
    EXECUTE item;
  END LOOP;
END $$
"""


class BackupError(Exception):
    """A backup or restore failed; the text is one sentence for the engineer."""


# --- Writing ---------------------------------------------------------------------------------------
def write(target: Path, *, now: datetime) -> dict[str, Any]:
    """Write a backup to ``target`` and return its manifest. The name appears only when the file is complete.

    :raises BackupError: pg_dump is missing or failed, or the disk is full.
    """
    part = target.with_name(target.name + ".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
            dump = Path(scratch) / "database.dump"
            pgtools.run("pg_dump", "--format=custom", "--no-owner", "--no-privileges", f"--file={dump}")
            manifest = {
                "format": FORMAT,
                "written_at": now.isoformat(),
                "database_sha256": _sha256(dump),
                "migrations": sorted(
                    f"{app}.{name}" for app, name in MigrationRecorder(connection).applied_migrations()
                ),
            }
            part.unlink(missing_ok=True)
            with open(part, "xb", opener=_for_us_alone) as file:
                with tarfile.open(fileobj=file, mode="w") as archive:
                    _add(archive, "manifest.json", json.dumps(manifest, indent=1).encode())
                    archive.add(dump, "database.dump")
                    for name, content in _pictures():
                        _add(archive, f"media/{name}", content)
                file.flush()
                os.fsync(file.fileno())
        part.rename(target)
    except (pgtools.ToolError, OSError) as error:
        raise BackupError(f"{target} was not written: {error}") from error
    finally:
        part.unlink(missing_ok=True)
    return manifest


def _for_us_alone(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))


def _pictures() -> Iterator[tuple[str, bytes]]:
    root = Path(settings.MEDIA_ROOT)
    for folder, _, names in os.walk(root):
        for path in sorted(Path(folder) / name for name in names):
            try:
                content = path.read_bytes()  # read it first: tar writes the size before the content
            except FileNotFoundError:
                continue  # removed since it was listed
            yield path.relative_to(root).as_posix(), content


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# --- The way back ----------------------------------------------------------------------------------
def refuse_while_it_runs() -> None:
    """Refuse a restore while the system runs: its processes would write what they remember into the restored rows.

    :raises BackupError: it runs, and the text names the machines; or the database does not answer.
    """
    try:
        machines = machines_at_work()
    except NoDirectWay:
        raise BackupError("A restore needs PostgreSQL itself: set DATABASE_DIRECT_URL to pass the pooler.") from None
    except psycopg.OperationalError as error:
        raise BackupError(f"The database does not answer: {error}") from error
    if machines:
        raise BackupError(
            f"The system still runs; it uses the database from {', '.join(sorted(machines))}. Stop web, socket, "
            "workers and beat on every machine first. In development stop `make up`, and run the engines alone: "
            "`python manage.py up --engines`."
        )


def restore(source: Path) -> dict[str, Any]:
    """Restore database and pictures from ``source`` and return its manifest. The database changes in one transaction.

    Pictures are unpacked directly into MEDIA_ROOT and nothing else is unpacked, so no other disk needs space.

    :raises BackupError: the file is no backup or is damaged, the disk has no space for the pictures, or pg_restore
        failed. Database and pictures are as before.
    """
    with _open(source) as archive:
        manifest = _manifest(archive, source)
        pictures = _destinations(archive, source)
        _check_room(pictures)
        with _put_back(archive, pictures):
            connection.close()
            dump = archive.extractfile("database.dump")
            assert dump  # _manifest has read it
            try:
                pgtools.load(dump, first=_DROP_OURS)
            except pgtools.ToolError as error:
                raise BackupError(f"The database is as before: {error}") from error
    return manifest


def _open(source: Path) -> tarfile.TarFile:
    with ExitStack() as opened:
        try:
            archive = opened.enter_context(tarfile.open(source))
            archive.getmembers()  # reads to the end, so that a truncated file is found now
        except (tarfile.TarError, EOFError, OSError) as error:
            raise BackupError(f"{source} cannot be read as a backup: {error}.") from error
        opened.pop_all()  # the caller closes it
    return archive


def _manifest(archive: tarfile.TarFile, source: Path) -> dict[str, Any]:
    try:
        listing, dump = (archive.extractfile(name) for name in ("manifest.json", "database.dump"))
        manifest: dict[str, Any] = json.load(listing or io.BytesIO())
    except (KeyError, ValueError):
        raise BackupError(f"{source} holds no manifest.json or no database.dump: it is no backup.") from None
    if manifest.get("format") != FORMAT:
        raise BackupError(f"{source} has format {manifest.get('format')}, this release reads {FORMAT}.")
    digest: Any = hashlib.file_digest
    if dump is None or manifest.get("database_sha256") != digest(dump, "sha256").hexdigest():
        raise BackupError(f"{source} is damaged: the database's checksum differs.")
    return manifest


def _destinations(archive: tarfile.TarFile, source: Path) -> dict[Path, tarfile.TarInfo]:
    """Return the path that each picture of the archive is written to."""
    root = Path(settings.MEDIA_ROOT)
    found = {}
    for member in archive.getmembers():
        parts = PurePosixPath(member.name).parts
        if member.isfile() and parts[0] == "media" and len(parts) > 1:
            if ".." in parts:
                raise BackupError(f"{source} is no backup of ours: {member.name} leads outside.")
            found[root.joinpath(*parts[1:])] = member
    return found


def _check_room(pictures: dict[Path, tarfile.TarInfo]) -> None:
    needed = sum(member.size for path, member in pictures.items() if not path.exists())
    folder = Path(settings.MEDIA_ROOT)
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise BackupError(f"The pictures need {_mb(needed)}, and the disk of {folder} has {_mb(free)} left.")


def _mb(size: int) -> str:
    return f"{size / 1_000_000:,.0f} MB"


@contextmanager
def _put_back(archive: tarfile.TarFile, pictures: dict[Path, tarfile.TarInfo]) -> Iterator[None]:
    """Write the pictures. If the block fails, remove those that did not exist before."""
    made: list[Path] = []
    try:
        for path, member in pictures.items():
            if not path.exists():
                made.append(path)
            _write_picture(path, archive.extractfile(member))
        yield
    except BaseException:
        for path in made:
            path.unlink(missing_ok=True)
        raise


def _write_picture(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    try:
        with part.open("wb") as file:
            shutil.copyfileobj(content, file)
        part.chmod(settings.FILE_UPLOAD_PERMISSIONS)
        part.replace(path)
    except OSError as error:
        raise BackupError(f"{path} cannot be written: {error}.") from error
    finally:
        part.unlink(missing_ok=True)
