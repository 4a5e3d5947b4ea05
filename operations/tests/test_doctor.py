"""What ``manage.py doctor`` says of clocks, certificates, proxies, the background work, and the servers around us."""

import ssl
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler
from ipaddress import ip_address
from pathlib import Path

import psycopg
import pytest
from celery.signals import beat_init
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from django.core.management import CommandError, call_command
from django.db import OperationalError

from accounts.doctor import scan_login
from config.celery import app
from core import times
from core.cache import valkey
from core.db.connections import direct_options
from core.findings import Finding
from core.models import Backup
from core.observe import heartbeat
from operations import doctor, health, locks, servers
from payments import doctor as payments
from tests.kit import serving
from tests.processes import until
from weather.models import WeatherAccount

pytestmark = pytest.mark.django_db


class Upstream(BaseHTTPRequestHandler):
    date = ""

    def do_GET(self):
        self.send_response_only(404)
        self.send_header("Date", self.date)
        self.end_headers()


class TestClocks:
    @pytest.mark.parametrize("skew_s", [0, -61, 61, 3600])
    def test_that_differ_from_the_engines_are_named(self, monkeypatch, skew_s):
        now = time.time()
        monkeypatch.setattr(doctor.time, "time", lambda: now + skew_s)

        for name, finding in zip(("PostgreSQL", "Valkey"), doctor.clocks(), strict=True):
            assert finding.ok is (not skew_s) and name in finding.what and "NTP" in finding.do

    @pytest.mark.parametrize(
        ("differs_s", "oks"),
        [(-300, {True, False}), (300, {True, False}), (None, {True})],  # one that names no time is no trouble
    )
    def test_that_differ_from_an_upstream_are_named(self, settings, differs_s, oks):
        date = "soon" if differs_s is None else formatdate(time.time() + differs_s, usegmt=True)
        with serving(type("Skewed", (Upstream,), {"date": date})) as address:
            for name in ("WECHAT_API_BASE_URL", "WECHAT_PAY_BASE_URL", "WEATHER_BASE_URL"):
                setattr(settings, name, address)
            findings = list(doctor.upstreams())

        assert {finding.ok for finding in findings} == oks
        assert all("NTP" in finding.do for finding in findings if not finding.ok)


def test_a_name_that_no_dns_knows_is_told_from_a_server_that_is_silent(settings, monkeypatch):
    settings.WECHAT_API_BASE_URL = "https://api.invalid"  # RFC 2606: never resolved
    settings.WECHAT_PAY_BASE_URL = settings.WEATHER_BASE_URL = "http://127.0.0.1:1"
    settings.SANDBOX = False

    wechat, *others = doctor.upstreams()

    assert "NameResolutionError" in wechat.what and "`getent hosts api.invalid`" in wechat.do
    assert {finding.what.rpartition("：")[2] for finding in others} == {"NewConnectionError"}


class TestTheCertificate:
    @pytest.fixture
    def address(self, tmp_path, monkeypatch):
        """Serve https with a certificate that this process believes in; answer the address."""

        def start(days, host="127.0.0.1", is_trusted=True):
            key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
            name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ours")])
            certificate = (
                x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
                .not_valid_before(now - timedelta(days=90))
                .not_valid_after(now + timedelta(days=days))
                .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(host))]), critical=False)
                .sign(key, hashes.SHA256())
            )
            chain, pem = tmp_path / "chain.pem", serialization.Encoding.PEM
            chain.write_bytes(
                certificate.public_bytes(pem)
                + key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
            )
            if is_trusted:
                monkeypatch.setenv("SSL_CERT_FILE", str(chain))
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            tls.load_cert_chain(chain)
            return stack.enter_context(serving(Upstream, tls=tls))

        with ExitStack() as stack:
            yield start

    @pytest.mark.parametrize(
        ("facts", "ok", "hint"),
        [
            ({"days": 60.5}, True, "127.0.0.1 的证书还有 60 天到期"),
            ({"days": 24.6}, False, "127.0.0.1 的证书还有 25 天到期"),
            ({"days": -1}, False, "expired"),
            ({"days": 60, "host": "127.0.0.2"}, False, "not valid for '127.0.0.1'"),
            ({"days": 60, "is_trusted": False}, False, "self-signed"),
        ],
    )
    def test_is_to_be_renewed_in_time_and_one_that_clients_refuse_is_named(self, settings, address, facts, ok, hint):
        settings.PUBLIC_BASE_URL = address(**facts)

        (finding,) = doctor.own_address()

        assert finding.ok is ok and hint in finding.what and finding.do


@pytest.mark.parametrize(
    ("forwarded", "trusted", "ok"),
    [("", 0, True), ("1.1.1.1", 1, True), ("1.1.1.1", 0, False), ("1.1.1.1", 2, False), ("::1, 1.1.1.1", 1, False)],
)
def test_the_proxies_on_the_way_are_held_against_the_setting(api, settings, forwarded, trusted, ok):
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    number = api.http.get("/health/live", headers=headers)["X-Proxies"]

    class Web(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("X-Proxies", number)
            # nginx replaces the id that a client sends; without it the web process takes it and answers with it.
            self.send_header("X-Request-Id", "0123456789" if forwarded else self.headers["X-Request-Id"])
            self.end_headers()

    settings.DEPLOYED, settings.TRUSTED_PROXIES = True, trusted
    with serving(Web) as settings.PUBLIC_BASE_URL:
        before_us, count = doctor.own_address()

    assert before_us.ok is bool(forwarded) and "nginx.conf" in before_us.what
    assert count.ok is ok and "TRUSTED_PROXIES" in count.do


def test_beat_asks_for_a_sign_of_life_as_soon_as_it_starts():
    app.loader.import_default_modules()
    app.control.purge()

    beat_init.send(sender=None)

    assert heartbeat.queue_depths() == dict.fromkeys(["money", "now", "bulk"], 1)
    assert app.control.purge() == 3


@pytest.mark.parametrize(("number", "unit"), [(0, "spms-beat"), (1, "spms-worker@now")])
def test_a_silent_queue_is_laid_on_who_does_not_send_or_does_not_work(number, unit):
    app.control.purge()
    for _ in range(number):
        app.send_task("core.heartbeat", ["now"], queue="now")

    (finding,) = [finding for finding in servers.background_work() if finding.key == "queue now"]
    app.control.purge()

    assert finding.ok is False and f"`systemctl restart {unit}`" in finding.do


def bad(check):
    return [finding.what for finding in check() if finding.ok is False]


def test_a_valkey_that_throws_tasks_away_or_forgets_them_is_wrong(settings):
    assert bad(servers.valkey_keeps) == []
    valkey.client().config_set("maxmemory-policy", "allkeys-lru")
    try:
        settings.DEPLOYED = True
        reasons = bad(servers.valkey_keeps)
    finally:
        valkey.client().config_set("maxmemory-policy", "noeviction")

    assert reasons == ["Valkey 的 maxmemory-policy 是 allkeys-lru", "Valkey 重启之后数据就没有了"]


def test_tables_of_another_release_are_named_with_the_command_that_helps(monkeypatch):
    monkeypatch.setattr(health.MigrationExecutor, "migration_plan", lambda *_: [1, 2])
    health._migrations.cache_clear()

    (finding,) = [finding for finding in doctor.engines() if finding.ok is False]

    assert "（migrations）：RuntimeError: 2 unapplied" in finding.what
    assert finding.do == "运行 `python manage.py migrate`。"


def test_a_full_disk_and_a_state_folder_that_takes_nothing_are_wrong(settings, monkeypatch, tmp_path):
    with monkeypatch.context() as full:
        full.setattr(servers, "MIN_FREE_BYTES", 1 << 60)
        assert any(str(Path(settings.STATE_DIR)) in what for what in bad(servers.disk))
    assert bad(servers.disk) == []

    settings.STATE_DIR = tmp_path / "state"
    settings.STATE_DIR.touch()  # as root's folder is for another user

    assert bad(servers.disk) == [f"服务的用户写不了 {settings.STATE_DIR}"]


@pytest.mark.parametrize(
    ("number", "files", "is_bad"), [(768, 20000, True), (16384, 1024, True), (16384, 20000, False)]
)
def test_an_nginx_for_few_sockets_is_wrong(settings, monkeypatch, tmp_path, number, files, is_bad):
    settings.DEPLOYED = True
    text = f"worker_rlimit_nofile {files};\nevents {{\n    worker_connections {number};\n}}\n"
    (tmp_path / "nginx.conf").write_text(text)
    monkeypatch.setattr(servers, "NGINX_CONF", tmp_path / "nginx.conf")

    assert bool(bad(servers.nginx)) == is_bad


def test_processes_that_the_kernel_has_killed_are_told_for_a_day(monkeypatch, tmp_path):
    monkeypatch.setattr(servers, "VMSTAT", tmp_path / "vmstat")
    monkeypatch.setattr(servers, "BOOT", tmp_path / "boot")
    assert bad(servers.memory) == []  # not on Linux

    found = []
    for boot, count in [("a", 2), ("a", 4), ("a", 5), ("b", 1), ("b", 2)]:
        (tmp_path / "boot").write_text(f"{boot}\n")
        (tmp_path / "vmstat").write_text(f"pgfault 7\noom_kill {count}\n")
        found.append([finding.number for finding in servers.memory() if finding.ok is False])

    assert found == [[], [2], [3], [], [1]]
    assert all(0 < valkey.client().ttl(f"spms:oom-kills:{boot}") <= 86400 for boot in "ab")


def test_a_check_that_hangs_is_a_finding_and_delays_no_other(monkeypatch):
    ends = threading.Event()

    def some_server():
        ends.wait(60)
        yield Finding("a", True, "late")

    def another():
        yield Finding("b", True, "in order")

    monkeypatch.setattr(doctor, "CHECKS", [some_server, another])
    monkeypatch.setattr(doctor, "ANSWER_WITHIN_S", 0.2)
    try:
        findings = [(finding.ok, finding.what) for finding in doctor.examine()]
    finally:
        ends.set()

    assert findings == [(False, "检查 some server：0.2 秒内没有结果"), (True, "in order")]


def test_what_to_do_is_shown_only_where_something_is_not_in_order(monkeypatch, capsys):
    findings = [Finding("a", True, "fine", "nothing"), Finding("b", False, "broken", "mend it")]
    monkeypatch.setattr(doctor, "CHECKS", [findings.__iter__])

    with pytest.raises(CommandError, match="有 1 项要处理"):
        call_command("doctor")

    assert [line.strip() for line in capsys.readouterr().out.splitlines()] == ["ok   fine", "BAD  broken", "-> mend it"]


class TestALock:
    """Somebody's forgotten transaction, which stops orders."""

    @pytest.fixture
    def holder(self):
        with psycopg.connect(**direct_options()) as holder:
            holder.execute("LOCK TABLE shop_order")
            yield holder

    @pytest.mark.django_db(transaction=True)
    def test_is_named_with_the_line_that_ends_it_while_others_wait(self, api, holder, monkeypatch):
        monkeypatch.setattr(locks, "WAITS_S", 0)
        assert bad(locks.locks) == []

        with psycopg.connect(**direct_options()) as waiter, ThreadPoolExecutor(1) as pool:
            pool.submit(waiter.execute, "SELECT 1 FROM shop_order")
            (finding,) = until(lambda: list(locks.locks()), 10)
            whole = api.get("/health/whole").json()["checks"]
            holder.rollback()

        pid = holder.info.backend_pid
        assert f"进程 {pid}（" in finding.what and "shop_order" in finding.what and "1 个连接在等" in finding.what
        assert f"pg_terminate_backend({pid})" in finding.do and whole["locks"] == "LockHeld"
        assert bad(locks.locks) == []

    @pytest.mark.django_db(transaction=True)
    def test_of_a_whole_table_is_named_once_it_is_old(self, holder, monkeypatch):
        monkeypatch.setattr(locks, "HOLDS_S", 0)

        (finding,) = locks.locks()
        assert f"进程 {holder.info.backend_pid}（" in finding.what and "（shop_order）" in finding.what


def test_what_an_engine_that_is_down_makes_fail_is_one_line(monkeypatch):
    def of_the_database():
        raise OperationalError("couldn't get a connection after 3.00 sec")
        yield

    def of_itself():
        raise ValueError("a fault")
        yield

    monkeypatch.setattr(doctor, "CHECKS", [of_the_database, of_itself, of_the_database])

    assert [(finding.ok, finding.what) for finding in doctor.examine()] == [
        (False, "检查 of itself 出错：ValueError: a fault"),
        (None, "有的检查没有做完：数据库或 Valkey 没有答复"),
    ]


def test_only_what_the_school_uses_is_asked(settings):
    settings.WEATHER_BASE_URL = "http://127.0.0.1:9"  # nobody answers there; by default it is our own port
    for name in ("WECHAT_APP_ID", "WEATHER_APP_ID", *payments.USED_IF):
        setattr(settings, name, "")

    assert list(doctor.upstreams()) == []
    notes = [(finding.ok, finding.what) for finding in (*payments.wechat_pay(), *scan_login())]
    assert notes == [(None, "没有配微信支付：不能在线付款"), (None, "微信登录没有打开")]
    WeatherAccount.objects.create(appid="a-school")
    assert {finding.key for finding in doctor.upstreams() if finding.ok is False} == {"WEATHER_BASE_URL"}


def test_the_file_of_an_upgrade_does_not_hide_that_pgbackrest_is_dead(tmp_path, monkeypatch, settings):
    settings.MEDIA_ROOT = str(tmp_path)
    monkeypatch.setattr("operations.management.commands.backup.has_pgbackrest", lambda: True)
    call_command("backup", str(tmp_path / "with.tar"))
    assert not Backup.objects.exists()

    monkeypatch.undo()
    call_command("backup", str(tmp_path / "without.tar"))
    assert Backup.objects.count() == 1


def test_a_backup_that_is_late_and_an_archive_that_does_not_run_are_wrong(settings, monkeypatch, tmp_path):
    settings.DEPLOYED = True
    monkeypatch.setattr(servers, "PGBACKREST_CONF", tmp_path / "pgbackrest.conf")
    assert bad(servers.backups) == ["从来没有备份过"]

    late = Backup.objects.create(finished_at=times.now() - timedelta(hours=27))
    assert bad(servers.backups) == ["最近一次备份是 27.0 小时之前"]
    assert {sample[0]: round(sample[3]) for sample in servers.ages()}["spms_backup_age_seconds"] == 27 * 3600

    late.delete()
    Backup.objects.create(finished_at=times.now())
    assert bad(servers.backups) == []
    servers.PGBACKREST_CONF.touch()  # it was set up
    assert bad(servers.backups) == ["PostgreSQL 没有归档：最近一次备份之后的数据可能丢失"]
