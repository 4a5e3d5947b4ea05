"""The editor of a role: it loses nothing, says what is wrong, and is root's alone; preview and table tell the truth."""

import re

import pytest
from auditlog.models import LogEntry
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from core.api.access import Access
from core.api.routing import endpoints
from permissions.choices import calls_open_to_rows, offered_rights, office_rights, row_notes
from permissions.models import Role
from tests.kit import PageForm as Form
from tests.kit import logged_in

pytestmark = pytest.mark.django_db
ADD, LIST = reverse("admin:permissions_role_add"), reverse("admin:permissions_role_changelist")
TABLE = reverse("admin:permissions_role_matrix")


def page_of(role):
    return reverse("admin:permissions_role_change", args=[role.pk])


def preview_of(role):
    return reverse("admin:permissions_role_preview", args=[role.pk])


def state(role):
    row = Role.objects.filter(pk=role.pk).values().get()
    return row | {"permissions": sorted(role.permissions.values_list("pk", flat=True))}


def errors_of(answer):
    assert answer.status_code == 200
    return {name: " ".join(texts) for name, texts in answer.context["adminform"].form.errors.items()}


ODD = {
    "wildcards": {"rows": ["/students/*", "*", "/Order/*", "/gone/*", "/gone/call", "/verify", "/gone/call"]},
    "spelling": {"rows": ["/Students/GetStuList/", "/students/getstulist", "/users/getAllUsers", "/order/ship"]},
    "shape": {"rows": ["no slash", "/a b", "/" + "x" * 120]},
    "menu": {"menu": [{"name": "管理首页", "icon": "home", "path": "/x"}, {"name": "", "children": []}]},
    "html": {"menu": [{"name": "</textarea><script>x</script>"}], "rows": ["/<b>&amp;"]},
    "no home": {"menu": [{"name": "我的中心"}]},
    "buttons": {"buttons": ["delete", "read"]},
}


class TestRoundTrip:
    @pytest.mark.parametrize("kind", ["1", "102", "103", "200", *ODD])
    def test_saving_a_seeded_or_an_odd_role_changes_nothing(self, office, roles, kind):
        role = roles.get(kind)
        if role is None:
            role = Role.objects.create(roleid="300", name="怪", **ODD[kind])
            role.permissions.set(Permission.objects.filter(content_type__app_label__in=["auth", "shop"]))
        before, entries = state(role), LogEntry.objects.count()
        assert before["permissions"] or role.is_root

        answer = office.post(page_of(role), Form(office.get(page_of(role))).data())

        assert answer.status_code == 302
        assert (state(role), LogEntry.objects.count()) == (before, entries)

    def test_a_tick_more_or_less_keeps_the_order_of_the_others_and_rights_that_no_page_shows(self, office):
        role = Role.objects.create(roleid="300", name="x", rows=["/Students/SearchStu/", "/gone/call", "/getloginlog"])
        hidden, shown = (Permission.objects.get(codename=name) for name in ("view_cartitem", "view_student"))
        role.permissions.add(hidden)
        data = Form(office.get(page_of(role))).data(permissions=[shown.pk])
        rows = [row for row in data["rows"] if "Search" not in row]

        office.post(page_of(role), data | {"rows": [*rows, "/product/add_product", "/x/*"]})

        assert state(role)["rows"] == ["/gone/call", "/getloginlog", "/product/add_product", "/x/*"]
        assert set(role.permissions.all()) == {hidden, shown}


class TestTheForm:
    def test_offers_each_call_that_rows_decide_and_makes_a_role_that_works(self, office, person, roles):
        page = office.get(ADD)
        offers = set(re.findall(r'name="rows" value="([^"]+)"', page.content.decode()))
        assert offers == {"*", "/order/ship"} | {c.path for c in endpoints() if c.access and c.access.name == "ROWS"}
        for call in endpoints():
            is_named = call.title in page.content.decode()
            assert is_named or call.path not in offers or call.path == "/order/ship"
        data = Form(page).data(
            roleid="300", name="讲师", rows=["/students/getstulist", "/getloginlog\n/x/*"], buttons=["add", "read"]
        )

        assert office.post(ADD, data).status_code == 302

        role = roles["300"] = Role.objects.get(roleid="300")
        assert (role.menu, role.rows) == ([{"name": "管理首页"}], ["/students/getstulist", "/getloginlog", "/x/*"])
        assert sorted(role.buttons) == ["add", "read"]
        assert person("li", "300").get("/students/getstulist").json().get("code") is None
        Role.objects.filter(pk=role.pk).update(buttons=["fly", "read"])
        data = Form(office.get(page_of(role))).data()
        assert data["buttons"] == ["read", "fly"]
        assert "buttons" in errors_of(office.post(page_of(role), data)), "what is no button must be taken away"
        assert office.post(page_of(role), data | {"buttons": ["read"]}).status_code == 302
        assert state(role)["buttons"] == ["read"]

    def test_marks_rows_that_open_nothing(self, office):
        notes = {
            "/gone/call": ("没有这个接口", True),
            "/gone/*": ("没有这个接口", True),
            "/students/*": ("包含 6 个接口", False),
            "/users/register": ("仅限超级管理员，写在这里不起作用", True),
            "/order/Get_Order": ("登录用户都能调用；数据权限为“全部”的，数据统计里有了它是所有人的订单", False),
            "/verify": ("登录用户都能调用，不必写在这里", True),
            "/students/SearchStu": ("搜索学员（另一种写法）", False),
        }
        role = Role.objects.create(roleid="300", name="x", rows=["/students/searchstu", *notes])

        page = office.get(page_of(role)).content.decode()

        assert {note.row: (note.text, note.is_idle) for note in row_notes(notes)} == notes
        for row, (text, _) in notes.items():
            assert f"<code>{row}</code> {text}" in page

    @pytest.mark.parametrize(
        "name, value, message",
        [
            ("menu", "{", "不是有效的 JSON：第 1 行第"),
            ("menu", "[" * 100_000, "不是有效的 JSON"),
            ("menu", '[{"name": ' + "[" * 900 + "]" * 900 + "}]", "每一项必须是"),
            ("menu", '{"name": "x"}', "必须是列表"),
            ("menu", '[{"name": "a", "icon": "b"}]', "不符合的是 {'icon': 'b', 'name': 'a'}"),
            ("menu", '[{"name": "a", "children": [{"name": " "}]}]', "不符合的是 {'name': ' '}"),
            ("rows", ["/a\n/b c"], "不符合的是 '/b c'"),
            ("rows", ["/a\x00"], "不符合的是"),
            ("rows", ["\n".join(f"/{n}" for n in range(1001))], "最多 1000 项"),
            ("permissions", ["x"], "x"),
            ("roleid", "102", "已存在"),
        ],
    )
    def test_says_what_is_wrong_and_keeps_what_was_typed(self, office, roles, name, value, message):
        data = Form(office.get(ADD)).data(roleid="300", name="讲师", rows=["/getloginlog"]) | {name: value}

        answer = office.post(ADD, data)

        assert message in errors_of(answer)[name]
        assert not Role.objects.filter(roleid="300").exists()
        if name == "rows":
            assert [row.replace("\r\n", "\n") for row in Form(answer).data()["rows"]] == value


class TestOnlyRoot:
    def test_may_write_or_preview(self, person, roles):
        roles["102"].permissions.set(Permission.objects.all())  # even of the rights that name roles
        staff, before = logged_in(person("wang", "102", is_staff=True).user), state(roles["102"])
        wish = {"roleid": "300", "name": "x", "rows": ["*"], "menu": "[]"}

        answers = [staff.post(address, wish) for address in (ADD, page_of(roles["102"]), preview_of(roles["102"]))]
        answers += [staff.post(reverse("admin:permissions_role_preview_new"), wish), staff.get(preview_of(roles["1"]))]

        assert [answer.status_code for answer in answers] == [403] * 5
        assert state(roles["102"]) == before
        assert not Role.objects.filter(roleid="300").exists()

    def test_takes_roles_away_but_not_that_of_new_users_or_its_own_and_others_may_look(self, office, person, roles):
        for roleid in ("1", "200"):
            assert office.post(reverse("admin:permissions_role_delete", args=[roles[roleid].pk])).status_code == 403
        office.post(LIST, {"action": "delete_selected", "_selected_action": [roles["200"].pk], "mark": "x"})
        assert Role.objects.filter(roleid__in=["1", "200"]).count() == 2

        staff = logged_in(person("wang", "102", is_staff=True).user)
        page = staff.get(page_of(roles["200"]))

        assert page.context["menu"] == roles["200"].menu and 'name="menu"' not in page.content.decode()
        assert preview_of(roles["200"]) not in staff.get(LIST).content.decode()


class TestPreview:
    @pytest.mark.parametrize("roleid", ["1", "102", "103", "200", "300"])
    def test_is_what_a_user_of_the_role_gets(self, office, person, roles, roleid):
        roles["300"] = Role.objects.create(
            roleid="300", name="怪", rows=["/Students/*", "/users/getallusers/", "/gone"], menu=[{"name": "管理首页"}]
        )
        roles["300"].permissions.set(Permission.objects.filter(codename__in=["view_order", "change_student"]))
        li = person("li", roleid, is_staff=True)
        staff = logged_in(li.user)

        page = office.get(preview_of(roles[roleid]))

        shown = page.context
        assert list(shown["menu"]) == li.get("/permission/getMenuList").json()["menuList"]
        sidebar = staff.get("/admin/").context["sidebar_navigation"]
        theirs = [(group["title"], [item["title"] for item in group["items"]]) for group in sidebar if group["title"]]
        assert [(title, [section for section, _ in items]) for title, items in shown["sections"]] == theirs
        for call in (call for group in calls_open_to_rows().values() for call in group if call.path != "/order/ship"):
            may = next(may for calls in shown["granted"].values() for one, may in calls if one.path == call.path)
            answer = li.http.generic(call.methods[0], call.path, headers=li.headers({}))
            assert (answer.json().get("code") == "10026") is not may, call.path  # a unid may hold these digits

    def test_of_what_is_not_saved(self, office, roles):
        view = Permission.objects.get(codename="view_student")
        data = Form(office.get(page_of(roles["200"]))).data(
            menu='[{"name": "管理首页"}, {"name": "新"}]', rows=["/product/*\n/gone"], buttons=[], permissions=[view.pk]
        )
        before, entries = state(roles["200"]), LogEntry.objects.count()

        page = office.post(preview_of(roles["200"]), data)

        shown = page.context
        assert [entry["name"] for entry in shown["menu"]] == ["管理首页", "新"]
        assert [call.path for calls in shown["granted"].values() for call, may in calls if may] == [
            "/product/add_product",
            "/product/update_product",
            "/product/del_product",
        ]
        assert [note.row for note in shown["idle"]] == ["/gone"]
        assert shown["sections"] == [("学员", [("学员", ["查看"]), ("已归档学员", ["查看"]), ("数据统计", ["查看"])])]
        assert "未保存" in page.content.decode()
        assert (state(roles["200"]), LogEntry.objects.count()) == (before, entries)
        text = office.post(preview_of(roles["200"]), {"name": "", "menu": "[", "rows": "x"}).content.decode()
        assert "不是有效的 JSON" in text and "不符合的是 &#x27;x&#x27;" in text
        sections = office.get(preview_of(roles["102"])).context["sections"]
        verbs = {name: verbs for _, items in sections for name, verbs in items}
        rights = ["查看", "新增", "修改", "删除、归档", "导出", "看完整电话", "关联、停用账号，重设密码"]
        assert (verbs["学员"], verbs["角色"]) == (rights, ["查看"])
        for key in ("", "999999/", "99999999999999999999999/"):
            assert office.get(f"/admin/permissions/role/{key}preview/").status_code == 404
        assert office.post("/admin/permissions/role/0/preview/", {"name": "x"}).status_code == 404


def test_list_and_table_cost_the_same_for_many_roles(office, person, roles):
    for name in ("li", "wang"):
        person(name, "103")

    def cost():
        with CaptureQueriesContext(connection) as queries:
            for address in (LIST, TABLE):
                office.get(address)
        return len(queries)

    few = cost()
    for n in range(16):
        Role.objects.create(roleid=f"4{n:02}", name="x", rows=["*"]).permissions.set(offered_rights()[: n + 1])
    assert cost() == few
    link = re.search(rf'href="([^"]+role__id__exact={roles["103"].pk})">(\d+)<', office.get(LIST).content.decode())
    assert link[2] == "2" and len(office.get(link[1]).context["cl"].result_list) == 2
    assert [role.roleid for role in office.get(LIST, {"q": "主管"}).context["cl"].result_list] == ["103"]


def ticked(page, role, kind):
    """Return what 谁能做什么 ticks for the role, in the groups of one kind."""
    return {
        (line.what, line.detail)
        for title, lines in page.context["groups"].items()
        if title.startswith(kind)
        for line in lines
        if {one.pk: is_on for one, is_on in line.ticks}[role.pk]
    }


class TestTheTable:
    def test_ticks_what_each_role_may_and_leads_to_roles_and_users(self, office, person, roles):
        person("wang", "103", is_staff=True)
        person("li", "103")
        teacher = roles["300"] = Role.objects.create(roleid="300", name="讲师", rows=["/Students/*"])
        teacher.permissions.set(Permission.objects.filter(codename__in=["view_student", "ship_order", "add_order"]))

        page = office.get(TABLE)

        assert ticked(page, teacher, "后台") == {("查看", "学员"), ("发货", "订单")}
        text = "".join(page.content.decode().split())
        assert f'href="/admin/accounts/user/?role__id__exact={roles["103"].pk}">2人</a>' in text
        assert "1人进后台" in text
        for role in roles.values():
            rights = set(role.permissions.all())
            allowed = [c for c in endpoints() if c.row_title and role.may_call(c.paths, Access.ROWS)]
            assert ticked(page, role, "接口") == {(c.row_title, c.path) for c in allowed}
            expected = {(r.verb, r.records) for r in office_rights() if role.is_root or r.permission in rights}
            assert ticked(page, role, "后台") == expected
            assert f'href="/admin/permissions/role/{role.pk}/change/">{role.name}</a>' in text

    @pytest.mark.parametrize("roleid, may", [("102", True), ("103", False)])
    def test_is_for_those_who_may_see_roles(self, client, person, roleid, may):
        browser = logged_in(person("wang", roleid, is_staff=True).user)

        assert browser.get(TABLE).status_code == (200 if may else 403)
        assert (TABLE in browser.get("/admin/").content.decode()) is may
        assert client.get(TABLE).status_code == client.get(LIST).status_code == 302

    def test_and_the_form_offer_the_rights_that_open_something_and_no_others(self, office, roles):
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
