"""The pages of attendance: open, project, mark, leave, a month's sheet, who may what."""

import re
from io import BytesIO

import pytest
from django.contrib.auth.models import Permission
from django.utils import timezone
from openpyxl import load_workbook

from accounts.tests.test_scan_login import Screen
from attendance import services
from attendance.models import Leave, Period, Record, Session, Status
from core import times
from permissions.models import DataScope, Role
from permissions.scope import Scope
from students.classes import class_get
from students.models import SchoolClass
from students.tests.factories import students
from tests.kit import PageForm, logged_in, messages_of, text_of

pytestmark = pytest.mark.django_db
LIST, LEAVE = "/admin/attendance/session/", "/admin/attendance/leave/"
OPEN = {"class": "H51901", "date": "2026-11-29", "period": "上午", "lateAfter": "10", "minutes": "30"}


def grid(browser, session, was=None, **marks):
    """Send the grid as a browser does: what was shown and what is chosen, of each record."""
    data = {}
    for record in Record.objects.filter(session=session):
        shown = (was or {}).get(record.name, record.status)
        data |= {f"was-{record.pk}": shown, f"is-{record.pk}": marks.get(record.name, shown), f"remark-{record.pk}": ""}
    return messages_of(browser.post(f"{LIST}{session.pk}/change/", data, follow=True))


def test_a_session_is_opened_in_the_bar_and_projected(office):
    students("谭鹏")
    assert "开始考勤" in text_of(office.get(LIST))

    opened = office.post(f"{LIST}open/", OPEN)
    again = office.post(f"{LIST}open/", OPEN, follow=True)
    refused = office.post(f"{LIST}open/", OPEN | {"minutes": "0", "class": "没有"}, follow=True)
    unknown = office.post(f"{LIST}open/", OPEN | {"class": "没有"}, follow=True)
    SchoolClass.objects.create(name="空班")
    empty = office.post(f"{LIST}open/", OPEN | {"class": "空班"}, follow=True)

    session = Session.objects.get()
    assert messages_of(empty)[0].startswith("空班 没有在读的学员，没有开始。")
    assert opened["Location"] == f"{LIST}{session.pk}/screen/"
    assert messages_of(again) == ["该班级本时段的考勤已存在"]
    assert messages_of(refused)[0].startswith("minutes: ") and messages_of(unknown) == ["没有该班级"]
    assert "谭鹏<small>未签到</small>" in text_of(office.get(opened["Location"]))


def test_the_projected_page_gets_codes_and_draws_them(office, session):
    students("谭鹏")
    now, screen = session(), Screen()
    page = f"{LIST}{now.pk}/screen/"

    answer = office.get(f"{page}code/?sid={screen.sid}").json()

    assert answer["state"] is True and answer["qr"].startswith("data:image/svg+xml")
    assert office.get(f"{page}code/?sid=x").json()["msg"] == "socket指定sid错误"
    services.record_mark(pk=now.pk, sid=Record.objects.get().sid, status=Status.LATE, now=timezone.now())
    services.session_close(pk=now.pk, now=timezone.now())
    assert office.get(f"{page}code/").json()["status"] == 1005
    assert "考勤已结束" in text_of(office.get(page)) and '<b id="signed">1</b>' in text_of(office.get(page))
    assert office.get(f"{LIST}999/screen/").status_code == 404


def test_a_class_is_marked_in_one_grid(office, session):
    tan, wang, _ = students("谭鹏", "王芳", "李明")
    now = session()
    assert "王芳" in text_of(office.get(f"{LIST}{now.pk}/change/"))

    assert grid(office, now, 谭鹏=1, 王芳=4) == ["已修改 2 名"]
    assert grid(office, now) == []

    services.record_mark(pk=now.pk, sid=tan.sid, status=Status.LEFT_EARLY, now=timezone.now())
    said = grid(office, now, was={"谭鹏": 1}, 谭鹏=5, 李明=2)
    assert said == ["已修改 1 名", "刚才有变化，没有修改：谭鹏（早退）。请核对后再改"]
    assert list(Record.objects.values_list("status", flat=True).order_by("pk")) == [3, 4, 2]


def test_a_session_is_closed_and_deleted_in_its_page(office, session):
    students("谭鹏")
    now = session()
    page = f"{LIST}{now.pk}/change/"

    said = [messages_of(office.post(page, {"close": "1"}, follow=True)) for _ in range(2)]
    assert said == [["考勤已结束，没有签到的记为旷课"], ["考勤已经结束"]]
    assert grid(office, now, 谭鹏=1) == ["已修改 1 名"]

    office.post(f"{LIST}{now.pk}/delete/", {"post": "yes"})
    assert not Session.objects.exists() and not Record.objects.exists()


def test_leave_is_entered_ahead_by_number(office, session):
    [tan] = students("谭鹏")
    today = times.local(timezone.now()).date()
    form = {"sid": f" {tan.sid.lower()} ", "begins_on": today, "ends_on": today, "reason": "病假"}

    wrong = office.post(f"{LEAVE}add/", form | {"sid": "AAAA00000000"})
    reversed_ = office.post(f"{LEAVE}add/", form | {"ends_on": "2020-01-01"})
    office.post(f"{LEAVE}add/", form)

    assert "没有这个学号" in text_of(wrong) and "结束日期不能早于开始日期" in text_of(reversed_)
    leave = Leave.objects.get()
    assert (leave.name, leave.sid, leave.created_by.username) == ("谭鹏", tan.sid, "root")
    assert "谭鹏" in text_of(office.get(LEAVE))
    number = re.search(r'<input[^>]*name="sid"[^>]*>', office.get(f"{LEAVE}add/").text)
    assert number and "border" in number[0]  # without the style of the others it cannot be seen
    # A browser cuts what is pasted with spaces to the length, and calls a number of full length too long.
    assert int(re.search(r'maxlength="(\d+)"', number[0])[1]) > len(tan.sid) * 2
    session()
    assert Record.objects.get().status == Status.ON_LEAVE


def test_leave_that_was_entered_for_the_wrong_student_moves_with_its_number(office, session):
    tan, li = students("谭鹏", "李雷")
    today = times.local(timezone.now()).date()
    office.post(f"{LEAVE}add/", {"sid": tan.sid, "begins_on": today, "ends_on": today})
    page = f"{LEAVE}{Leave.objects.get().pk}/change/"

    office.post(page, PageForm(office.get(page)).data(sid=li.sid))

    leave = Leave.objects.get()
    assert (leave.student, leave.sid, leave.name) == (li, li.sid, "李雷")
    session()
    assert {one.name: one.status == Status.ON_LEAVE for one in Record.objects.all()} == {"谭鹏": False, "李雷": True}


def test_what_trainees_practise_with_is_on_no_list_of_the_school(office, person):
    """A trainee has entered somebody into the class, and opens sessions of it, to practise."""
    trainee = person("trainee", "102", class_name="前端班").user
    students("谭鹏")
    students("王练", created_by=trainee)
    own = services.session_open(
        class_name="H51901", day=times.date(2026, 11, 28), period=Period.MORNING, now=timezone.now(),
        scope=Scope(DataScope.OWN, trainee.pk),
    )[0]  # fmt: skip

    office.post(f"{LIST}open/", OPEN)

    school = Session.objects.exclude(pk=own.pk).get()
    assert list(school.records.values_list("name", flat=True)) == ["谭鹏"]
    for one in (school, own):
        services.session_close(pk=one.pk, now=timezone.now())
    page = text_of(office.get(f"{LIST}month/?class=H51901&month=2026-11"))
    assert "29日上午" in page and "28日上午" not in page and "王练" not in page
    panel = text_of(office.get(f"/admin/students/schoolclass/{class_get('H51901').pk}/change/"))
    assert "2026-11-29 上午" in panel and "2026-11-28" not in panel and "王练" not in panel
    for entered, session in (("学校的", school), ("学员练习的", own)):
        assert list(office.get(f"{LIST}?entered={entered}").context["cl"].result_list) == [session]


def test_a_month_of_a_class_is_printed_and_exported(office, session):
    tan, wang = students("谭鹏", "王芳", class_name="前端/1班[晚]")  # Excel takes no such name for a sheet
    for period, status in zip(Period, (Status.LATE, Status.ON_LEAVE, Status.PRESENT), strict=True):
        now = session("前端/1班[晚]", period=period, day=times.date(2026, 11, 3))
        services.record_mark(pk=now.pk, sid=tan.sid, status=status, now=timezone.now())
        services.session_close(pk=now.pk, now=timezone.now())
    query = "?class=前端/1班[晚]&month=2026-11"

    page = text_of(office.get(f"{LIST}month/{query}"))
    book = load_workbook(BytesIO(office.get(f"{LIST}month/{query}&format=xlsx").content))

    rows = [[cell.value for cell in row] for row in book.worksheets[0].iter_rows()]
    sums = ["应出勤", "实际出勤", "迟到", "早退", "请假", "旷课"]
    assert rows[0] == ["姓名", "学号", "3日上午", "3日下午", "3日晚上", *sums]
    assert rows[1] == ["谭鹏", tan.sid, "迟", "假", "✓", 2, 2, 1, 0, 1, 0]
    assert rows[2] == ["王芳", wang.sid, "旷", "旷", "旷", 3, 0, 0, 0, 0, 3]
    assert "前端/1班[晚] 考勤表 2026年11月" in page and "<td>迟</td>" in page
    assert office.get(f"{LIST}month/?class=H51901&month=x").status_code == 404
    assert messages_of(office.get(f"{LIST}month/?class=H5&month=2026-11", follow=True)) == ["H5 这个月没有考勤"]
    exported = load_workbook(BytesIO(office.get(f"{LIST}export/").content)).worksheets[0]
    assert [cell.value for cell in exported[2]][3:] == [2, 1, 0, 0, 0, 1]


def test_the_pages_of_class_and_student_show_their_attendance(office, session):
    tan, _ = students("谭鹏", "王芳")
    services.record_mark(pk=session().pk, sid=tan.sid, status=Status.LATE, remark="堵车", now=timezone.now())
    school_class = class_get("H51901")

    of_class = text_of(office.get(f"/admin/students/schoolclass/{school_class.pk}/change/"))
    of_student = text_of(office.get(f"/admin/students/student/{tan.pk}/change/"))

    assert "上午</a>" in of_class and "1 / 2" in of_class
    assert "堵车" in of_student and "考勤（本月应出勤 0，实际 0）" in of_student
    services.session_close(pk=Session.objects.get().pk, now=timezone.now())
    assert "考勤（本月应出勤 1，实际 1）" in text_of(office.get(f"/admin/students/student/{tan.pk}/change/"))


@pytest.mark.parametrize(
    ("rights", "sees", "changes", "prints"),
    [((), False, False, False), (("view",), True, False, False), (("view", "change"), True, True, False),
     (("view", "export"), True, False, True)],
)  # fmt: skip
def test_each_right_opens_its_part(person, roles, session, rights, sees, changes, prints):
    [tan] = students("谭鹏")
    now = session(day=times.date(2026, 11, 3))
    services.session_close(pk=now.pk, now=timezone.now())
    role = roles["310"] = Role.objects.create(roleid="310", name="班主任")
    role.permissions.set(Permission.objects.filter(codename__in=[f"{right}_session" for right in rights]))
    browser = logged_in(person("keeper", "310", is_staff=True).user)

    for page in (LIST, f"{LIST}{now.pk}/change/", LEAVE):
        assert (browser.get(page).status_code == 200) is sees, page
    data = {f"was-{Record.objects.get().pk}": 5, f"is-{Record.objects.get().pk}": 1}
    browser.post(f"{LIST}{now.pk}/change/", data)
    browser.post(f"{LIST}open/", OPEN)
    browser.post(f"{LEAVE}add/", {"sid": tan.sid, "begins_on": "2026-11-01", "ends_on": "2026-11-01"})
    assert (Record.objects.first().status == Status.PRESENT) is changes
    assert ((Session.objects.count() == 2), Leave.objects.exists()) == (changes, changes)
    assert (browser.get(f"{LIST}{now.pk}/screen/").status_code == 200) is changes
    assert (browser.get(f"{LIST}month/?class=H51901&month=2026-11").status_code == 200) is prints
    browser.post(f"{LIST}{now.pk}/delete/", {"post": "yes"})
    assert Session.objects.filter(pk=now.pk).exists()


def test_no_page_of_a_session_names_or_marks_a_student_out_of_sight(person, session):
    """A session that was opened before the scope was narrow has the records of the whole class."""
    li = person("li", "102", is_staff=True).user
    [hidden] = students("谭隐")
    students("李生", created_by_id=li.pk)
    own = session(scope=Scope(DataScope.ALL, li.pk), day=times.date(2026, 11, 3))
    Role.objects.filter(roleid="102").update(data_scope=DataScope.OWN)
    browser = logged_in(li)

    pages = [
        browser.get(f"{LIST}{own.pk}/delete/"),
        browser.post(LIST, {"action": "delete_selected", "_selected_action": own.pk}),
    ]

    for page in pages:
        assert str(own) in page.text and "谭隐" not in page.text
        assert "考勤记录: 1" in text_of(page)
    services.session_close(pk=own.pk, now=timezone.now())
    for page in (f"{own.pk}/change/", f"{own.pk}/screen/", "month/?class=H51901&month=2026-11"):
        text = text_of(browser.get(LIST + page))
        assert "李生" in text and "谭隐" not in text, page
    record = Record.objects.get(name="谭隐")
    browser.post(f"{LIST}{own.pk}/change/", {f"was-{record.pk}": "5", f"is-{record.pk}": "1"})
    assert Record.objects.get(pk=record.pk).status == Status.ABSENT
    listed = text_of(browser.get(LIST))
    assert "月考勤表" in listed and "导出 Excel" not in listed  # a month is open to who has no other export
    refused = browser.post(f"{LEAVE}add/", {"sid": hidden.sid, "begins_on": own.date, "ends_on": own.date})
    assert "没有这个学号" in text_of(refused) and not Leave.objects.exists()
    browser.post(LIST, {"action": "delete_selected", "_selected_action": own.pk, "post": "yes"})
    assert not Session.objects.exists()


def test_who_changes_own_rows_alone_looks_at_the_others(person, session):
    Role.objects.filter(roleid="102").update(data_scope=DataScope.CHANGE_OWN)
    li = person("li", "102", is_staff=True).user
    students("谭鹏")
    foreign = session(day=times.date(2026, 11, 3))
    browser, page = logged_in(li), f"{LIST}{foreign.pk}/"

    assert "谭鹏" in text_of(browser.get(f"{page}change/"))
    assert "投影签到码" not in text_of(browser.get(f"{page}change/"))
    form = {"action": "delete_selected", "_selected_action": foreign.pk}
    browser.post(LIST, form | {"post": "yes"})

    assert [
        browser.post(f"{page}{what}", {"post": "yes", "close": "1"}).status_code for what in ("delete/", "change/")
    ] == [403, 403]
    assert browser.get(f"{page}screen/code/").json()["code"] == "10026"
    assert not Session.objects.get().closed_at
