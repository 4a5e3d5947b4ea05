"""No page of the back office has an English word, or holds what its policy forbids; each leads to the handbook."""

import re

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.urls import reverse

from accounts.models import User
from backoffice.tests.reading import english_on, forbidden_on
from config.front import chapters
from shop.admin.order_steps import WORK_LISTS
from shop.admin.packing import packing_address
from shop.models import Order

pytestmark = pytest.mark.django_db


def english(answer):
    return sorted(english_on(answer.text))


def addresses(*steps, is_reader):
    """Every page that can be asked for, these of the last record of each kind, and the first of these of the first."""
    pages = [reverse(f"admin:{name}") for name in ("index", "password_change", "dormitory_room_beds")]
    pages += [reverse(name) for name in ("classroom", "figures", "daily")]
    for model in admin.site._registry:
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        address = reverse(f"{name}_changelist")
        pages += [address] if is_reader else [address, f"{address}?q=没有", reverse(f"{name}_add")]
        records = model._default_manager.order_by("pk")
        for record, shown in {records.first(): steps[:1], records.last(): steps}.items():
            pages += [reverse(f"{name}_{page}", args=[record.pk]) for page in shown] if record else []
    orders = reverse("admin:shop_order_changelist")
    pages += [f"{orders}?work={name}" for name in WORK_LISTS]
    pages.append(packing_address(Order.objects.values_list("pk", flat=True)))
    pages.append(reverse("admin:auth_user_password_change", args=[User.objects.latest("pk").pk]))
    return pages


@pytest.mark.parametrize(("roleid", "least"), [("1", 80), ("103", 40)])
def test_every_page_is_chinese_and_runs_files_of_ours_alone_also_for_readers(office, staff, stock, roleid, least):
    browser, steps, handbook = office, ("change", "history", "delete"), chapters("staff")
    if roleid != "1":
        browser, steps = staff(roleid), ("change",)
        shown = [f"view_{model._meta.model_name}" for model in admin.site._registry]
        role = User.objects.get(username=f"staff{roleid}").role
        role.permissions.set(Permission.objects.filter(codename__in=shown))

    answers = {address: browser.get(address, follow=True) for address in addresses(*steps, is_reader=roleid != "1")}

    # 403: such a record, or this one, cannot be added or deleted.
    pages = {address: answer for address, answer in answers.items() if answer.status_code != 403}
    assert {answer.status_code for answer in pages.values()} == {200} and len(pages) > least
    assert not [address for address, page in pages.items() if page.templates[0].name == "entrance/login.html"]
    faults = {address: english(page) + forbidden_on(page.text) for address, page in pages.items()}
    assert {address: words for address, words in faults.items() if words} == {}
    links = {address: re.findall('href="/docs/staff/(.+?)/"', page.text) for address, page in pages.items()}
    papers = {address for address, page in pages.items() if page.templates[0].name == "shop/packing.html"}
    lost = {address for address, found in links.items() if len(found) != 1 or found[0] not in handbook}
    assert lost == papers
    lists = {"students/student/": "students", "shop/order/": "ship", "shop/order/?work=returns": "refund"}
    assert {path: links[f"/admin/{path}"] for path in lists} == {path: [name] for path, name in lists.items()}


def test_entering_and_leaving_are_chinese_and_say_where_one_is(client, person):
    person("staffer", "103", is_staff=True)
    pages = [client.get(reverse("admin:login"))]
    pages.append(client.post(reverse("admin:login"), {"username": "x", "password": "y"}))
    entered = client.post(reverse("admin:login"), {"username": "staffer", "password": "a-password"})
    pages.append(client.post(reverse("admin:logout")))

    assert "学员项目管理系统" in pages[0].text and entered.headers["Location"] == reverse("admin:index")
    assert [english(page) for page in pages] == [[], [], []]


def test_a_form_with_mistakes_and_a_bulk_action_are_chinese(office, stock):
    for model in ("students_student", "shop_product", "accounts_user", "permissions_role", "shop_category"):
        assert english(office.post(reverse(f"admin:{model}_add"), {})) == [], model
    form = {"action": "delete_selected", "_selected_action": [stock["students"][0].pk]}
    page = office.post(reverse("admin:students_student_changelist"), form)
    fields = form | dict(page.context["posted"])
    answer = office.post(reverse("admin:students_student_changelist"), fields, follow=True)
    assert (english(page), english(answer)) == ([], [])
