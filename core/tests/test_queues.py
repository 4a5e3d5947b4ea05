"""Every task has a queue on purpose, and every queue a worker wherever the project runs."""

import re

import pytest
from django.conf import settings

from config.celery import app
from devstack.supervisor import WORKERS


def test_every_task_has_a_queue_on_purpose():
    app.loader.import_default_modules()
    ours = {name for name in app.tasks if not name.startswith("celery.")}

    assert ours == set(settings.CELERY_TASK_ROUTES)


def test_beat_asks_for_tasks_that_there_are():
    app.loader.import_default_modules()

    assert {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()} <= set(app.tasks)


@pytest.mark.parametrize("task", ["shop.expire_orders", "payments.run_refund", "students.transfer_work", "x.unknown"])
def test_a_task_goes_where_its_worker_is(task):
    queue = app.amqp.router.route({}, task)["queue"].name

    assert queue == {"shop": "money", "payments": "money", "students": "bulk", "x": "now"}[task.split(".")[0]]


def test_services_send_tasks_that_there_are():
    sent = set()
    for app_folder in {name.split(".")[0] for name in settings.CELERY_TASK_ROUTES}:
        for path in (settings.BASE_DIR / app_folder).rglob("*.py"):
            sent |= set(re.findall(r"task_send\(\s*\"([\w.]+)\"", path.read_text("utf-8")))

    assert "payments.run_refund" in sent
    assert sent <= set(settings.CELERY_TASK_ROUTES)


def test_every_queue_has_a_worker_in_each_way_to_run():
    compose = (settings.BASE_DIR / "deploy/compose.yaml").read_text("utf-8")
    guide = (settings.BASE_DIR / "docs/going-live.md").read_text("utf-8")

    assert set(WORKERS) == set(settings.QUEUES)
    assert set(re.findall(r"worker, -Q, (\w+)", compose)) == set(settings.QUEUES)
    assert set(re.search(r"spms-worker@\{([\w,]+)\}", guide)[1].split(",")) == set(settings.QUEUES)
