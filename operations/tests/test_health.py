"""What a load balancer and people are told: whether a process can serve, and whether everything works."""

import threading
import time

import pytest
from psycopg_pool import PoolTimeout

from core.cache import valkey
from core.db.connections import WatchedConnection
from core.observe import heartbeat
from core.queues import QUEUES
from operations import health
from tests.kit import at_once
from tests.processes import until

pytestmark = pytest.mark.django_db


def test_says_whether_it_can_serve_and_whether_everything_works(api):
    well = {"status": 200, "state": True, "msg": "ok"}
    assert api.get("/health/ready").json() == api.get("/health/live").json() == well
    for age_s, silent in ((None, QUEUES), (61, QUEUES), (0, ())):
        for queue in QUEUES if age_s is not None else ():
            heartbeat.record(queue, time.time() - age_s)
        answer = api.get("/health/whole").json()
        assert answer.get("checks", {}).keys() == {f"queue {name}" for name in silent}
    assert answer == well


def test_serves_without_valkey_but_is_not_whole(api, valkey_down):
    assert api.get("/health/ready").status_code == 200

    answer = api.get("/health/whole")

    assert (answer.status_code, set(answer.json()["checks"])) == (503, {"valkey"})
    assert "127.0.0.1" not in answer.content.decode()


def test_a_valkey_that_takes_nothing_is_named_though_it_answers(api):
    valkey.client().config_set("maxmemory", "1mb")
    try:
        failures = health.failures()
        whole = api.get("/health/whole").json()["checks"]
    finally:
        valkey.client().config_set("maxmemory", "0")

    assert failures["valkey"].startswith("OutOfMemoryError: ") and whole["valkey"] == "OutOfMemoryError"
    assert health.failures() == {}


def test_not_ready_without_tables(api, monkeypatch):
    health._migrations.cache_clear()
    monkeypatch.setattr(health.MigrationExecutor, "migration_plan", lambda *_: [1, 2])

    assert "2 unapplied" in api.get("/health/ready").json()["checks"]["migrations"]


@pytest.mark.parametrize(("answers_in_s", "status"), [(-5, 503), (60, 200)])  # silent; or busy with others
def test_says_within_a_second_that_the_database_is_silent(api, monkeypatch, answers_in_s, status):
    assert api.get("/health/ready").status_code == 200
    answers, looks = threading.Event(), []
    monkeypatch.setitem(health.CHECKS, "database", lambda: looks.append(1) or answers.wait(60))
    monkeypatch.setattr(WatchedConnection, "answered_at", time.monotonic() + answers_in_s)

    begun = time.monotonic()
    replies = at_once([lambda: api.http.get("/health/ready").status_code] * 3)
    waited_s = time.monotonic() - begun
    answers.set()

    assert (replies, len(looks)) == ([status] * 3, 1) and waited_s < 5
    assert until(lambda: api.get("/health/ready").status_code == 200, 5)


@pytest.mark.parametrize(("answers_in_s", "status"), [(-5, 503), (60, 200)])  # it is down; or busy with others
def test_a_pool_without_a_free_connection_is_no_dead_database(api, monkeypatch, answers_in_s, status):
    def fail():
        raise PoolTimeout("couldn't get a connection after 3.00 sec")

    monkeypatch.setitem(health.CHECKS, "database", fail)
    monkeypatch.setattr(WatchedConnection, "answered_at", time.monotonic() + answers_in_s)

    assert api.http.get("/health/ready").status_code == status
