"""What ``manage.py doctor`` says of roles and calls."""

import pytest

from core.api.routing import Endpoint
from permissions import access_report
from permissions.doctor import roles_and_calls
from permissions.models import Role

pytestmark = pytest.mark.django_db


def found():
    return [(finding.ok, finding.what, bool(finding.do)) for finding in roles_and_calls()]


def test_what_is_seeded_is_in_order(roles):
    assert found() == [(True, "Every call says who may, every row of a role opens one", False)]


def test_a_row_that_opens_nothing_is_named_with_its_role(roles):
    Role.objects.create(roleid="900", name="旧", rows=["/students/getstulist", "/students/gone", "/gone/*"])

    assert found() == [(False, f"Role 900: its row {row} opens nothing", True) for row in ("/students/gone", "/gone/*")]


def test_a_call_left_to_root_is_told_and_no_fault(roles):
    Role.objects.exclude(roleid="1").update(rows=[])

    assert (None, "/students/delstu may be called by root alone: no role's rows name it", False) in found()


def test_a_call_that_forgot_to_say_is_named(roles, monkeypatch):
    monkeypatch.setattr(access_report, "endpoints", lambda: [Endpoint("/new", ("GET",), "新", None, ())])

    assert (False, "/new does not say who may call it: nobody may", True) in found()
