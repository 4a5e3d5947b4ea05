"""A new role begins from a template; each is tried as a person who walks the menu of the back office."""

import pytest
from django.contrib import admin
from django.urls import reverse

from core.admin.listing import ListQuery
from permissions.models import Role
from permissions.offered_rights import other_rows
from permissions.seed import TEMPLATES
from tests.kit import PageForm as Form
from tests.kit import logged_in

pytestmark = pytest.mark.django_db
ADD = reverse("admin:permissions_role_add")
HOME, TABS = "首页", ["待发货", "待处理退货", "退款处理", "异常"]
STUDENTS = ["学员", "班级", "已归档学员", "批量操作记录", "数据统计"]
# What stands in the menu, and on which of these lists the person may add.
MENUS = {
    "accountant": ([HOME, "订单", "日报", "支付单", "退款单", "对账差异", "对账记录"], set()),
    "packer": ([HOME, "订单", "待发货"], set()),
    "head_teacher": ([HOME, *STUDENTS, "宿舍房间", "考勤", "请假"], {"学员", "请假"}),
    "dormitory": ([HOME, "宿舍房间"], {"宿舍房间"}),
}


def links_of(user):
    groups = admin.site.get_sidebar_list(ListQuery(user, path="/admin/"))
    return {item["title"]: item["link"] for group in groups for item in group["items"]}


@pytest.mark.parametrize("key", TEMPLATES)
def test_a_person_of_a_template_sees_what_the_job_needs_and_nothing_else(office, root, person, roles, key):
    page = office.get(f"{ADD}?template={key}")
    assert office.post(ADD, Form(page).data(roleid="300")).status_code == 302
    role = roles["300"] = Role.objects.get(roleid="300")
    template = TEMPLATES[key]
    names = [f"{app}.{code}" for app, code in role.permissions.values_list("content_type__app_label", "codename")]
    assert (role.name, role.scope, {*role.rows}) == (template["name"], template["data_scope"], {*template["rows"]})
    assert sorted(names) == sorted(template["permissions"])
    assert 0 not in other_rows(role.rows).values()
    li = person("li", "300", is_staff=True).user
    browser, links, everything = logged_in(li), links_of(li), links_of(root.user)
    titles, additions = MENUS[key]

    assert sorted(links) == sorted([*titles, "导出记录"] if "导出记录" in links else titles)
    pages = {*links, *(TABS if "订单" in links else ())}  # the menu names what one may do; a tab may be looked at
    for title, link in everything.items():
        assert browser.get(link).status_code == (200 if title in pages else 403), title
    lists = {title: link.partition("?")[0] for title, link in links.items()}
    assert {title for title, link in lists.items() if browser.get(f"{link}add/").status_code == 200} == additions


def test_an_unknown_template_is_an_empty_role(office):
    initial = office.get(f"{ADD}?template=x").context["adminform"].form.initial

    assert initial["menu"] == [{"name": "管理首页"}] and not (initial.get("name") or initial["rows"])
