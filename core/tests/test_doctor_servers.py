"""What ``manage.py doctor`` says of the servers around us."""

import threading
from datetime import timedelta
from pathlib import Path

import pytest

from core import times
from core.cache import valkey
from core.models import Backup
from core.ops import doctor, servers

pytestmark = pytest.mark.django_db


def bad(check):
    return [finding.what for finding in check() if finding.ok is False]


def test_a_valkey_that_throws_tasks_away_or_forgets_them_is_wrong(settings):
    assert bad(servers.valkey_keeps) == []
    valkey.client().config_set("maxmemory-policy", "allkeys-lru")
    try:
        settings.PRODUCTION = True
        reasons = bad(servers.valkey_keeps)
    finally:
        valkey.client().config_set("maxmemory-policy", "noeviction")

    assert reasons == ["Valkey's maxmemory-policy is allkeys-lru", "Valkey does not keep its data over a restart"]


def test_several_database_hosts_without_a_synchronous_standby_are_wrong(settings, monkeypatch):
    assert bad(servers.database_spare) == []

    monkeypatch.setitem(settings.DATABASES["default"], "HOST", "a,b")

    assert bad(servers.database_spare) == ["No synchronous standby follows the database"]


def test_silent_sentinels_are_wrong(settings):
    settings.REDIS_URL = "sentinel://127.0.0.1:1,127.0.0.1:2,127.0.0.1:3/0?service=spms"

    assert bad(servers.sentinels)[-1] == "0 of 3 Sentinels answer"


@pytest.mark.parametrize(("number", "is_bad"), [(768, True), (16384, False)])
def test_an_nginx_for_few_sockets_is_wrong(settings, monkeypatch, tmp_path, number, is_bad):
    settings.PRODUCTION = True
    (tmp_path / "nginx.conf").write_text(f"events {{\n    worker_connections {number};\n}}\n")
    monkeypatch.setattr(servers, "NGINX_CONF", tmp_path / "nginx.conf")

    assert bool(bad(servers.nginx)) == is_bad


def test_a_python_that_others_cannot_reach_is_wrong(settings, monkeypatch, tmp_path):
    settings.PRODUCTION = True
    private = tmp_path / "root"
    private.mkdir(mode=0o700)
    (private / "python3").touch()
    monkeypatch.setattr("sys.executable", str(private / "python3"))

    assert "other users cannot enter" in bad(servers.interpreter)[0]


def test_a_full_disk_is_wrong_and_named(settings, monkeypatch):
    monkeypatch.setattr(servers, "LEAST_FREE_BYTES", 1 << 60)

    assert any(str(Path(settings.STATE_DIR)) in what for what in bad(servers.disk))


def test_a_check_that_hangs_is_a_finding_and_holds_nobody_up(monkeypatch):
    ends = threading.Event()

    def some_server():
        ends.wait(60)
        yield doctor.Finding(True, "late")

    def another():
        yield doctor.Finding(True, "in order")

    monkeypatch.setattr(doctor, "_checks", [some_server, another])
    monkeypatch.setattr(doctor, "ANSWER_WITHIN_S", 0.2)
    try:
        found = [(finding.ok, finding.what) for finding in doctor.examine()]
    finally:
        ends.set()

    assert found == [(False, "some server: no answer within 0.2 s"), (True, "in order")]


def test_a_backup_that_is_late_is_wrong(settings):
    settings.PRODUCTION = True
    assert bad(servers.backups) == ["No backup was ever written"]

    late = Backup.objects.create(finished_at=times.now() - timedelta(hours=27))
    assert bad(servers.backups) == ["The last base backup is 27.0 h old"]
    assert {sample[0]: round(sample[3]) for sample in servers.ages()}["spms_backup_age_seconds"] == 27 * 3600

    late.delete()
    Backup.objects.create(finished_at=times.now())
    assert bad(servers.backups) == []
