"""Lists as schools have them, with their own header, synonyms, sums and misspellings."""

import re

import pytest

from students.models import RowKind, RunState, Student
from students.tests.factories import student
from students.tests.transfers import checked, confirmed, page_of, text_of, workbook, worked

pytestmark = pytest.mark.django_db

REAL = [
    ["2026年秋季前端班学员名单", "", "", "", "", "", "", ""],
    ["序号", "姓 名", "性别", "所在班级", "年龄", "所在城市", "最高学历", "联系电话"],
    ["1", "谭鹏", "男", "h51901", "２１", "重庆", "本科", "13800000001"],
    ["2", "王 芳", "女", "H51901", "26岁", "南京", "本科", "13800000002"],
    ["合计", "2", "", "", "", "", "", ""],
]


def comma(rows, encoding):
    return "\r\n".join(",".join(row) for row in rows).encode(encoding)


@pytest.mark.parametrize("form", ["xlsx", "utf-8", "utf-8-sig", "gb18030"])
def test_a_schools_own_list_is_understood(form):
    run = checked(workbook(*REAL) if form == "xlsx" else comma(REAL, form))

    assert run.state == RunState.READY, run.message
    assert run.options["ignored"] == ["序号", "性别", "联系电话"]
    assert run.options["new_classes"] == ["H51901"] and run.options["new_degrees"] == ["本科"]
    confirmed(run)
    rows = Student.objects.order_by("pk").values_list("name", "class_name", "age", "city", "degree")
    assert list(rows) == [("谭鹏", "H51901", 21, "重庆", "本科"), ("王芳", "H51901", 26, "南京", "本科")]


def test_new_classes_must_be_ticked(office, root):
    student(class_name="H51904", degree="本科").save()
    rows = [REAL[1], ["1", "谭鹏", "男", "H5 1904", "21", "重庆", "本科", ""]]
    run = checked(workbook(*rows), root.user)

    office.post(page_of(run), {"do": "confirm"})
    run.refresh_from_db()
    assert (run.state, run.options["new_classes"], run.options["new_degrees"]) == (RunState.READY, ["H5 1904"], [])
    office.post(page_of(run), {"do": "confirm", "sure_new": "1"})

    run.refresh_from_db()
    assert run.state == RunState.APPLYING


def test_columns_are_mapped_on_the_page_and_the_next_file_is_mapped_alike(office, root, sent_tasks):
    rows = [["谁", "多大", "哪个班的", "来自", "读到哪里"], ["谭鹏", "21", "H1", "重庆", "本科"]]
    run = checked(workbook(*rows), root.user)
    assert run.state == RunState.FAILED and "找不到列名" in run.message
    assert "谭鹏" in text_of(office, run)

    twice = office.post(page_of(run), {"do": "map", "column-0": "name", "column-1": "name"}, follow=True)
    assert "“姓名”选了两次" in twice.content.decode()
    chosen = dict(zip(("name", "age", "class", "city", "degree"), range(5), strict=True))
    office.post(page_of(run), {"do": "map"} | {f"column-{at}": wire for wire, at in chosen.items()})
    run = worked(run)
    assert (run.state, run.counts) == (RunState.READY, {RowKind.NEW: 1})
    confirmed(run)

    assert checked(workbook(rows[0], ["王芳", "20", "H1", "南京", "本科"]), root.user).state == RunState.READY
    run = checked(workbook(["学生姓名", "年龄", "班级", "来自", "学历"], rows[1]), root.user)
    assert run.message.startswith("缺少列：城市。")  # which alone is left to map
    assert re.findall(r'value="(\w+)" selected', text_of(office, run)) == ["name", "age", "class", "degree"]


def test_wrong_cells_are_corrected_on_the_page(office, root, sent_tasks):
    rows = [REAL[1], ["1", "谭鹏", "男", "H1", "二十一", "重庆", "本科", ""]]
    run = checked(workbook(*rows), root.user)
    assert run.state == RunState.REFUSED
    (number,) = run.rows.filter(kind=RowKind.ERROR).values_list("number", flat=True)
    assert f'name="cell-{number}-age" value="二十一"' in text_of(office, run)

    office.post(page_of(run), {"do": "fix", f"cell-{number}-age": "21"})

    run = confirmed(worked(run))
    assert (run.state, Student.objects.get().age) == (RunState.DONE, 21)
