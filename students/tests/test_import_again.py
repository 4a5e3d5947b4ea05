"""The same list a week later: who is recognised, what is chosen, who has left; and lists of several sheets."""

import io
import zipfile
from functools import partial

import pytest
from auditlog.models import LogEntry
from django.contrib.auth.models import Permission
from django.utils import timezone
from openpyxl import Workbook

from accounts.models import User
from permissions.models import DataScope
from permissions.scope import EVERYTHING
from runs.errors import RunNotAllowed
from runs.work import run_restart
from students.counts import counts_wrong
from students.models import ArchivedStudent, RowKind, RunState, Student, StudentEvent
from students.runs import run_confirm, source_of
from students.tests.factories import student, students
from students.tests.test_class_steps import accounts
from students.tests.transfers import (
    checked,
    confirmed,
    decide,
    errors,
    form_of,
    page_of,
    sheet,
    text_of,
    undone,
    workbook,
    worked,
    zipped,
)
from students.transfer.import_apply import import_confirm
from tests.kit import PageForm, encoded, logged_in, meanwhile
from uploads.limits import MAX_BYTES
from uploads.models import ImageUse, Upload

pytestmark = pytest.mark.django_db
HEAD = ["姓名", "班级", "城市", "年龄", "学历"]
FULL = [*HEAD, "电话", "身份证", "性别"]


def row(name, class_name="H51901", city="重庆", age="21", degree="专科"):
    return [name, class_name, city, age, degree]


def kinds(run):
    return {one.cells["name"]: one.kind for one in run.rows.all()}


@pytest.fixture
def people():
    """Five of one class and one of another."""
    students("李雷", class_name="H51902", city="重庆")
    return {one.name: one for one in students("谭鹏", "王芳", "韩梅", "周杰", "吴磊", city="重庆")}


# 周杰 and 吴磊 are gone, 谭鹏 lives elsewhere, 李雷 has come from another class, 孙悦 is new.
WEEK = sheet(row("谭鹏", city="南京"), row("王芳"), row("韩梅"), row("李雷"), row("孙悦"), head=HEAD)


def test_people_are_recognised_and_those_who_left_are_shown_but_none_whom_a_trainee_entered(
    people, office, root, person
):
    students("孙悦", "钱练", created_by=person("trainee", "102", class_name="前端班").user)
    run = checked(WEEK, root.user)

    assert kinds(run) == {
        "谭鹏": "changed", "王芳": "unchanged", "韩梅": "unchanged", "李雷": "choice", "孙悦": "new",
        "周杰": "left", "吴磊": "left",
    }  # fmt: skip
    assert run.rows.get(cells__name="谭鹏").diff == {"city": ["重庆", "南京"]}
    text = text_of(office, run)
    assert "李雷 · H51902" in text and "还有 1 行错误或同名没有处理" in text and "不在名单里 <b>2</b>" in text
    decide(office, run, "confirm")
    assert run.state == RunState.REFUSED


@pytest.mark.parametrize("fate", ["archive", "withdraw"])
def test_a_week_is_written_and_taken_back_with_those_who_left(people, office, root, sent_tasks, fate):
    accounts("H51901", people["周杰"], people["吴磊"])
    picture = Upload.objects.create(name="a.png", size_bytes=1, width=1, height=1, created_at=timezone.now())
    ImageUse.objects.create(owner=people["谭鹏"].owner_ref, upload=picture)
    before = list(Student.objects.order_by("pk").values())
    li = Student.objects.get(name="李雷")
    run = checked(WEEK, root.user)
    number = run.rows.get(cells__name="李雷").number
    run = worked(decide(office, run, "check", **{f"answer-{number}": str(li.pk)}))
    assert run.rows.get(cells__name="李雷").diff == {"class_name": ["H51902", "H51901"]}
    left = {one.cells["name"]: one.number for one in run.rows.filter(kind=RowKind.LEFT)}
    decide(office, run, ticks={left["周杰"]: True, left["吴磊"]: False}, leavers=fate, disables="1")
    decide(office, run, "confirm")
    worked(run)

    assert (run.state, run.counts["new"], run.counts["changed"]) == (RunState.DONE, 1, 2)
    there = Student.objects.filter(pk=people["周杰"].pk).first()
    assert (there is None) == (fate == "archive") and ArchivedStudent.objects.count() == (fate == "archive")
    assert there is None or there.state == "withdrawn"
    assert Student.objects.get(name="吴磊").state == "studying"
    users = User.objects.exclude(class_name="").order_by("nickname").values_list("nickname", "is_active")
    assert list(users) == [("吴磊", True), ("周杰", False)]
    events = StudentEvent.objects.filter(run_pk=run.pk).values_list("student_pk", "kind")
    left = {"archive": "archived", "withdraw": "withdrawn"}[fate]
    assert {*events} == {(li.pk, "moved"), (people["周杰"].pk, left)}

    undone(run, root.user)

    disabled_and_back = LogEntry.objects.filter(
        content_type__model="user", changes__has_key="is_active", action=LogEntry.Action.UPDATE
    )
    assert [entry.actor for entry in disabled_and_back] == [root.user] * 2
    assert run.state == RunState.UNDONE and not run.counts.get("kept") and counts_wrong() == []
    assert list(Student.objects.order_by("pk").values()) == [
        one | {"account_id": Student.objects.get(pk=one["id"]).account_id} for one in before
    ]
    assert not User.objects.filter(is_active=False).exists() and not StudentEvent.objects.exists()
    assert ImageUse.objects.get().owner == people["谭鹏"].owner_ref  # no picture of this import


def test_rows_and_columns_are_chosen(people, office, root, sent_tasks):
    lines = [row("谭鹏", city="南京", age="22"), row("王芳", city="南京"), row("韩梅", degree="本科")]
    run = checked(sheet(*lines, head=HEAD), root.user)
    assert "<b>2</b>" in text_of(office, run) and run.options["changed"] == {"city": 2, "age": 1, "degree": 1}

    decide(office, run, ticks={3: False}, **{"use-age": "", "use-degree": ""})
    assert worked(run).state == RunState.READY  # nothing to check again
    decide(office, run, "confirm", sure_new="1")
    worked(run)

    assert run.counts == {"changed": 1, "skipped": 3, "unchanged": 1}
    assert set(Student.objects.filter(class_name="H51901").values_list("city", "age", "degree")) == {
        ("南京", 21, "专科"), ("重庆", 21, "专科")
    }  # fmt: skip


RECOGNISED = {  # of 谭鹏, 21, of H51901, with a phone and an identity card: what a row says, and whom it means
    "phone and name": (["谭鹏", "H9", "", "", "", "13800000001", "", ""], ("changed", "电话")),
    "identity card": (["谭大鹏", "H9", "", "", "", "", "11010519491231002x", ""], ("changed", "身份证")),
    "name and class": (["谭鹏", "H51901", "", "", "", "13800000009", "", ""], ("changed", "姓名和班级")),
    "a sister, or a new name": (["谭大鹏", "H51901", "", "", "", "138 0000 0001", "", ""], ("choice", None)),
    "a name alone": (["谭鹏", "H9", "", "", "", "", "", ""], ("choice", None)),
    "nine years older": (["谭鹏", "H9", "重庆", "30", "专科", "", "", ""], ("new", None)),
    "another phone": (["谭鹏", "H9", "重庆", "21", "专科", "13800000002", "", ""], ("new", None)),
    "another identity card": (["谭鹏", "H51901", "重庆", "21", "专科", "", "110105194912310038", ""], ("new", None)),
}


@pytest.mark.parametrize(("cells", "expected"), RECOGNISED.values(), ids=RECOGNISED)
def test_by_what_a_student_is_recognised(cells, expected):
    student(phone="13800000001", id_card="11010519491231002X", gender="男").save()

    one = checked(sheet(cells, head=FULL)).rows.get(number=2)

    assert (one.kind, one.cells.get("by")) == expected
    if one.cells.get("by") == "姓名和班级":
        assert one.errors == [["F2 电话", "按姓名和班级认出，电话不同，请核对"]] and one.cells["bad"] == ["phone"]


def test_a_sheet_of_leavers_is_not_taken_for_people_in_class_by_silence(people, root):
    student(name="赵走", state="graduated").save()
    lines = [["离校日期", *HEAD], ["2026.10.8", *row("钱走")], ["2099-10-8", *row("孙在")], ["2026-10-8", *row("谭鹏")]]
    run = checked(sheet(*lines[1:], ["2026-10-8", *row("赵走")], head=lines[0]), root.user)

    told = {one.cells["name"]: one.errors for one in run.rows.exclude(kind=RowKind.LEFT)}
    warning = "已经过去，状态仍是在读：已离校的请取消勾选"
    assert told == {
        "钱走": [["A2 结业日期", warning]], "孙在": [], "谭鹏": [["A4 结业日期", warning]], "赵走": [],
    }  # fmt: skip


def test_of_two_namesakes_the_one_of_the_lists_classes_is_meant_by_one_click(people, office, root, sent_tasks):
    students("李雷", class_name="H7")
    lines = [row("李雷", "H51903"), row("谭鹏"), row("某人", "H51902"), row("李雷", "H51904", age="30")]
    run = checked(sheet(*lines, head=HEAD), root.user)
    first = run.rows.get(number=2)
    assert [label.split(" · ")[1] for _, label in first.cells["students"]] == ["H51902", "H7"]

    run = worked(decide(office, run, "all_same"))

    assert run.rows.get(number=2).diff == {"class_name": ["H51902", "H51903"]}


def test_a_namesake_with_a_row_of_his_own_is_not_asked_about_and_the_only_other_one_is_the_nearest(
    people, office, root, sent_tasks
):
    lines = [row("谭鹏"), row("谭鹏", "H51903"), row("李雷", "H51904")]
    run = checked(sheet(*lines, head=HEAD), root.user)
    assert [run.rows.get(number=number).kind for number in (2, 3, 4)] == ["unchanged", "new", "choice"]

    run = worked(decide(office, run, "all_same"))

    assert run.rows.get(number=4).diff == {"class_name": ["H51902", "H51904"]}


def test_one_student_is_meant_by_one_row_and_namesakes_are_asked_about(people, office, root, sent_tasks):
    lines = [row("谭鹏"), row("谭鹏", city="上海"), row("新人"), row("新人", city="上海")]
    run = checked(sheet(*lines, head=HEAD), root.user)

    questions = {one.number: one.errors[0][1] for one in run.rows.filter(kind=RowKind.CHOICE)}
    assert questions == {3: "与第2行是同一名学员", 5: "与第4行同名同班"}
    run = worked(decide(office, run, "all_new"))
    assert run.counts == {"unchanged": 1, "new": 3, "left": 4}
    assert run.rows.get(number=3).errors == [["A3 姓名", "同班已有同名学员"]]
    assert confirmed(run).state == RunState.DONE and Student.objects.filter(name="谭鹏").count() == 2


def test_a_namesake_above_does_not_take_the_place_of_who_is_known_by_phone(people, root):
    Student.objects.filter(name="谭鹏").update(phone="13800000001")
    lines = [[*row("谭鹏", city="成都"), "13800000002"], [*row("谭鹏", "H51902"), "13800000001"]]

    run = checked(sheet(*lines, head=[*HEAD, "电话"]), root.user)

    assert run.rows.get(number=3).diff == {"class_name": ["H51901", "H51902"]}
    assert run.rows.get(number=2).errors == [["A2 姓名", "与第3行是同一名学员"]]


def test_two_windows_with_one_preview_lose_nothing_that_was_typed(people, office, root, sent_tasks):
    run = checked(sheet(row("谭鹏", age="x"), row("王芳", age="y"), head=HEAD), root.user)

    def window():
        return PageForm(office.get(page_of(run)))

    def saved(form, do="check", **typed):
        answer = office.post(page_of(run), form.data(do=do, **typed), follow=True)
        run.refresh_from_db()
        return answer.content.decode()

    mine, theirs = window(), window()
    saved(theirs, **{"cell-2-age": "22"})
    text = saved(mine, **{"cell-2-city": "上海", "cell-3-age": "23"})
    assert "没有保存您填的：第2行 城市“上海”、第3行 年龄“23”" in text  # a worker is at it
    worked(run)
    text = saved(mine, "confirm", **{"cell-2-city": "上海", "cell-3-age": "23"})
    assert "同事刚刚改过这一页的选择，您的修改也保存了" in text
    worked(run)
    cells = run.rows.order_by("number").values_list("cells__city", "cells__age")[:2]
    assert run.state == RunState.READY and list(cells) == [("上海", "22"), ("重庆", "23")]

    mine, theirs = window(), window()
    saved(theirs, "", **{"use-age": "", "take-2": ""})
    text = saved(mine, "confirm", **{"take-3": ""})
    assert "您的修改也保存了" in text and run.state == RunState.READY
    assert (run.options["skips"], run.options["off"]) == ([2, 3], ["age"])
    saved(theirs, **{"cell-2-city": "南京"})
    worked(run)
    assert "没有保存：第2行 城市“北京”，同事改成了别的" in saved(mine, **{"cell-2-city": "北京"})
    assert run.options["fixes"]["2"]["city"] == run.rows.get(number=2).cells["city"] == "南京"
    answer = office.post(page_of(run), {"do": "check", "cell-2-city": "北京"}, follow=True)  # a page of 1.1.0
    assert "系统升级之前打开的，您的修改没有保存" in answer.content.decode()


@pytest.mark.parametrize(
    ("right", "forged"),
    [("delete_student", {"leavers": "archive"}), ("account_student", {"leavers": "withdraw", "disables": "1"})],
)
def test_what_becomes_of_those_who_left_takes_its_right(people, person, roles, sent_tasks, right, forged):
    accounts("H51901", people["周杰"])
    clerk = person("clerk", "102", is_staff=True).user
    clerk.role.permissions.remove(*Permission.objects.filter(codename=right))
    clerk = User.objects.get(pk=clerk.pk)
    run = checked(sheet(row("谭鹏", city="南京"), head=HEAD), clerk)
    page = logged_in(clerk).get(page_of(run), {"kind": "left"}).content.decode()
    assert ('value="archive"' in page) == (right != "delete_student")
    assert ('name="disables"' in page) == (right != "account_student")

    decide(logged_in(clerk), run, **forged)  # as no page offers it
    decide(logged_in(clerk), run, "confirm")
    worked(run)

    assert (run.state, run.message) == (RunState.FAILED, RunNotAllowed.msg)
    assert Student.objects.count() == 6 and not User.objects.filter(is_active=False).exists()


def test_what_no_browser_sends_is_read_all_the_same(office, root, sent_tasks):
    run = checked(sheet(row("谭鹏"), head=HEAD), root.user)

    for typed in (
        {"shown": "take-" + "9" * 5000},
        {"shown": "cell-x=1&mark=&take-9"},
        {"cell-2-name": "谭鹏\x00", "value-class": "\x00", "spell-0": "H1\x00"},
    ):
        answer = office.post(page_of(run), {"do": "check", **form_of(run), **typed})
        assert answer.status_code == 302 and worked(run).state == RunState.READY


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_locked", [True, False])
def test_of_two_imports_of_one_list_at_an_instant_one_adds_it(monkeypatch, is_locked):
    """Without the lock, both find that nobody has the new students, and both add them."""
    if not is_locked:
        monkeypatch.setattr("students.transfer.import_apply._ONE_AT_A_TIME", "SELECT 1")
    content = sheet(row("孙悦"), head=HEAD)
    first, second = checked(content), checked(content)
    run_confirm(run=second, user_pk=None, now=timezone.now())
    other = meanwhile(monkeypatch, "students.transfer.import_apply._add", partial(worked, second))

    confirmed(first)
    other()

    second.refresh_from_db()
    assert Student.objects.filter(name="孙悦").count() == (1 if is_locked else 2)
    if is_locked:
        assert second.state == RunState.FAILED and "第2行的学员在预览之后有人录入了" in second.message
        run_restart(run=second, now=timezone.now())
        assert worked(second).counts == {"unchanged": 1}


@pytest.mark.parametrize("since", [{"class_name": "H9"}, {"state": "withdrawn"}])
def test_a_leaver_who_was_moved_or_has_left_since_stays(people, office, root, sent_tasks, since):
    run = checked(sheet(row("谭鹏"), head=HEAD), root.user)
    Student.objects.filter(pk=people["周杰"].pk).update(**since)
    decide(office, run, leavers="archive")
    decide(office, run, "confirm")
    worked(run)

    assert run.counts == {"unchanged": 1, "left": 3, "skipped": 1}
    assert Student.objects.filter(pk=people["周杰"].pk, **since).exists() and ArchivedStudent.objects.count() == 3


# --- Workbooks of several sheets, with merged cells and pictures ---
def saved(book):
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def test_all_sheets_are_read_with_the_class_of_their_names_and_what_is_dropped_is_named(office, root):
    book = Workbook()
    book.active.title = "说明"
    book.active.append(["请勿修改"])
    for name in ("H51901班名单", "H51902"):
        book.create_sheet(name)
        for line in (
            ["姓名", "年龄", "城市", "学历", "状态"],
            [f"谭鹏{name[5]}", "21", "重庆", "专科", "休学"],
            ["", "x"],
        ):
            book[name].append(line)
    book.create_sheet("旧的").append(["姓名"])
    book["旧的"].sheet_state = "hidden"

    run = checked(saved(book), root.user)

    dropped = ["工作表“说明”（没有姓名列）", "隐藏的工作表“旧的”", "列“状态”"]
    assert run.options["missing"] == []  # the sheets' names say the class
    assert run.options["dropped"] == dropped and all(one in text_of(office, run) for one in ("说明", "旧的", "状态"))
    assert {(one.cells.get("name"), one.cells["class"]) for one in run.rows.filter(kind=RowKind.NEW)} == {
        ("谭鹏1", "H51901"), ("谭鹏2", "H51902")
    }  # fmt: skip
    assert errors(run)[0][1][0] == ["H51901班名单!A3 姓名", "不能为空（新增学员时必填）"]


def test_merged_cells_and_blank_classes_are_filled_down_but_no_names(root):
    book = Workbook()
    book.active.append(["班级", "姓名", "城市", "年龄", "学历"])
    for line in (["H1", "谭鹏", "重庆"], [None, "王芳", None], [None, "", None], [None, "李雷", "南京"]):
        book.active.append([*line, "21", "专科"])
    book.active.merge_cells("C2:C4")
    book.active.merge_cells("B3:B4")

    rows = {one.number: one.cells for one in checked(saved(book), root.user).rows.all()}

    assert [(one["class"], one.get("name"), one["city"]) for one in rows.values()] == [
        ("H1", "谭鹏", "重庆"), ("H1", "王芳", "重庆"), ("H1", None, "重庆"), ("H1", "李雷", "南京")
    ]  # fmt: skip


def with_cells(content, cells, parts):
    """The workbook with pictures for these rows and the cells in column F that name them, among its other parts."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()} | parts
    text = parts["xl/worksheets/sheet1.xml"].decode()
    for number, cell in cells.items():
        at = text.index("</row>", text.index(f'<row r="{number}"'))
        text = f'{text[:at]}<c r="F{number}" {cell}</c>{text[at:]}'
    return zipped(parts | {"xl/worksheets/sheet1.xml": text} | {f"xl/media/image{n}.png": encoded() for n in cells})


def links(rows):
    links = (f'<Relationship Id="rId{number}" Target="/xl/media/image{number}.png"/>' for number in rows)
    return f"<Relationships>{''.join(links)}</Relationships>"


def wps(content, rows):
    """The workbook as WPS saves it: each picture in a part of its own, named by a formula."""
    cells = {number: f't="str"><f>_xlfn.DISPIMG("ID_{number}",1)</f><v>x</v>' for number in rows}
    images = (
        f'<c:cellImage><p:cNvPr name="ID_{number}"/><a:blip r:embed="rId{number}"/></c:cellImage>' for number in rows
    )
    names = 'xmlns:c="c" xmlns:p="p" xmlns:a="a" xmlns:r="r"'
    images = f"<c:cellImages {names}>{''.join(images)}</c:cellImages>"
    return with_cells(content, cells, {"xl/cellimages.xml": images, "xl/_rels/cellimages.xml.rels": links(rows)})


def excel_365(content, rows, last=None):
    """The workbook as Excel 365 saves pictures placed in cells: a number that leads over four lists to the picture.

    :param last: in place of the index by which the last picture is found.
    """
    cells = {number: f't="e" vm="{at}"><v>#VALUE!</v>' for at, number in enumerate(rows, 1)}
    indexes = [*range(len(rows))][: len(rows) - (last is not None)] + ([] if last is None else [last])
    future = "".join(f'<bk><extLst><ext><d:rvb i="{at}"/></ext></extLst></bk>' for at in indexes)
    values = "".join(f'<bk><rc t="1" v="{at}"/></bk>' for at in range(len(rows)))
    rich = "".join(f'<rv s="1"><v>5</v><v>{at}</v></rv>' for at in range(len(rows)))
    metadata = f"<futureMetadata>{future}</futureMetadata><valueMetadata>{values}</valueMetadata>"
    keys = '<s t="_error"/><s t="_localImage"><k n="CalcOrigin"/><k n="_rvRel:LocalImageIdentifier"/></s>'
    rels = "".join(f'<rel r:id="rId{number}"/>' for number in rows)
    parts = {
        "xl/metadata.xml": f'<metadata xmlns:d="d">{metadata}</metadata>',
        "xl/richData/rdrichvalue.xml": f"<rvData>{rich}</rvData>",
        "xl/richData/rdrichvaluestructure.xml": f"<rvStructures>{keys}</rvStructures>",
        "xl/richData/richValueRel.xml": f'<richValueRels xmlns:r="r">{rels}</richValueRels>',
        "xl/richData/_rels/richValueRel.xml.rels": links(rows),
    }
    return with_cells(content, cells, parts)


IN_CELLS = {"WPS": wps, "Excel 365": excel_365}
PHOTOS = [*HEAD, "照片"]


@pytest.mark.parametrize("program", ["Excel", *IN_CELLS])
def test_pictures_in_cells_become_photographs_and_go_with_the_undo(program, office, root):
    kept = student(name="王芳", headimgurl="https://example.com/a.png")
    bare = student(name="李雷")
    Student.objects.bulk_create([kept, bare])
    rows = [PHOTOS, row("谭鹏"), row("王芳"), row("李雷")]
    content = workbook(*rows, pictures=["F2", "F3", "F4", "F9"] if program == "Excel" else [])
    content = content if program == "Excel" else IN_CELLS[program](content, [2, 3, 4])

    run = checked(content, root.user)
    assert kinds(run) == {"谭鹏": "new", "王芳": "unchanged", "李雷": "changed"}
    assert ("1 张不在学员行里的图片" in run.options["dropped"]) == (program == "Excel")
    shown = office.get(f"{page_of(run).removesuffix('change/')}photo/2/")
    assert shown["Content-Type"] == "image/png" and shown.status_code == 200
    confirmed(run, root.user)

    assert run.state == RunState.DONE and ImageUse.objects.count() == 2
    pictures = dict(Student.objects.values_list("name", "headimgurl"))
    assert pictures["王芳"] == "https://example.com/a.png" and pictures["李雷"] != pictures["谭鹏"]
    assert all(pictures[name].startswith("/media/") for name in ("谭鹏", "李雷"))
    undone(run, root.user)
    assert run.counts == {"undone": 2, "unchanged": 1} and not ImageUse.objects.exists()
    assert dict(Student.objects.values_list("name", "headimgurl")) == {"王芳": kept.headimgurl, "李雷": ""}


@pytest.mark.parametrize("last", ["9", "-7", "", "x"])
def test_a_number_that_leads_to_no_picture_leaves_the_list_readable(root, last):
    run = checked(excel_365(workbook(PHOTOS, row("谭鹏"), row("王芳")), [2, 3], last), root.user)

    assert kinds(run) == {"谭鹏": "new", "王芳": "new"} and "2 张不在学员行里的图片" in run.options["dropped"]


@pytest.mark.parametrize(("size", "reason"), [(0, "文件已损坏"), (MAX_BYTES + 1, "图片不能超过")])
def test_a_picture_that_is_missing_or_too_large_leaves_the_others_theirs(office, root, size, reason):
    whole = wps(workbook(PHOTOS, row("谭鹏"), row("李雷")), [2, 3])
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    del parts["xl/media/image2.png"]
    parts |= {"xl/media/image2.png": bytes(size)} if size else {}

    run = checked(zipped(parts), root.user)
    shown = [office.get(f"{page_of(run).removesuffix('change/')}photo/{number}/").status_code for number in (2, 3)]
    confirmed(run, root.user)

    assert shown == [404, 200] and (run.state, run.message) == (RunState.DONE, "")
    assert reason in str(run.rows.get(number=2).errors) and Student.objects.get(name="李雷").headimgurl


@pytest.fixture
def clerk(person, roles):
    """One who imports and sees neither phones nor identity cards whole."""
    clerk = person("clerk", "102", is_staff=True).user
    clerk.role.permissions.remove(*Permission.objects.filter(codename="phone_student"))
    return User.objects.get(pk=clerk.pk)


@pytest.mark.parametrize(
    ("name", "class_name", "has_number"),
    [("谭鹏", "H51901", False), ("谭鹏", "H9", False), ("谭大鹏", "H51901", False), ("谭大鹏", "H9", False),
     ("谭鹏", "H51901", True)],
)  # fmt: skip
def test_a_guess_at_a_number_that_one_may_not_read_tells_nothing(clerk, root, name, class_name, has_number):
    known = student(phone="13800000001", id_card="11010519491231002X", gender="男")
    known.save()
    guesses = [
        ("13800000001", ""), ("13800000002", ""), ("", "11010519491231002X"), ("", "110105194912310038"), ("", ""),
    ]  # fmt: skip
    number = known.sid if has_number else ""

    def outcomes(user, guesses):
        for phone, id_card in guesses:
            cells = [name, class_name, "重庆", "21", "专科", phone, id_card, "男", number]
            one = checked(sheet(cells, head=[*FULL, "学号"]), user).rows.get(number=2)
            said = {key: one.cells.get(key) for key in ("by", "students", "nearest", "bad", "double_of")}
            shown = {field: change for field, change in one.diff.items() if change[0] is not None}
            yield str((one.kind, one.student_pk, one.errors, said, shown))

    assert len({*outcomes(clerk, guesses)}) == 1 < len({*outcomes(root.user, guesses[:2])})


def test_who_may_not_read_a_number_fills_it_in_and_changes_none(clerk):
    student(phone="13800000001").save()

    run = checked(sheet([*row("谭鹏", city="南京"), "13800000009", "11010519491231002X", ""], head=FULL), clerk)
    confirmed(run, clerk)

    assert run.options["notes"] == [f"{one}：您的角色看不到完整的，已有的不比较、不修改" for one in ("电话", "身份证")]
    assert run.options["dropped"] == []
    one = Student.objects.get()
    assert (one.city, one.phone, one.id_card) == ("南京", "13800000001", "11010519491231002X")


def test_phones_of_anothers_file_are_seen_in_part_and_neither_mended_nor_guessed(clerk, root):
    run = checked(sheet([*row("谭鹏"), "13800000001", "", "男"], head=FULL), root.user)
    browser = logged_in(clerk)

    assert 'name="cell-2-phone" value="13800000001"' in text_of(logged_in(root.user), run)
    text = text_of(browser, run)
    assert "138****0001" in text and "13800000001" not in text and "cell-2-phone" not in text
    decide(browser, run, "check", **{"cell-2-phone": "13800000002"})
    assert run.options["fixes"] == {} and run.rows.get().cells["phone"] == "13800000001"


def test_a_hidden_student_is_found_by_no_phone(person, roles):
    student(phone="13800000001").save()
    roles["102"].data_scope = DataScope.OWN
    roles["102"].save()

    run = checked(sheet([*row("某人"), "13800000001"], head=[*HEAD, "电话"]), person("zhao", "102", is_staff=True).user)

    assert run.counts == {"new": 1}


@pytest.mark.parametrize(
    ("names", "skips", "is_found"),
    [("孙悦 周星", [], True), ("孙悦 周星", [2], False), ("孙悦 李雷", [3], False), ("谭鹏", [], False)],
)
def test_release_110_finds_no_file_where_rows_are_of_kinds_that_it_does_not_know(
    people, root, names, skips, is_found
):  # skipped ones; 李雷, of whom we ask which one he is; and those who are not in the list
    class_name = "H51901" if names == "谭鹏" else "H9"
    run = checked(sheet(*(row(name, class_name) for name in names.split()), head=HEAD), root.user)
    run.options["skips"] = skips
    import_confirm(run=run, is_new_sure=True, is_full_sure=True, scope=EVERYTHING, user_pk=None, now=timezone.now())

    assert run.files.filter(role="source").exists() == is_found
    assert source_of(worked(run))  # we find it
