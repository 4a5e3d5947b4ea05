"""A person's own data, which root hands out.

Income and whole phone numbers are rights of their own: without them no page, search, file or paper tells either."""

import json
from itertools import product

import pytest
from auditlog.models import LogEntry
from django.contrib.auth.models import Permission
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from core.audit import StaffAction
from permissions.models import Role
from shop.models import Order
from shop.order_states import OrderAction, State
from shop.tests.factories import correct, make_order, make_paid
from students.models import ArchivedStudent, Student
from students.services import students_archive
from students.tests.factories import students
from tests.kit import logged_in

pytestmark = pytest.mark.django_db
PHONE, MASKED, OWN_PHONE = "13812340140", "138****0140", "13800000001"


@pytest.fixture
def clerks(roles, person):
    """Return the browsers of two members of staff, and whether each has the rights to income and phones."""
    roles["310"] = Role.objects.create(roleid="310", name="without", rows=roles["102"].rows)
    rights = ["income_order", "phone_order", "phone_user"]
    roles["310"].permissions.set(roles["102"].permissions.exclude(codename__in=rights))
    users = [(person(f"clerk-{roleid}", roleid, is_staff=True).user, roleid == "102") for roleid in ("102", "310")]
    return [(logged_in(user), has_rights) for user, has_rights in users]


@pytest.fixture
def order(stock, root):
    order = Order.objects.get(state=State.PAID)
    for _ in range(2):  # the log keeps the one before
        correct(logged_in(root.user), order, "receiver", recipient="王五", address="重庆", phone=PHONE)
    entry = LogEntry.objects.filter(action=OrderAction.ORDER).latest("pk")
    entry.changes["事件"][1] = "以前的说法"  # what hides the phone is not the event's label
    entry.save()
    for query in (f"q={PHONE}", f"q=张；{PHONE}", f"phone__startswith={PHONE}"):
        logged_in(root.user).get(reverse("admin:shop_order_export") + f"?{query}")
    return Order.objects.get(pk=order.pk)


def test_a_phone_is_whole_for_a_role_with_the_right(clerks, order, person):
    buyer = person("buyer", "200", phone=PHONE).user
    orders = reverse("admin:shop_order_changelist")
    pages = {
        "list": orders,
        "work list": f"{orders}?work=ship",
        "by its end": f"{orders}?q=0140",
        "page": reverse("admin:shop_order_change", args=[order.pk]),
        "paper": reverse("admin:shop_order_packing") + f"?ids={order.pk}",
        "Ctrl+K": reverse("admin:search") + "?s=0140",
        "users": reverse("admin:accounts_user_changelist"),
        "user": reverse("admin:accounts_user_change", args=[buyer.pk]),
        "who did what": reverse("admin:auditlog_logentry_changelist"),
        "csv": reverse("admin:shop_order_export") + "?format=csv",
    }
    for client, has_rights in clerks:
        whole, masked = set(), set()
        for name, page in pages.items():
            answer = client.get(page, headers={"HX-Request": "true"} if name == "Ctrl+K" else {})
            text = b"".join(answer).decode() if answer.streaming else answer.text
            whole |= {name} if PHONE in text else set()
            masked |= {name} if MASKED in text else set()

        assert (whole, masked) == ((set(pages), set()) if has_rights else (set(), set(pages)))
        # A hidden phone stays when the rest is corrected.
        receiver = {"recipient": f"李四{has_rights}", "address": "南京", "phone": PHONE if has_rights else "1"}
        correct(client, order, "receiver", **receiver)
        order.refresh_from_db()
        assert (order.recipient, order.phone) == (f"李四{has_rights}", PHONE)


def test_no_search_tells_a_phone_digit_by_digit(clerks, order):
    whole = f"q={PHONE}"
    for (client, has_rights), query in product(
        clerks, ("q=1381", "q=40140", "phone__startswith=1381", f"phone={PHONE}", whole)
    ):
        page = client.get(reverse("admin:shop_order_changelist") + f"?{query}")
        is_match = page.status_code == 200 and order in page.context["cl"].result_list
        assert is_match == (has_rights or query == whole), query


def test_whole_phones_tried_one_after_another_find_what_the_last_four_digits_find(clerks, order):
    [row] = students("谭鹏", phone=PHONE, parent_phone="13956785555")
    Role.objects.get(roleid="310").permissions.remove(*Permission.objects.filter(codename="phone_student"))
    tries = {"13812340140": True, "13800000140": False, "139 5678 5555": True, "13900005555": False, "谭 0140": True}
    for (client, has_rights), (text, is_right) in product(clerks, tries.items()):
        page = client.get(reverse("admin:students_student_changelist") + f"?q={text}")
        assert (row in page.context["cl"].result_list) == (is_right or not has_rights), text
        found = client.get(reverse("admin:search") + f"?s={text}", headers={"HX-Request": "true"}).text
        assert (row.sid in found) == (is_right or not has_rights), text
    for client, has_rights in clerks:
        page = client.get(reverse("admin:students_student_changelist") + f"?q=王 {PHONE}")
        assert row not in page.context["cl"].result_list
        page = client.get(reverse("admin:shop_order_changelist") + "?q=13800000140")
        assert (order in page.context["cl"].result_list) == (not has_rights)


@pytest.mark.parametrize("model", [Student, ArchivedStudent])
def test_no_filter_tells_what_of_a_student_is_hidden(model, roles, person, office):
    facts = {"phone": PHONE, "parent_phone": PHONE, "id_card": "110101199001011237"}
    [row] = students("谭鹏", **facts)
    if model is ArchivedStudent:
        students_archive(pks=[row.pk], actor_pk=None, now=timezone.now())
    page = reverse(f"admin:students_{model._meta.model_name}_changelist")
    browser = logged_in(person("clerk", "102", is_staff=True).user)
    roles["102"].permissions.remove(
        *Permission.objects.filter(codename__in=["phone_student", "idcard_student"], content_type__app_label="students")
    )

    told = ("phone__startswith=1381", f"phone={PHONE}", "phone__gte=1", "parent_phone__contains=40140")
    for query in (*told, "id_card__regex=^1101"):
        assert office.get(f"{page}?{query}").context["cl"].result_count == 1
        assert browser.get(f"{page}?{query}").status_code == 400, query
    assert browser.get(f"{page}?city__exact={row.city}").context["cl"].result_count == 1


def test_no_filter_reads_in_texts_that_a_list_does_not_show(clerks):
    client, _ = clerks[0]
    for label, query in (
        ("auditlog_logentry", "changes__icontains=1381"),
        ("students_transferrun", "options__shape__samples__0__0__startswith=1381"),
        ("accounts_user", "openid__startswith=o"),
    ):
        assert client.get(reverse(f"admin:{label}_changelist") + f"?{query}").status_code == 400


def test_income_is_shown_to_a_role_with_the_right(clerks, stock):
    for client, has_rights in clerks:
        home, daily = client.get(reverse("admin:index")).text, client.get(reverse("daily"))

        assert ("收入" in home, daily.status_code == 200) == (has_rights,) * 2
        assert ("日报" in home) == has_rights and "待发货" in home


@pytest.fixture
def li(person, api):
    li = person("li", phone=OWN_PHONE, is_phone_bound=True, nickname="李", is_staff=True)
    make_order(li.user, phone="13900000009")
    make_order(person("wang", nickname="王").user)
    api.post("/users/login", {"username": "li", "password": "a-password"})
    return li.user


def test_root_alone_downloads_what_is_kept_about_one_person_and_no_secret(li, office, staff):
    answer = office.get(f"/admin/person/{li.pk}.json")

    text = answer.text
    data = json.loads(text)
    counts = {name: len(rows) for name, rows in data.items() if rows}
    assert counts["用户"] == counts["登录日志"] == counts["订单"] == 1
    assert data["订单"][0]["电话"] == "13900000009" and data["用户"][0]["手机号"] == OWN_PHONE
    assert "md5$" not in text and "王" not in text
    entry = LogEntry.objects.get(action=StaffAction.EXPORT)
    assert (entry.object_pk, entry.actor.username) == (str(li.pk), "root")
    assert staff("102").get(f"/admin/person/{li.pk}.json").status_code == 403
    assert f'href="/admin/person/{li.pk}.json"' in office.get(f"/admin/accounts/user/{li.pk}/change/").text


def test_the_file_tells_nothing_that_is_for_staff(li, office, wechat, root):
    order = make_paid(wechat, li)
    page, press = reverse("admin:shop_order_change", args=[order.pk]), {"sure": "1"}
    for button, fields in {"flag": {"reason": "怀疑刷单"}, "remark": {"text": "态度恶劣"}, "refund": {}}.items():
        assert office.post(page, {f"step_{button}": "1", **press, **fields}).status_code == 302
    User.objects.filter(pk=root.user.pk).update(username="boss")
    office.post(reverse("admin:accounts_user_changelist"), {"action": "sign_out", "_selected_action": [li.pk]})

    text = office.get(f"/admin/person/{li.pk}.json").text

    data = json.loads(text)
    assert data["退款"] and data["修改记录"]
    hidden = {"需关注自", "关注原因", "标记人", "关闭人", "申请人", "线下退款登记人", "操作者", "来源 IP"}
    assert not hidden & {name for rows in data.values() for row in rows for name in row}
    assert not [word for word in ("怀疑刷单", "态度恶劣", '"root"', "boss") if word in text]


def test_of_a_deleted_user_what_the_law_keeps_stays(li, root):
    assert root.get("/users/deleteUser", username="li").json()["state"] is True

    assert Order.objects.get(phone="13900000009").user is None
