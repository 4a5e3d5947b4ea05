"""A person's own data: what root hands out, and what is left of a deleted user."""

import json

import pytest
from auditlog.models import LogEntry
from django.core.management import call_command
from django.utils import timezone

from accounts.models import LoginAttempt, LoginMethod
from core.audit import StaffAction
from shop.models import Order
from shop.tests.factories import make_order

pytestmark = pytest.mark.django_db
PHONE = "13800000001"


@pytest.fixture
def li(person, api):
    li = person("li", phone=PHONE, is_phone_bound=True, nickname="李", is_staff=True)
    make_order(li.user, phone="13900000009")
    make_order(person("wang", nickname="王").user)
    api.post("/users/login", {"username": "li", "password": "a-password"})
    for name in (PHONE, "13800000002"):
        LoginAttempt.objects.create(at=timezone.now(), door=LoginMethod.SMS, outcome="code", username=name)
    return li.user


def test_root_alone_downloads_what_is_kept_about_one_person_and_no_secret(li, office, staff, capsys):
    answer = office.get(f"/admin/person/{li.pk}.json")

    text = answer.content.decode()
    data = json.loads(text)
    counts = {name: len(rows) for name, rows in data.items() if rows}
    assert counts["用户"] == counts["登录日志"] == counts["订单"] == 1 and counts["登录尝试"] == 2
    assert data["订单"][0]["电话"] == "13900000009" and data["用户"][0]["手机号"] == PHONE
    assert "md5$" not in text and "王" not in text and "13800000002" not in text
    entry = LogEntry.objects.get(action=StaffAction.EXPORT)
    assert (entry.object_pk, entry.actor.username) == (str(li.pk), "root")
    call_command("person_data", "li")
    assert json.loads(capsys.readouterr().out)["用户"][0]["用户名"] == "li"
    assert staff("102").get(f"/admin/person/{li.pk}.json").status_code == 403
    assert f'href="/admin/person/{li.pk}.json"' in office.get(f"/admin/accounts/user/{li.pk}/change/").content.decode()


def test_of_a_deleted_user_the_number_goes_and_what_the_law_keeps_stays(li, root):
    assert root.get("/users/deleteUser", username="li").json()["state"] is True

    assert LoginAttempt.objects.filter(door=LoginMethod.SMS).values_list("username", flat=True).get() == "13800000002"
    assert LoginAttempt.objects.filter(username="li").exists()
    assert Order.objects.get(phone="13900000009").user is None
