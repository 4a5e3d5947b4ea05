"""Deleting what is chosen in a list: one page for all lists, a count and some names, and of exactly what was shown."""

import pytest
from django.contrib import admin
from django.db.models import ProtectedError

from accounts.models import User
from core.admin import deletion
from permissions.models import Role
from shop.models import Courier
from tests.kit import posted_of

pytestmark = pytest.mark.django_db
USERS, ROLES, COURIERS = "/admin/accounts/user/", "/admin/permissions/role/", "/admin/shop/courier/"


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
    assert actions.pop("students.Student") != deletion.delete_selected  # theirs can be taken back
    assert set(actions.values()) == {deletion.delete_selected}


def test_asks_with_a_count_and_twenty_names(office, person):
    users = [person(f"u{n:02}").user for n in range(25)]

    page = question(office, USERS, *users)

    text = page.content.decode()
    assert "确认删除 25 条用户" in text and "以及另外 5 条" in text and len(page.context["names"]) == 20
    assert User.objects.filter(username__startswith="u").count() == 25

    answer = office.post(USERS, posted_of(page), follow=True)

    assert "已删除 25 条用户" in answer.content.decode()
    assert not User.objects.filter(username__startswith="u").exists()


def test_deletes_nothing_that_was_not_shown_nor_more_than_the_limit(office, monkeypatch):
    Courier.objects.exclude(name__in=["顺丰速运", "EMS"]).delete()
    page = question(office, COURIERS, Courier.objects.first(), across=True)
    assert "确认删除 2 条" in page.content.decode() and len(page.context["posted"]) == 4
    Courier.objects.create(name="新的")

    again = office.post(COURIERS, posted_of(page))

    assert "名单在你确认之前变了" in again.content.decode() and again.context["count"] == 3
    assert Courier.objects.count() == 3
    office.post(COURIERS, posted_of(again))
    assert not Courier.objects.exists()

    Courier.objects.bulk_create(Courier(name=f"快递{n}") for n in range(3))
    monkeypatch.setattr(deletion, "MAX_DELETED", 2)
    question(office, COURIERS, Courier.objects.first(), across=True)
    assert "一次最多删除 2 条" in office.get(COURIERS).content.decode()


def test_what_is_in_use_or_not_allowed_is_named(office, person, roles):
    person("li", "103")
    page = question(office, ROLES, roles["103"])
    assert "不能删除这 1 条角色" in page.content.decode() and page.context["refusals"][0].startswith("仍被使用：")
    assert ">li</a>" in page.content.decode()
    assert "确认删除 1 条" not in page.content.decode()

    office.post(ROLES, posted_of(page))
    assert Role.objects.filter(roleid="103").exists()

    page = question(office, ROLES, roles["200"])
    assert [*page.context["refusals"]] == [f"“{roles['200']}”是新注册和扫码登录的用户得到的角色，不能删除"]
    assert office.post(ROLES, posted_of(page)).status_code == 403
    with pytest.raises(ProtectedError):
        roles["103"].delete()
