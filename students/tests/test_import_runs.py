"""An import from the upload to the written students and back, as staff does it and as it may go wrong."""

import io
from datetime import UTC, date, datetime
from functools import partial

import pytest
from auditlog.models import LogEntry
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction
from django.utils import timezone
from openpyxl import Workbook

from config.celery import app as celery_app
from core import times
from core.sheets.read import Sheet
from permissions.models import DataScope
from runs.errors import RunNotReady
from runs.work import SILENCE, progress_end, progress_write, run_restart
from students import tasks
from students.counts import counts_wrong
from students.models import ClassState, RowKind, RunState, SchoolClass, Student, TransferRun
from students.runs import run_cancel, run_confirm, run_undo
from students.services import student_edit
from students.tests.factories import student, students
from students.tests.transfers import (
    HEAD,
    LIST,
    RUNS,
    checked,
    confirmed,
    decide,
    errors,
    line,
    page_of,
    put_aside,
    sheet,
    started,
    text_of,
    undone,
    workbook,
    worked,
)
from students.transfer import import_apply
from students.transfer.admin import PER_PAGE
from students.transfer.heading import columns_named

pytestmark = pytest.mark.django_db


def test_a_file_that_is_sent_in_is_checked_and_its_bad_cells_are_marked(
    clerk, django_capture_on_commit_callbacks, sent_tasks
):
    rows = [line(1), line(2, 年龄="二十"), line(3, 姓名="")]
    with django_capture_on_commit_callbacks(execute=True):
        answer = clerk.post(f"{RUNS}import/", {"file": SimpleUploadedFile("学员.csv", sheet(*rows))})
    tasks.transfer_work(sent_tasks.pop()[1][0])

    page = clerk.get(answer.url).content.decode()

    words = ("还有 2 行错误或同名没有处理", "D3 年龄", "C4 姓名", "不能为空", 'value="二十"')
    assert [text for text in words if text not in page] == [] and page.count('aria-invalid="true"') == 2


def test_what_is_wrong_in_a_row_is_an_error_of_its_cell():
    student, archived = students("谭鹏", "王芳")
    put_aside(archived)
    numbers = [line(学号=student.sid), line(学号="AAAA00000000"), line(学号=student.sid), line(学号=archived.sid)]
    others = [
        line(班级="x" * 65),
        line(姓名="谭\x00鹏"),
        [*line(), "11010519491231002X0"],
        line(学号="A", 城市="x" * 65),
    ]

    run = checked(sheet(*numbers, *others, head=[*HEAD, "身份证"]))

    assert run.state == RunState.REFUSED and errors(run) == [
        (3, [["A3 学号", "没有该学员"]]),
        (4, [["A4 学号", "与第2行是同一名学员"]]),
        (5, [["A5 学号", "这名学员已归档，请先恢复"]]),
        (6, [["B6 班级", "请确保这个字段不能超过 64 个字符。"]]),
        (7, [["C7 姓名", "含有非法字符"]]),
        (8, [["I8 身份证", "不是15位或18位身份证号"]]),
        (9, [["E9 城市", "请确保这个字段不能超过 64 个字符。"]]),
    ]


@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04", b"\xd0\xcf\x11\xe0", sheet(head=HEAD), sheet(line(), head=["a"])]
)
def test_a_file_that_is_none_is_told(content, office):
    run = checked(content)

    assert (run.state, run.state_name) == (RunState.FAILED, "文件有误") and run.message in text_of(office, run)
    missing = ("0/change/", "99999999999999999999/change/", "x/change/", f"{run.pk}9/result/", "template.exe")
    assert {office.get(RUNS + path).status_code for path in missing} == {404}


@pytest.mark.parametrize(
    ("page", "name", "content", "words"),
    [
        ("import", "学员.txt", sheet(line()), "只能导入 .xlsx、.xls 或 .csv"),
        ("import", "学员.xlsx", sheet(line()), "这不是 Excel 文件"),
        ("import", "学员.csv", b" ", "文件是空的"),
        ("photos", "头像.zip", b"no archive", "这不是 ZIP 文件"),
    ],
)
def test_a_file_of_another_kind_is_refused_at_once(office, page, name, content, words):
    answer = office.post(f"{RUNS}{page}/", {"file": SimpleUploadedFile(name, content)})

    assert words in answer.content.decode() and not TransferRun.objects.exists()


def test_all_or_nothing_when_a_student_was_changed_or_deleted_meanwhile():
    first, second = students("谭鹏", "王芳")
    run = checked(sheet([first.sid, "甲"], [second.sid, "乙"], head=["学号", "姓名"]))
    Student.objects.filter(pk=second.pk).update(name="丙")

    confirmed(run)

    assert run.state == RunState.FAILED and "第3行" in run.message and "别人修改" in run.message
    assert {s.name for s in Student.objects.all()} == {"谭鹏", "丙"}
    second.delete()
    run_restart(run=run, now=timezone.now())
    assert errors(worked(run)) == [(3, [["A3 学号", "没有该学员"]])]


def test_killed_half_way_leaves_nothing_and_starts_again_as_after_an_unforeseen_fault(monkeypatch):
    run, calls = checked(sheet(*[line(n) for n in range(30)])), []

    def dies(*args, **kwargs):
        calls.append(args)
        raise ZeroDivisionError if len(calls) == 1 else KeyboardInterrupt  # no code catches it: as if the process ends

    with monkeypatch.context() as patch:
        patch.setattr(import_apply, "rows_save", dies)
        confirmed(run)
        assert (run.state, Student.objects.count()) == (RunState.FAILED, 0)
        run_restart(run=run, now=timezone.now())
        run_confirm(run=worked(run), user_pk=None, now=timezone.now())
        with pytest.raises(KeyboardInterrupt), transaction.atomic():
            tasks.transfer_work(run.pk)
    run.refresh_from_db()
    assert run.state == RunState.APPLYING and not Student.objects.exists()

    run_restart(run=run, now=timezone.now())
    worked(worked(run))  # the broker delivers the first message once more

    assert Student.objects.count() == 30


def test_confirming_twice_or_after_giving_up_is_refused(office):
    run = checked(sheet(line()))
    office.post(page_of(run), {"do": "undo"})
    assert "撤销这次" not in text_of(office, run)
    run_cancel(run=run)

    now = timezone.now()
    again = [partial(run_confirm, user_pk=None, now=now), run_cancel, partial(run_restart, now=now)]
    for step in (*again, partial(run_undo, user_pk=None, now=now)):
        with pytest.raises(RunNotReady):
            step(run=run)


def test_progress_is_told_and_silence_offers_a_new_start(office):
    run = started(sheet(line()))

    def progress():
        return office.get(f"{RUNS}{run.pk}/progress/").json()

    start = {"state": "checking", "working": True, "done": 0, "total": 0, "percent": 0, "stalled": False}
    assert progress() == start
    progress_write(run, 250, 1000)
    assert progress()["percent"] == 25
    TransferRun.objects.update(phase_at=timezone.now() - 2 * SILENCE)
    assert not progress()["stalled"]
    progress_end(run)
    assert progress()["stalled"] and "重新开始" in text_of(office, run)


def test_the_preview_shows_page_after_page_of_each_kind(office):
    old = students("谭鹏")[0]
    run = checked(sheet(*[line(n) for n in range(120)], line(学号=old.sid, 姓名="谭<b>", 城市="南京")))

    text = text_of(office, run)
    assert "<del>谭鹏</del><input" in text and 'value="谭&lt;b&gt;"' in text
    page = office.get(page_of(run), {"kind": "new", "p": "3"})
    assert len(page.context["rows"]) == 120 - 2 * PER_PAGE and "第 3 / 3 页" in page.content.decode()


def test_a_data_scope_counts_for_the_rows_and_for_the_runs(clerk):
    clerk.user.role.data_scope = DataScope.CHANGE_OWN
    clerk.user.role.save()
    foreign, same = students("谭鹏", "王芳")
    rows = [[foreign.sid, "22"], [same.sid, str(same.age)]]  # what changes nothing needs no right

    own, other = checked(sheet(*rows, head=["学号", "年龄"]), clerk.user), checked(sheet(line()))

    assert errors(own) == [(2, [["A2 学号", "不是您录入的学员，不能修改"]])]
    assert [clerk.get(page_of(run)).status_code for run in (own, other)] == [200, 404]
    assert clerk.get(RUNS).context["cl"].result_count == 1


@pytest.mark.django_db(transaction=True)
def test_a_broker_that_is_down_loses_nothing(monkeypatch):
    monkeypatch.setattr(celery_app, "send_task", lambda *a, **k: 1 / 0)

    run = confirmed(checked(sheet(line())))

    assert (run.state, Student.objects.count()) == (RunState.DONE, 1)


# --- Lists as schools have them, with their own header, synonyms, sums and misspellings ---
REAL = [
    ["2026年秋季前端班学员名单"],
    [
        "序号",
        "姓 名",
        "性别",
        "所在班级",
        "年龄（周岁）",
        "所在城市",
        "最高学历",
        "联系电话(本人)",
        "家长手机",
        "入学时间",
    ],
    ["1", "谭鹏", "男", "h51901", "２１", "重庆", "本科", "１３８－００００－０００１", "", "2026年9月1日"],
    ["2", "王 芳", "女生", "H51901", "26岁", "南京", "本科", "138 0000 0002", "+86 13900139000", ""],
    ["合计", "2"],
]


def comma(rows, encoding):
    return "\r\n".join(",".join(row) for row in rows).encode(encoding)


@pytest.mark.parametrize("form", ["xlsx", "utf-8", "utf-8-sig", "gb18030"])
def test_a_schools_own_list_is_understood(form):
    run = checked(workbook(*REAL) if form == "xlsx" else comma(REAL, form))

    assert run.state == RunState.READY, run.message
    assert run.options["dropped"] == ["列“序号”"]
    assert [(one["value"], one["rows"]) for one in run.options["new"]] == [("H51901", 2), ("本科", 2)]
    confirmed(run)
    facts = ("name", "class_name", "age", "city", "degree", "gender", "phone", "parent_phone", "entered_on")
    assert list(Student.objects.order_by("pk").values_list(*facts)) == [
        ("谭鹏", "H51901", 21, "重庆", "本科", "男", "13800000001", "", date(2026, 9, 1)),
        ("王芳", "H51901", 26, "南京", "本科", "女", "13800000002", "13900139000", None),
    ]


def test_days_that_excel_shows_as_numbers_and_days_of_birth_are_read_and_told(office, root, monkeypatch):
    monkeypatch.setattr(times, "now", lambda: datetime(2026, 11, 30, tzinfo=UTC))
    heads = ["姓名", "班级", "出生年月", "城市", "学历", "入学日期", "结业日期"]
    born = {38412: "21", "2005年12月1日": "20", "2005.12": "20", 200512: "20", 20051130: "21", "1980-11-30": "46"}
    born |= dict.fromkeys(["2005-13", "二十"])  # no days
    people = [["谭鹏", "H1", birth, "重庆", "本科", 46266, "12" if birth == "二十" else ""] for birth in born]

    run = checked(workbook(heads, *people), root.user)

    assert [(one.cells["age"], one.cells["enteredOn"]) for one in run.rows.all()] == [
        (age or birth, "2026-09-01") for birth, age in born.items()
    ]
    text = text_of(office, run)
    assert "年龄：38412 是出生日期，算作 21 岁" in text and "入学日期：46266 是 Excel 的日期序号" in text
    is_no_age, is_no_day = "必须是1到150之间的整数", "必须是日期,如 2026-11-29"
    assert errors(run) == [
        (8, [["C8 年龄", is_no_age]]), (9, [["C9 年龄", is_no_age], ["G9 结业日期", is_no_day]]),
    ]  # fmt: skip


HEADS = {
    "a remark tells whose phone it is": {
        "姓名": "name", "班级": "class", "电话（家长）": "parentPhone", "手机 [本人]": "phone",
        "联系电话（班主任）": None, "电话（父亲）": None, "备注（走读）": "remark",
    },
    "one comes from the city": {"姓名": "name", "生源地": "city"},
    "the age is more than a day of birth": {"姓名": "name", "出生日期": None, "年龄": "age"},
    "one lives in the city": {"姓名": "name", "生源地": None, "所在城市": "city"},
}  # fmt: skip


@pytest.mark.parametrize("heads", HEADS.values(), ids=HEADS)
def test_a_head_says_which_column_it_is(heads):
    columns = columns_named([Sheet("", [(1, [*heads])], [], {})])

    assert columns == {head: wire for head, wire in heads.items() if wire}


TWO_ROWS = {  # of heads: 姓名 is merged over both, and those above others over their blank neighbours
    "a number each": (
        ["姓名", "班级", "联系方式", ""],
        ["", "", "本人", "家长"],
        ["name", "class", "phone", "parentPhone"],
    ),
    "most are below": (
        ["家长", "", "姓名", "基本信息", ""],
        ["姓名", "电话", "", "班级", "年龄"],
        [None, "parentPhone", "name", "class", "age"],
    ),
    "as many above": (["姓名", "班级", "联系方式", ""], ["", "", "微信", "QQ"], ["name", "class", "phone", None]),
}


@pytest.mark.parametrize(("upper", "lower", "wires"), TWO_ROWS.values(), ids=TWO_ROWS)
def test_heads_in_two_rows_are_read_as_one(root, upper, lower, wires):
    book, out, at = Workbook(), io.BytesIO(), wires.index("name")
    for cells in (["2026年名单"], upper, lower, ["谭鹏"] * len(upper)):
        book.active.append(cells)
    book.active.merge_cells(start_row=2, end_row=3, start_column=at + 1, end_column=at + 1)
    book.save(out)

    run = checked(out.getvalue(), root.user)

    columns = run.options["columns"]
    assert [columns.get(head) for head in run.options["shape"]["heads"]] == wires
    assert [(row.number, row.cells["name"]) for row in run.rows.all()] == [(4, "谭鹏")]


def test_a_spelling_that_most_rows_have_is_not_meant_for_that_of_one(root):
    rows = [
        [str(n), f"学员{n}", "男", "H5 2001" if n == 3 else "H52001", "21", "重庆", "本科", ""] for n in range(1, 6)
    ]

    run = checked(workbook(REAL[1], *rows), root.user)

    assert {one["value"]: one["alike"] for one in run.options["new"]} == {"H52001": "", "本科": "", "H5 2001": "H52001"}


def test_of_many_new_classes_those_that_are_alike_are_asked_about_first(office, root):
    names = [f"H6{at:03}" for at in range(20) for _ in range(2)]
    lines = [
        ["学生", name, 20, "武汉", degree]
        for name, degree in zip([*names, "H6 003"], ["高中", "中专"] * 21, strict=False)
    ]

    foot = ["", "审核：", "", "", ""]  # of the page

    run = checked(workbook(["姓名", "班级", "年龄", "城市", "学历"], *lines, foot), root.user)

    assert run.options["new"][0] == {"wire": "class", "value": "H6 003", "rows": 1, "alike": "H6003"}
    text = text_of(office, run)
    assert "另有 3 个新的班级或学历没有列出" in text and "确实要新建上面的班级、学历<" in text


@pytest.mark.parametrize("spells", [["0", "0"], ["all"]])  # of the new values that are left, the first; or each
def test_new_classes_must_be_ticked_and_one_click_gives_them_the_spelling_that_exists(office, root, sent_tasks, spells):
    student(name="李雷", class_name="H51904", degree="本科").save()
    misspelt = ["1", "谭鹏", "男", "H5 1904", "21", "重庆", "本科（在读）"]
    others = [["2", "王芳", "女", "H51905", "21", "南京", "本科"], ["3", "韩梅", "女", "H5 1904", "21", "南京", "本科"]]
    run = checked(workbook(REAL[1], misspelt, *others), root.user)

    decide(office, run, "confirm")
    assert run.state == RunState.READY
    suggestions = {one["value"]: one["alike"] for one in run.options["new"]}
    assert suggestions == {"H5 1904": "H51904", "本科（在读）": "本科", "H51905": ""}
    assert "改成 H51904" in text_of(office, run)
    for spell in spells:
        run = worked(decide(office, run, spell=spell))
    assert [one["value"] for one in run.options["new"]] == ["H51905"]
    assert {one["value"]: one["rows"] for one in run.options["mended"]} == {"H5 1904": 2, "本科（在读）": 1}
    decide(office, run, "confirm", sure_new="1")
    worked(run)

    assert run.state == RunState.DONE
    rows = Student.objects.exclude(city="").values_list("class_name", "degree").order_by("-pk")[:3]
    assert set(rows) == {("H51905", "本科"), ("H51904", "本科")}


def test_what_was_mended_last_week_is_not_asked_again_and_is_taken_back_by_one_click(
    office, root, person, roles, sent_tasks
):
    student(name="李雷", class_name="H51904", degree="本科").save()
    list_of_week = workbook(REAL[1], ["1", "谭鹏", "男", "h5 1904", "21", "重庆", "本科（在读）"])
    run = worked(decide(office, checked(list_of_week, root.user), spell="all"))
    worked(decide(office, run, "confirm"))
    assert run.state == RunState.DONE and Student.objects.get(name="谭鹏").class_name == "H51904"

    week_later = checked(list_of_week, root.user)

    assert week_later.options["new"] == [] and week_later.counts == {"unchanged": 1, "left": 1}
    right = checked(workbook(REAL[1], ["1", "谭鹏", "男", "H51904", "21", "重庆", "本科"]), root.user)
    assert right.options["spellings"] == {}  # none that this list has
    text = text_of(office, week_later)
    assert "H5 1904</b> → <b>H51904" in text and "本科（在读）</b> → <b>本科" in text
    at = [one["value"] for one in week_later.options["mended"]].index("H5 1904")
    week_later = worked(decide(office, week_later, unspell=str(at)))
    assert [one["value"] for one in week_later.options["new"]] == ["H5 1904"]
    assert worked(decide(office, week_later, "check")).options["new"]

    zhao = person("zhao", "102", is_staff=True).user
    student(name="王芳", class_name="H51904", degree="本科", created_by=zhao).save()
    assert checked(list_of_week, zhao).options["new"] == []
    roles["102"].data_scope = DataScope.OWN
    roles["102"].save()
    assert len(checked(list_of_week, zhao).options["new"]) == 2
    undone(run, root.user)
    assert len(checked(list_of_week, root.user).options["new"]) == 2


def test_a_class_that_is_planned_in_small_letters_is_known(office, root):
    SchoolClass.objects.create(name="Web班")
    SchoolClass.objects.create(name="H1", state=ClassState.ENDED)  # nobody is in it any more

    rows = [["1", "谭鹏", "男", "web班", "21", "重庆", ""], ["2", "王芳", "女", "h1", "21", "重庆", ""]]
    run = checked(workbook(REAL[1], *rows), root.user)

    assert run.rows.get(number=2).cells["class"] == "Web班" and [one["value"] for one in run.options["new"]] == ["H1"]
    assert '<option value="Web班"' in office.get(f"{LIST}add/").content.decode()


def test_columns_are_mapped_on_the_page_and_the_next_file_is_mapped_alike(office, root, sent_tasks):
    rows = [["谁", "多大", "哪个班的", "所在城市", "最高学历"], ["谭鹏", "21", "H1", "重庆", "本科"]]
    run = checked(workbook(*rows), root.user)
    assert run.state == RunState.FAILED and "没有认出“姓名”" in run.message
    assert "谭鹏" in text_of(office, run) and run.options["columns"] == {"所在城市": "city", "最高学历": "degree"}

    office.post(page_of(run), {"do": "map", "column-0": "name", "column-1": "name"})
    assert "“姓名”选了两次" in text_of(office, worked(run))
    form = dict(zip(("name", "age", "class", "city", "degree"), range(5), strict=True))
    office.post(page_of(run), {"do": "map"} | {f"column-{at}": wire for wire, at in form.items()})
    run = worked(run)
    assert (run.state, run.counts) == (RunState.READY, {RowKind.NEW: 1})
    confirmed(run)

    assert checked(workbook(rows[0], ["王芳", "20", "H1", "南京", "本科"]), root.user).state == RunState.READY


def test_a_missing_column_is_filled_with_one_value_for_the_new_students(office, root, sent_tasks):
    old = student(name="李雷", class_name="H1", city="上海")
    old.save()
    heads = ["姓名", "年龄", "班级", "来自"]
    run = checked(workbook(heads, ["谭鹏", "２１", "H1", "x"], ["李雷", "21", "H1", "y"]), root.user)
    assert run.state == RunState.REFUSED and errors(run) == [
        (2, [[one, "不能为空（新增学员时必填）"] for one in ("城市", "学历")])
    ]
    assert decide(office, run, "confirm").state == RunState.REFUSED  # nobody has decided about the first row
    assert "文件里没有认出这些列" in text_of(office, run) and '<details class="tr-map" open>' in text_of(office, run)
    for city in ("上海", ""):
        run = worked(decide(office, run, **{"value-city": city}))
        assert run.options["constants"] == ({"city": city} if city else {})
    run = confirmed(worked(decide(office, run, **{"value-city": "重庆", "value-degree": "专科"})))

    assert (run.state, run.counts) == (RunState.DONE, {"new": 1, "unchanged": 1})
    assert Student.objects.get(name="谭鹏").city == "重庆" and Student.objects.get(pk=old.pk).city == "上海"


def test_cells_are_mended_on_the_page_and_rows_left_out(office, root, sent_tasks):
    rows = [REAL[1], *([str(n), name, "男", "H1", age, "重庆", "本科", ""] for n, name, age in
            ((1, "谭鹏", "二十一"), (2, "王芳", "20"), (3, "李雷", "x"), (4, "韩梅", "20")))]  # fmt: skip
    run = checked(workbook(*rows), root.user)
    assert run.state == RunState.REFUSED and 'name="cell-2-age" value="二十一"' in text_of(office, run)

    run = worked(decide(office, run, **{"cell-2-age": "21", "cell-3-city": "南京"}))
    assert run.counts == {"error": 1, "new": 3}
    run = worked(decide(office, run, **{"cell-5-name": " "}))
    assert errors(run)[1] == (5, [["B5 姓名", "不能为空（新增学员时必填）"]])
    decide(office, run, "skip_errors")
    decide(office, run, "confirm", {5: False}, sure_new="1")
    worked(run)

    assert (run.state, run.counts) == (RunState.DONE, {"new": 2, "skipped": 2})
    assert set(Student.objects.values_list("name", "age", "city")) == {("谭鹏", 21, "重庆"), ("王芳", 20, "南京")}


# --- To take it back ---
def test_an_undo_puts_everything_back_and_the_audit_names_both_clerks(lbw, clerk, root):
    old = students("谭鹏", "王芳", city="重庆")
    before = list(Student.objects.order_by("pk").values())
    rows = [line(1), line(2), line(学号=old[0].sid, 姓名="谭大鹏", 城市="南京"), line(学号=old[1].sid, 姓名="王芳")]
    run = checked(sheet(*rows), lbw.user)
    decide(clerk, run, "confirm", sure_new="1")
    new = Student.objects.get(pk=worked(run).rows.get(number=2).student_pk)
    undone(run, root.user)

    assert list(Student.objects.order_by("pk").values()) == before and counts_wrong() == []
    assert (run.state, run.counts.get("kept")) == (RunState.UNDONE, None)
    assert (run.created_by, run.confirmed_by, run.undone_by) == (lbw.user, clerk.user, root.user)
    for pk, actions in ((new.pk, ["新增", "删除"]), (old[0].pk, ["修改", "修改"])):
        entries = LogEntry.objects.filter(content_type__model="student", object_pk=str(pk)).order_by("pk")
        assert [entry.get_action_display() for entry in entries] == actions
        assert [entry.actor for entry in entries] == [clerk.user, root.user]


def test_an_undo_leaves_what_a_user_changed_since_and_lists_it(clerk):
    old = students("谭鹏", "王芳", "李雷", city="重庆")
    rows = [line(n) for n in (1, 2, 3, 4)] + [line(学号=one.sid, 姓名=one.name, 城市="南京") for one in old]
    run = confirmed(checked(sheet(*rows)))
    new = list(Student.objects.filter(name__startswith="学员").order_by("name"))
    student_edit(sid=new[0].sid, changes={"city": "上海"}, now=timezone.now())
    student_edit(sid=new[1].sid, changes={"headimgurl": "https://example.com/a.png"}, now=timezone.now())
    put_aside(new[3])
    student_edit(sid=old[0].sid, changes={"city": "广州"}, now=timezone.now())
    student_edit(sid=old[1].sid, changes={"description": "又写过"}, now=timezone.now())
    Student.objects.filter(pk=old[2].pk).delete()

    undone(run)

    assert not Student.objects.filter(pk=new[2].pk).exists() and counts_wrong() == []
    reasons = {row.number: row.errors[0] for row in run.rows.filter(kind=RowKind.KEPT)}
    assert reasons[2] == ["城市", "导入之后被修改过，保留现在的内容"] and reasons[3][0] == "头像"
    assert reasons[5] == ["学员", "导入之后已归档"] and reasons[8] == ["学员", "导入之后已被删除"]
    assert "城市" in reasons[6][0] and "自我评价" in reasons[7][0] and len(reasons) == 6
    old[0].refresh_from_db()
    assert old[0].city == "广州"
    text = text_of(clerk, run)
    assert "6 名无法撤销" in text and "导入之后已被删除" in text
