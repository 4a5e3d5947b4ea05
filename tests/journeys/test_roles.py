"""Root makes a role in the editor; a user of the role may do exactly that, through the API as clients call it."""

import json

import pytest

from core.api.access import Access
from core.api.routing import endpoints
from tests.journeys.browser import log_in
from tests.journeys.installation import Caller
from tests.journeys.test_backoffice import make_a_user

pytestmark = pytest.mark.chromium
PASSWORD = "a-good-Password-7"
MENU = [{"name": "管理首页"}, {"name": "学员管理", "children": [{"name": "学员资料"}]}]
CALLS = {"/students/getclasses", "/students/getstulist", "/students/searchstu"}


def open_the_client_tab(page):
    page.locator("nav").get_by_role("button", name="客户端").press("Enter")  # with the number of faults, if any


def fill_the_menu(page):
    """Without a mouse: two entries in the wrong order, the second moved up, the first then put into it."""
    tree = page.locator(".ro-tree")
    tree.get_by_label("第 1 层菜单名称").first.wait_for()  # the tab is open: what is hidden takes no key
    tree.get_by_label("第 1 层菜单名称").first.press("Enter")
    page.keyboard.type("学员资料")
    page.keyboard.press("Enter")
    page.keyboard.type("学员管理")
    page.keyboard.press("Alt+ArrowUp")
    tree.locator("input").last.focus()
    page.keyboard.press("Alt+ArrowRight")
    assert tree.get_by_label("第 2 层菜单名称").input_value() == "学员资料"


def tick_the_calls(page):
    calls = page.locator("#id_rows")
    calls.get_by_placeholder("筛选").fill("/students/")
    calls.get_by_role("button", name="全选：学员模块").click()
    for unwanted in ("增加学员信息", "删除学员信息", "修改学员信息"):
        calls.get_by_label(unwanted).uncheck()
    assert "已勾选 3 项" in calls.locator("output").inner_text()


def make_the_role(page):
    page.goto("/admin/permissions/role/add/")
    page.get_by_label("角色编号").fill("301")
    page.get_by_label("角色名称").fill("讲师")
    open_the_client_tab(page)
    fill_the_menu(page)
    tick_the_calls(page)
    page.locator("#id_buttons").get_by_label("修改").check()
    page.locator("[name=_save]").click()
    page.wait_for_url("**/permissions/role/")


def test_a_role_from_the_editor_to_its_users_calls(page, running):
    log_in(page, "root", running.root_password)
    make_the_role(page)
    make_a_user(page, "jiangshi", "讲师（301）", PASSWORD)

    teacher = Caller(running.base, "jiangshi", PASSWORD)
    again = teacher("/users/login", {"username": "jiangshi", "password": PASSWORD})
    assert again["permission"] == {"buttons": ["edit"]}
    menu = teacher("/permission/getMenuList")
    assert (menu["roleName"], menu["menuList"]) == ("讲师", MENU)
    for call in endpoints():
        if call.access in {Access.ROWS, Access.ROOT}:
            answer = teacher(call.path, None if call.methods[0] == "GET" else {})
            assert (answer.get("code") == "10026") is (call.path not in CALLS), call.path


def test_mistakes_are_undone_and_faults_are_named(page, running):
    log_in(page, "root", running.root_password)
    page.goto("/admin/permissions/role/")
    page.get_by_role("link", name="主管").click()
    open_the_client_tab(page)
    tree, text = page.locator(".ro-tree"), page.get_by_label("菜单文本")
    tree.get_by_role("button", name="删除：学员管理").wait_for()  # a script has drawn the tree
    before = text.input_value()
    names = [field.input_value() for field in tree.locator("input").all()]

    tree.get_by_role("button", name="删除：学员管理").click()
    assert tree.locator("input").count() == len(names) - 4
    page.get_by_role("button", name="撤销").click()
    assert [field.input_value() for field in tree.locator("input").all()] == names
    assert json.loads(text.input_value()) == json.loads(before)

    tree.locator("input").last.fill("")
    page.get_by_text("请填写名称").wait_for()
    page.locator("[name=_continue]").click()
    open_the_client_tab(page)
    page.get_by_text("不符合的是").wait_for()
    assert tree.locator("input").last.get_attribute("aria-invalid") == "true"
