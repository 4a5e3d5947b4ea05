"""What Prometheus and Grafana ask for is what there is."""

import json
import re

import pytest
import yaml
from django.conf import settings
from prometheus_client import REGISTRY

from core.observe import metrics


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
