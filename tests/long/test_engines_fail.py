"""A web process whose engines restart or fall silent under load: it answers or says 503, and recovers by itself."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from devstack.engines import Engines
from devstack.process import stop_all
from tests.kit import at_once, free_ports
from tests.processes import ROOT, ask, load, until, web_processes

PASSWORD = "of-the-test-only"
SAYS_503 = (503, {"status": 503, "state": False, "msg": "服务暂时不可用,请稍后再试"})


@pytest.fixture(scope="module")
def engines(tmp_path_factory):
    with Engines(tmp_path_factory.mktemp("engines")) as engines:
        yield engines


@pytest.fixture(scope="module")
def port(engines):
    """A web process on engines of its own, with the seeded users."""
    environ = engines.urls | {"ROOT_PASSWORD": PASSWORD, "DEMO_DATA": "0"}
    more = {"DJANGO_SETTINGS_MODULE": "config.settings.local", "LOG_LEVEL": "ERROR"}
    subprocess.run([sys.executable, "manage.py", "prepare"], cwd=ROOT, env=os.environ | environ | more, check=True)
    with web_processes(free_ports(1), **environ) as (port,):
        yield port


def log_in(port):
    status, body = ask(port, "POST", "/users/login", {"username": "root", "password": PASSWORD})
    assert status == 200, body
    return body["token"]


def busy(port, token):
    return load(*[lambda: ask(port, "GET", "/getloginlog", token=token)] * 4)


def recovers(port, token, within_s=30):
    assert until(lambda: ask(port, "GET", "/getloginlog", token=token)[0] == 200, within_s), "no recovery"


def test_postgresql_is_away_for_a_while(port, engines):
    """The pool doubled its wait with each try: after 40 s without PostgreSQL it found out 17 s late."""
    token = log_in(port)

    with busy(port, token) as answers:
        stop_all([engines.children["postgres"]], 10)
        time.sleep(18)  # a pool that doubles its wait looks next 28 s or more after the beginning
        engines.children["postgres"].start()
        engines.wait()
        recovers(port, token, within_s=8)
        after = len(answers)
        time.sleep(1)

    assert all((status, body) == SAYS_503 or (status == 200 and body["state"] is True) for status, body in answers)
    assert {status for status, _ in answers[after + 4 :]} == {200}


def test_a_frozen_postgresql_answers_503_within_5_s(port, engines):
    """The kernel still takes what is sent, so no timeout of TCP ends: we look whether the server answers at all."""
    token = log_in(port)
    pid = engines.children["postgres"].pid
    pids = [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]

    for one in pids:
        os.kill(one, signal.SIGSTOP)
    try:
        begun = time.monotonic()
        assert ask(port, "GET", "/health/ready")[1]["checks"] == {"database": "Silence"}
        assert time.monotonic() - begun < 5  # 0.8 on a quiet machine
        begun = time.monotonic()
        answers = at_once([lambda: ask(port, "GET", "/permission/getMenuList", token=token)] * 3)
        waited_s = time.monotonic() - begun
    finally:
        for one in pids:
            os.kill(one, signal.SIGCONT)

    assert answers == [SAYS_503] * 3 and waited_s < 5
    recovers(port, token)


def test_a_restart_of_valkey_fails_no_call(port, engines):
    token, ended = log_in(port), log_in(port)
    assert ask(port, "GET", "/users/sigout", token=ended)[1]["state"] is True

    with busy(port, token) as answers:
        time.sleep(0.3)
        stop_all([engines.children["valkey"]], 10)
        engines.children["valkey"].start()
        engines.wait()
        recovers(port, token)

    assert {status for status, _ in answers} == {200}
    assert ask(port, "GET", "/verify", token=ended)[1]["code"] == "1004"


def test_a_silent_valkey_stops_only_the_captcha(port, engines):
    token, ended = log_in(port), log_in(port)
    ask(port, "GET", "/verify", token=ended)
    pid = engines.children["valkey"].pid

    os.kill(pid, signal.SIGSTOP)
    try:
        calls = {
            "log": lambda: ask(port, "GET", "/getloginlog", token=token),
            "sign out": lambda: ask(port, "GET", "/users/sigout", token=ended),
            "log in": lambda: ask(port, "POST", "/users/login", {"username": "root", "password": PASSWORD}),
            "captcha": lambda: ask(port, "GET", "/users/getCaptcha"),
            "ready": lambda: ask(port, "GET", "/health/ready"),
            "whole": lambda: ask(port, "GET", "/health/whole"),
        }
        answers = dict(zip(calls, at_once(calls.values()), strict=True))
        dead = ask(port, "GET", "/verify", token=ended)
    finally:
        os.kill(pid, signal.SIGCONT)

    for name in ("log", "sign out", "log in", "ready"):
        assert answers[name][1]["state"] is True, answers[name]
    assert answers["captcha"] == SAYS_503
    assert (answers["whole"][0], answers["whole"][1]["checks"].keys()) == (503, {"valkey"})
    assert dead[1]["code"] == "1004"
    recovers(port, token)
