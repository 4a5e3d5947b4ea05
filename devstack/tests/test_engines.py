import os
import pwd
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import psutil
import psycopg
import pytest
import redis

from devstack.engines import Engines, copies, programs_for
from devstack.process import StackError
from tests.processes import assert_all_gone, family, plain_environ, until

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has an account to give up")


def write(engines, value):
    with psycopg.connect(engines.urls["DATABASE_URL"]) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS note (text text)")
        connection.execute("INSERT INTO note VALUES (%s)", [value])
    with redis.Redis.from_url(engines.urls["REDIS_URL"]) as client:
        client.rpush("note", value)


def read(engines):
    with psycopg.connect(engines.urls["DATABASE_URL"]) as connection:
        rows = [row[0] for row in connection.execute("SELECT text FROM note")]
    with redis.Redis.from_url(engines.urls["REDIS_URL"], decode_responses=True) as client:
        return rows, client.lrange("note", 0, -1)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A state directory as people have them; as root it lies below one that the engines' account may not enter."""
    return tmp_path_factory.mktemp("我的 项目 (copy)") / ".dev"


@pytest.fixture(scope="module")
def engines(home):
    with Engines(home) as engines:
        write(engines, "一")
        yield engines


def test_allows_three_hundred_connections_and_speaks_utf8(engines):
    names = ("max_connections", "server_encoding")
    with psycopg.connect(engines.urls["DATABASE_URL"]) as connection:
        answers = [connection.execute(f"SHOW {name}").fetchone() for name in names]
        like = connection.execute("SELECT '谭' < '谭X', upper('ä')").fetchone()

    assert answers == [("300",), ("UTF8",)]
    assert like == (True, "Ä")


def test_a_second_owner_of_the_same_data_is_refused(engines, home, monkeypatch):
    monkeypatch.setattr("devstack.engines.LEFTOVER_S", 0.1)
    with pytest.raises(StackError, match="It is already running here"), Engines(home, missing=["REDIS_URL"]):
        pass


def tried_as(name, attempt):
    """What came of ``attempt``, made by another account of this machine: "done", or the error's name."""
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        account = pwd.getpwnam(name)
        os.setgroups([])
        os.setgid(account.pw_gid)
        os.setuid(account.pw_uid)
        try:
            attempt()
            outcome = "done"
        except BaseException as error:
            outcome = type(error).__name__
        os.write(writing, outcome.encode())
        os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading) as outcome:
        return outcome.read()


def connect(path):
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))


@as_root
def test_as_root_no_other_account_gets_at_the_servers_or_their_files(engines, home):
    assert 0 not in {psutil.Process(engine.pid).uids().effective for engine in engines.children.values()}
    assert stat.S_IMODE(home.parent.stat().st_mode) == 0o700  # nothing was opened for the servers
    sockets = engines.run_dir / "s"
    postgres, valkey = (f"/proc/{engine.pid}/cwd" for engine in engines.children.values())
    attempts = [
        lambda: connect(sockets / ".s.PGSQL.5432"),
        lambda: connect(sockets / "vk.sock"),
        lambda: Path(postgres, "PG_VERSION").read_text(),
        lambda: os.listdir(valkey),
    ]

    assert [tried_as("nobody", attempt) for attempt in attempts] == ["PermissionError"] * 4
    for attempt in attempts:
        attempt()  # which we may


def test_what_was_committed_stays_when_both_servers_are_killed_and_nothing_is_left(engines):
    processes = [process for engine in engines.children.values() for process in family(engine.pid)]
    assert len(processes) > 2
    for engine in engines.children.values():
        os.kill(engine.pid, signal.SIGKILL)

    engines.__exit__()

    assert_all_gone(processes, timeout_s=5)
    assert not engines.run_dir.exists()


OWNER = """
import sys; from pathlib import Path; from devstack.engines import Engines
with Engines(Path(sys.argv[1])) as engines: print(engines.urls['REDIS_URL'], flush=True); sys.stdin.read()
"""


def test_a_killed_owner_takes_its_servers_along_and_loses_nothing(home):
    command = [sys.executable, "-c", OWNER, str(home)]
    with subprocess.Popen(
        command, env=plain_environ(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as owner:
        socket_path = owner.stdout.readline().removeprefix("unix://").split("?")[0]
        processes = family(owner.pid)
        owner.kill()

    assert_all_gone(processes)
    assert until(lambda: not Path(socket_path).parents[1].exists(), 90)


def test_a_foreign_pid_file_and_data_of_the_account_nobody_do_not_stop_the_start(home):
    pid_file = home / "postgres" / "postmaster.pid"
    pid_file.write_text(f"{os.getpid()}\n{home / 'postgres'}\n1700000000\n5432\n/tmp\n\n")
    nobody = pwd.getpwnam("nobody")
    if os.geteuid() == 0:
        for path in [path for name in ("postgres", "valkey") for path in (home / name, *(home / name).rglob("*"))]:
            os.chown(path, nobody.pw_uid, nobody.pw_gid)
        os.chown(home / "postgres", 0, 0)  # where a start was cut short

    with Engines(home) as engines:
        assert read(engines) == (["一"], ["一"])
        postgres = engines.children["postgres"]
        assert int(pid_file.read_text().split()[0]) == postgres.pid
        owners = {psutil.Process(engine.pid).uids().effective for engine in engines.children.values()}
        assert nobody.pw_uid not in owners | {path.stat().st_uid for path in (home / "postgres").rglob("*")}
        os.kill(postgres.pid, signal.SIGINT)  # as at a shutdown
        assert until(postgres.has_ended, 90)
        assert "database system is shut down" in postgres.log.read_text()


def test_says_in_one_line_why_a_server_does_not_start_and_makes_a_half_made_directory_anew(tmp_path):
    (tmp_path / "postgres.new").mkdir()
    (tmp_path / "postgres.new" / "PG_VERSION").write_text("18\n")
    with Engines(tmp_path, missing=["DATABASE_URL"], durable=False) as engines:
        assert list(engines.urls) == ["DATABASE_URL"]
    (tmp_path / "postgres" / "PG_VERSION").write_text("9.6\n")

    with pytest.raises(StackError) as error, Engines(tmp_path, missing=["DATABASE_URL"]):
        pass

    assert str(error.value).startswith("postgres did not start: ")
    assert "database files are incompatible" in str(error.value)
    assert "\n" not in str(error.value)


def test_programs_out_of_reach_are_copied(tmp_path):
    found = copies(programs_for(None, tmp_path), tmp_path)

    versions = [subprocess.check_output([program, "--version"], text=True) for program in found]

    assert all(tmp_path in program.parents for program in found)
    assert ["PostgreSQL" in versions[0], "PostgreSQL" in versions[1], "alkey" in versions[2]] == [True] * 3
