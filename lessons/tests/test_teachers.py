"""Whose class it is: every button of 课堂 for root, the teachers of two classes, and staff without the right."""

import re

import pytest
from django.contrib.auth.models import Permission
from django.db import transaction

from accounts.errors import ClassAccountsRefused
from accounts.models import User
from accounts.services.class_accounts import Trainee
from accounts.tests.entering import age, asks
from accounts.tokens import token_issue
from conftest import ApiClient
from core.cache import valkey
from lessons import services
from lessons.class_switches import PRESETS
from lessons.models import Plan
from lessons.selectors import teacher_names
from lessons.services import class_open, class_take
from permissions.gate import read_only_until
from permissions.models import DataScope, Role
from practice.models import Invitation
from sandbox.switches import switches_on
from students.models import SchoolClass, Student
from students.tests.factories import FIELDS, students
from tests.kit import at_once, logged_in, meet_at

pytestmark = pytest.mark.django_db
PAGE = "/admin/classroom/"
PEOPLE = ("root", "teacher of A", "teacher of B", "staff")


@pytest.fixture
def people(office, person, roles):
    """Two classes of two, each with a teacher; a member of staff with all other rights. Browsers by who it is."""
    roles["103"].permissions.add(Permission.objects.get(codename="teach"))
    made, root = {"root": office}, User.objects.get(username="root")
    for name in "AB":
        class_open(f"H{name}", [Trainee("李雷"), Trainee("韩梅梅")], "102", "own", 2, by=root)
        teacher = person(f"teacher-{name}", "103", is_staff=True).user
        SchoolClass.objects.get(name=f"H{name}").teachers.add(teacher)
        made[f"teacher of {name}"] = logged_in(teacher)
    made["staff"] = logged_in(person("staff", "102", is_staff=True).user)
    return made


def li():
    return User.objects.get(username="ha-01")


def of_page(do, **fields):
    return lambda browser: browser.post(PAGE, {"do": do, "class_name": "HA", "sure": "1"} | fields)


def of_lesson(do, **fields):
    return lambda browser: browser.post(f"{PAGE}HA/", {"do": do.format(li().pk), "sure": "1"} | fields)


def get(path):
    return lambda browser: browser.get(path)


def open_class(browser):
    return browser.post(PAGE, {"class_name": "HA", "role": "200", "scope": "own", "names": "王五"})


def password_of(username):
    return User.objects.get(username=username).password


def entered():
    return Student.objects.filter(created_by__class_name="HA", name=FIELDS["name"]).count()


# What each button does, and who may; the last is what it changes.
BUTTONS = {
    "the lesson": (get(f"{PAGE}HA/"), None),
    "its rows": (get(f"{PAGE}HA/?format=rows"), None),
    "its file": (get(f"{PAGE}HA/?format=csv"), None),
    "more accounts": (open_class, lambda: User.objects.filter(class_name="HA").count()),
    "new passwords": (of_page("reset"), lambda: password_of("ha-01")),
    "delete": (of_page("delete"), lambda: User.objects.filter(class_name="HA").count()),
    "read only": (of_page("read_only", minutes="15"), lambda: bool(read_only_until("HA"))),
    "an invitation": (of_page("invite", days="7", places="9"), lambda: Invitation.objects.count()),
    "the end": (of_page("end"), lambda: User.objects.filter(ends_at=None).count()),
    "one new password": (of_lesson("password {}"), lambda: password_of("ha-01")),
    "clear one": (of_lesson("keep {}"), entered),
    "clear all": (of_lesson("renew all"), entered),
    "checkpoints": (of_lesson("plan", checkpoints="list"), lambda: Plan.objects.count()),
    "fault": (of_lesson("", preset="弱网", minutes="5"), lambda: len(switches_on())),
    "a second teacher": (of_lesson("teacher", username="teacher-B"), lambda: len(teacher_names("HA"))),
    "hand over": (of_lesson("hand_over", username="teacher-B"), lambda: teacher_names("HA")),
}
ROOTS = {"hand over"}


def test_each_button_is_for_its_people(people):
    ApiClient(token_issue(li()), li()).post("/students/addstu", FIELDS)

    def of_others():
        return password_of("hb-01"), User.objects.filter(class_name="HB").count(), teacher_names("HB")

    others = of_others()
    for button, (click, effect) in BUTTONS.items():
        allowed, before = PEOPLE[: 1 if button in ROOTS else 2], effect and effect()
        for stranger in PEOPLE[len(allowed) :]:
            answer = click(people[stranger])
            assert answer.status_code in ((403,) if stranger == "staff" else (403, 404)) or "已经有人用" in answer.text
            assert not effect or effect() == before, (button, stranger)
        for who in allowed:
            with transaction.atomic():  # and taken back, for the next one
                answer = click(people[who])
                assert answer.status_code in (200, 302) and "已经有人用" not in answer.text, (button, who)
                assert not effect or effect() != before, (button, who)
                assert of_others() == others, (button, who)
                transaction.set_rollback(True)
            valkey.client().flushdb()


@pytest.mark.parametrize("click", [of_page, of_lesson])
def test_from_either_page_a_button_that_reaches_beyond_the_lesson_asks_for_the_password(people, click):
    browser, passwords = age(people["teacher of A"], hours=2), password_of("ha-01")

    for do in ("read_only", "invite", "end", "reset", "delete", "password {}"):
        assert asks(click(do, minutes="15", days="7", places="9")(browser)), do

    assert password_of("ha-01") == passwords and not read_only_until("HA") and not Invitation.objects.exists()
    assert User.objects.filter(class_name="HA", ends_at=None).count() == 2


def test_the_demo_is_put_back_by_root_alone(people):
    for do in ("demo", "demo_shop"):
        assert [of_page(do)(people[who]).status_code for who in PEOPLE[1:]] == [403] * 3


def test_the_page_shows_a_teacher_the_own_classes(people):
    assert people["staff"].get(PAGE).status_code == 403
    pages = {who: people[who].get(PAGE) for who in PEOPLE}

    shown = {who: [name for name in ("HA", "HB") if f"{PAGE}{name}/" in page.text] for who, page in pages.items()}
    assert shown == {"root": ["HA", "HB"], "teacher of A": ["HA"], "teacher of B": ["HB"], "staff": []}
    assert "恢复原样" in pages["root"].text and "恢复原样" not in pages["teacher of A"].text
    assert PAGE in people["teacher of A"].get("/admin/").text and PAGE not in people["staff"].get("/admin/").text
    users = "/admin/accounts/user/?q="  # who may not open the list of users gets no link to it
    assert [users in pages[who].text for who in PEOPLE[:2]] == [True, False]
    missing, hidden = (people["teacher of A"].get(f"{PAGE}{name}/") for name in ("H%00", "HB"))
    assert (missing.status_code, hidden.status_code) == (404, 404)


def test_a_class_of_any_name_that_nobody_has_joined_yet_has_its_page(people):
    name, teacher = "一班/2 #?", User.objects.get(username="teacher-A")
    SchoolClass.objects.create(name=name).teachers.add(teacher)
    [address] = {*re.findall(f'href="({PAGE}[^"]*2[^"#]*/)"', people["teacher of A"].get(PAGE).text)}

    assert people["teacher of A"].post(address, {"do": "plan", "checkpoints": "list"}).status_code == 302
    assert Plan.objects.get().school_class.name == name
    page = people["teacher of A"].get(address).text
    assert name in page and "<th>被拒绝</th>" in page  # who joins is added below the titles
    assert people["teacher of A"].get(address, {"format": "csv"}).status_code == 200
    assert people["teacher of B"].get(address).status_code == 404


def test_an_account_is_linked_to_a_student_of_the_own_classes_alone(people):
    """Whoever has the slip would else be the student of another class: sign there, and see what is the student's."""
    pairs = [students(name, class_name=class_name)[0] for name, class_name in (("王芳", "HA"), ("赵六", "HB"))]
    names = "\n".join(f"{one.name} {one.sid}" for one in pairs)

    people["teacher of A"].post(PAGE, {"class_name": "HA", "role": "200", "scope": "own", "names": names})

    assert User.objects.filter(username__in=[one.sid.lower() for one in pairs]).count() == 2
    linked = Student.objects.filter(pk__in=[one.pk for one in pairs]).exclude(account=None)
    assert [one.name for one in linked] == ["王芳"]


def test_the_menu_has_it_below_system_whatever_else_a_teacher_may_see(people):
    Role.objects.get(roleid="103").permissions.set(Permission.objects.filter(codename__in=["teach", "view_session"]))

    *_, last = people["teacher of A"].get("/admin/").context["sidebar_navigation"]

    assert (last["title"], [item["title"] for item in last["items"]]) == ("系统", ["课堂"])


def test_who_opens_a_class_is_its_teacher(people):
    form = {"class_name": "HC", "role": "102", "scope": "own", "names": "王五"}

    people["teacher of A"].post(PAGE, form)
    second = people["teacher of B"].post(PAGE, form | {"names": "赵六"})

    assert teacher_names("HC") == ["teacher-A"] and "已经有人用" in second.text
    user = User.objects.get(class_name="HC")
    assert (user.nickname, user.role.data_scope, user.is_staff) == ("王五", DataScope.OWN, False)


def test_a_teacher_gives_no_more_than_ones_own_school(people):
    """An account that saw all students would show them to its teacher, who may not see them."""
    Student.objects.create(sid="A1", name="谭鹏", age=21, class_name="H51901")
    form = {"class_name": "HC", "role": "102", "scope": "own", "names": "王五"}

    for fields in ({"scope": ""}, {"scope": "all"}, {"role": "1"}, {"students_of": "H51901", "names": ""}):
        assert people["teacher of A"].post(PAGE, form | fields).status_code == 200
        assert not User.objects.filter(class_name="HC").exists(), fields


@pytest.mark.parametrize("fields", [{"is_staff": True}, {"role": "1"}])
def test_a_teacher_gets_no_password_of_staff(people, fields):
    fields = {**fields, "role": Role.objects.get(roleid=fields.get("role", "102"))}
    User.objects.filter(username="ha-02").update(**fields)
    before = password_of("ha-02")
    staff = User.objects.get(username="ha-02")

    people["teacher of A"].post(PAGE, {"do": "reset", "class_name": "HA", "sure": "1"})
    one = people["teacher of A"].post(f"{PAGE}HA/", {"do": f"password {staff.pk}", "sure": "1"})
    people["teacher of A"].post(PAGE, {"do": "delete", "class_name": "HA", "sure": "1"})

    assert password_of("ha-02") == before and one.status_code == 404
    assert not User.objects.filter(username="ha-01").exists()


def test_a_reload_shows_the_same_slips_and_another_browser_none(people, client):
    browser = people["teacher of A"]
    shown = browser.post(PAGE, {"do": "reset", "class_name": "HA", "sure": "1"}, follow=True)
    [first, _] = shown.context["slips"]

    again = browser.get("/admin/slips/")

    assert first in again.context["slips"] and User.objects.get(username="ha-01").check_password(first.password)
    assert "no-store" in again["Cache-Control"]
    other = logged_in(User.objects.get(username="teacher-A")).get("/admin/slips/", follow=True)
    assert first.password not in other.text and "过期" in other.text


def test_a_teacher_switches_the_own_class(people):
    teacher = ApiClient(token_issue(User.objects.get(username="teacher-A")))

    def status(**fields):
        return teacher.post("/sandbox/control/calls", {"answer": "503"} | fields).status_code

    other = User.objects.get(username="hb-01").unid
    assert [status(class_name="HA"), status(unid=li().unid)] == [200, 200]
    assert [status(class_name="HB"), status(unid=other), status(class_name="\x00")] == [404, 404, 404]
    assert {one.unid for one in switches_on()} == set(
        User.objects.filter(class_name="HA").values_list("unid", flat=True)
    )
    trainee = ApiClient(token_issue(li()))
    assert trainee.post("/sandbox/control/calls", {"off": True}).status_code == 403
    assert status(class_name="HA", off=True) == 200 and not switches_on()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_locked", [True, False], ids=["locked", "twin"])
def test_of_two_who_open_a_class_at_once_one_is_its_teacher(roles, person, monkeypatch, is_locked):
    SchoolClass.objects.create(name="HC")
    meet_at(monkeypatch, "lessons.services.users_of_class")  # who is its teacher has been read
    if not is_locked:
        monkeypatch.setattr(services, "_class_locked", lambda name: SchoolClass.objects.get(name=name))
    roles["103"].permissions.add(Permission.objects.get(codename="teach"))
    users = [person(f"t{number}", "103", is_staff=True).user for number in range(2)]

    outcomes = at_once([lambda user=user: class_take(user, "HC") for user in users], refusals=(ClassAccountsRefused,))

    assert sum(isinstance(one, ClassAccountsRefused) for one in outcomes) == (1 if is_locked else 0)
    assert len(teacher_names("HC")) == (1 if is_locked else 2)


def test_a_preset_is_on_for_the_class_with_a_countdown_and_off_again(people):
    teacher, page = people["teacher of A"], f"{PAGE}HA/"
    trainee = ApiClient(token_issue(li()), li())
    own = User.objects.get(username="ha-02")
    ApiClient(token_issue(own), own).post("/sandbox/control/calls", {"answer": "503", "calls": ["/verify"]})

    teacher.post(page, {"preset": "token 过期", "minutes": "5"})

    assert trainee.get("/students/getstulist").json()["code"] == "1004"
    assert {(one.name, one.answer, one.is_of_teacher) for one in switches_on()} == {("token 过期", "expired", True)}
    shown = teacher.get(page).text
    assert "2 个" in shown and f'data-ends="{switches_on()[0].ends_at}"' in shown
    assert "token 过期" in teacher.get(PAGE).text and "data-ends" not in people["teacher of B"].get(PAGE).text

    teacher.post(page, {"do": "fault_off"})

    assert not switches_on() and "data-ends" not in teacher.get(page).text
    assert trainee.get("/students/getstulist").json()["state"] is True


def test_a_switch_of_a_trainee_is_shown_and_stays(people):
    trainee = ApiClient(token_issue(li()), li())
    trainee.post("/sandbox/control/calls", {"delay_ms": 100, "rate": 0.5, "calls": ["/verify"]})

    shown = people["teacher of A"].get(f"{PAGE}HA/").text
    people["teacher of A"].post(f"{PAGE}HA/", {"do": "fault_off"})

    assert "延迟 100–100 毫秒；50% 的调用；/verify" in shown and "自己打开的" in shown
    assert [one.unid for one in switches_on()] == [trainee.user.unid]


def test_each_preset_is_a_switch_and_what_is_none_changes_nothing(people):
    def said(**fields):
        return people["teacher of A"].post(f"{PAGE}HA/", {"preset": "弱网", "minutes": "5"} | fields, follow=True).text

    for fields in ({"preset": "没有"}, {"minutes": "999"}, {"minutes": "x"}):
        assert "没有这个故障" in said(**fields) and not switches_on()
    for name in PRESETS:
        assert f"HA：{name} 5 分钟" in said(preset=name) and {one.name for one in switches_on()} == {name}
