"""A session as a teacher and a student live it: projected, signed by a phone, marked by keyboard, printed."""

import re

import pytest

from tests.journeys.browser import is_wider_than_the_screen, log_in

pytestmark = pytest.mark.chromium

PEOPLE = """
from permissions.models import Role
from accounts.models import User
from students.models import Student
from students.tests.factories import students
for name in ("王芳", "李明"):
    [student] = students(name, class_name="签到班")
students(*["同学"] * 38, class_name="签到班")
user = User.objects.create_user("qiandao", "a-password", role=Role.objects.get(roleid="200"))
Student.objects.filter(class_name="签到班", name="王芳").update(account=user)
"""


def test_a_session_is_projected_signed_marked_and_printed(page, running, other):
    running.shell(PEOPLE)
    log_in(page, "root", running.root_password)
    page.goto("/admin/attendance/session/")
    page.locator("summary", has_text="开始考勤").click()
    bar = page.get_by_role("form", name="开始考勤")
    bar.get_by_label("班级").fill("签到班")
    bar.get_by_role("button").click()
    page.get_by_alt_text("签到二维码").wait_for()
    sign_url = page.request.get(f"{page.url}code/").json()["signUrl"]
    page.set_viewport_size({"width": 360, "height": 640})
    assert not is_wider_than_the_screen(page)

    other.set_viewport_size({"width": 360, "height": 640})
    other.goto(sign_url)
    assert not is_wider_than_the_screen(other)
    other.get_by_label("用户名").fill("qiandao")
    other.get_by_label("密码").fill("a-password")
    other.get_by_role("button", name="登入并签到").click()
    other.get_by_role("heading", name="签到成功").wait_for()
    page.locator("#people .at-1", has_text="王芳").wait_for()
    page.locator("#signed", has_text="1").wait_for()

    page.set_viewport_size({"width": 1280, "height": 720})
    page.get_by_role("link", name="名单").click()
    page.get_by_role("radio", name="出勤").first.wait_for()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("2")
    page.get_by_role("button", name="保存").click()
    page.get_by_text("已修改 1 名").wait_for()
    page.get_by_role("button", name="结束考勤").click()
    page.get_by_text("考勤已结束，没有签到的记为旷课").wait_for()

    page.goto("/admin/attendance/session/")
    page.locator("summary", has_text="月考勤表").click()
    month = page.get_by_role("form", name="月考勤表")
    month.get_by_label("班级").fill("签到班")
    month.get_by_role("button", name="打印").click()
    page.get_by_role("row", name=re.compile("李明.*迟")).wait_for()
    assert len(re.findall(rb"/Type\s*/Page\b", page.pdf(prefer_css_page_size=True))) == 1  # of forty students
