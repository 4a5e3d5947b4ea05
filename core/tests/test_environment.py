"""Every variable that is read is explained, and a bad value is refused by its name."""

import os
import re
import stat
import subprocess
import sys
from types import SimpleNamespace

import pytest
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command

from config.settings import readers as env
from core import bootstrap
from core.bootstrap import kept_text, load_dotenv
from core.cache import valkey
from core.models import Installation
from operations import checks
from operations.doctor import settings_and_models
from tests.kit import at_once, meeting

HOME = env.BASE_DIR
# Read by manage.py, make, the dev stack or deploy/upgrade themselves.
NOT_SETTINGS = {"BIND", "FIRST_PORT", "SMALL", "STATE_DIR"}


def test_env_example_names_every_variable_and_no_other():
    explained = set(re.findall(r"^# ([A-Z0-9_]+)=", (HOME / ".env.example").read_text("utf-8"), re.M))
    source = "".join(path.read_text("utf-8") for path in HOME.glob("config/settings/*.py"))
    readers = (
        "text|colour|mail_server|former_merchants|picture_file|flag|number|duration|words|choice|base_url|engine_url"
        "|_upstream|get"
    )
    read = set(re.findall(rf'\b(?:{readers})\(\s*"([A-Z][A-Z0-9_]{{3,}})"', source))
    read -= {"DJANGO_SETTINGS_MODULE", "HOME", "PYTEST_XDIST_WORKER", "RUNTIME_DIRECTORY"}

    assert explained - NOT_SETTINGS == read - NOT_SETTINGS


def test_a_container_counts_whoever_its_own_machine_sends_and_in_a_class_nobody(monkeypatch):
    monkeypatch.setattr(bootstrap, "own_address", lambda: "10.88.0.5")
    assert env.container_addresses() == set()
    monkeypatch.setenv("IN_CONTAINER", "1")
    routes = "Iface Destination Gateway\neth0\t0000580A\t00000000\neth0\t00000000\t0100580A\n"
    monkeypatch.setattr(env, "Path", lambda place: SimpleNamespace(read_text=lambda coding: routes))

    assert env.container_addresses() == {"10.88.0.1", "10.88.0.5", "192.168.65.1"}
    monkeypatch.setenv("PUBLIC_BASE_URL", "http://192.168.1.20:8000")
    assert env.container_addresses() == set()


@pytest.mark.parametrize(
    ("reader", "value"),
    [
        (lambda: env.flag("SPMS_X", True), "perhaps"),
        (lambda: env.number("SPMS_X", 1), "0"),
        (lambda: env.number("SPMS_X", 1, minimum=0, maximum=36500), "36501"),
        (lambda: env.duration("SPMS_X", None), "soon"),
        (lambda: env.base_url("SPMS_X", None), "ftp://example.com"),
        (lambda: env.choice("SPMS_X", "a", ("a", "b")), "c"),
        # A colour on which text is unreadable, or that is none.
        *((lambda: env.colour("SPMS_X"), value) for value in ("red", "#12345", "#ffff00", "#0f766e;}")),
    ],
)
def test_a_bad_value_is_refused_by_name_and_not_shown(monkeypatch, reader, value):
    monkeypatch.setenv("SPMS_X", value)

    with pytest.raises(ImproperlyConfigured, match="SPMS_X") as error:
        reader()

    assert f"{value} " not in str(error.value)


@pytest.mark.parametrize(
    "url",
    [
        *("redis://a:6379,b:6379/0", "redis://:geheim@a,b/0", "sentinel://a:26379,:26380/0", "http://a", "redis://a/x"),
        *("sentinel://a/0?servce=spms", "sentinel://a/x"),
    ],
)
def test_a_redis_url_that_cannot_work_is_refused(url):
    with pytest.raises(ImproperlyConfigured, match=r"REDIS_URL has a bad value.*sentinel://host1") as error:
        env.redis_urls(url)

    assert "geheim" not in str(error.value)


def test_sentinels_carry_two_databases_and_their_logins():
    urls = env.redis_urls("sentinel://app:p%40ss@a,b:26380/4?service=spms&sentinel_password=s3")

    broker, options = valkey.broker(urls["broker"])

    assert valkey.primary(urls["cache"]).options == {"db": 4, "username": "app", "password": "p@ss"}
    assert broker == "sentinel://app:p%40ss@a:26379/6;sentinel://app:p%40ss@b:26380/6"
    assert (options["master_name"], options["sentinel_kwargs"]["password"]) == ("spms", "s3")


class TestTheEnvFile:
    @pytest.fixture
    def read(self, tmp_path, monkeypatch):
        def read(text):
            (tmp_path / ".env").write_text(text, "utf-8")
            monkeypatch.setattr(os, "environ", os.environ.copy())
            load_dotenv(tmp_path / ".env")
            return env.text("SPMS_X", "none")

        return read

    def test_may_come_from_an_editor_on_windows(self, read):
        assert read("\ufeffSPMS_X=成都\r\nSPMS_Y=1\r\n") == "成都"

    def test_is_read_and_the_real_environment_goes_first(self, read, monkeypatch):
        text = "# a comment\n\nexport SPMS_X='成都'\n"

        assert read(text) == "成都"
        monkeypatch.setenv("SPMS_X", "重庆")
        assert read(text) == "重庆"

    def test_may_not_choose_the_settings_and_a_line_that_is_none_is_named(self, read):
        with pytest.raises(ValueError, match=r"^.env: DJANGO_SETTINGS_MODULE belongs into the real environment"):
            read("export DJANGO_SETTINGS_MODULE=config.settings.production")
        with pytest.raises(ValueError, match=r"^.env, line 2: NAME=value is needed"):
            read("SPMS_X=x\nnonsense")


def test_each_installation_makes_a_signing_key_of_its_own_and_keeps_it(tmp_path, monkeypatch):
    """With a key from the repository any stranger could sign root's token."""

    def key(state_dir):
        monkeypatch.setattr(env, "STATE_DIR", state_dir)
        return env.secret_key()

    monkeypatch.delenv("DJANGO_SECRET_KEY", raising=False)
    here, there = tmp_path / "here", tmp_path / "there"
    assert key(here) == key(here) != key(there)
    assert {len(key(place)) >= 50 for place in (here, there)} == {True}
    assert stat.S_IMODE((here / "secret-key").stat().st_mode) == 0o600

    (tmp_path / "secret-key").mkdir()
    with pytest.raises(ImproperlyConfigured, match=r"secret-key cannot be used .*: set DJANGO_SECRET_KEY"):
        key(tmp_path)
    monkeypatch.setenv("DJANGO_SECRET_KEY", "k" * 50)
    assert key(tmp_path) == "k" * 50


def test_of_two_that_keep_a_text_at_once_both_read_the_winners(tmp_path):
    path, both = tmp_path / "text", meeting()

    def make(text):
        both()  # each has found nothing there
        return text

    read = set(at_once([lambda t=text: kept_text(path, lambda: make(t)) for text in ("one", "other")]))

    assert len(read) == 1 and read == {path.read_text().strip()}
    assert os.listdir(tmp_path) == ["text"]


# In one process, whose start costs more than all of this.
STARTS = """
import importlib, os
settings = os.environ["DJANGO_SETTINGS_MODULE"]
from django.core.exceptions import ImproperlyConfigured
for name, other in {changes}:
    value = os.environ.pop(name, None)
    os.environ |= other
    try:
        importlib.import_module(settings)
    except ImproperlyConfigured as error:
        print(error)
    os.environ.pop(name, None) if value is None else os.environ.update({{name: value}})
os.environ["CORS_ALLOWED_ORIGINS"] = ","  # an empty list does not allow all origins
import django; django.setup()
from django.conf import settings as s
print(s.CORS_ALLOW_ALL_ORIGINS, os.environ["HOME"], s.METRICS_DIR, "lbw" in s.API_DESCRIPTION, s.SESSION_COOKIE_SECURE)
print(s.SANDBOX, s.HINTS, s.DEMO_DATA, s.WECHAT_PAY_BASE_URL, s.WECHAT_OAUTH_BASE_URL)
"""
NEEDED = {
    "DJANGO_SECRET_KEY": "k" * 50,
    "ALLOWED_HOSTS": "api.example.com,127.0.0.1",
    "CORS_ALLOWED_ORIGINS": "https://app.example.com",
    "CSRF_TRUSTED_ORIGINS": "https://api.example.com",
    "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
    "PUBLIC_BASE_URL": "https://api.example.com",
    "REDIS_URL": "redis://127.0.0.1:1/0",
}


@pytest.mark.parametrize(
    ("kind", "refused", "upstreams"),
    [
        ("production", {}, "False False False https://api.mch.weixin.qq.com https://open.weixin.qq.com"),
        (
            "practice", {"SMS_SIGN_NAME": "real"},
            "True True False http://127.0.0.1:8001/sandbox/wxpay https://api.example.com/sandbox/oauth",
        ),
    ],
    ids=["production", "practice"],
)  # fmt: skip
def test_production_and_practice_have_no_defaults_and_practice_no_real_provider(tmp_path, kind, refused, upstreams):
    changes = [*((name, {}) for name in NEEDED), *((name, {name: value}) for name, value in refused.items())]
    environment = {"PATH": os.environ["PATH"], "STATE_DIR": str(tmp_path)} | NEEDED
    environment["DJANGO_SETTINGS_MODULE"] = f"config.settings.{kind}"
    environment["HOME"] = "/nowhere"  # as root's is for `sudo -E -u spms`
    environment["RUNTIME_DIRECTORY"] = "/run/spms/metrics"  # as systemd says it
    command = [sys.executable, "-c", STARTS.format(changes=changes)]

    result = subprocess.run(command, cwd=HOME, env=environment, capture_output=True, text=True)

    assert result.returncode == 0, result.stderr  # in the end, with all of them, it starts
    *refusals, facts, shown = result.stdout.splitlines()
    reasons = [*(f"{name} is not set" for name in NEEDED), *(f"{name}: a practice server takes" for name in refused)]
    assert len(refusals) == len(reasons)
    assert all(map(str.startswith, refusals, reasons)), refusals
    assert facts == f"False {HOME} /run/spms/metrics False True" and shown == upstreams


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ({"WECHAT_APP_ID": "wx1", "SMS_SIGN_NAME": "x", "WECHAT_APP_SECRET": ""}, "SMS_SIGN_NAME, WECHAT_APP_ID"),
        ({"WECHAT_PAY_BASE_URL": "https://api.example"}, "WECHAT_PAY_BASE_URL"),
        ({"WEATHER_BASE_URL": "https://api.example"}, "WEATHER_BASE_URL"),
    ],
)
def test_practice_takes_no_value_of_a_provider_and_no_other_stand_in(monkeypatch, values, names):
    for name, value in values.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(ImproperlyConfigured, match=f"^{names}: a practice server"):
        env.refuse_real_providers()


@pytest.fixture
def server(settings):
    """Be a server of this kind, whose settings are safe."""

    def server(kind):
        settings.KIND, settings.PRACTICE, settings.DEPLOYED = kind, kind == "practice", kind != "development"
        settings.SANDBOX, settings.DEMO_DATA, settings.SECRET_KEY = settings.PRACTICE, False, "k" * 50
        settings.ALLOWED_HOSTS = ["127.0.0.1"]

    return server


@pytest.mark.parametrize(
    ("kind", "name", "value", "reason"),
    [
        ("production", "SANDBOX", True, "SANDBOX is on in production"),
        ("production", "DEMO_DATA", True, "DEMO_DATA is on in production"),
        ("production", "SECRET_KEY", "replace-with-50-random-characters", "DJANGO_SECRET_KEY is too weak"),
        ("practice", "SANDBOX", False, "SANDBOX is off on a practice server"),
        ("practice", "DEMO_DATA", True, "DEMO_DATA is on in practice"),
        ("practice", "ALLOWED_HOSTS", ["school.example"], "ALLOWED_HOSTS is too narrow .*Add 127.0.0.1:"),
    ],
)
def test_neither_starts_with_what_only_helps_in_development_nor_practice_without_stand_ins(
    server, settings, kind, name, value, reason
):
    server(kind)
    assert checks.settings_are_safe() == []
    setattr(settings, name, value)

    with pytest.raises(ImproperlyConfigured, match=f"^{reason}"):
        checks.refuse_unsafe_start()


@pytest.mark.parametrize(("value", "errors"), [("none", 0), ("transaction", 1)])
def test_a_server_that_still_says_it_has_a_pooler_does_not_start(server, monkeypatch, value, errors):
    server("production")
    monkeypatch.setenv("DB_POOLER", value)

    assert [error.msg for error in checks.settings_are_safe()] == ["DB_POOLER is no longer served."] * errors


def test_the_doctor_names_what_1_1_0_read_and_nobody_reads(monkeypatch):
    assert not [message for message in run_checks() if message.id == "core.W001"]
    for name in ("SENTRY_DSN", "DB_PREPARE"):
        monkeypatch.setenv(name, "1")

    what = [finding.what for finding in settings_and_models() if finding.ok is False]

    assert "core.W001: SENTRY_DSN、DB_PREPARE 不再起作用。" in what
    explained = (HOME / "docs/adr/0009-what-nobody-asked-for-is-gone.md").read_text("utf-8")
    assert [name for name in checks.GONE if name not in explained] == []


@pytest.mark.django_db(transaction=True)
class TestADatabase:
    """It belongs to production or to practice, and neither works on the other's."""

    USERS = "The database has users and is not marked as a practice server's."

    @staticmethod
    def refusals():
        return [error.msg for error in checks.database_is_ours()]

    @pytest.mark.parametrize(("mine", "other"), [("practice", "production"), ("production", "practice")])
    def test_the_first_seed_marks_it_and_the_other_kind_is_refused(self, server, mine, other):
        server(mine)
        assert self.refusals() == []
        call_command("seed_roles")
        call_command("seed_roles")
        assert self.refusals() == [] and Installation.objects.get().kind == mine

        server(other)

        assert self.refusals() == [f"The database is that of a {mine} server."]
        with pytest.raises(CommandError, match=mine):
            call_command("seed_roles")
        server("development")
        assert self.refusals() == []
        assert Installation.objects.get().kind == mine

    def test_one_with_users_and_no_mark_becomes_productions_and_never_a_practice_servers(self, server, person):
        person("li")
        server("development")
        call_command("seed_roles")
        assert not Installation.objects.exists(), "development marks none"
        server("practice")
        assert self.refusals() == [self.USERS]
        with pytest.raises(CommandError):
            call_command("seed_roles")
        assert not Installation.objects.exists()

        server("production")

        assert self.refusals() == []
        call_command("seed_roles")
        assert Installation.objects.get().kind == "production"

    def test_a_server_that_does_not_answer_is_no_reason_to_refuse(self, server, settings):
        server("production")
        settings.DATABASES["default"]["HOST"], host = "127.0.0.1", settings.DATABASES["default"]["HOST"]
        settings.DATABASES["default"]["PORT"], port = "1", settings.DATABASES["default"]["PORT"]
        try:
            assert self.refusals() == []
        finally:
            settings.DATABASES["default"] |= {"HOST": host, "PORT": port}
