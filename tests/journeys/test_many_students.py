"""A clerk imports a thousand students, three with faults, deletes them all and takes it back."""

import csv
import io

import pytest

from tests.journeys.browser import log_in

pytestmark = pytest.mark.chromium

HEAD = ["学号", "班级", "姓名", "年龄", "城市", "学历", "项目地址", "自我评价"]
COUNT = 1100  # Django refuses a form with more than 1000 fields
LIST = "/admin/students/student/?class=H52000"


def upload(page, rows):
    out = io.StringIO()
    csv.writer(out).writerows([HEAD, *rows])
    file = {"name": "新学员.csv", "mimeType": "text/csv", "buffer": out.getvalue().encode("gbk")}
    page.locator("input[type=file]").set_input_files(file)


def test_a_thousand_come_in_are_deleted_at_once_and_come_back(page, running):
    rows = [["", "H52000", f"成批{n}", 20, "重庆", "本科", "地址", "你好"] for n in range(COUNT)]
    rows[10][3], rows[20][2], rows[30][6] = "二十", "", "javascript:alert(1)"
    log_in(page, "root", running.root_password)
    page.goto("/admin/students/student/")

    # Three rows are wrong at first.
    page.get_by_role("link", name="导入学员").click()
    upload(page, rows)
    page.get_by_text("还有 3 行错误或同名没有处理").wait_for()
    assert page.locator(".im-table tbody tr").count() == page.locator("[aria-invalid]").count() == 3
    for cell in ("D12 年龄", "C22 姓名", "G32 项目地址"):
        page.get_by_text(cell).wait_for()
    for cell, text in (("12-age", "２０"), ("22-name", "成批20"), ("32-productUrl", "https://example.com")):
        page.locator(f"[name=cell-{cell}]").fill(text)
    page.get_by_role("button", name="保存修改，重新检查").click()
    page.get_by_label("确实要新建").check()
    page.get_by_role("button", name=f"确认导入 {COUNT} 名学员").click()
    page.get_by_text(f"新增 {COUNT} 名").wait_for()
    page.get_by_role("link", name="查看学员").click()
    page.get_by_text(f"成批{COUNT - 1}", exact=True).wait_for()

    page.goto(LIST)
    page.locator("#action-toggle").check()
    page.get_by_role("link", name=f"选中全部 {COUNT} 个学员").click()
    page.locator("select[name=action]").select_option("delete_selected")
    page.locator("button[name=index]").click()
    page.get_by_text(f"确认删除 {COUNT} 名学员？").wait_for()
    assert page.locator(".bo-names li").count() == 21
    page.get_by_role("button", name=f"确认删除 {COUNT} 名").click()

    page.get_by_text(f"已删除 {COUNT} 名学员").wait_for()
    deletion = page.url
    page.goto(LIST)
    assert not page.get_by_text("成批").count()

    page.goto(deletion)
    page.get_by_text("撤销这次删除").click()
    page.get_by_role("button", name="确认撤销").click()
    page.get_by_text(f"恢复了 {COUNT} 名学员").wait_for()
    page.goto(f"{LIST}&q=成批{COUNT - 1}")
    page.get_by_text(f"成批{COUNT - 1}", exact=True).wait_for()
