"""An import from the upload to the written students, as staff does it and as it may go wrong."""

import csv
import io
from datetime import timedelta
from functools import partial
from threading import Thread

import pytest
from auditlog.models import LogEntry
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone

from config.celery import app as celery_app
from core.cache.progress import progress_write
from core.sheets import sheet_write
from students import tasks
from students.counts import counts_wrong
from students.models import RowKind, RunState, Student, TransferFile, TransferRow, TransferRun
from students.services import students_archive
from students.tasks import transfer_work
from students.tests.factories import student, students
from students.transfer import imports, runs
from students.transfer.runs import (
    SILENCE,
    run_cancel,
    run_confirm,
    run_restart,
    run_start,
    run_undo,
    runs_purge,
)

pytestmark = pytest.mark.django_db

HEAD = ["学号", "班级", "姓名", "年龄", "城市", "学历", "项目地址", "自我评价"]
RUNS = "/admin/students/transferrun/"


def line(number=1, **changes):
    row = dict(zip(HEAD, ["", "H1", f"学员{number}", "21", "重庆", "本科", "地址", "你好"], strict=True))
    return list((row | changes).values())


def sheet(*rows, head=HEAD, kind="csv"):
    return sheet_write(kind, head, rows)


def checked(content, user=None, **options):
    """Start an import and do the worker's work."""
    run = run_start(
        kind="import", user_pk=user and user.pk, now=timezone.now(), file_name="a.csv", source=content, options=options
    )
    transfer_work(run.pk)
    run.refresh_from_db()
    return run


def confirmed(run):
    run_confirm(run=run, user_pk=None, now=timezone.now())
    transfer_work(run.pk)
    run.refresh_from_db()
    return run


def office(client):
    client.user.is_staff = True
    client.user.save()
    browser = Client()
    browser.force_login(client.user)
    return browser


def errors(run):
    return [(row.number, row.errors) for row in run.rows.filter(kind=RowKind.ERROR)]


def result(browser, run):
    answer = browser.get(f"{RUNS}{run.pk}/result/")
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))


def test_two_hundred_with_three_bad_rows_fixed_on_the_second_try(
    zhuguan, django_capture_on_commit_callbacks, sent_tasks
):
    browser = office(zhuguan)
    rows = [line(n) for n in range(200)]
    rows[4][3], rows[99][2], rows[150][6] = "二十", "", "javascript:alert(1)"

    def upload():
        file = SimpleUploadedFile("学员.csv", sheet(*rows))
        with django_capture_on_commit_callbacks(execute=True):
            answer = browser.post(f"{RUNS}import/", {"file": file})
        transfer_work(sent_tasks.pop()[1][0])
        return answer.url

    url = upload()
    page = browser.get(url).content.decode()
    assert "有 3 行错误" in page
    for text in (
        "第 6 行",
        "D6 年龄",
        "必须是1到150之间的整数",
        "C101 姓名",
        "不能为空",
        "G152 项目地址",
        "不是项目地址",
    ):
        assert text in page
    assert not Student.objects.exists()
    browser.post(url, {"do": "confirm", "sure_new": "1"})
    assert TransferRun.objects.get().state == RunState.REFUSED
    results = [row["结果"] for row in result(browser, TransferRun.objects.get())]
    assert results[4] == "错误：D6 年龄：必须是1到150之间的整数"
    assert results.count("可以新增") == 197

    rows[4][3], rows[99][2], rows[150][6] = "20", "王芳", "https://example.com"
    url = upload()
    assert "确认导入 200 名学员" in browser.get(url).content.decode()
    with django_capture_on_commit_callbacks(execute=True):
        browser.post(url, {"do": "confirm", "sure_new": "1"})
    transfer_work(sent_tasks.pop()[1][0])

    assert "新增 200 名" in browser.get(url).content.decode()
    assert Student.objects.count() == 200
    assert counts_wrong() == []
    done = result(browser, TransferRun.objects.first())
    assert {row["结果"] for row in done} == {"已新增"}
    assert {row["学号"] for row in done} == set(Student.objects.values_list("sid", flat=True))
    entry = LogEntry.objects.get_for_object(Student.objects.get(name="王芳")).get()
    assert (entry.actor_id, entry.changes["name"]) == (zhuguan.user.pk, [None, "王芳"])


def test_existing_students_are_matched_by_number_and_only_what_is_given_changes():
    kept, moved = students("谭鹏", "王芳", city="重庆")
    content = sheet([kept.sid, "谭鹏", ""], [moved.sid, "王芳芳", "南京"], head=["学号", "姓名", "城市"])

    run = checked(content)

    assert run.counts == {"unchanged": 1, "changed": 1}
    assert run.rows.get(kind=RowKind.CHANGED).diff == {"name": ["王芳", "王芳芳"], "city": ["重庆", "南京"]}
    confirmed(run)
    found = Student.objects.get(pk=moved.pk)
    assert (found.name, found.city, found.class_name, found.headimgurl) == ("王芳芳", "南京", "H51901", "")
    assert LogEntry.objects.get_for_object(found).filter(action=LogEntry.Action.UPDATE).get().changes == {
        "name": ["王芳", "王芳芳"],
        "city": ["重庆", "南京"],
    }
    assert counts_wrong() == []


def test_the_same_file_again_changes_nothing():
    run = checked(sheet(line(), kind="xlsx"))
    confirmed(run)
    file = imports.import_result(run=run)
    assert file.name == "a-结果.xlsx"

    again = checked(bytes(file.content))

    assert again.counts == {"unchanged": 1}


def test_the_same_file_sent_twice_is_pointed_out(root):
    content = sheet(line(1), line(2))
    assert confirmed(checked(content)).message == ""

    run = checked(content)

    assert (run.state, run.counts) == (RunState.READY, {"new": 2})
    assert "其中 2 名新增学员与同班现有学员同名" in office(root).get(f"{RUNS}{run.pk}/change/").content.decode()


def test_unknown_and_repeated_numbers_are_errors():
    known = students("谭鹏")[0]

    run = checked(sheet(line(学号=known.sid), line(学号="AAAA00000000"), line(学号=known.sid), line(班级="x" * 65)))

    assert run.state == RunState.REFUSED
    assert [(number, found[0][1]) for number, found in errors(run)] == [
        (3, "没有该学员"),
        (4, "与第2行的学号重复"),
        (5, "请确保这个字段不能超过 64 个字符。"),
    ]


def test_a_gbk_file_is_read():
    run = checked("班级,姓名,年龄,城市,学历,项目地址,自我评价\nH1,谭鹏,21,重庆,专科,地址,你好\n".encode("gbk"))

    confirmed(run)

    assert Student.objects.get().name == "谭鹏"


def test_characters_no_database_stores_are_an_error_of_their_cell():
    run = checked(sheet(line(姓名="谭\x00鹏")))

    assert errors(run) == [(2, [["C2 姓名", "含有非法字符"]])]


@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04", b"\xd0\xcf\x11\xe0", sheet(head=HEAD), sheet(line(), head=["a"])]
)
def test_a_file_that_is_none_is_told(content, root):
    run = checked(content)

    assert (run.state, run.state_name, bool(run.message)) == (RunState.FAILED, "文件有误", True)
    assert run.message in office(root).get(f"{RUNS}{run.pk}/change/").content.decode()


@pytest.mark.parametrize(
    ("page", "name", "content", "word"),
    [
        ("import", "学员.txt", sheet(line()), "只能导入 .xlsx、.xls 或 .csv"),
        ("import", "学员.xlsx", sheet(line()), "这不是 Excel 文件"),
        ("import", "学员.csv", b" ", "文件是空的"),
        ("photos", "头像.zip", b"no archive", "这不是 ZIP 文件"),
    ],
)
def test_a_file_that_cannot_be_one_is_refused_at_once(root, page, name, content, word):
    answer = office(root).post(f"{RUNS}{page}/", {"file": SimpleUploadedFile(name, content)})

    assert word in answer.content.decode() and not TransferRun.objects.exists()


def test_all_or_nothing_when_somebody_changed_or_deleted_a_student_meanwhile():
    first, second = students("谭鹏", "王芳")
    rows = [[first.sid, "甲"], [second.sid, "乙"]]
    run = checked(sheet(*rows, head=["学号", "姓名"]))
    Student.objects.filter(pk=second.pk).update(name="丙")

    confirmed(run)

    assert run.state == RunState.FAILED
    assert "第3行" in run.message and "别人修改" in run.message
    assert {s.name for s in Student.objects.all()} == {"谭鹏", "丙"}
    second.delete()
    run_restart(run=run, now=timezone.now())
    transfer_work(run.pk)
    assert errors(run) == [(3, [["A3 学号", "没有该学员"]])]


def test_killed_half_way_leaves_nothing_and_starts_again(monkeypatch):
    run = checked(sheet(*[line(n) for n in range(30)]))
    in_tens = imports.batches
    monkeypatch.setattr(imports, "batches", lambda items: in_tens(list(items)))  # leaves no cursor open
    monkeypatch.setattr(imports, "BATCH", 10)
    run_confirm(run=run, user_pk=None, now=timezone.now())
    calls = []

    def killed(*args, **kwargs):
        calls.append(args)
        if len(calls) == 2:
            raise KeyboardInterrupt  # not an error that anybody catches: like the end of the process

    with monkeypatch.context() as patch:
        patch.setattr(imports, "rows_save", killed)
        with pytest.raises(KeyboardInterrupt), transaction.atomic():
            transfer_work(run.pk)
    assert not Student.objects.exists()
    run.refresh_from_db()
    assert run.state == RunState.APPLYING

    run_restart(run=run, now=timezone.now())
    transfer_work(run.pk)
    transfer_work(run.pk)  # the broker delivers the first message once more

    assert Student.objects.count() == 30


def test_an_unforeseen_fault_is_told_and_can_be_tried_again(monkeypatch):
    run = checked(sheet(line()))
    with monkeypatch.context() as patch:
        patch.setattr(imports, "_add", lambda *a, **k: 1 / 0)
        confirmed(run)
    assert (run.state, Student.objects.count()) == (RunState.FAILED, 0)

    run_restart(run=run, now=timezone.now())
    transfer_work(run.pk)
    run.refresh_from_db()

    assert confirmed(run).state == RunState.DONE


def test_confirming_twice_or_after_giving_up_is_refused():
    run = checked(sheet(line()))
    run_cancel(run=run)

    now = timezone.now()
    for again in (
        partial(run_confirm, user_pk=None, now=now),
        run_cancel,
        partial(run_restart, now=now),
        partial(run_undo, user_pk=None, now=now),
    ):
        with pytest.raises(runs.RunNotReady):
            again(run=run)


def test_progress_is_told_and_silence_offers_a_new_start(root):
    run = run_start(kind="import", user_pk=None, now=timezone.now(), file_name="a.csv", source=sheet(line()))
    browser = office(root)
    asked = f"{RUNS}{run.pk}/progress/"

    assert browser.get(asked).json() == {
        "state": "checking",
        "working": True,
        "done": 0,
        "total": 0,
        "percent": 0,
        "stalled": False,
    }
    progress_write(run.pk, 250, 1000)
    assert browser.get(asked).json()["percent"] == 25
    TransferRun.objects.update(phase_at=timezone.now() - 2 * SILENCE)
    assert not browser.get(asked).json()["stalled"]
    runs.progress_end(run.pk)
    assert browser.get(asked).json()["stalled"]
    assert "重新开始" in browser.get(f"{RUNS}{run.pk}/change/").content.decode()


def test_the_preview_shows_page_after_page_of_each_kind(root):
    old = students("谭鹏")[0]
    run = checked(sheet(*[line(n) for n in range(120)], line(学号=old.sid, 姓名="谭<b>", 城市="南京")))
    browser = office(root)

    first = browser.get(f"{RUNS}{run.pk}/change/").content.decode()
    assert "<del>谭鹏</del> → <ins>谭&lt;b&gt;</ins>" in first
    page = browser.get(f"{RUNS}{run.pk}/change/", {"kind": "new", "p": "3"})
    assert "第 3 / 3 页" in page.content.decode()
    for odd in ({"kind": "x", "p": "-1"}, {"p": "abc"}, {"p": "9" * 30}):
        assert browser.get(f"{RUNS}{run.pk}/change/", odd).status_code == 200


@pytest.mark.parametrize("who", ["lbw", "zhuguan", "yuangong", None])
def test_only_who_may_add_and_change_students(request, who):
    run = checked(sheet(line()))
    browser = office(request.getfixturevalue(who)) if who else Client()
    paths = ["", "import/", "photos/", "template.csv", *(f"{run.pk}/{p}/" for p in ("change", "progress"))]

    answers = {browser.get(RUNS + path).status_code for path in paths}

    assert answers == ({200} if who in {"lbw", "zhuguan"} else {403} if who else {302})
    posted = browser.post(f"{RUNS}{run.pk}/change/", {"do": "cancel"}).status_code
    run.refresh_from_db()
    assert (posted == 302, run.state) == (
        who != "yuangong",
        RunState.CANCELLED if who in {"lbw", "zhuguan"} else RunState.READY,
    )
    assert ("导入学员" in browser.get("/admin/students/student/").content.decode()) == (who in {"lbw", "zhuguan"})


@pytest.mark.parametrize(
    "path", ["0/change/", "99999999999999999999/change/", "x/change/", "9/result/", "template.exe"]
)
def test_what_is_not_there_is_404(root, path):
    assert office(root).get(RUNS + path).status_code == 404


def test_old_files_are_removed():
    old, new = checked(sheet(line())), checked(sheet(line()))
    TransferRun.objects.filter(pk=old.pk).update(created_at=timezone.now() - timedelta(days=8))

    assert runs_purge(now=timezone.now()) == 1
    assert runs_purge(now=timezone.now()) == 0

    assert set(TransferFile.objects.values_list("run", flat=True)) == {new.pk}
    assert set(TransferRow.objects.values_list("run", flat=True)) == {new.pk}
    old.refresh_from_db()
    assert old.state == RunState.CANCELLED


@pytest.mark.django_db(transaction=True)
def test_two_workers_on_one_run_write_once_and_a_broker_that_is_down_loses_nothing(monkeypatch):
    monkeypatch.setattr(celery_app, "send_task", lambda *a, **k: 1 / 0)
    run = run_start(kind="import", user_pk=None, now=timezone.now(), file_name="a.csv", source=sheet(line()))
    tasks.transfer_work(run.pk)
    run_confirm(run=run, user_pk=None, now=timezone.now())

    def second():
        tasks.transfer_work(run.pk)
        connection.close()

    with runs.run_hold(run.pk, RunState.APPLYING) as held:
        assert held
        other = Thread(target=second)
        other.start()
        other.join(10)
        assert not Student.objects.exists()
    tasks.transfer_work(run.pk)
    tasks.transfer_work(run.pk)

    assert Student.objects.count() == 1


def test_a_student_named_by_number_keeps_the_picture():
    person = student(headimgurl="https://example.com/a.png")
    person.save()

    confirmed(checked(sheet([person.sid, "22"], head=["学号", "年龄"])))

    person.refresh_from_db()
    assert (person.age, person.headimgurl) == (22, "https://example.com/a.png")


def test_an_archived_student_is_named_as_such_by_an_import_and_by_its_undo():
    run = confirmed(checked(sheet(line(1), line(2))))
    first = Student.objects.earliest("pk")
    students_archive(pks=[first.pk], actor_pk=None, now=timezone.now())
    again = checked(sheet([first.sid, "22"], head=["学号", "年龄"]))
    assert errors(again) == [(2, [["A2 学号", "这名学员已归档，请先恢复"]])]

    run_undo(run=run, user_pk=None, now=timezone.now())
    transfer_work(run.pk)

    kept = TransferRow.objects.get(run=run, kind=RowKind.KEPT)
    assert (kept.student_pk, kept.errors) == (first.pk, [["学员", "导入之后已归档"]])
    assert not Student.objects.exists() and counts_wrong() == []


def test_staff_may_write_a_class_in_any_way_and_leave_two_columns_out():
    students("谭鹏", class_name="H51901")
    columns = [name for name in HEAD if name not in {"学号", "项目地址", "自我评价"}]

    confirmed(checked(sheet(["h51901 ", "甲", "21", "重庆", "本科"], head=columns)))

    added = Student.objects.get(name="甲")
    assert (added.class_name, added.product_url, added.description) == ("H51901", "", "")
