import os
import pwd
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import psycopg
import pytest
import redis

from devstack import binaries, system_user
from devstack.engines import Engines, temporary_directory
from devstack.errors import StackError
from devstack.tests.processes import assert_all_gone, eventually, family, plain_environ

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has an account to give up")


def write(engines: Engines, value: str) -> None:
    with psycopg.connect(engines.urls["DATABASE_URL"]) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS note (text text)")
        connection.execute("INSERT INTO note VALUES (%s)", [value])
    with redis.Redis.from_url(engines.urls["REDIS_URL"]) as client:
        client.rpush("note", value)


def read(engines: Engines) -> tuple[list[str], list[str]]:
    with psycopg.connect(engines.urls["DATABASE_URL"]) as connection:
        rows = [row[0] for row in connection.execute("SELECT text FROM note")]
    with redis.Redis.from_url(engines.urls["REDIS_URL"], decode_responses=True) as client:
        return rows, client.lrange("note", 0, -1)


def processes_of(engines: Engines) -> list[psutil.Process]:
    return [process for engine in engines.engines for process in family(engine.pid or 0)]


def run_dir(engines: Engines) -> Path:
    return engines.engines[0].sockets.parent


def test_keeps_what_was_written_when_started_again(home: Path) -> None:
    with Engines(home) as engines:
        write(engines, "第一次")

    with Engines(home) as engines:
        assert read(engines) == (["第一次"], ["第一次"])


def test_leaves_no_process_and_no_temporary_file(home: Path) -> None:
    with Engines(home) as engines:
        started, temporary = processes_of(engines), run_dir(engines)
        assert len(started) > 2

    assert_all_gone(started, timeout_s=5)
    assert not temporary.exists()


def test_keeps_what_was_committed_when_both_servers_are_killed(home: Path) -> None:
    with Engines(home) as engines:
        write(engines, "一")
        for engine in engines.engines:
            os.kill(engine.pid, signal.SIGKILL)

    with Engines(home) as engines:
        assert read(engines) == (["一"], ["一"])


def test_a_killed_owner_takes_its_servers_along_and_loses_nothing(home: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from devstack.engines import Engines\n"
        "e = Engines(Path(sys.argv[1])).start(); print(e.urls['DATABASE_URL'], e.urls['REDIS_URL'], flush=True)\n"
        "sys.stdin.read()"
    )
    owner = subprocess.Popen(
        [sys.executable, "-c", script, str(home)],
        env=plain_environ(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with owner:
        database_url, redis_url = owner.stdout.readline().split()
        temporary = Path(redis_url.removeprefix("unix://").split("?")[0]).parents[1]
        with psycopg.connect(database_url) as connection:
            connection.execute("CREATE TABLE note AS SELECT '二' AS text")
        with redis.Redis.from_url(redis_url) as client:
            client.rpush("note", "二")
        started = family(owner.pid)
        owner.kill()

    assert_all_gone(started)
    eventually(lambda: not temporary.exists())
    with Engines(home) as engines:
        assert read(engines) == (["二"], ["二"])


def test_a_pid_file_that_names_a_living_stranger_does_not_stop_the_start(home: Path) -> None:
    with Engines(home, missing=["DATABASE_URL"]):
        pass
    pid_file = home / "postgres" / "postmaster.pid"
    pid_file.write_text(f"{os.getpid()}\n{home / 'postgres'}\n1700000000\n5432\n/tmp\n\n")

    with Engines(home, missing=["DATABASE_URL"]) as engines:
        assert int(pid_file.read_text().split()[0]) == engines.engines[0].pid


def test_a_second_owner_of_the_same_data_is_refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("devstack.engines.LEFTOVER_TIMEOUT_S", 0.1)
    with Engines(home, missing=["REDIS_URL"]), pytest.raises(StackError, match="Another process still uses"):
        Engines(home, missing=["REDIS_URL"]).start()


def test_allows_three_hundred_connections_and_speaks_utf8() -> None:
    names = ("max_connections", "server_encoding")
    with (
        Engines(missing=["DATABASE_URL"], durable=False) as engines,
        psycopg.connect(engines.urls["DATABASE_URL"]) as connection,
    ):
        answers = [connection.execute(f"SHOW {name}").fetchone() for name in names]
        like = connection.execute("SELECT '谭' < '谭X', upper('ä')").fetchone()

    assert answers == [("300",), ("UTF8",)]
    assert like == (True, "Ä")


def test_only_the_missing_engine_is_started() -> None:
    with Engines(missing=["REDIS_URL"], durable=False) as engines:
        assert list(engines.urls) == ["REDIS_URL"]


@as_root
def test_as_root_the_servers_run_unprivileged_and_no_mode_changes(home: Path) -> None:
    home.mkdir(parents=True)
    above = [home, *home.parents]
    before = [stat.S_IMODE(path.stat().st_mode) for path in above]

    with Engines(home) as engines:
        owners = {psutil.Process(engine.pid).uids().effective for engine in engines.engines}

    assert 0 not in owners
    assert [stat.S_IMODE(path.stat().st_mode) for path in above] == before


def tried_as(name: str, attempt: Callable[[], object]) -> str:
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


def connect(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))


@as_root
def test_as_root_no_other_account_gets_at_the_servers_or_their_files(home: Path) -> None:
    with Engines(home) as engines:
        write(engines, "只给我们")
        sockets = run_dir(engines) / "s"
        postgres, valkey = (f"/proc/{engine.pid}/cwd" for engine in engines.engines)
        attempts = [
            lambda: connect(sockets / ".s.PGSQL.5432"),
            lambda: connect(sockets / "vk.sock"),
            lambda: Path(postgres, "PG_VERSION").read_text(),
            lambda: os.listdir(valkey),
        ]

        assert [tried_as("nobody", attempt) for attempt in attempts] == ["PermissionError"] * 4
        for attempt in attempts:
            attempt()  # which we may


@as_root
def test_as_root_data_that_was_nobodys_changes_hands(home: Path) -> None:
    with Engines(home) as engines:
        write(engines, "早先的")
    nobody = pwd.getpwnam("nobody")
    for path in [path for name in ("postgres", "valkey") for path in (home / name, *(home / name).rglob("*"))]:
        os.chown(path, nobody.pw_uid, nobody.pw_gid)
    os.chown(home / "postgres", 0, 0)  # where a start was cut short

    with Engines(home) as engines:
        assert read(engines) == (["早先的"], ["早先的"])
        owners = {psutil.Process(engine.pid).uids().effective for engine in engines.engines}
        assert nobody.pw_uid not in owners | {path.stat().st_uid for path in (home / "postgres").rglob("*")}


@as_root
def test_as_root_data_of_a_persons_account_stays_with_it(home: Path) -> None:
    person = next(entry for entry in pwd.getpwall() if entry.pw_uid and entry.pw_name not in system_user.UNPRIVILEGED)
    home.mkdir(parents=True)
    os.chown(home, person.pw_uid, person.pw_gid)

    account = system_user.account_for(home)

    assert account and (account.name, account.uid) == (person.pw_name, person.pw_uid)


def test_programs_out_of_reach_are_copied(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(binaries, "_can_run", lambda path, account: False)
    account = system_user.account_for(tmp_path) or system_user.Account("me", os.geteuid(), os.getegid())
    scratch = temporary_directory()

    found = binaries.reachable_binaries(account, scratch)
    versions = [
        subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
        for program in (found.initdb, found.postgres, found.valkey)
    ]

    assert all(scratch in program.parents for program in (found.initdb, found.postgres, found.valkey))
    assert ["PostgreSQL" in versions[0], "PostgreSQL" in versions[1], "alkey" in versions[2]] == [True] * 3
    subprocess.run(["rm", "-r", scratch], check=True)


def test_says_in_one_line_why_a_server_does_not_start(home: Path) -> None:
    with Engines(home, missing=["DATABASE_URL"]):
        pass
    (home / "postgres" / "PG_VERSION").write_text("9.6\n")

    with pytest.raises(StackError) as caught:
        Engines(home, missing=["DATABASE_URL"]).start()

    assert str(caught.value).startswith("postgres did not start: ")
    assert "database files are incompatible" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_half_made_data_directory_is_made_anew(home: Path) -> None:
    (home / "postgres.new").mkdir(parents=True)
    (home / "postgres.new" / "PG_VERSION").write_text("18\n")

    with Engines(home, missing=["DATABASE_URL"], durable=False) as engines:
        assert engines.engines[0].is_ready()


def test_ends_in_order_on_the_signals_of_a_shutdown() -> None:
    with Engines(missing=["DATABASE_URL"], durable=False) as engines:
        postgres = engines.engines[0]
        assert postgres.pid
        log = postgres.program.log
        os.kill(postgres.pid, signal.SIGINT)
        eventually(lambda: postgres.exit_code() is not None)
        assert postgres.exit_code() == 0
        assert "database system is shut down" in log.read_text()
