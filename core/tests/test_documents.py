"""What the READMEs, Prometheus and Grafana say is what there is."""

import json
import re
from pathlib import Path

import pytest
import yaml
from django.apps import apps
from django.conf import settings
from django.core.management import get_commands
from prometheus_client import REGISTRY

from core.observe import metrics

READMES = [settings.BASE_DIR / "README.md", settings.BASE_DIR / "README.zh-CN.md"]

each_readme = pytest.mark.parametrize("readme", READMES, ids=lambda readme: readme.name)


def first_column(readme: Path, head: str) -> list[str]:
    """What stands in code marks in the first column of the table that begins with ``head``."""
    table = re.search(rf"^\| {head} \|.*\n\|[- |]+\|\n((?:\|.*\n)+)", readme.read_text("utf-8"), re.M)
    assert table
    return [name for row in table[1].splitlines() for name in re.findall(r"`([^`]+)`", row.split("|")[1])]


@each_readme
def test_every_setting_is_in_the_table_and_no_other(readme: Path) -> None:
    settings_read = set(re.findall(r"^# ([A-Z0-9_]+)=", (settings.BASE_DIR / ".env.example").read_text("utf-8"), re.M))
    patterns = [name.replace("*", r"\w+") for name in first_column(readme, "(?:variable|变量)")]

    found = {pattern: {name for name in settings_read if re.fullmatch(pattern, name)} for pattern in patterns}

    assert set().union(*found.values()) == settings_read
    assert [pattern for pattern, names in found.items() if not names] == []


@each_readme
def test_every_command_is_in_the_table_and_no_other(readme: Path) -> None:
    ours = {app.name for app in apps.get_app_configs() if (settings.BASE_DIR / app.name.replace(".", "/")).is_dir()}
    commands = {name for name, app in get_commands().items() if app in ours} | _commands_of_the_stack()

    named = {name.split()[0] for name in first_column(readme, "(?:command|管理命令)")}

    assert named == commands


def _commands_of_the_stack() -> set[str]:
    # Development's settings bring them, these here are the tests'.
    return {path.stem for path in (settings.BASE_DIR / "devstack/management/commands").glob("[a-z]*.py")}


def queries():
    deploy = settings.BASE_DIR / "deploy"
    rules = yaml.safe_load((deploy / "prometheus-rules.yml").read_text("utf-8"))["groups"][0]["rules"]
    panels = json.loads((deploy / "grafana-dashboard.json").read_text("utf-8"))["panels"]
    return [rule["expr"] for rule in rules] + [target["expr"] for panel in panels for target in panel["targets"]]


@pytest.mark.django_db
def test_every_figure_that_is_asked_for_exists():
    names = set(re.findall(r"^# TYPE (\w+) ", metrics.exposition().decode(), re.M))
    for family in REGISTRY.collect():
        names |= {family.name + end for end in ("", "_total", "_bucket", "_sum", "_count")}
    # Where there is nothing to count yet.
    names |= {"spms_weather_sync_age_seconds", "spms_heartbeat_age_seconds"}
    names |= {"spms_backup_age_seconds", "spms_archive_age_seconds"}

    assert set(re.findall(r"\bspms_\w+", " ".join(queries()))) - names == set()
