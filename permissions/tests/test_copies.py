"""A copy of a role with another data scope: known by its origin and scope, and never more than its origin."""

from functools import partial
from importlib import import_module

import pytest
from auditlog.models import LogEntry
from django.apps import apps
from django.contrib.auth.models import Permission
from django.db import IntegrityError
from django.db.models import QuerySet
from django.urls import reverse

from permissions.models import DataScope, Role
from permissions.services.roles import role_add, role_scoped, roles_seed
from tests.kit import PageForm as Form
from tests.kit import at_once, meet_at

pytestmark = pytest.mark.django_db
ALL, OWN, CHANGE_OWN = DataScope.ALL, DataScope.OWN, DataScope.CHANGE_OWN
origins_find = import_module("permissions.migrations.0004_origins_of_copies").origins_find


def page_of(role):
    return reverse("admin:permissions_role_change", args=[role.pk])


def test_a_copy_that_staff_gave_another_scope_is_not_handed_out_for_its_old_one(roles, office):
    edited = role_scoped(roleid="102", scope=OWN)
    assert LogEntry.objects.get_for_object(edited).count() == 1, "it is one action"
    assert (edited.roleid, edited.name, edited.origin) == ("102-own", "总监（仅本人）", roles["102"])
    page = office.get(page_of(edited))
    assert "总监（102）" in page.content.decode() and "可调用的接口" not in page.content.decode()

    office.post(page_of(edited), Form(page).data(data_scope="all"))

    again = role_scoped(roleid="102", scope=OWN)
    assert (again.roleid, again.data_scope, again.rows) == ("102-own-2", OWN, ["*"])
    assert role_scoped(roleid="102-own", scope=OWN) == role_scoped(roleid="102", scope=OWN) == again
    assert role_scoped(roleid="102-own-2", scope=ALL) == roles["102"]
    assert role_scoped(roleid="102-own", scope=ALL) == edited


def test_a_role_whose_number_looks_like_a_copy_is_none(roles):
    stranger = role_add(roleid="102-own", rows=["/x"])

    copy = role_scoped(roleid="102", scope=OWN)

    assert copy != stranger and copy.roleid == "102-own-2"


def test_long_numbers_share_no_copy():
    for end, rows in (("a", ["/a"]), ("b", ["/b"])):
        role_add(roleid="teacher-of-the-front-end-" + end, rows=rows)

    copies = [role_scoped(roleid="teacher-of-the-front-end-" + end, scope=CHANGE_OWN) for end in "ab"]

    assert [copy.rows for copy in copies] == [["/a"], ["/b"]]


def test_what_is_taken_from_a_role_is_taken_from_its_copies(roles, office):
    copy = role_scoped(roleid="103", scope=OWN)
    right = Permission.objects.get(codename="view_student")
    changes = {"rows": ["/getloginlog"], "other_rows": "", "buttons": ["read"], "menu": '[{"name": "管理首页"}]'}

    office.post(page_of(roles["103"]), Form(office.get(page_of(roles["103"]))).data(**changes, permissions=[right.pk]))

    copy.refresh_from_db()
    assert (copy.rows, copy.buttons, copy.menu) == (["/getloginlog"], ["read"], [{"name": "管理首页"}])
    assert (list(copy.permissions.all()), copy.data_scope) == ([right], OWN)
    roles_seed(reset=True)
    copy.refresh_from_db()
    assert copy.rows == Role.objects.get(roleid="103").rows and copy.permissions.count() > 1
    Role.objects.filter(roleid="103").update(rows=[])  # by a statement, which tells no copy
    assert role_scoped(roleid="103", scope=OWN).rows == []


def test_a_copy_outlives_its_origin(roles):
    copy = role_scoped(roleid="103", scope=OWN)

    roles["103"].delete()

    copy.refresh_from_db()
    assert (copy.origin, role_scoped(roleid="103-own", scope=OWN)) == (None, copy)


def test_copies_of_the_last_release_find_their_origin_unless_it_is_unclear(roles):
    def copy_as_before(roleid, scope, origin, **changes):
        values = {name: getattr(origin, name) for name in ("name", "menu", "rows", "buttons")}
        copy = Role.objects.create(roleid=roleid, **values | {"data_scope": scope} | changes)
        copy.permissions.set(origin.permissions.all())
        return copy

    twins = [role_add(roleid=f"teacher-of-the-front-end-{end}", rows=["/a"]) for end in "ab"]
    expected = {
        copy_as_before("102-own", OWN, roles["102"]): roles["102"],
        copy_as_before("102-change_own", ALL, roles["102"]): None,  # staff changed its scope
        copy_as_before("103-own", OWN, roles["103"], rows=["/x"]): None,  # or its rows
        copy_as_before("teacher-of-the-front-own", OWN, twins[0]): None,
    }

    for _ in range(2):
        origins_find(apps, None)

    for copy, origin in expected.items():
        copy.refresh_from_db()
        assert copy.origin == origin
    assert role_scoped(roleid="102", scope=OWN).roleid == "102-own"
    assert role_scoped(roleid="103", scope=OWN).roleid == "103-own-2"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_locked", [True, False], ids=["locked", "twin"])
def test_of_two_classes_opened_at_once_one_makes_the_copy(is_locked, monkeypatch):
    if not is_locked:
        monkeypatch.setattr(QuerySet, "select_for_update", lambda rows, **options: rows)
    meet_at(monkeypatch, "permissions.services.roles._free_roleid")

    results = at_once([partial(role_scoped, roleid="103", scope=OWN)] * 2, refusals=(IntegrityError,))

    assert [type(result) for result in results].count(IntegrityError) == (0 if is_locked else 1)
    assert Role.objects.filter(origin__roleid="103").count() == 1
