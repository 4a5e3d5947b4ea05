"""Every variable that is read is explained, and a bad value is refused by its name."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from config import env

HOME = env.BASE_DIR
# Read by manage.py, make or the dev stack themselves.
NOT_SETTINGS = {"BIND", "STATE_DIR"}


def test_env_example_names_every_variable_and_no_other():
    explained = set(re.findall(r"^# ([A-Z0-9_]+)=", (HOME / ".env.example").read_text("utf-8"), re.M))
    source = "".join(path.read_text("utf-8") for path in [*HOME.glob("config/settings/*.py"), HOME / "config/env.py"])
    read = set(re.findall(r'[a-z]\(\s*"([A-Z][A-Z0-9_]{3,})"', source)) - {
        "DJANGO_SETTINGS_MODULE",
        "PYTEST_XDIST_WORKER",
    }

    assert explained - NOT_SETTINGS == read - NOT_SETTINGS


@pytest.mark.parametrize(
    ("reader", "value"),
    [
        (lambda: env.flag("SPMS_X", True), "perhaps"),
        (lambda: env.number("SPMS_X", 1), "0"),
        (lambda: env.duration("SPMS_X", None), "soon"),
        (lambda: env.base_url("SPMS_X", None), "ftp://example.com"),
        (lambda: env.choice("SPMS_X", "a", ("a", "b")), "c"),
    ],
)
def test_a_bad_value_is_refused_by_name_and_not_shown(monkeypatch, reader, value):
    monkeypatch.setenv("SPMS_X", value)

    with pytest.raises(ImproperlyConfigured, match="SPMS_X") as refused:
        reader()

    assert value not in str(refused.value).replace("a whole number from 1", "")


PRODUCTION = {
    "DJANGO_SETTINGS_MODULE": "config.settings.production",
    "DJANGO_SECRET_KEY": "k" * 50,
    "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
    "REDIS_URL": "redis://127.0.0.1:1/0",
    "ALLOWED_HOSTS": "api.example.com",
    "PUBLIC_BASE_URL": "https://api.example.com",
    "CORS_ALLOWED_ORIGINS": "https://app.example.com",
    "CSRF_TRUSTED_ORIGINS": "https://api.example.com",
}


def start_production(
    tmp_path: Path, module: str = "config.wsgi", **changes: str | None
) -> subprocess.CompletedProcess[str]:
    wanted = {"PATH": os.environ["PATH"], "STATE_DIR": str(tmp_path)} | PRODUCTION | changes
    environment = {name: value for name, value in wanted.items() if value is not None}
    command = [sys.executable, "-c", f"import {module}"]
    return subprocess.run(command, cwd=HOME, env=environment, capture_output=True, text=True)


def test_production_starts_with_its_values(tmp_path):
    assert start_production(tmp_path).returncode == 0


@pytest.mark.parametrize("name", sorted(set(PRODUCTION) - {"DJANGO_SETTINGS_MODULE"}))
def test_production_has_no_default_for(tmp_path, name):
    refused = start_production(tmp_path, "config.settings.production", **{name: None})

    assert refused.returncode != 0
    assert f"{name} is not set" in refused.stderr


@pytest.mark.parametrize(
    ("changes", "word"),
    [({"SANDBOX": "1"}, "SANDBOX"), ({"DEMO_DATA": "1"}, "DEMO_DATA"), ({"DJANGO_SECRET_KEY": "short"}, "SECRET_KEY")],
)
def test_production_refuses_what_only_helps_in_development(tmp_path, changes, word):
    refused = start_production(tmp_path, **changes)

    assert refused.returncode != 0
    assert word in refused.stderr.splitlines()[-1]
