"""班级 in the back office: found, opened, renamed, merged, split, ended and taken back by who may; nobody else."""

import pytest
from django.contrib.auth.models import Permission

from accounts.models import User
from permissions.models import Role
from students.classes import class_rows
from students.models import ClassState, SchoolClass, Student, TransferRun
from students.panels import Panel, class_panels
from students.tests.factories import students
from students.tests.test_class_steps import accounts, names
from students.tests.transfers import LIST, checked, decide, line, put_aside, question, sheet, undone
from students.tests.transfers import text_of as run_text
from tests.kit import logged_in, posted_of, save_page

pytestmark = pytest.mark.django_db
CLASSES = "/admin/students/schoolclass/"


@pytest.fixture
def school(root, sent_tasks):
    people = students("王芳", "李雷", class_name="H1") + students("周杰", class_name="H2")
    accounts("H1", *people[:2])
    class_rows()
    return people


def text_of(page):
    return b"".join(page).decode()


def class_pk(name):
    return SchoolClass.objects.get(name=name).pk


def step(office, school_class, what, **values):
    url = f"{CLASSES}{class_pk(school_class)}/{what}/"
    page = office.get(url)
    assert page.status_code == 200, page
    return office.post(url, posted_of(page) | values, follow=True)


def test_the_list_counts_and_the_page_shows_who_is_in_the_class(office, school, monkeypatch, django_assert_num_queries):
    page = text_of(office.get(CLASSES))
    assert "H1" in page and "共 2 条" in page

    found = text_of(office.get(f"{CLASSES}?q=H2"))
    assert "H2" in found and ">H1<" not in found
    monkeypatch.setitem(class_panels, "test", lambda request, row: Panel("床位", f"{row.name} 的床位"))
    page = office.get(f"{CLASSES}{class_pk('H1')}/change/").content.decode()
    assert all(text in page for text in ("王芳", "李雷", school[0].sid.lower(), "H1 的床位", "学员（2）", "账号（2）"))
    assert "周杰" not in page
    SchoolClass.objects.bulk_create(SchoolClass(name=f"K{n}") for n in range(9))
    office.get(CLASSES)
    with django_assert_num_queries(8):
        office.get(CLASSES)


def test_who_has_left_a_class_takes_no_seat_in_it(office, school, root):
    students("在休", class_name="H2", state="suspended")
    left = students("何一诺", "陈晨", class_name="H2", state="withdrawn")
    SchoolClass.objects.filter(name="H2").update(capacity=4)

    rows = {row.name: row.number for row in office.get(CLASSES).context["cl"].result_list}
    assert rows == {"H1": 2, "H2": 2}
    assert "学员（4，其中 2 名已经离开）" in text_of(office.get(f"{CLASSES}{class_pk('H2')}/change/"))
    assert "H2（2 名，容量 4）" in text_of(office.get(f"{CLASSES}{class_pk('H1')}/merge/"))
    moved = [line(n, 学号=one.sid, 姓名=one.name, 班级="H1") for n, one in enumerate(left)]
    SchoolClass.objects.filter(name="H1").update(capacity=2)
    assert "H1 会有" not in run_text(office, checked(sheet(*moved), root.user))
    many, address = question(office, "edit_many", *left)
    office.post(address, posted_of(many) | {"class_name": "H1"})
    assert len(names("H1")) == 4 and len(office.get(f"{LIST}?class=H1&state=在册").context["cl"].result_list) == 2
    step(office, "H1", "split", after="H2", pks=[str(one.pk) for one in left])
    step(office, "H1", "merge", after="H2")

    assert len(names("H2")) == 6  # four of them there: nothing asked


def test_a_class_is_planned_changed_and_deleted_while_it_is_empty(office, school, root):
    form = {"name": " h9 ", "state": "open", "begins_on": "2026-12-01", "ends_on": "2027-03-01", "capacity": "40"}
    office.post(f"{CLASSES}add/", form)
    row = SchoolClass.objects.get(name="H9")
    page = save_page(office, f"{CLASSES}{row.pk}/change/", head_teacher=root.user.pk, room="301", name="X")
    assert page.status_code == 302
    row.refresh_from_db()
    assert (row.name, row.room, row.head_teacher, row.capacity) == ("H9", "301", root.user, 40)
    wrong = save_page(office, f"{CLASSES}{row.pk}/change/", ends_on="2026-11-01")
    assert "结业日期早于开班日期" in text_of(wrong)
    again = office.post(f"{CLASSES}add/", form).content.decode()
    assert "已存在" in again

    assert office.post(f"{CLASSES}{class_pk('H1')}/delete/", {"post": "yes"}).status_code == 403
    office.post(f"{CLASSES}{row.pk}/delete/", {"post": "yes"})
    assert set(SchoolClass.objects.values_list("name", flat=True)) == {"H1", "H2"}


def test_each_step_shows_what_goes_along_and_does_it(office, school):
    put_aside(school[1])
    assert "1 名学员、1 名已归档学员、2 个账号" in text_of(office.get(f"{CLASSES}{class_pk('H1')}/rename/"))
    answer = text_of(step(office, "H1", "rename", after="h9"))
    assert names("H9") == ["王芳"] and "改名 H1 → H9" in answer and "撤销这次修改" in answer

    ended = "H9 没有学员了，状态改为结业。"
    assert ended in text_of(office.get(f"{CLASSES}{class_pk('H9')}/merge/"))
    assert ended in text_of(step(office, "H9", "merge", after="H2"))
    assert names("H2") == ["周杰", "王芳"] and SchoolClass.objects.get(name="H9").state == ClassState.ENDED
    step(office, "H2", "split", after="H7", pks=[str(school[2].pk)])
    assert names("H7") == ["周杰"]
    step(office, "H2", "end", on="2026-11-30", fate="disable")

    assert Student.objects.get(name="王芳").state == "graduated"
    assert SchoolClass.objects.get(name="H2").state == ClassState.ENDED
    assert User.objects.filter(class_name="H2", is_active=True).count() == 1  # the archived one's stays


def test_a_roster_that_has_changed_and_bad_input_change_nothing(office, school):
    url = f"{CLASSES}{class_pk('H1')}/rename/"
    form = posted_of(office.get(url)) | {"after": "H9"}
    students("新人", class_name="H1")

    assert "名单在你确认之前变了" in office.post(url, form).content.decode()
    for what, values in (
        ("rename", {"after": "H2"}),
        ("rename", {"after": ""}),
        ("rename", {"after": "H\x009"}),
        ("rename", {"after": "长" * 65}),
        ("merge", {"after": "H1"}),
        ("split", {"after": "H9", "pks": ["x"]}),
        ("split", {"after": "H9", "pks": [str(school[2].pk)]}),
        ("end", {"on": "0001-01-01"}),
        ("end", {"on": "2026-11-30", "fate": "burn"}),
    ):
        step(office, "H1", what, **values)
        assert names("H1") == ["新人", "李雷", "王芳"] and not TransferRun.objects.exists(), (what, values)
    for path in ("999/rename/", f"{class_pk('H1')}/nope/", "99999999999999999999/rename/"):
        assert office.get(CLASSES + path).status_code in {302, 404}, path


@pytest.mark.parametrize(("what", "size"), [("merge", 3), ("split", 2), ("edit_many", 3)])
def test_a_class_that_gets_more_than_it_has_room_for_is_asked_about(office, school, what, size):
    SchoolClass.objects.filter(name="H2").update(capacity=1)
    many, address = question(office, "edit_many", *school)  # one of them is in H2 already

    def done(**more):
        if what == "edit_many":
            return text_of(office.post(address, posted_of(many) | {"class_name": "H2"} | more))
        chosen = {"pks": [str(school[0].pk)]} if what == "split" else {}
        return text_of(step(office, "H1", what, after="H2", **chosen, **more))

    assert f"H2 会有 {size} 名学员，容量是 1" in done() and names("H2") == ["周杰"]
    done(full="1")

    assert len(names("H2")) == size


def test_an_import_asks_about_a_class_that_has_no_room_for_it(office, school, root):
    SchoolClass.objects.filter(name="H2").update(capacity=2)
    moved = line(1, 学号=school[0].sid, 姓名="王芳", 班级="H2")
    run = checked(sheet(moved, line(2, 班级="H2"), line(3, 班级="H1")), root.user)

    assert "H2 会有 3 名学员，容量是 2，仍然导入" in run_text(office, run)
    assert decide(office, run, "confirm", sure_new="1").state == "ready"
    assert "容量是 2，仍然导入" not in run_text(office, decide(office, run, ticks={3: False}))
    assert decide(office, run, "confirm", ticks={3: True}, sure_new="1", full="1").state == "applying"


def test_who_may_not_change_students_sees_no_step_and_takes_none(office, school, person):
    pk = class_pk("H1")
    viewer = person("看的人", "200", is_staff=True).user
    role = Role.objects.get(roleid="200")
    role.permissions.set(Permission.objects.filter(codename__in=["view_schoolclass", "view_student"]))
    client = logged_in(viewer)

    page = client.get(f"{CLASSES}{pk}/change/").content.decode()
    assert "王芳" in page and "/rename/" not in page and "账号（" not in page
    for what in ("rename", "merge", "split", "end"):
        assert client.get(f"{CLASSES}{pk}/{what}/").status_code == 403
    role.permissions.add(*Permission.objects.filter(codename__in=["change_schoolclass", "change_student"]))
    assert client.get(f"{CLASSES}{pk}/rename/").status_code == 200
    assert "停用" not in client.get(f"{CLASSES}{pk}/end/").content.decode()
    Role.objects.filter(pk=role.pk).update(data_scope="own")
    assert client.get(f"{CLASSES}{pk}/change/").status_code == 302  # none of the students is the viewer's
    assert client.get(f"{CLASSES}{pk}/rename/").status_code in {302, 403}
    Student.objects.filter(name="王芳").update(created_by=viewer)
    page = client.get(f"{CLASSES}{pk}/change/").content.decode()
    assert "王芳" in page and "李雷" not in page and "/rename/" not in page
    assert client.get(f"{CLASSES}{pk}/rename/").status_code == 403


def test_states_are_set_for_one_and_for_many(office, school):
    one = school[2]
    page = office.get(f"{LIST}{one.pk}/state/")
    facts = {"state": "suspended", "on": "2026-11-20", "reason": "生病"}
    answer = office.post(f"{LIST}{one.pk}/state/", posted_of(page) | facts, follow=True).content.decode()
    one.refresh_from_db()
    assert (one.state, str(one.state_on), one.state_reason) == ("suspended", "2026-11-20", "生病")
    assert "<ins>休学</ins>" in answer and "<del>在读</del>" in answer

    chosen = {"action": "set_state", "_selected_action": [row.pk for row in school[:2]]}
    page = office.post(LIST, chosen)
    office.post(LIST, posted_of(page) | {"state": "withdrawn", "on": "2026-11-21", "fate": "disable"})

    assert set(Student.objects.filter(class_name="H1").values_list("state", flat=True)) == {"withdrawn"}
    assert not User.objects.filter(class_name="H1", is_active=True).exists()
    shown = text_of(office.get(f"{LIST}?state=退学"))
    assert "王芳" in shown and "周杰" not in shown
    undone(TransferRun.objects.latest("pk"))
    assert User.objects.filter(class_name="H1", is_active=True).count() == 2


def test_the_archive_asks_about_accounts(office, school):
    chosen = {"action": "archive", "_selected_action": [row.pk for row in school[:2]]}
    page = office.post(LIST, chosen)
    assert "学员的账号" in page.content.decode()
    fewer = posted_of(page) | {"fate": "disable", "_selected_action": [school[0].pk]}
    assert "没有归档任何学员" in office.post(LIST, fewer).content.decode() and len(names("H1")) == 2

    office.post(LIST, posted_of(page) | {"fate": "disable"})

    assert [user.is_active for user in User.objects.filter(class_name="H1")] == [False, False] and names("H1") == []
