"""Staff imports two hundred students from a sheet, three rows of which are wrong at first."""

import csv
import io

import pytest

from tests.journeys.browser import log_in

pytestmark = pytest.mark.chromium

HEAD = ["学号", "班级", "姓名", "年龄", "城市", "学历", "项目地址", "自我评价"]


def sheet(rows):
    out = io.StringIO()
    csv.writer(out).writerows([HEAD, *rows])
    return out.getvalue().encode("gbk")


def upload(page, rows):
    page.locator("input[type=file]").set_input_files(
        {"name": "新学员.csv", "mimeType": "text/csv", "buffer": sheet(rows)}
    )
    page.get_by_role("button", name="上传并检查").click()


def test_imports_two_hundred_and_fixes_three(page, running):
    rows = [["", "H51999", f"导入{n}", 20, "重庆", "本科", "地址", "你好"] for n in range(200)]
    rows[10][3], rows[20][2], rows[30][6] = "二十", "", "javascript:alert(1)"
    log_in(page, "root", running.root_password)
    page.goto("/admin/students/student/")

    page.get_by_role("link", name="导入学员").click()
    upload(page, rows)
    page.get_by_text("有 3 行错误").wait_for(timeout=10_000)
    assert page.get_by_role("article").count() == 3
    for cell in ("D12 年龄", "C22 姓名", "G32 项目地址"):
        page.get_by_text(cell).wait_for()
    with page.expect_download() as told:
        page.get_by_role("link", name="下载结果文件").click()
    assert told.value.suggested_filename == "新学员-结果.csv"

    rows[10][3], rows[20][2], rows[30][6] = 20, "导入20", "https://example.com"
    page.get_by_role("link", name="上传改正后的文件").click()
    upload(page, rows)
    page.get_by_label("确实要新建").check(timeout=10_000)
    page.get_by_role("button", name="确认导入 200 名学员").click()

    page.get_by_text("新增 200 名").wait_for(timeout=10_000)
    page.get_by_role("link", name="查看学员").click()
    page.get_by_text("导入199", exact=True).wait_for()
