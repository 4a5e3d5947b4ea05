"""The six calls as specified: keys, types, texts, numbers, and who sees what."""

import pytest
from django.utils import timezone

from dormitory.models import Room, Stay
from permissions.models import DataScope
from permissions.services.roles import role_scoped
from students.models import ArchivedStudent
from students.services import student_delete, student_restore, students_archive
from students.tests.factories import students

pytestmark = pytest.mark.django_db


def add(dorm, room="101", **params):
    return dorm("addRoom", **{"building": "1号楼", "room": room, "beds": 2} | params)["room_id"]


def move_in(dorm, *names, room, **fields):
    people = students(*names, **fields)
    for one in people:
        assert dorm("checkIn", sId=one.sid, room_id=room)["state"] is True
    return people


def archived(*people):
    students_archive(pks=[one.pk for one in people], actor_pk=None, now=timezone.now())


def test_a_room_is_listed_with_the_students_in_it(dorm):
    room = add(dorm, beds="3", gender="女")
    tan = move_in(dorm, "谭鹏", room=room)[0]

    body = dorm("getRooms")

    sleeper = {"sId": tan.sid, "name": "谭鹏", "class": "H51901", "bed": 1}
    [row] = body["data"]
    assert row["students"][0].pop("checkInTime")[:2] == "20"
    assert body | {"data": 0} == {"status": 200, "state": True, "msg": "获取成功", "total": 1, "data": 0}
    expected = {"room_id": room, "building": "1号楼", "room": "101", "gender": "女", "beds": 3, "occupied": 1}
    assert row == expected | {"students": [sleeper]}


def test_the_list_filters_and_pages(dorm, django_assert_num_queries):
    full, empty, other = add(dorm, beds=1), add(dorm, "102"), add(dorm, "101", building="2号楼")
    move_in(dorm, "谭鹏", room=full)

    def found(**query):
        body = dorm("getRooms", **query)
        assert body["total"] == len(body["data"]) or "count" in query
        return [row["room_id"] for row in body["data"]]

    assert found() == [full, empty, other]
    assert found(building="1号楼") == [full, empty]
    assert found(free=1) == [empty, other] and found(free="0") == [full, empty, other]
    assert found(key="鹏") == [full] and found(key="101") == [full, other] and found(key="%") == []
    assert found(page=2, count=2) == [other] and dorm("getRooms", page=2, count=2)["total"] == 3
    assert dorm("getRooms", page="x", count=2)["state"] is False
    move_in(dorm, "王芳", "李明", room=empty)
    with django_assert_num_queries(3):  # who calls, the rooms, who is in them
        assert [len(row["students"]) for row in dorm("getRooms")["data"]] == [1, 2, 0]


@pytest.mark.parametrize(
    ("params", "msg"),
    [
        ({"room": ""}, "缺少参数: room"),
        ({"beds": 13}, "beds: 必须是1到12之间的整数"),
        ({"beds": 0}, "beds: 必须是1到12之间的整数"),
        ({"gender": "x"}, "gender: 只能是男、女、不限"),
        ({"building": "楼" * 33}, "building: 请确保这个字段不能超过 32 个字符。"),
    ],
)
def test_a_bad_room_is_refused_and_named(dorm, params, msg):
    body = dorm("addRoom", **{"building": "1号楼", "room": "101", "beds": 2} | params)

    assert (body["state"], body["msg"]) == (False, msg)
    assert not Room.objects.exists()


def test_a_room_is_there_once_until_it_is_removed(dorm):
    room = add(dorm)
    again = dorm("addRoom", building="1号楼", room="101", beds=4)
    assert again == {"status": 1004, "state": False, "msg": "该房间已存在"}

    assert dorm("delRoom", room_id=room) == {"status": 200, "state": True, "msg": "删除成功"}
    assert dorm("delRoom", room_id=room)["status"] == 1005

    assert add(dorm) != room


def test_a_room_is_changed_as_far_as_its_students_allow(dorm):
    room, other = add(dorm, beds=3), add(dorm, "102")
    tan = move_in(dorm, "谭鹏", room=room, gender="男")[0]
    dorm("checkOut", sId=tan.sid)
    dorm("checkIn", sId=tan.sid, room_id=room, bed=3)

    def change(**changes):
        body = dorm("updateRoom", room_id=room, **changes)
        return body["status"], body["msg"]

    assert change(beds=2) == (1004, "3号床还有学员,床位数不能少于3")
    assert change(gender="女") == (1004, "该房间只住女学员")
    assert change(room="102") == (1004, "该房间已存在")
    assert change(beds=3, room="") == change(building="1号楼") == (1006, "没有做任何修改")
    assert change(gender="男", beds="4") == (200, "修改成功")
    assert dorm("updateRoom", room_id="999999999", beds=2)["status"] == 1005
    assert Room.objects.get(pk=room).beds == 4 and Room.objects.get(pk=other).beds == 2


def test_the_beds_are_given_one_each(dorm):
    room = add(dorm)
    tan, wang, li = students("谭鹏", "王芳", "李明")

    def check_in(student, **params):
        body = dorm("checkIn", **{"sId": student.sid, "room_id": room} | params)
        return body["status"], body["msg"]

    assert check_in(tan, bed=3) == (1004, "该房间只有2个床位")
    assert check_in(tan, bed=2) == (200, "入住成功")
    assert check_in(tan) == (1004, "该学员已有床位")
    assert check_in(wang, bed=2) == (1004, "该床位已有人")
    assert check_in(wang) == (200, "入住成功")
    assert check_in(li) == (10010, "该房间已住满")
    assert check_in(li, room_id="99") == check_in(li, sId="AAAA00000000") == (1005, "没有该数据")
    assert dorm("delRoom", room_id=room)["msg"] == "该房间还有学员"
    assert dorm("checkOut", sId=tan.sid) == {"status": 200, "state": True, "msg": "退宿成功"}
    assert dorm("checkOut", sId=tan.sid) == {"status": 1005, "state": False, "msg": "没有该数据"}
    assert check_in(li) == (200, "入住成功")
    history = [(stay.name, stay.bed, stay.ends_at is None) for stay in Stay.objects.order_by("pk")]
    assert history == [("谭鹏", 2, False), ("王芳", 1, True), ("李明", 2, True)]


def test_a_room_for_one_gender_takes_the_other_one_not(dorm):
    room = add(dorm, gender="男")
    people = [students("谭鹏", gender=gender)[0] for gender in ("女", "男", "")]

    answers = [dorm("checkIn", sId=one.sid, room_id=room) for one in people]

    assert [answer["status"] for answer in answers] == [1004, 200, 200]
    assert answers[0]["msg"] == "该房间只住男学员"


def test_who_is_archived_leaves_the_bed_and_comes_back_to_it(dorm):
    room = add(dorm)
    tan, wang = move_in(dorm, "谭鹏", "王芳", room=room)
    archived(tan, wang)
    assert dorm("getRooms")["data"][0]["occupied"] == 0

    student_restore(pk=tan.pk, actor_pk=None, now=timezone.now())
    [back] = dorm("getRooms")["data"][0]["students"]
    assert (back["name"], back["bed"]) == ("谭鹏", 1)

    move_in(dorm, "李明", room=room)  # takes 王芳's bed
    student_restore(pk=wang.pk, actor_pk=None, now=timezone.now())
    assert [one["name"] for one in dorm("getRooms")["data"][0]["students"]] == ["谭鹏", "李明"]
    assert not ArchivedStudent.objects.exists()


def test_who_comes_back_to_a_room_that_is_for_others_now_has_no_bed(dorm):
    room, other = add(dorm), add(dorm, "102")
    [tan], [wang] = move_in(dorm, "谭鹏", room=room, gender="男"), move_in(dorm, "王芳", room=other, gender="女")
    archived(tan, wang)
    for one in (room, other):
        dorm("updateRoom", room_id=one, gender="女")

    for one in (tan, wang):
        student_restore(pk=one.pk, actor_pk=None, now=timezone.now())

    assert [row["occupied"] for row in dorm("getRooms")["data"]] == [0, 1]


def test_who_moved_out_before_gets_no_bed_back_and_a_deleted_one_stays_in_the_history(dorm):
    room = add(dorm)
    tan, wang = move_in(dorm, "谭鹏", "王芳", room=room)
    dorm("checkOut", sId=tan.sid)
    archived(tan)
    student_restore(pk=tan.pk, actor_pk=None, now=timezone.now())
    student_delete(sid=wang.sid, now=timezone.now())

    assert dorm("getRooms")["data"][0]["students"] == []
    assert Stay.objects.get(name="王芳").is_interrupted


def test_own_rooms_and_students_alone_with_a_narrow_scope(dorm, person, roles):
    roles["own"] = role_scoped(roleid="103", scope=DataScope.OWN)
    li, wang = person("li", "own"), person("wang", "own")
    shared = add(dorm)
    own = dorm("addRoom", li, building="1号楼", room="101", beds=2)["room_id"]  # the name of a hidden room
    tan, his = students("谭鹏")[0], students("学员", created_by_id=li.user.pk)[0]
    dorm("checkIn", sId=tan.sid, room_id=own)  # 主管 sees all

    assert [row["room_id"] for row in dorm("getRooms", li)["data"]] == [own]
    assert dorm("getRooms", wang)["data"] == []
    row = dorm("getRooms", li)["data"][0]
    assert (row["occupied"], row["students"]) == (1, []) and dorm("getRooms", li, key="谭")["data"] == []
    unknown = {"status": 1005, "state": False, "msg": "没有该数据"}
    assert dorm("checkIn", li, sId=his.sid, room_id=shared) == unknown
    assert dorm("checkIn", li, sId=tan.sid, room_id=own) == dorm("checkOut", li, sId=tan.sid) == unknown
    assert dorm("updateRoom", wang, room_id=own, beds=4) == dorm("delRoom", wang, room_id=own) == unknown
    assert dorm("checkIn", li, sId=his.sid, room_id=own)["state"] is True


def test_a_scope_that_sees_all_changes_its_own(dorm, person, roles):
    roles["change_own"] = role_scoped(roleid="103", scope=DataScope.CHANGE_OWN)
    li = person("li", "change_own")
    shared = add(dorm)
    tan = move_in(dorm, "谭鹏", room=shared)[0]

    answers = [
        dorm("updateRoom", li, room_id=shared, beds=4),
        dorm("delRoom", li, room_id=shared),
        dorm("checkOut", li, sId=tan.sid),
    ]

    assert dorm("getRooms", li)["data"][0]["students"][0]["name"] == "谭鹏"
    assert {answer["code"] for answer in answers} == {"10026"}
