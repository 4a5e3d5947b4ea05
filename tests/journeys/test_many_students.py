"""A clerk deletes over a thousand students with "select all" and takes it back; two colleagues edit one student."""

import csv
import io

import pytest

from tests.journeys.browser import log_in

pytestmark = pytest.mark.chromium

HEAD = ["学号", "班级", "姓名", "年龄", "城市", "学历", "项目地址", "自我评价"]
COUNT = 1100  # Django refuses a form with more than 1000 fields
LIST = "/admin/students/student/?class=H52000"


def bring_in(page, count):
    out = io.StringIO()
    csv.writer(out).writerows(
        [HEAD, *(["", "H52000", f"成批{n}", 20, "重庆", "本科", "地址", "你好"] for n in range(count))]
    )
    page.goto("/admin/students/transferrun/import/")
    page.locator("input[type=file]").set_input_files(
        {"name": "一届.csv", "mimeType": "text/csv", "buffer": out.getvalue().encode()}
    )
    page.get_by_role("button", name="上传并检查").click()
    confirm = page.get_by_role("button", name=f"确认导入 {count} 名学员")
    confirm.wait_for(timeout=60_000)
    for new_class in page.get_by_label("确实要新建").all():
        new_class.check()
    confirm.click()
    page.get_by_text(f"新增 {count} 名").wait_for(timeout=60_000)


def how_many(page):
    page.goto("/admin/students/student/?class=H52000")
    return page.locator("#changelist").inner_text()


def test_more_than_a_thousand_are_deleted_at_once_and_come_back(page, running):
    log_in(page, "root", running.root_password)
    bring_in(page, COUNT)

    page.goto(LIST)
    page.locator("#action-toggle").check()
    page.get_by_role("link", name=f"选中全部 {COUNT} 个学员").click()
    page.locator("select[name=action]").select_option("delete_selected")
    page.locator("button[name=index]").click()
    page.get_by_text(f"确认删除 {COUNT} 名学员？").wait_for()
    assert page.locator(".bo-names li").count() == 21
    page.get_by_role("button", name=f"确认删除 {COUNT} 名").click()

    page.get_by_text(f"已删除 {COUNT} 名学员").wait_for(timeout=60_000)
    deletion = page.url
    assert "成批" not in how_many(page)

    page.goto(deletion)
    page.get_by_text("撤销这次删除").click()
    page.get_by_role("button", name="确认撤销").click()
    page.get_by_text(f"恢复了 {COUNT} 名学员").wait_for(timeout=60_000)
    assert f"成批{COUNT - 1}" in how_many(page)


def test_two_colleagues_edit_one_student(chromium, page, running):
    log_in(page, "root", running.root_password)
    bring_in(page, 1)
    page.goto(LIST)
    page.get_by_role("link", name="成批0", exact=True).first.click()
    page.locator("#id_city").wait_for()
    colleague = page.context.new_page()
    colleague.goto(page.url)
    colleague.locator("#id_city").fill("南京")
    colleague.locator("#id_degree").fill("博士")
    colleague.get_by_role("button", name="保存", exact=True).click()
    colleague.get_by_text("已保存学员").wait_for()

    page.locator("#id_city").fill("北京")
    page.locator("#id_name").fill("新名字")
    page.get_by_role("button", name="保存", exact=True).click()

    page.get_by_text("1 项内容同事也修改了").wait_for()
    assert page.locator("#id_name").input_value() == "新名字"
    assert page.locator("#id_degree").input_value() == "博士"
    page.get_by_label("保留我的").check()
    page.get_by_role("button", name="保存", exact=True).click()
    page.get_by_text("已保存学员").wait_for()
    page.get_by_role("link", name="新名字", exact=True).click()
    assert (page.locator("#id_city").input_value(), page.locator("#id_degree").input_value()) == ("北京", "博士")
