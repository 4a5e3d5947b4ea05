from datetime import timedelta

import pytest
from django.utils import timezone

from attendance import services
from attendance.models import Period
from core import times
from students.models import Student
from students.tests.factories import students

READING = {"getCode", "getList", "getRecords", "getSummary"}


@pytest.fixture
def attend(zhuguan):
    """Return a function that makes a call of 主管: ``attend("open", minutes=5)``; parameters as clients write them."""

    def call(name, caller=zhuguan, **params):
        params = {key.rstrip("_"): value for key, value in params.items()}
        if name in READING:
            return caller.get(f"/attendance/{name}", **params).json()
        return caller.post(f"/attendance/{name}", params).json()

    return call


@pytest.fixture
def trainee(person):
    """Return a function that makes a student of H51901 with an account: its client, with the student as ``student``."""

    def make(name, **fields):
        [student] = students(name, **fields)
        client = person(f"u-{student.sid}", "200", nickname=name)
        Student.objects.filter(pk=student.pk).update(account=client.user.pk)
        client.student = student
        return client

    return make


@pytest.fixture
def clock(monkeypatch):
    """Stop the time of our code, and return a function that lets so many seconds pass."""
    moments = [times.now()]
    monkeypatch.setattr(times, "now", lambda: moments[-1])

    def wait(seconds):
        moments.append(moments[-1] + timedelta(seconds=seconds))

    return wait


@pytest.fixture
def session():
    """Return a function that opens a session of today's morning for a class that has students."""

    def opened(class_name="H51901", **options):
        now = timezone.now()
        defaults = {"day": times.local(now).date(), "period": Period.MORNING, "now": now}
        return services.session_open(class_name=class_name, **defaults | options)[0]

    return opened
