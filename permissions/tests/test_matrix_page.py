"""谁能做什么 tells the truth about each role, to those who may see roles."""

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext

from core.api.routing import endpoints
from permissions.models import Role
from permissions.office import offered_rights, office_rights
from permissions.rights import rights_of_role
from permissions.row_choices import row_allows
from tests.kit import PageForm, logged_in

pytestmark = pytest.mark.django_db
PAGE = "/admin/permissions/role/matrix/"


def ticked(page, role, kind):
    """Return what the page ticks for the role, in the groups of one kind."""
    return {
        (line.what, line.detail)
        for group in page.context["groups"]
        if group.title.startswith(kind)
        for line in group.lines
        if {one.pk: is_on for one, is_on in line.ticks}[role.pk]
    }


def test_each_role_has_the_ticks_of_its_rights(office, roles):
    teacher = roles["300"] = Role.objects.create(roleid="300", name="讲师", rows=["/Students/*"])
    teacher.permissions.set(Permission.objects.filter(codename__in=["view_student", "ship_order", "add_order"]))

    page = office.get(PAGE)

    assert ticked(page, teacher, "后台") == {("查看", "学员"), ("发货", "订单")}
    for role in roles.values():
        rights, held = rights_of_role(role), set(role.permissions.all())
        calls = {(c.row_title, c.path) for c in endpoints() if c.row_title and row_allows(rights, c)}
        assert ticked(page, role, "接口") == calls
        expected = {(r.verb, r.records) for r in office_rights() if role.is_root or r.permission in held}
        assert ticked(page, role, "后台") == expected


def test_it_counts_users_and_leads_to_each_role(office, person, roles):
    person("wang", "103", is_staff=True)
    person("li", "103")

    text = "".join(office.get(PAGE).content.decode().split())

    assert f'href="/admin/accounts/user/?role__id__exact={roles["103"].pk}">2人</a>' in text
    assert "1人进后台" in text
    for role in roles.values():
        assert f'href="/admin/permissions/role/{role.pk}/change/">{role.name}</a>' in text


def test_as_many_queries_for_twenty_roles_as_for_four(office):
    office.get(PAGE)
    with CaptureQueriesContext(connection) as few:
        office.get(PAGE)
    for n in range(16):
        Role.objects.create(roleid=f"4{n:02}", name=f"角色{n}").permissions.set(offered_rights()[: n + 1])

    with CaptureQueriesContext(connection) as many:
        office.get(PAGE)

    assert len(many) == len(few) == 5  # session, user, roles, their rights, all rights


@pytest.mark.parametrize("roleid, may", [("102", True), ("103", False), ("200", False)])
def test_only_for_who_may_see_roles(person, roleid, may):
    browser = logged_in(person("wang", roleid, is_staff=True).user)

    assert browser.get(PAGE).status_code == (200 if may else 403)
    assert (PAGE in browser.get("/admin/").content.decode()) is may


def test_strangers_are_sent_to_the_door(client):
    assert client.get(PAGE).status_code == 302


def test_the_form_offers_the_rights_that_open_something_and_no_others(office, roles):
    address = f"/admin/permissions/role/{roles['200'].pk}/change/"
    ship, idle = (Permission.objects.get(codename=name) for name in ("ship_order", "add_order"))
    page = office.get(address)
    offered = {right.codename for right in offered_rights()}

    refused = office.post(address, PageForm(page).data(permissions=[idle.pk]))
    saved = office.post(address, PageForm(page).data(permissions=[ship.pk]))

    assert {"ship_order", "decide_order", "refund_order", "export_order", "export_student"} <= offered
    assert not {"add_order", "delete_order", "change_role", "add_user", "change_logentry"} & offered
    assert (refused.status_code, saved.status_code) == (200, 302)
    assert list(roles["200"].permissions.all()) == [ship]
