"""A teacher who may only look prints the class list on a dark phone by keyboard; the head finds the role."""

import re

import pytest

from tests.journeys.browser import PHONE, is_wider_than_the_screen, log_in

pytestmark = pytest.mark.chromium
PASSWORD = "a-good-Password-7"
TEACHER = f"""
from django.contrib.auth.models import Permission
from accounts.models import User
from permissions.models import Role
from students.models import Student
role = Role.objects.create(roleid="310", name="只看的老师")
role.permissions.add(Permission.objects.get(codename="view_student"))
User.objects.create_user("laoshi", {PASSWORD!r}, role=role, is_staff=True)
# A full class of its own: other journeys add to the demo's.
facts = {{"class_name": "H52340", "age": 20, "city": "重庆", "degree": "本科", "product_url": "/", "description": "好"}}
Student.objects.bulk_create(Student(name=f"欧阳同学{{n}}", **facts) for n in range(40))
"""


HAS_FOCUS = """text => {
  const focused = document.activeElement
  return focused.matches("a, button") && focused.innerText.includes(text)
}"""


def tab_to(page, text):
    """Press Tab until the link or button with this text has the focus."""
    for _ in range(80):
        page.keyboard.press("Tab")
        if page.evaluate(HAS_FOCUS, text):
            return
    raise AssertionError(f"no way to {text} by keyboard")


def test_a_teacher_prints_the_class_list_and_the_head_finds_why(page, other, running):
    running.shell(TEACHER)
    other.set_viewport_size(PHONE)
    other.emulate_media(color_scheme="dark")
    log_in(other, "laoshi", PASSWORD)

    other.goto("/admin/students/student/?class=H52340")
    tab_to(other, "打印名单")
    with other.expect_popup() as popup:
        other.keyboard.press("Enter")
    sheet = popup.value
    sheet.wait_for_load_state()  # with its style sheet
    sheet.get_by_role("heading", name="H52340 班学员名单").wait_for()
    assert sheet.locator("tbody tr").count() == 40 and not is_wider_than_the_screen(sheet)
    # A class is one sheet of paper.
    assert len(re.findall(rb"/Type /Page\b(?!s)", sheet.pdf(prefer_css_page_size=True))) == 1
    assert not other.get_by_text("Excel").count()
    other.goto("/admin/students/student/export/?format=csv")
    other.get_by_text("你的角色不能打开这一页").wait_for()

    # The head finds the roles with Ctrl+K.
    log_in(page, "root", running.root_password)
    page.goto("/admin/")
    page.set_viewport_size({"width": 390, "height": 600})
    page.keyboard.press("Control+k")
    page.locator("#search-input-command").fill("没有这样的东西")
    page.get_by_role("status").get_by_text("没有找到").wait_for()
    page.locator("#search-input-command").fill("角色")
    page.locator("#command-results").get_by_role("link", name="角色 • 用户与权限").wait_for()
    page.keyboard.press("Enter")
    page.wait_for_url("**/permissions/role/")
    assert not is_wider_than_the_screen(page)
    tab_to(page, "只看的老师")
    page.keyboard.press("Enter")
    page.get_by_label("角色名称").wait_for()
    ticks = page.locator("#id_permissions input:checked")
    assert ticks.count() == 1
