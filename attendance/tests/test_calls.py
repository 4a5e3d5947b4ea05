"""The eight calls as specified: keys, types, texts, numbers, and who sees what."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from attendance import selectors, services
from attendance.models import Leave, Record, Session
from attendance.selectors import attendance_rates
from core import times
from permissions.models import DataScope
from permissions.services.roles import role_scoped
from students.models import Student, StudentState
from students.services import student_delete, students_archive
from students.tests.factories import students

pytestmark = pytest.mark.django_db
UNKNOWN = {"status": 1005, "state": False, "msg": "没有该数据"}
EXPIRED = {"status": 10004, "state": False, "msg": "二维码已失效"}
NO_CHANGE = {"status": 1006, "state": False, "msg": "没有做任何修改"}
SIGNED = {"status": 200, "state": True, "msg": "签到成功", "attendanceStatus": "出勤"}


def opened(attend, **params):
    return attend("open", **{"class_": "H51901"} | params)["attendance_id"]


def code(attend, pk):
    return attend("getCode", attendance_id=pk)["code"]


def statuses(attend, pk):
    return {row["name"]: row["attendanceStatus"] for row in attend("getRecords", attendance_id=pk)["data"]}


def test_a_session_opens_with_the_students_who_study(attend):
    students("谭鹏", "王芳")
    students("李休", state=StudentState.SUSPENDED)

    body = attend("open", class_=" H51901 ", date="2026-11-29", period="下午", lateAfter="0", minutes="5")

    pk = body.pop("attendance_id")
    assert body == {"status": 200, "state": True, "msg": "考勤已开始", "total": 2}
    session = Session.objects.get(pk=pk)
    assert (str(session), session.late_at) == ("H51901 2026-11-29 下午", session.opened_at)
    assert session.closes_at - session.opened_at == timedelta(minutes=5)
    again = attend("open", class_="H51901", date="2026/11/29", period="下午")
    assert again == {"status": 1004, "state": False, "msg": "该班级本时段的考勤已存在", "attendance_id": pk}
    assert attend("open", class_="H5") == {"status": 1005, "state": False, "msg": "没有该班级"}


@pytest.mark.parametrize(("time", "period"), [("11:59:59", "上午"), ("12:00:00", "下午"), ("18:00:00", "晚上")])
def test_day_and_period_follow_the_clock_of_the_school(attend, monkeypatch, time, period):
    students("谭鹏")
    moment = times.datetime.fromisoformat(f"2026-11-29 {time}+08:00")
    monkeypatch.setattr(times, "now", lambda: moment)

    opened(attend)

    [row] = attend("getList")["data"]
    assert (row["date"], row["period"], row["startTime"]) == ("2026-11-29", period, f"2026/11/29 {time}")


@pytest.mark.parametrize(
    ("params", "msg"),
    [
        ({"class": ""}, "缺少参数: class"),
        ({"date": "x"}, "date: 必须是日期,如 2026-11-29"),
        ({"date": "0001-01-01"}, "date: 必须是日期,如 2026-11-29"),
        ({"date": "9999-01-01"}, "date: 必须是日期,如 2026-11-29"),
        ({"period": "夜里"}, "period: 只能是上午、下午、晚上"),
        ({"minutes": 0}, "minutes: 必须是1到1440之间的整数"),
        ({"lateAfter": -1}, "lateAfter: 必须是0到1440之间的整数"),
    ],
)
def test_a_bad_session_is_refused_and_named(zhuguan, params, msg):
    students("谭鹏")

    body = zhuguan.post("/attendance/open", {"class": "H51901"} | params).json()

    assert (body["state"], body["msg"]) == (False, msg)
    assert not Session.objects.exists()


def test_a_code_lives_ten_seconds_and_none_is_the_same(attend, trainee, clock):
    tan, wang = trainee("谭鹏"), trainee("王芳")
    pk = opened(attend)
    answer = attend("getCode", attendance_id=pk)
    first = answer["code"]
    assert answer | {"code": 0} == {
        "status": 200, "state": True, "code": 0, "expires_in": 10,
        "signUrl": f"http://testserver/attendance/sign?code={first}",
    }  # fmt: skip
    assert re.fullmatch("[0-9A-Za-z-]{20,40}", first)

    clock(9.5)
    assert attend("sign", tan, code=first) == SIGNED
    clock(0.6)
    assert attend("sign", wang, code=first) == EXPIRED
    assert len({code(attend, pk) for _ in range(50)} | {first}) == 51
    assert attend("getCode", attendance_id="999") == attend("getRecords", attendance_id="9" * 11) == UNKNOWN
    assert attend("getRecords", attendance_id="undefined")["msg"] == "attendance_id: 必须是正整数"
    assert attend("getCode", attendance_id=pk, sid="a-sid-of-no-socket")["msg"] == "socket指定sid错误"


def test_no_other_text_is_a_code(attend, trainee):
    tan = trainee("谭鹏")
    pk, other = opened(attend), opened(attend, date="2026-11-01")
    good = code(attend, pk)
    forged = [
        good[:-1] + ("0" if good[-1] != "0" else "1"),
        code(attend, other).split("-")[0] + good[good.index("-") :],
    ]

    for text in (*forged, "x", "-", "é", "---", good + "é", good.upper(), "1" * 200, good.replace("-", "")):
        assert attend("sign", tan, code=text) == EXPIRED, text

    assert attend("sign", tan, code="1" * 201)["state"] is False
    assert statuses(attend, pk) == {"谭鹏": "未签到"}


def test_who_is_on_the_list_signs_once(attend, trainee, person):
    tan, stranger = trainee("谭鹏"), person("stranger", "200")
    later = trainee("学员")
    Student.objects.filter(pk=later.student.pk).update(class_name="H5")
    pk = opened(attend)

    assert attend("sign", tan, code=code(attend, pk)) == SIGNED
    assert attend("sign", tan, code=code(attend, pk)) == {"status": 304, "state": False, "msg": "已经签到"}
    outside = {"status": 1004, "state": False, "msg": "你不在这个班级"}
    assert attend("sign", stranger, code=code(attend, pk)) == attend("sign", later, code=code(attend, pk)) == outside

    [row] = attend("getRecords", attendance_id=pk)["data"]
    assert re.fullmatch(r"20\d\d/\d\d/\d\d \d\d:\d\d:\d\d", row.pop("signTime"))
    assert row == {
        "sId": tan.student.sid, "name": "谭鹏", "class": "H51901", "attendanceStatus": "出勤", "way": "扫码",
        "remark": "", "flag": "",
    }  # fmt: skip


@pytest.mark.parametrize(("late_after", "seconds", "status"), [(0, 0, "迟到"), (1, 59, "出勤"), (1, 61, "迟到")])
def test_who_signs_too_late_is_late(attend, trainee, clock, late_after, seconds, status):
    tan = trainee("谭鹏")
    pk = opened(attend, lateAfter=late_after)
    clock(seconds)

    assert attend("sign", tan, code=code(attend, pk))["attendanceStatus"] == status


def test_two_accounts_on_one_device_are_both_taken_and_the_second_is_flagged(attend, trainee):
    tan, wang, li, zhao = (trainee(name) for name in ("谭鹏", "王芳", "李明", "赵一"))
    pk = opened(attend)

    for who, device in ((tan, "phone-1"), (wang, "phone-1"), (li, "phone-2"), (zhao, "")):
        assert attend("sign", who, code=code(attend, pk), device=device)["state"] is True

    flags = [row["flag"] for row in attend("getRecords", attendance_id=pk)["data"]]
    assert flags == ["", "同一设备", "", ""]


def test_the_cookie_of_the_login_tells_the_device(attend, trainee, api):
    tan, wang, li = trainee("谭鹏"), trainee("王芳"), trainee("李明")
    pk = opened(attend)
    for who in (tan, wang):  # two log in with one browser
        body = api.post("/users/login", {"username": who.user.username, "password": "a-password"}).json()
        api.token = body["token"]
        assert attend("sign", api, code=code(attend, pk)) == SIGNED
    attend("sign", li, code=code(attend, pk))

    assert [row["flag"] for row in attend("getRecords", attendance_id=pk)["data"]] == ["", "同一设备", ""]


def test_a_teacher_marks_during_the_session_and_after_it(attend, trainee):
    tan, wang = trainee("谭鹏"), students("王芳")[0]
    pk = opened(attend)

    def mark(student, **params):
        body = attend("mark", attendance_id=pk, sId=student.sid, **params)
        return body["status"], body["msg"]

    assert mark(wang, attendanceStatus="早退", remark="发烧") == (200, "修改成功")
    assert mark(wang, attendanceStatus="早退") == mark(wang) == (1006, "没有做任何修改")
    assert mark(wang, remark="") == (200, "修改成功")
    assert attend("mark", attendance_id=pk, sId=wang.sid, attendanceStatus="x")["msg"].startswith(
        "attendanceStatus: 只能是"
    )
    assert (
        attend("mark", attendance_id=pk, sId="AAAA00000000") == attend("mark", attendance_id="99", sId="x") == UNKNOWN
    )
    assert attend("sign", tan, code=code(attend, pk)) == SIGNED
    attend("close", attendance_id=pk)
    assert mark(tan.student, attendanceStatus="旷课", remark="替签") == (200, "修改成功")
    assert mark(tan.student, attendanceStatus="未签到") == (1006, "没有做任何修改")

    rows = attend("getRecords", attendance_id=pk)["data"]
    facts = [(row["attendanceStatus"], row["way"], row["remark"], bool(row["signTime"])) for row in rows]
    assert facts == [("旷课", "手工", "替签", False), ("早退", "手工", "", True)]


@pytest.mark.parametrize(
    ("mark", "answer"), [("旷课", "已经签到"), ("早退", "已经签到"), ("请假", "签到成功"), ("未签到", "签到成功")]
)
def test_a_scan_changes_no_word_of_the_teacher_on_who_was_there(attend, trainee, mark, answer):
    tan = trainee("谭鹏")
    pk = opened(attend)
    attend("sign", tan, code=code(attend, pk))
    attend("mark", attendance_id=pk, sId=tan.student.sid, attendanceStatus=mark)

    assert attend("sign", tan, code=code(attend, pk))["msg"] == answer

    assert statuses(attend, pk) == {"谭鹏": "出勤" if answer == "签到成功" else mark}


def test_who_has_not_signed_at_the_end_was_absent(attend, trainee):
    tan, wang = trainee("谭鹏"), trainee("王芳")
    pk = opened(attend)
    attend("sign", tan, code=code(attend, pk))
    live = code(attend, pk)

    assert attend("close", attendance_id=pk) == {"status": 200, "state": True, "msg": "考勤已结束"}

    assert attend("close", attendance_id=pk) == NO_CHANGE
    assert attend("close", attendance_id="99") == attend("getCode", attendance_id=pk) == UNKNOWN
    assert attend("sign", wang, code=live) == EXPIRED
    assert statuses(attend, pk) == {"谭鹏": "出勤", "王芳": "旷课"}


def test_it_is_over_when_its_time_is_over_whoever_is_dead(attend, trainee, clock):
    tan = trainee("谭鹏")
    pk = opened(attend, minutes=1)
    clock(59)
    live = code(attend, pk)
    services.sessions_close_due(now=times.now())
    assert attend("getList")["data"][0]["isOpen"] is True

    clock(2)  # no sweep runs
    [row] = attend("getList")["data"]
    assert (row["isOpen"], row["absent"]) == (False, 1)
    assert statuses(attend, pk) == {"谭鹏": "旷课"}
    assert attend("getSummary")["data"][0]["absent"] == 1
    assert attend("sign", tan, code=live) == EXPIRED and attend("close", attendance_id=pk) == NO_CHANGE
    services.sessions_close_due(now=times.now())

    session, record = Session.objects.get(), Record.objects.get()
    assert (session.closed_at, record.get_status_display()) == (session.closes_at, "旷课")
    assert attend("getList")["data"] == [row]


def test_leave_that_was_entered_ahead_is_there_when_it_opens(attend, trainee):
    tan, wang = trainee("谭鹏"), trainee("王芳")
    today = times.local(timezone.now()).date()
    for who, last in ((tan.student, today), (wang.student, today - timedelta(days=1))):
        Leave.objects.create(
            student=who, sid=who.sid, name=who.name, begins_on=today - timedelta(days=1), ends_on=last, reason="病假"
        )

    pk = opened(attend)

    assert statuses(attend, pk) == {"谭鹏": "请假", "王芳": "未签到"}
    attend("close", attendance_id=pk)
    assert [row["shouldAttend"] for row in attend("getSummary")["data"]] == [0, 1]
    other = opened(attend, date=today - timedelta(days=1), period="下午")
    assert attend("sign", tan, code=code(attend, other)) == SIGNED  # who comes all the same is there


def test_the_list_filters_pages_and_counts(attend, django_assert_num_queries):
    today = times.local(timezone.now()).date()
    tan, *_ = students("谭鹏", "王芳", "李明")
    students("赵一", class_name="H5")
    pk, late = opened(attend, period="上午"), opened(attend, period="晚上")
    old = opened(attend, date=today - timedelta(days=30))
    five = attend("open", class_="H5", date=today - timedelta(days=29))["attendance_id"]
    attend("mark", attendance_id=pk, sId=tan.sid, attendanceStatus="迟到")

    def found(**query):
        return [row["attendance_id"] for row in attend("getList", **query)["data"]]

    assert found() == [late, pk, five]
    assert found(class_="H5") == [five]
    assert found(from_=today - timedelta(days=30), to=today - timedelta(days=29)) == [five, old]
    assert found(page=2, count=2) == [five] and attend("getList", page=1, count=2)["total"] == 3
    with django_assert_num_queries(3):  # who calls, the sessions, what is on their lists
        [_, row, _] = attend("getList")["data"]
    assert re.fullmatch(r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d", row.pop("startTime")) and row.pop("endTime")
    assert row == {
        "attendance_id": pk, "class": "H51901", "date": str(today), "period": "上午", "isOpen": True, "total": 3,
        "attended": 1, "late": 1, "early": 0, "leave": 0, "absent": 0, "user_nickname": "zhuguan",
    }  # fmt: skip
    assert attend("getList", **{"from": "x"})["msg"] == "from: 必须是日期,如 2026-11-29"
    assert attend("getList", page="x")["state"] is False
    for call in ("getList", "getSummary"):
        assert attend(call, from_="2026-11-02", to="2026-11-01")["msg"] == "from: 不能晚于to"
    with django_assert_num_queries(3):  # who calls, the session, its records
        assert len(attend("getRecords", attendance_id=pk)["data"]) == 3


def test_the_summary_has_the_table_that_clients_drew(attend, django_assert_num_queries):
    first = times.local(timezone.now()).date().replace(day=1)
    tan, wang = students("谭鹏", "王芳")
    for number, mark in enumerate(["出勤", "迟到", "早退", "请假", "旷课"]):
        pk = opened(attend, date=first + timedelta(days=number))
        attend("mark", attendance_id=pk, sId=tan.sid, attendanceStatus=mark)
        attend("close", attendance_id=pk)
    opened(attend, date=first - timedelta(days=1))
    opened(attend, date=first + timedelta(days=6))  # is open

    with django_assert_num_queries(3):  # who calls, the sums, who they are of
        body = attend("getSummary")

    assert (body["msg"], body["total"]) == ("获取成功", 2)
    assert body["data"][0] == {
        "sId": tan.sid, "name": "谭鹏", "class": "H51901", "shouldAttend": 4, "attended": 3, "late": 1, "early": 1,
        "leave": 1, "absent": 1, "rate": 0.75,
    }  # fmt: skip
    assert (body["data"][1]["rate"], body["data"][1]["absent"]) == (0.0, 5)
    assert [row["name"] for row in attend("getSummary", key="芳")["data"]] == ["王芳"]
    assert (
        attend("getSummary", class_="H5")["data"] == attend("getSummary", to=first - timedelta(days=40))["data"] == []
    )
    one = attend("getSummary", page=2, count=1)
    assert (one["total"], [row["name"] for row in one["data"]]) == (2, ["王芳"])
    beyond = attend("getSummary", page=9, count=1)
    assert (beyond["total"], beyond["data"]) == (2, [])
    attend("mark", attendance_id=pk, sId=wang.sid, attendanceStatus="请假")
    assert attend("getSummary", from_=first + timedelta(days=4), key="王")["data"][0]["rate"] is None
    assert attendance_rates("month", first, first + timedelta(days=20)) == {first: 0.375}


def test_a_session_deleted_meanwhile_leaves_no_row_in_the_summary(attend, monkeypatch):
    students("谭鹏")
    attend("close", attendance_id=opened(attend))
    pair = selectors.with_newest_records

    def pair_later(rows):
        Session.objects.all().delete()
        return pair(rows)

    monkeypatch.setattr(selectors, "with_newest_records", pair_later)

    assert attend("getSummary")["data"] == []


def test_who_is_archived_moved_or_deleted_keeps_the_records(attend):
    tan, wang, li = students("谭鹏", "王芳", "李明")
    attend("close", attendance_id=opened(attend))
    before = attend("getSummary")["data"]

    students_archive(pks=[tan.pk], actor_pk=None, now=timezone.now())
    Student.objects.filter(pk=wang.pk).update(class_name="H5")
    student_delete(sid=li.sid, now=timezone.now())

    assert attend("getSummary")["data"] == before and len(before) == 3


def test_trainees_see_themselves_in_the_summary_alone(attend, trainee, person, roles):
    tan, _ = trainee("谭鹏"), trainee("王芳")
    attend("close", attendance_id=opened(attend))
    roles["own"] = role_scoped(roleid="200", scope=DataScope.OWN)
    type(tan.user).objects.filter(pk=tan.user.pk).update(role=roles["own"])

    assert [row["name"] for row in attend("getSummary", tan)["data"]] == ["谭鹏"]
    assert attend("getSummary", tan, key="王")["data"] == []
    assert attend("getSummary", person("stranger", "200"))["data"] == []


def test_with_a_narrow_scope_others_sessions_are_unknown(attend, person, roles):
    roles["own"] = role_scoped(roleid="103", scope=DataScope.OWN)
    li, wang = person("li", "own"), person("wang", "own")
    students("谭鹏")
    his = students("学员", created_by_id=li.user.pk)[0]
    shared = opened(attend)
    assert attend("open", wang, class_="H51901") == {"status": 1005, "state": False, "msg": "没有该班级"}

    own = attend("open", li, class_="H51901")  # the time of a hidden session

    assert (own["state"], own["total"]) == (True, 1)
    assert attend("open", li, class_="H51901")["attendance_id"] == own["attendance_id"]
    assert [row["attendance_id"] for row in attend("getList", li)["data"]] == [own["attendance_id"]]
    assert attend("getList", wang)["data"] == attend("getSummary", wang)["data"] == []
    for name, params in {"getCode": {}, "close": {}, "getRecords": {}, "mark": {"sId": his.sid}}.items():
        assert (
            attend(name, li, attendance_id=shared, **params)
            == attend(name, wang, attendance_id="99", **params)
            == UNKNOWN
        )
    assert attend("close", li, attendance_id=own["attendance_id"])["state"] is True
    attend("close", attendance_id=shared)
    assert [row["shouldAttend"] for row in attend("getSummary", li)["data"]] == [1]
    Record.objects.filter(session=own["attendance_id"]).update(created_by=None)  # opened before the scope was narrow
    assert attend("getList", li)["data"][0]["total"] == len(attend("getSummary", li)["data"]) == 0
    assert attend("getRecords", li, attendance_id=own["attendance_id"])["data"] == []
    assert attend("mark", li, attendance_id=own["attendance_id"], sId=his.sid, remark="x") == UNKNOWN


def test_a_scope_that_sees_all_changes_its_own(attend, person, roles):
    roles["change_own"] = role_scoped(roleid="103", scope=DataScope.CHANGE_OWN)
    li, tan = person("li", "change_own"), students("谭鹏")[0]
    pk = opened(attend)

    answers = [
        attend(name, li, attendance_id=pk, sId=tan.sid, attendanceStatus="出勤")
        for name in ("mark", "close", "getCode")
    ]

    assert statuses(lambda name, **params: attend(name, li, **params), pk) == {"谭鹏": "未签到"}
    assert {answer["code"] for answer in answers} == {"10026"}
