"""The dormitory's pages: rooms, beds, who may what."""

from io import BytesIO
from itertools import pairwise

import pytest
from auditlog.models import LogEntry
from django.contrib.auth.models import Permission
from django.utils import timezone
from openpyxl import load_workbook

from dormitory.models import Room, Stay
from dormitory.selectors import rooms
from dormitory.services import check_in, check_out, room_add
from permissions.models import DataScope, Role
from permissions.scope import Scope
from students.classes import class_get
from students.tests.factories import students
from tests.kit import logged_in, messages_of, save_page, text_of

pytestmark = pytest.mark.django_db
LIST, BEDS = "/admin/dormitory/room/", "/admin/dormitory/room/beds/"


@pytest.fixture
def room():
    return room_add(building="1号楼", name="101", beds=2, gender="男")


def sleeper(name, room, **fields):
    [student] = students(name, **fields)
    check_in(sid=student.sid, room_pk=room.pk, now=timezone.now())
    return student


def press(office, student, place):
    form = {"student": student.sid, "place": place}
    return office.post(f"{BEDS}?building=1号楼&student={student.sid}", form, follow=True)


def test_rooms_are_added_and_changed_by_the_rules_of_the_calls(office, room):
    sleeper("谭鹏", room, gender="男")

    office.post(f"{LIST}add/", {"building": "1号楼", "name": "102", "beds": 4, "gender": "女"})
    again = office.post(f"{LIST}add/", {"building": "1号楼", "name": "102", "beds": 4, "gender": "女"})
    refused = save_page(office, f"{LIST}{room.pk}/change/", gender="女")

    assert Room.objects.get(name="102").beds == 4 and Room.objects.count() == 2
    assert "该房间已存在" in again.text
    assert Room.objects.get(pk=room.pk).gender == "男" and "该房间只住女学员" in refused.text
    assert "谭鹏" in office.get(f"{LIST}{room.pk}/change/").text


def test_rooms_whose_numbers_follow_each_other_are_added_at_once(office):
    form = {"building": "1号楼", "beds": 4, "gender": "女"}

    said = office.post(f"{LIST}add/", form | {"name": "098-101"}, follow=True)
    clash, many = (office.post(f"{LIST}add/", form | {"name": name}) for name in ("101-103", "100-999"))
    for name in ("1-301", "306-301"):  # the first room of a flat, and no range
        office.post(f"{LIST}add/", form | {"name": name})

    assert "新增了 4 间" in text_of(said)
    assert "该房间已存在" in clash.text and "一次最多新增 50 间" in many.text
    assert {room.name for room in Room.objects.all()} == {"098", "099", "100", "101", "1-301", "306-301"}
    assert set(Room.objects.values_list("beds", "gender")) == {(4, "女")}


def test_of_chosen_rooms_all_are_removed_or_none(office, room, monkeypatch):
    other = room_add(building="1号楼", name="102", beds=2, gender="男")
    sleeper("谭鹏", other, gender="男")
    # He moves in after the page has been made.
    monkeypatch.setattr("dormitory.admin.RoomAdmin.get_deleted_objects", lambda *_: ([], {}, set(), []))

    answer = office.post(LIST, {"action": "delete_selected", "post": "yes", "_selected_action": [room.pk, other.pk]})

    assert answer.status_code == 403 and not Room.objects.exclude(removed_at=None).exists()


def test_a_student_moves_in_to_another_bed_and_out(office, room):
    [tan] = students("谭鹏", gender="男")
    students("谭走", state="withdrawn")
    found = text_of(office.get(f"{BEDS}?building=1号楼&q=谭"))
    assert f"student={tan.sid}" in found and "谭鹏（H51901）" in found and "谭走" not in found
    students(*(f"王{number}" for number in range(11)))
    assert "只列出 10 名" in text_of(office.get(f"{BEDS}?q=王")) and "只列出" not in found

    assert messages_of(press(office, tan, f"{room.pk}-2")) == ["谭鹏：入住完成，1号楼 101 2号床"]
    assert messages_of(press(office, tan, f"{room.pk}-1")) == ["谭鹏：换床完成，1号楼 101 1号床"]
    assert messages_of(press(office, tan, "out")) == ["谭鹏：退宿完成，1号楼 101 1号床"]
    moves = LogEntry.objects.get_for_object(tan).order_by("pk").values_list("action", "changes")
    beds = ["", "1号楼 101 2号床", "1号楼 101 1号床", ""]
    assert list(moves) == [(LogEntry.Action.UPDATE, {"床位": [*pair]}) for pair in pairwise(beds)]

    assert [stay.ends_at is None for stay in Stay.objects.all()] == [False, False]


def test_who_is_refused_another_bed_stays_where_he_was(office, room):
    tan = sleeper("谭鹏", room, gender="男")
    women = room_add(building="1号楼", name="102", beds=2, gender="女")

    places = (f"{women.pk}-1", "x", "987654321-9", f"{room.pk}-3")
    answers = [messages_of(press(office, tan, place)) for place in places]

    assert answers == [["该房间只住女学员"], ["没有该数据"], ["没有该数据"], ["该房间只有2个床位"]]
    assert Stay.objects.get().ends_at is None


def test_the_page_finds_a_student_in_any_building_and_free_beds(office, room):
    other = room_add(building="2号楼", name="201", beds=1, gender="不限")
    sleeper("谭鹏", other)

    def rooms(query):
        return [str(one) for one, _ in office.get(f"{BEDS}?{query}").context["rooms"]]

    assert rooms("building=1号楼&key=谭") == ["2号楼 201"]
    assert rooms("building=2号楼") == ["2号楼 201"] and rooms("building=2号楼&free=1") == []
    assert rooms("") == rooms("building=%00没有") == ["1号楼 101"]


def test_the_list_for_the_house_names_every_bed(office, room):
    tan = sleeper("谭鹏", room)

    book = load_workbook(BytesIO(office.get(f"{LIST}export/").content))

    rows = [[cell.value for cell in row][:6] for row in book["床位"].iter_rows()][1:]
    assert rows == [["1号楼", "101", 1, "谭鹏", tan.sid, "H51901"], ["1号楼", "101", 2, None, None, None]]


def test_the_pages_of_class_and_student_show_the_bed(office, room):
    tan = sleeper("谭鹏", room)
    school_class = class_get("H51901")

    of_class = text_of(office.get(f"/admin/students/schoolclass/{school_class.pk}/change/"))
    of_student = text_of(office.get(f"/admin/students/student/{tan.pk}/change/"))

    assert "1号楼 101</a>" in of_class
    assert "1号楼 101 1号床" in of_student and f"{BEDS}?student={tan.sid}" in of_student


def test_a_room_is_deleted_once_it_is_empty(office, room):
    tan = sleeper("谭鹏", room)
    page = f"{LIST}{room.pk}/delete/"

    assert "该房间还有学员" in text_of(office.get(page))
    office.post(page, {"post": "yes"})
    assert rooms().exists()
    check_out(sid=tan.sid, now=timezone.now())
    office.post(page, {"post": "yes"})

    assert not rooms().exists() and Stay.objects.get().room == room


@pytest.mark.parametrize(
    ("rights", "may_see", "may_press"), [((), False, False), (("view",), True, False), (("view", "change"), True, True)]
)
def test_each_right_opens_its_part(person, roles, room, rights, may_see, may_press):
    role = Role.objects.create(roleid="310", name="宿管")
    role.permissions.set(Permission.objects.filter(codename__in=[f"{right}_room" for right in rights]))
    roles["310"] = role
    browser = logged_in(person("keeper", "310", is_staff=True).user)
    [tan] = students("谭鹏")

    assert (browser.get(BEDS).status_code == 200) is may_see
    browser.post(BEDS, {"student": tan.sid, "place": f"{room.pk}-1"})

    assert Stay.objects.exists() is may_press


def test_a_bed_of_a_student_out_of_sight_is_shown_as_taken_and_the_house_is_not_exported(person):
    Role.objects.filter(roleid="102").update(data_scope=DataScope.OWN)
    li = person("li", "102", is_staff=True).user
    own = room_add(building="1号楼", name="101", beds=2, gender="不限", scope=Scope(DataScope.OWN, li.pk))
    sleeper("谭隐", own)
    browser = logged_in(li)

    page = text_of(browser.get(BEDS))

    assert "已有人" in page and "谭隐" not in page and browser.get(f"{LIST}export/").status_code == 403


def test_the_entry_names_the_bed_that_is_left_also_in_a_room_out_of_sight(person, room):
    Role.objects.filter(roleid="102").update(data_scope=DataScope.OWN)
    li = person("li", "102", is_staff=True).user
    tan = sleeper("谭鹏", room, created_by=li)

    assert messages_of(press(logged_in(li), tan, "out")) == ["谭鹏：退宿完成，1号楼 101 1号床"]
    assert LogEntry.objects.get_for_object(tan).first().changes == {"床位": ["1号楼 101 1号床", ""]}
