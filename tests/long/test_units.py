"""The services of deploy/systemd: the units' own command lines with production's settings, as systemd starts them.

``python -m tests.upgrade.run restart`` restarts and kills them under a real systemd.
"""

import json
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connections

from operations import units
from tests.kit import free_ports
from tests.processes import (
    NO_UPSTREAMS,
    ROOT,
    START_S,
    STOP_S,
    Service,
    ask,
    assert_all_gone,
    bare_environ,
    database_url,
    family,
    load,
    until,
)

UNITS = ROOT / "deploy" / "systemd"
SECRET = "only-one-page-may-know-this"
# Celery writes this past all logging when it is asked to end.
FAREWELL = ("", "worker: Warm shutdown (MainProcess)")
pytestmark = pytest.mark.django_db


class Unit(Service):
    """One unit's process."""

    def __init__(self, name, environ, *more):
        log = Path(environ["HOME"]) / f"{name}.log"
        super().__init__(units.command(name, *more), units.environment(name) | environ, log)

    def children(self):
        return set(Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split())


@pytest.fixture(scope="module")
def environ(django_db_setup, django_db_blocker, tmp_path_factory):
    """The example of the deployment with the test's engines, below a home of its own."""
    with django_db_blocker.unblock():
        engines = {"DATABASE_URL": database_url(), "REDIS_URL": settings.REDIS_URL}
        connections.close_all()
    upstreams = NO_UPSTREAMS | {"WECHAT_PAY_BASE_URL": "http://127.0.0.1:9"}
    return bare_environ(tmp_path_factory.mktemp("spms"), DJANGO_SECRET_KEY=SECRET * 2, **engines, **upstreams)


def call(port, method, path, data=None, **headers):
    """Ask as HAProxy and nginx do; return the HTTP status."""
    return ask(port, method, path, data, **{"Host": "api.example.com"} | headers)[0]


def answers(port):
    return call(port, "GET", "/health/live") == 200


def busy(port):
    """Five clients that read and post all the time; the value collects the outcomes."""
    calls = [("GET", "/health/ready")] * 2 + [("POST", "/students/addstu", {"name": "Li"})] * 3
    return load(*[lambda request=request: (call(port, *request), "") for request in calls])


def test_a_reload_refuses_no_request(environ):
    check, hup = units.lines("web", "ExecReload")
    assert hup == "/bin/kill -HUP $MAINPID"
    start = time.monotonic()
    subprocess.run([sys.executable, *shlex.split(check)[1:]], cwd=ROOT, env=environ, check=True)
    # The unit's 30 s are for a machine at work; this one may be far busier with other tests, and get busier yet.
    patience_s = 5 + 8 * (time.monotonic() - start)
    (port,) = free_ports(1)

    with Unit("web", environ, "--port", str(port), "--workers", "1", "--respawn-interval", f"{patience_s:.0f}") as web:
        assert until(lambda: answers(port), START_S), web.log()
        before = web.children()
        with busy(port) as traffic:
            time.sleep(1)
            web.process.send_signal(signal.SIGHUP)
            assert until(lambda: not before & web.children(), START_S + 4 * patience_s), web.log()
            time.sleep(1)

    # A process that ends may close a connection that it has accepted and not read; nginx then asks the other one.
    closed = [answer for answer in traffic if "RemoteDisconnected" in answer[1] or "ConnectionReset" in answer[1]]
    assert set(traffic) - set(closed) == {(200, "")}
    assert len(closed) <= 2
    assert len(traffic) > 20  # so few only on a machine that is busy with other tests
    assert_json(web.log())


@pytest.mark.parametrize("seconds", [0.3, 3])  # while the new worker loads our code, and when it is there
def test_it_stops_in_the_middle_of_a_reload(environ, seconds):
    (port,) = free_ports(1)

    with Unit("web", environ, "--port", str(port), "--workers", "1") as web:
        assert until(lambda: answers(port), START_S), web.log()
        web.process.send_signal(signal.SIGHUP)
        assert until(lambda: len(web.children()) == 2, START_S), web.log()
        time.sleep(seconds)
        processes = family(web.process.pid)
        web.process.terminate()

        assert web.process.wait(STOP_S) == 0, web.log()
        assert_all_gone(processes)


@pytest.mark.parametrize("name", ["worker@now", "beat"])
def test_systemd_hears_nothing_of_one_that_hangs(environ, tmp_path, name):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(START_S)
        with Unit(name, environ | {"NOTIFY_SOCKET": str(tmp_path / "notify")}) as service:
            for _ in range(2):
                assert systemd.recv(99) == b"WATCHDOG=1"
            service.process.send_signal(signal.SIGSTOP)
            systemd.setblocking(False)
            with pytest.raises(BlockingIOError):
                while True:
                    systemd.recv(99)
            systemd.settimeout(5)
            with pytest.raises(TimeoutError):
                systemd.recv(99)
    assert int(units.lines(name, "WatchdogSec")[0]) >= 20, "it says so every 2 s, but a busy machine is slow"


def test_a_release_that_cannot_be_loaded_is_not_taken(environ, tmp_path):
    words = shlex.split(units.lines("web", "ExecReload")[0])
    broken = environ | {"DATABASE_URL": ""}

    result = subprocess.run([sys.executable, *words[1:]], cwd=ROOT, env=broken, capture_output=True, text=True)

    assert result.returncode != 0 and "DATABASE_URL is not set" in result.stderr


def assert_json(text):
    """Check that every line is JSON with its time and zone, and that no line tells a secret."""
    lines = [line for line in text.splitlines() if line not in FAREWELL]
    assert [line for line in lines if not line.startswith("{")] == []
    rows = [json.loads(line) for line in lines]
    for row in rows:
        assert datetime.fromisoformat(row["timestamp"]).utcoffset() is not None, row
        assert row["level"] and row["logger"] and row["event"], row
    assert SECRET not in text
    return rows


def test_a_quiet_school_runs_in_two_processes(environ, tmp_path, monkeypatch):
    """``SMALL=1``: deploy/upgrade makes its units of the same files."""
    (tmp_path / "spms").symlink_to(ROOT)
    (tmp_path / "spms.env").write_text("SMALL=1\n")
    shutil.copytree(ROOT / "deploy", tmp_path / "deploy", ignore=lambda *_: ["systemd", "ha"])
    places = {"APP": str(tmp_path / "spms"), "ENV_FILE": str(tmp_path / "spms.env"), "PATH": environ["PATH"]}
    command = ["bash", ROOT / "deploy/upgrade", "--files", tmp_path / "files"]
    services = subprocess.check_output(command, env=places, text=True)
    (tmp_path / "files/units").rename(tmp_path / "deploy/systemd")
    monkeypatch.setattr(units, "ROOT", tmp_path)
    (port,) = free_ports(1)

    with Unit("web", environ, "--port", str(port)) as web, Unit("worker@all", environ) as worker:
        assert until(lambda: answers(port), START_S), web.log()
        assert until(lambda: call(port, "GET", "/socket.io/?EIO=4&transport=polling") == 200, START_S), web.log()
        # Beat, too, is in the worker: without it no queue would show a sign of life.
        assert until(lambda: call(port, "GET", "/health/whole") == 200, START_S), worker.log()

    assert services.split() == ["spms-web", "spms-worker@all"]


def test_systemd_does_not_give_up():
    """A worker ends whenever its broker takes no writes, more often than systemd's default of 5 times in 10 s."""
    lasting = [path.stem for path in UNITS.glob("*.service") if not path.with_suffix(".timer").exists()]
    for name in (stem.removeprefix("spms-") for stem in lasting):
        assert (units.lines(name, "Restart"), units.lines(name, "StartLimitIntervalSec")) == (["always"], ["0"]), name


def test_every_line_of_every_process_is_json(environ, tmp_path):
    loud = environ | {"LOG_LEVEL": "DEBUG"}
    logging = json.loads((ROOT / "deploy" / "logging.json").read_text("utf-8"))
    assert logging["loggers"]["uvicorn"]["level"] == "WARNING"  # below that it logs three lines for each socket
    logging["loggers"]["uvicorn"]["level"] = "DEBUG"
    (tmp_path / "logging.json").write_text(json.dumps(logging), "utf-8")
    web_port, socket_port = free_ports(2)
    with (
        Unit("web", loud, "--port", str(web_port)) as web,
        Unit("socket", loud, "--port", str(socket_port), "--log-config", str(tmp_path / "logging.json")) as sockets,
        Unit("worker@now", loud, "--loglevel", "INFO") as worker,
        Unit("beat", loud, "--loglevel", "INFO") as beat,
    ):
        services = [web, sockets, worker, beat]
        assert until(lambda: answers(web_port), START_S), web.log()
        session = f"/socket.io/?EIO=4&sid={SECRET}&transport="  # which does not exist
        assert until(lambda: call(socket_port, "GET", session + "polling") == 400, START_S), sockets.log()
        call(web_port, "GET", f"/verify?token={SECRET}", authorization=SECRET)
        call(web_port, "POST", "/users/login", {"username": "li", "password": SECRET})
        call(web_port, "GET", "/nowhere", Host="strange.example")
        upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
        call(socket_port, "GET", session + "websocket", **upgrade, **{"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="})
        assert until(lambda: " ready" in worker.log() and beat.log(), START_S), worker.log() + beat.log()
    for service in services:
        assert assert_json(service.log()), service.file.name
