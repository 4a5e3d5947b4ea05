"""getrole, addrole, getMenuList as the contract has them."""

import json

import pytest

from permissions.models import Role

pytestmark = pytest.mark.django_db
SEEDED = [
    {"roleid": roleid, "roleName": name}
    for roleid, name in (("1", "王者管理员"), ("102", "总监"), ("103", "主管"), ("200", "员工"))
]
NEW = {
    "roleid": "300",
    "roleName": "讲师",
    "menuList": [{"name": "管理首页"}, {"name": "学员管理", "children": [{"name": "学员资料"}]}],
    "rows": ["/students/getstulist"],
    "buttons": ["read", "add"],
}


def test_getrole_answers_get_and_post_alike_with_all_roles_or_one(lbw):
    assert lbw.get("/permission/getrole").json()["roles"] == SEEDED
    assert lbw.post("/permission/getRole", {"token": lbw.token}, format="form").json()["roles"] == SEEDED

    for roleid, roles in (("102", [SEEDED[1]]), (102, [SEEDED[1]]), ("999", []), ("", SEEDED)):
        assert lbw.get("/permission/getrole", roleid=roleid).json()["roles"] == roles
        assert lbw.post("/permission/getrole", {"roleid": roleid}).json()["roles"] == roles
    for odd in (["102"], {"$ne": ""}, True):
        body = lbw.post("/permission/getrole", {"roleid": odd}).json()
        assert (body["status"], body["state"]) == (0, False)


class TestAddRole:
    @pytest.mark.parametrize("as_text", [False, True])
    def test_creates_a_role_that_works_at_once(self, root, person, roles, as_text):
        body = {k: json.dumps(v) if as_text and not isinstance(v, str) else v for k, v in NEW.items()}

        assert root.post("/permission/addrole", body, format="form" if as_text else "json").json()["state"]

        roles["300"] = Role.objects.get(roleid="300")
        li = person("li", "300")
        menu = li.get("/permission/getMenuList").json()
        assert (menu["roleName"], menu["menuList"]) == ("讲师", NEW["menuList"])
        assert li.get("/students/getstulist").json().get("code") is None
        assert li.get("/students/searchstu").json()["code"] == "10026"
        Role.objects.filter(roleid="300").update(rows=["*", "/users/register"])
        assert li.post("/users/register", {"username": "x"}).json()["code"] == "10026", "no row opens a call of root's"
        login = li.post("/users/login", {"username": "li", "password": "a-password"}).json()
        assert login["permission"] == {"buttons": ["read", "add"]}

    def test_needs_only_a_new_number_and_gives_every_menu_the_page_clients_land_on(self, root, roles):
        assert root.post("/permission/addrole", {"roleid": 300}).json()["state"] is True
        root.post("/permission/addrole", {"roleid": "400", "menuList": [{"name": "考勤管理"}]})

        role = Role.objects.get(roleid="300")
        assert (role.name, role.menu, role.rows, role.buttons) == ("300", [{"name": "管理首页"}], [], [])
        assert Role.objects.get(roleid="400").menu == [{"name": "管理首页"}, {"name": "考勤管理"}]
        missing = dict.fromkeys(["", None, "  "], "缺少roleid")
        for roleid, msg in (missing | {"102": "角色已存在"}).items():
            body = root.post("/permission/addrole", NEW | {"roleid": roleid}).json()
            assert body == {"status": 1004, "state": False, "msg": msg}
        assert Role.objects.get(roleid="102").name == "总监"

    @pytest.mark.parametrize(
        "name, value",
        [
            ("roleid", "x" * 33),
            ("roleName", {"a": 1}),
            ("menuList", "not json"),
            ("menuList", [{"title": "x"}]),
            ("menuList", '[{"name": "a\\u0000"}]'),
            ("menuList", [{"name": "x", "children": [{"name": 1}]}]),
            ("menuList", [{"name": "x" * 65}]),
            ("menuList", [{"name": str(n)} for n in range(501)]),
            ("menuList", '[{"name":"a","children":' * 30 + "[]" + "}]" * 30),
            ("rows", ["students"]),
            ("rows", ["/a*b"]),
            ("rows", ["/" + "x" * 128]),
            ("rows", '["/a\\u0000"]'),
            ("rows", [None]),
            ("buttons", ["fly"]),
            ("buttons", 7),
        ],
    )
    def test_refuses_what_is_no_role(self, root, roles, name, value):
        answer = root.post("/permission/addrole", NEW | {name: value})

        body = answer.json()
        assert (answer.status_code, body["status"], body["state"]) == (200, 1004, False)
        assert name in body["msg"] and "code" not in body
        assert not Role.objects.filter(roleid="300").exists()
