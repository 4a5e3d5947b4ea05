"""Deleting what is chosen in a list: in which lists, how many, and exactly what was shown."""

import pytest
from django.contrib import admin

from accounts.tests.entering import age, asks
from core.admin import base
from permissions.models import Role
from shop.models import Courier

pytestmark = pytest.mark.django_db
ROLES, COURIERS = "/admin/permissions/role/", "/admin/shop/courier/"


def question(office, address, *rows, across=False):
    data = {"action": "delete_selected", "_selected_action": [row.pk for row in rows], "select_across": int(across)}
    return office.post(address, data)


def test_only_these_lists_offer_it(rf, root):
    """A list that is added decides whether it does, and then has the page that asks."""
    request = rf.get("/")
    request.user = root.user
    offering = {
        model._meta.label: page
        for model, page in admin.site._registry.items()
        if "delete_selected" in page.get_actions(request)
    }

    assert offering.keys() == {
        "students.Student", "accounts.User", "permissions.Role", "shop.Courier", "weather.WeatherRecord",
        "attendance.Session", "attendance.Leave", "dormitory.Room",
    }  # fmt: skip
    actions = {label: page.get_actions(request)["delete_selected"][0] for label, page in offering.items()}
    assert actions.pop("students.Student") != base.delete_selected  # theirs can be taken back
    assert set(actions.values()) == {base.delete_selected}


def sure(browser, address, page):
    """Confirm what the page shows, as its form does."""
    keys = [row.pk for row in page.context["queryset"]]
    return browser.post(address, {"action": "delete_selected", "post": "yes", "_selected_action": keys}, follow=True)


def test_deletes_what_was_shown_and_no_more_than_the_limit(office, monkeypatch):
    Courier.objects.exclude(name__in=["顺丰速运", "EMS"]).delete()
    page = question(office, COURIERS, Courier.objects.first(), across=True)
    assert "顺丰速运" in page.text and "EMS" in page.text and Courier.objects.count() == 2
    Courier.objects.create(name="新的")

    answer = sure(office, COURIERS, page)

    assert "成功删除了 2 个" in answer.text
    assert [courier.name for courier in Courier.objects.all()] == ["新的"]
    Courier.objects.bulk_create(Courier(name=f"快递{n}") for n in range(2))
    monkeypatch.setattr(base, "MAX_DELETED", 2)
    question(office, COURIERS, Courier.objects.first(), across=True)
    assert "一次最多删除 2 条" in office.get(COURIERS).text


def test_asks_for_the_password_too_where_the_page_itself_does_not(office):
    page = question(age(office, 2), COURIERS, Courier.objects.first())

    assert asks(page)


def test_what_is_in_use_or_not_allowed_stays(office, person, roles):
    person("li", "103")

    assert [*question(office, ROLES, roles["103"]).context["protected"]] and "用户" in str(
        question(office, ROLES, roles["103"]).context["protected"]
    )
    sure(office, ROLES, question(office, ROLES, roles["103"]))
    assert [*question(office, ROLES, roles["200"]).context["perms_lacking"]] == ["角色"]
    assert sure(office, ROLES, question(office, ROLES, roles["200"])).status_code == 403

    assert Role.objects.filter(roleid__in=["103", "200"]).count() == 2
