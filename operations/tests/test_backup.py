"""A backup brings back what was there, refuses what is damaged, and leaves nothing half-done."""

import errno
import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
from functools import partial
from pathlib import Path
from unittest import mock

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection, connections

from config.database import database
from core.db.connections import COMMAND, SERVING
from operations import backup
from permissions.models import Role

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def media(tmp_path, settings):
    # A restore under way lets no server start: not those of other tests, please.
    settings.STATE_DIR, settings.MEDIA_ROOT = tmp_path / "state", str(tmp_path / "media")
    (tmp_path / "media").mkdir()
    (tmp_path / "media" / "picture.png").write_bytes(b"as it was")
    return tmp_path / "media"


def test_restores_rows_and_pictures(tmp_path, media, monkeypatch):
    Role.objects.create(roleid="777", name="原来的")
    (media / "zebra.png").write_bytes(b"goes")
    file = tmp_path / "one.tar"
    modes, add = set(), tarfile.TarFile.addfile

    def look(archive, member, *content):
        [folder] = tmp_path.glob("one.tar.part*")
        modes.update((path.stat().st_mode & 0o777) for path in (folder, folder / "backup.tar"))
        if member.name == "media/picture.png":  # its folder has been read by now
            (media / "zebra.png").unlink()
        add(archive, member, *content)

    monkeypatch.setattr(tarfile.TarFile, "addfile", look)
    mask = os.umask(0)
    try:
        call_command("backup", str(file))
    finally:
        os.umask(mask)
    assert modes == {0o700, 0o600}  # only the owner can read it, from the first byte on
    with pytest.raises(CommandError, match="已经有"):
        call_command("backup", str(file))
    Role.objects.filter(roleid="777").update(name="改过的")
    Role.objects.create(roleid="778", name="后来的")
    (media / "picture.png").unlink()

    with connected(SERVING), pytest.raises(CommandError, match="系统还在运行，在这些机器上用着数据库：本机"):
        call_command("restore", str(file), "--yes")

    assert Role.objects.filter(roleid="778").exists()
    (tmp_path / "state/.restore-killed").mkdir(parents=True)
    (tmp_path / "state/restore-me").mkdir()
    file = file.rename(tmp_path / "state/restore-me/one.tar")
    with connected(COMMAND):
        call_command("restore", str(file), "--yes")
    assert [path.name for path in (tmp_path / "state").glob("*restore*")] == ["restore-me"] and file.exists()
    assert list(Role.objects.filter(roleid__in=["777", "778"]).values_list("name", flat=True)) == ["原来的"]
    assert [path.name for path in media.iterdir()] == ["picture.png"]
    assert (media / "picture.png").read_bytes() == b"as it was"


def connected(name):
    database = connection.settings_dict["NAME"]
    return psycopg.connect(os.environ["DATABASE_URL"], dbname=database, application_name=name)


def test_a_full_disk_is_said_and_damages_nothing(tmp_path, media, monkeypatch):
    full, copy = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), shutil.copyfileobj

    def fill_up(source, target, *sizes):
        if "picture.png" in target.name:
            raise full
        copy(source, target, *sizes)

    with monkeypatch.context() as patch:
        patch.setattr(tarfile.TarFile, "addfile", mock.Mock(side_effect=full))
        reason = rf"没有写成 {tmp_path}/one.tar：.*\[Errno 28\] No space left on device"
        with pytest.raises(CommandError, match=reason):
            call_command("backup", str(tmp_path / "one.tar"))
    assert list(tmp_path.glob("*.tar*")) == []
    call_command("backup", str(tmp_path / "one.tar"))
    (media / "picture.png").write_bytes(b"not touched")
    monkeypatch.setattr(shutil, "copyfileobj", fill_up)

    with pytest.raises(CommandError, match="No space left"):
        call_command("restore", str(tmp_path / "one.tar"), "--yes")

    assert (media / "picture.png").read_bytes() == b"not touched"
    assert [path.name for path in media.iterdir()] == ["picture.png"]


@pytest.fixture
def good(media, tmp_path_factory):
    """A backup with many roles; it is written once for all that spoil it."""
    file = tmp_path_factory.getbasetemp() / "good.tar"
    if not file.exists():
        Role.objects.bulk_create(Role(roleid=str(number), name=os.urandom(30).hex()) for number in range(1000, 2500))
        call_command("backup", str(file))
    return file


def altered(source, target, change=bytes, *, is_honest=True, **changes):
    """A backup whose dump is another; an honest one has the right checksum."""
    with tarfile.open(source) as old, tarfile.open(target, "w") as new:
        dump = change(content_of(old, "database.dump"))
        for member in old.getmembers():
            content = content_of(old, member.name)
            if member.name == "database.dump":
                content = dump
            elif member.name == "manifest.json" and is_honest:
                facts = json.loads(content) | {"database_sha256": hashlib.sha256(dump).hexdigest()}
                content = json.dumps(facts | changes).encode()
            member.size = len(content)
            new.addfile(member, io.BytesIO(content))


def content_of(archive, name):
    file = archive.extractfile(name)
    return file.read() if file else b""


def leading_outside(good, bad):
    shutil.copy(good, bad)
    with tarfile.open(bad, "a") as archive:
        archive.addfile(tarfile.TarInfo("media/../../outside.png"))


def another_tar(_, bad):
    with tarfile.open(bad, "w") as archive:
        archive.addfile(tarfile.TarInfo("notes.txt"))


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (partial(altered, change=lambda dump: dump + b"x", is_honest=False), "文件损坏了"),
        (partial(altered, written_at="yesterday"), "数据库和以前一样：Invalid isoformat"),
        # Without the one transaction each table that had come whole would be there, and the rest be gone.
        (partial(altered, change=lambda dump: dump[:-60_000]), "数据库和以前一样：pg_restore 失败："),
        (lambda good, bad: bad.write_bytes(good.read_bytes()[:-60_000]), "unexpected end of data"),
        (leading_outside, "指到外面"),
        (another_tar, "不是备份"),
        (lambda _, bad: bad.write_text("no archive"), r"数据库和以前一样：.*\Z"),  # of tarfile's five lines one
        (shutil.copy, r"数据库和以前一样：psql 失败：.*division by zero"),
    ],
)
def test_a_restore_that_fails_leaves_rows_and_pictures_as_they_were(tmp_path, media, good, monkeypatch, spoil, reason):
    spoil(good, tmp_path / "bad.tar")
    (media / "picture.png").unlink()
    (media / "later.png").write_bytes(b"since then")
    Role.objects.create(roleid="779", name="还在")
    roles = set(Role.objects.values_list("roleid", flat=True))
    monkeypatch.setattr(backup, "_DROP_OURS", backup._DROP_OURS + "SELECT 1 / 0;")  # what the server refuses

    with pytest.raises(CommandError, match=reason):
        call_command("restore", str(tmp_path / "bad.tar"), "--yes")

    assert [path.name for path in media.iterdir()] == ["later.png"]
    assert not (tmp_path.parent / "outside.png").exists()
    assert set(Role.objects.values_list("roleid", flat=True)) == roles


def test_what_a_newer_release_has_added_is_gone(tmp_path, media):
    """Also what refers to our tables: pg_restore alone fails there."""
    call_command("backup", str(tmp_path / "one.tar"))
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE newer (id bigserial, role bigint REFERENCES permissions_role)")
        cursor.execute('CREATE VIEW "Newer view" AS SELECT * FROM newer')
        cursor.execute("CREATE FUNCTION newer_key(a int) RETURNS int LANGUAGE sql AS 'SELECT 1'")

    call_command("restore", str(tmp_path / "one.tar"), "--yes")

    with connection.cursor() as cursor:
        for kind, name in (("pg_class", "relname"), ("pg_proc", "proname")):
            cursor.execute(f"SELECT {name} FROM {kind} WHERE {name} ILIKE 'newer%'")
            assert cursor.fetchall() == []


def test_every_option_of_the_url_reaches_pg_dump(tmp_path, media, monkeypatch):
    """Several hosts, of which one is alive; what TLS is demanded; and no secret where other users can see it."""
    facts = connections.databases["default"]
    url = (
        f"postgresql://{facts['USER']}:se%20cret%20@/{facts['NAME']}?host=/nowhere,{facts['HOST']}&port=,"
        "&target_session_attrs=read-write&sslmode=prefer&sslpassword=hidden"
    )
    form = {key: value for key, value in database(url, pool_size=1).items() if key in {"HOST", "PORT", "PASSWORD"}}
    options = database(url, pool_size=1)["OPTIONS"]
    options.pop("pool")
    for key, value in {**form, "OPTIONS": options}.items():
        monkeypatch.setitem(facts, key, value)
    connection.close()
    environments = []
    start = subprocess.run

    def look(*arguments, **options):
        if environment := options.get("env"):
            environments.append(environment | {"services": Path(environment["PGSERVICEFILE"]).read_text()})
        return start(*arguments, **options)

    monkeypatch.setattr(subprocess, "run", look)

    call_command("backup", str(tmp_path / "one.tar"))

    [environment] = environments
    assert environment["PGPASSWORD"] == "se cret "
    lines = environment["services"].splitlines()
    assert {f"host=/nowhere,{facts['HOST'].partition(',')[2]}", "target_session_attrs=read-write"} <= set(lines)
    assert {"sslmode=prefer", "sslpassword=hidden"} <= set(lines)
    assert (tmp_path / "one.tar").exists()
