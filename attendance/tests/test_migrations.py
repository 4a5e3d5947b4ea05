"""Seeded roles of 1.1 get what a new installation seeds; what staff has changed stays."""

from importlib import import_module

import pytest
from django.apps import apps
from django.contrib.auth.models import Permission

from permissions.models import DataScope, Role
from permissions.seed import ROLES
from permissions.services.roles import copies_follow, role_scoped

pytestmark = pytest.mark.django_db
RIGHTS = import_module("attendance.migrations.0002_rights")
OURS = ("dormitory", "attendance")


def of(role):
    return set(role.permissions.filter(content_type__app_label__in=OURS).values_list("codename", flat=True))


def test_the_roles_of_the_last_release_get_rows_and_rights_with_their_copies(roles):
    copies = {roleid: role_scoped(roleid=roleid, scope=DataScope.OWN) for roleid in ("102", "103", "200")}
    expected = {roleid: (set(role.rows), of(role)) for roleid, role in roles.items() if roleid != "1"}
    for roleid, seeded in {"103": RIGHTS.READING + RIGHTS.EDITING, "200": RIGHTS.READING}.items():
        Role.objects.filter(roleid=roleid).update(rows=seeded)
    for roleid in expected:
        role = Role.objects.get(roleid=roleid)
        role.permissions.remove(*Permission.objects.filter(content_type__app_label__in=OURS))
        copies_follow(origin=role)

    for _ in range(2):  # a second host may do it again
        RIGHTS.give(apps, None)

    for roleid, facts in expected.items():
        role, copy = Role.objects.get(roleid=roleid), Role.objects.get(pk=copies[roleid].pk)
        assert (set(role.rows), of(role)) == (set(copy.rows), of(copy)) == facts, roleid
    assert {seed["roleid"]: set(seed["rows"]) for seed in ROLES}["103"] == expected["103"][0]


def test_what_staff_has_changed_stays(roles):
    Role.objects.filter(roleid="103").update(rows=["/x"])
    Role.objects.filter(roleid="200").update(rows=[*RIGHTS.READING, "/x"])
    roles["103"].permissions.set(Permission.objects.filter(codename="view_student"))
    other = Role.objects.create(roleid="310", name="教务")
    other.permissions.set(roles["102"].permissions.exclude(content_type__app_label__in=OURS))

    RIGHTS.give(apps, None)

    assert (
        Role.objects.get(roleid="103").rows == ["/x"]
        and "/attendance/getSummary" not in Role.objects.get(roleid="200").rows
    )
    assert of(roles["103"]) == of(other) == set()
