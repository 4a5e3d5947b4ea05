"""The editor of a role: it loses nothing, says what is wrong, and is root's alone; others read it."""

import re

import pytest
from auditlog.models import LogEntry
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from core.api.access import Access
from core.api.routing import endpoints
from permissions.models import Role
from permissions.offered_rights import offered_rights, other_rows
from tests.kit import PageForm as Form
from tests.kit import logged_in

pytestmark = pytest.mark.django_db
ADD, LIST = reverse("admin:permissions_role_add"), reverse("admin:permissions_role_changelist")


def page_of(role):
    return reverse("admin:permissions_role_change", args=[role.pk])


def state(role):
    row = Role.objects.filter(pk=role.pk).values().get()
    return row | {"permissions": sorted(role.permissions.values_list("pk", flat=True))}


def errors_of(answer):
    assert answer.status_code == 200
    return {name: " ".join(texts) for name, texts in answer.context["adminform"].form.errors.items()}


ODD = {
    "wildcards": {"rows": ["/students/*", "*", "/Order/*", "/gone/*", "/gone/call", "/verify"]},
    "spelling": {"rows": ["/Students/GetStuList/", "/students/getstulist", "/users/getAllUsers", "/order/ship"]},
    "html": {"menu": [{"name": "管理首页"}, {"name": "</textarea><script>x</script>"}], "rows": ["/<b>&amp;"]},
    "buttons": {"buttons": ["delete", "read"]},
}


class TestRoundTrip:
    @pytest.mark.parametrize("kind", ["1", "102", "103", "200", *ODD])
    def test_saving_a_seeded_or_an_odd_role_changes_nothing(self, office, roles, kind):
        role = roles.get(kind)
        if role is None:
            role = Role.objects.create(roleid="300", name="怪", **{"menu": [{"name": "管理首页"}]} | ODD[kind])
            role.permissions.set(Permission.objects.filter(content_type__app_label__in=["auth", "shop"]))
        before, entries = state(role), LogEntry.objects.count()
        assert before["permissions"] or role.is_root

        answer = office.post(page_of(role), Form(office.get(page_of(role))).data())

        assert answer.status_code == 302
        assert (state(role), LogEntry.objects.count()) == (before, entries)

    def test_a_tick_more_or_less_keeps_the_others_and_rights_that_no_page_shows(self, office):
        role = Role.objects.create(roleid="300", name="x", rows=["/Students/SearchStu/", "/gone/call", "/getloginlog"])
        hidden, shown = (Permission.objects.get(codename=name) for name in ("view_cartitem", "view_student"))
        role.permissions.add(hidden)
        data = Form(office.get(page_of(role))).data(permissions=[shown.pk])
        assert (data["rows"], data["other_rows"]) == (["/getloginlog", "/students/searchstu"], ["/gone/call"])
        rows = {"rows": ["/getloginlog", "/product/add_product"], "other_rows": "/gone/call\n /x/* \n\n"}

        office.post(page_of(role), data | rows)

        assert state(role)["rows"] == ["/getloginlog", "/product/add_product", "/gone/call", "/x/*"]
        assert set(role.permissions.all()) == {hidden, shown}
        office.post(page_of(role), Form(office.get(page_of(role))).data(other_rows="/x/*"))
        assert state(role)["rows"] == ["/getloginlog", "/product/add_product", "/x/*"]


class TestTheForm:
    def test_offers_each_call_that_rows_decide_and_makes_a_role_that_works(self, office, person, roles):
        page = office.get(ADD)
        offers = set(re.findall(r'name="rows" value="([^"]+)"', page.content.decode()))
        by_rows = {call.path for call in endpoints() if call.access is Access.ROWS}
        assert offers == {"*", "/order/ship", "/order/get_order"} | by_rows
        for call in endpoints():
            assert call.path not in offers or call.row_title in page.content.decode()
        data = Form(page).data(
            roleid="300", name="讲师", rows=["/students/getstulist", "/getloginlog"], buttons=["add", "read"]
        )
        data["other_rows"] = "/x/*"

        assert office.post(ADD, data).status_code == 302

        role = roles["300"] = Role.objects.get(roleid="300")
        assert (role.menu, role.rows) == ([{"name": "管理首页"}], ["/students/getstulist", "/getloginlog", "/x/*"])
        assert sorted(role.buttons) == ["add", "read"]
        assert person("li", "300").get("/students/getstulist").json().get("code") is None

    def test_marks_rows_that_open_nothing(self, office):
        others = {"/gone/call": 0, "/gone/*": 0, "/students/*": 6, "/users/register": 0, "/verify": 0}
        role = Role.objects.create(roleid="300", name="x", rows=["/students/SearchStu", "/order/Get_Order", *others])

        page = office.get(page_of(role)).content.decode()

        assert other_rows(role.rows) == others
        for row, number in others.items():
            text = f"包含 {number} 个接口" if number else "不起作用：没有这个接口，或者它不由角色决定"
            assert f"<code>{row}</code> {text}" in page

    @pytest.mark.parametrize(
        "name, value, message",
        [
            ("menu", "[" * 100_000, "不是有效的 JSON"),
            ("menu", "5", "必须是列表"),
            ("menu", '[{"name": ' + "[" * 900 + "]" * 900 + "}]", "每一项必须是"),
            ("menu", '[{"name": "a", "children": [{"name": " "}]}]', "不符合的是 {'name': ' '}"),
            ("rows", ["/a"], "/a"),
            ("other_rows", "/a\n/b c", "不符合的是 '/b c'"),
            ("other_rows", "\n".join(f"/{n}" for n in range(1001)), "最多 1000 项"),
            ("buttons", ["fly"], "fly"),
            ("permissions", ["x"], "x"),
            ("roleid", "102", "已存在"),
        ],
    )
    def test_says_what_is_wrong_and_keeps_what_was_typed(self, office, roles, name, value, message):
        data = Form(office.get(ADD)).data(roleid="300", name="讲师", rows=["/getloginlog"]) | {name: value}

        answer = office.post(ADD, data)

        assert message in errors_of(answer)[name]
        assert not Role.objects.filter(roleid="300").exists()
        if name in {"menu", "other_rows"}:
            assert Form(answer).data()[name][0].replace("\r\n", "\n") == value


class TestOnlyRoot:
    def test_may_write(self, person, roles):
        roles["102"].permissions.set(Permission.objects.all())  # even of the rights that name roles
        staff, before = logged_in(person("wang", "102", is_staff=True).user), state(roles["102"])
        wish = {"roleid": "300", "name": "x", "rows": ["*"], "menu": "[]"}

        answers = [staff.post(address, wish) for address in (ADD, page_of(roles["102"]))]

        assert [answer.status_code for answer in answers] == [403] * 2
        assert state(roles["102"]) == before
        assert not Role.objects.filter(roleid="300").exists()

    def test_takes_roles_away_but_not_that_of_new_users_or_its_own_and_others_may_look(self, office, person, roles):
        for roleid in ("1", "200"):
            assert office.post(reverse("admin:permissions_role_delete", args=[roles[roleid].pk])).status_code == 403
        office.post(LIST, {"action": "delete_selected", "_selected_action": [roles["200"].pk], "post": "yes"})
        assert Role.objects.filter(roleid__in=["1", "200"]).count() == 2

        staff = logged_in(person("wang", "102", is_staff=True).user)
        page = staff.get(page_of(roles["200"])).content.decode()

        assert 'name="menu"' not in page
        for text in ("学员资料", "学员：查看", "获取学员信息", "全部"):
            assert text in page


def test_the_list_costs_the_same_for_many_roles(office, person, roles):
    for name in ("li", "wang"):
        person(name, "103")

    def cost():
        with CaptureQueriesContext(connection) as queries:
            office.get(LIST)
        return len(queries)

    few = cost()
    for n in range(16):
        Role.objects.create(roleid=f"4{n:02}", name="x", rows=["*"]).permissions.set(offered_rights()[: n + 1])
    assert cost() == few
    link = re.search(rf'href="([^"]+role__id__exact={roles["103"].pk})">(\d+)<', office.get(LIST).content.decode())
    assert link[2] == "2" and len(office.get(link[1]).context["cl"].result_list) == 2
    assert [role.roleid for role in office.get(LIST, {"q": "主管"}).context["cl"].result_list] == ["103"]


def test_the_form_offers_the_rights_that_open_something_and_no_others(office, roles):
    address = page_of(roles["200"])
    ship, idle = (Permission.objects.get(codename=name) for name in ("ship_order", "add_order"))
    page = office.get(address)
    offers = {right.codename for right in offered_rights()}

    answer = office.post(address, Form(page).data(permissions=[idle.pk]))
    reply = office.post(address, Form(page).data(permissions=[ship.pk]))

    assert {"ship_order", "decide_order", "refund_order", "export_order", "export_student"} <= offers
    assert not {"add_order", "delete_order", "change_role", "add_user", "change_logentry"} & offers
    assert (answer.status_code, reply.status_code) == (200, 302)
    assert list(roles["200"].permissions.all()) == [ship]


@pytest.mark.parametrize("scope", ["class", "campus", "own", "all"])
def test_the_data_scope_of_a_role_can_be_changed_to_any(office, roles, scope):
    Role.objects.filter(roleid="200").update(data_scope="own", sees_classes=scope == "own")
    role = Role.objects.get(roleid="200")

    office.post(page_of(role), Form(office.get(page_of(role))).data(data_scope=scope))

    role.refresh_from_db()
    assert role.scope == scope
