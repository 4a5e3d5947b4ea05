"""The whole stack for real, in the order of a day: started, hurt, killed, started again, stopped."""

import json
import os
import re
import stat
import subprocess
import sys
from contextlib import suppress

import psutil
import pytest
import requests

from devstack.supervisor import answers
from tests.kit import free_ports
from tests.processes import ROOT, Service, assert_all_gone, family, plain_environ

WEB_WORKERS = 2


def manage(environ, *arguments):
    command = [sys.executable, str(ROOT / "manage.py"), *arguments]
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=120)


class Stack(Service):
    """A running ``manage.py up``."""

    def __init__(self, state_dir, port):
        self.state_dir, self.port = state_dir, port
        self.environ = plain_environ(STATE_DIR=str(state_dir), PORT=str(port), LOG_LEVEL="INFO")
        super().__init__([sys.executable, "manage.py", "up"], self.environ, state_dir.with_name("up.log"))

    def is_ready(self):
        return requests.get(f"http://127.0.0.1:{self.port}/health/ready", timeout=3).ok

    def children(self, mark):
        """Return processes whose command line holds ``mark``."""
        processes = []
        for process in psutil.Process(self.process.pid).children():
            with suppress(psutil.NoSuchProcess):  # a zombie is none either
                if mark in " ".join(process.cmdline()):
                    processes.append(process)
        return processes


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    stack = Stack(tmp_path_factory.mktemp("一个 项目") / ".dev", *free_ports(1))
    try:
        stack.wait_until(stack.is_ready)
        stack.wait_until(lambda: "Ctrl-C stops everything." in stack.log())
        yield stack
    finally:
        if stack.process.poll() is None:
            stack.process.terminate()
        stack.process.wait(60)


@pytest.fixture(scope="module")
def backup(tmp_path_factory):
    return tmp_path_factory.mktemp("backup") / "one.tar"


def test_says_where_everything_is_and_commands_elsewhere_find_the_engines(stack):
    for path in ("/", "/docs/", "/admin/"):
        assert f" http://127.0.0.1:{stack.port}{path}\n" in stack.log()
    note = stack.state_dir / "engines.json"
    urls = json.loads(note.read_text())
    assert set(urls) == {"DATABASE_URL", "REDIS_URL", "PORT"}
    assert urls["PORT"] == str(stack.port)
    assert stat.S_IMODE(note.stat().st_mode) == 0o600
    assert manage(stack.environ, "migrate", "--check").returncode == 0


def test_a_second_start_and_a_taken_port_are_said_in_a_line(stack, tmp_path):
    second = manage(stack.environ, "up")
    elsewhere = manage(stack.environ | {"STATE_DIR": str(tmp_path / "other")}, "up")

    assert (second.returncode, elsewhere.returncode) == (1, 1)
    expected = f"http://127.0.0.1:{stack.port} (process {stack.process.pid})"
    assert second.stderr == f"Error: It is already running here: {expected}.\n"
    assert elsewhere.stderr.startswith(f"Error: Port {stack.port} is taken by another program")
    assert elsewhere.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("command", "environ", "error"),
    [
        (
            "up",
            {"DATABASE_URL": "postgresql://li:geheim@127.0.0.1:1/app"},
            r"the database .*\(.*refused.*URL\.",
        ),
        ("up", {"REDIS_URL": "redis://:geheim@127.0.0.1:1/0"}, r"REDIS_URL: Valkey does not answer \(.*refused.*\)\."),
        ("up", {"MEDIA_FREE_MB": "99999999"}, r"the disk is full: 99999999 MB stay free \(MEDIA_FREE_MB\)\."),
        ("up", {"REDIS_URL": "geheim://127.0.0.1"}, r"REDIS_URL has a bad value: .*"),
        (
            "up",
            {"DJANGO_SETTINGS_MODULE": "config.settings.production"},
            r"DATABASE_URL is not set: production has no embedded engines\.",
        ),
        ("showmigrations", {}, r"the database does not answer \(.*\): run `make up`, or correct DATABASE_URL\."),
        (
            "check",
            {"ORDER_TTL": "soon"},
            r"ORDER_TTL has a bad value: a time span such as 120s, 2m, 12h or 7d is needed\.",
        ),
    ],
)
def test_a_bad_start_is_refused_in_a_line(tmp_path, command, environ, error):
    result = manage(plain_environ(STATE_DIR=str(tmp_path), PORT="8199", **environ), command)

    assert result.returncode == 1
    assert re.fullmatch(f"Error: {error}\n", result.stderr) and "geheim" not in result.stderr


def test_a_backup_is_written_while_it_runs_and_not_restored(stack, backup):
    assert manage(stack.environ, "backup", str(backup)).returncode == 0

    result = manage(stack.environ, "restore", str(backup), "--yes")

    assert result.returncode == 1
    assert "系统还在运行，在这些机器上用着数据库：本机。" in result.stderr


def test_a_web_server_that_is_killed_comes_back_and_leaves_nothing(stack):
    """tests/long/test_chaos.py kills the others."""
    mark = " operations.web --interface"
    (before,) = stack.children(mark)
    stack.wait_until(lambda: len(before.children()) == WEB_WORKERS)
    processes = family(before.pid)

    before.kill()

    assert_all_gone(processes)  # no worker of its own
    stack.wait_until(lambda: stack.children(mark) not in ([], [before]))
    stack.wait_until(stack.is_ready)


def test_a_killed_supervisor_leaves_nothing_and_the_next_start_recovers(stack):
    processes = family(stack.process.pid)

    stack.process.kill()
    stack.process.wait()
    stack.start()  # at once: it has to wait for the leftovers itself

    stack.wait_until(stack.is_ready)
    assert_all_gone(processes[1:], timeout_s=5)


def test_sigterm_stops_all_of_it(stack):
    processes = family(stack.process.pid)

    stack.process.terminate()

    assert stack.process.wait(60) == 0
    assert_all_gone(processes[1:])
    assert "engines.json" not in os.listdir(stack.state_dir)
    assert not answers(f"http://127.0.0.1:{stack.port}")


def test_with_the_engines_alone_a_backup_is_restored(stack, backup):
    command = [sys.executable, str(ROOT / "manage.py"), "up", "--engines"]
    engines = subprocess.Popen(command, env=stack.environ, stdout=subprocess.PIPE, text=True)
    try:
        assert engines.stdout
        assert any("nothing else" in line for line in engines.stdout)

        restored = manage(stack.environ, "restore", str(backup), "--yes")

        assert restored.returncode == 0, restored.stderr
    finally:
        engines.terminate()
        engines.communicate(timeout=60)
        assert engines.returncode == 0
