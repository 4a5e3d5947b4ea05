"""The account of a student: linked when it is made for the class or by hand, and managed by who may."""

import pytest
from django.contrib.auth.models import Permission
from django.utils import timezone

from accounts.models import User
from accounts.services.class_accounts import Trainee
from lessons.services import class_open
from permissions.models import Role
from students.models import Student
from students.recorded_changes import change_record
from students.services import student_edit
from students.tests.factories import students
from students.tests.test_class_steps import accounts
from students.tests.transfers import LIST, undone
from tests.kit import logged_in, save_page

pytestmark = pytest.mark.django_db


@pytest.fixture
def wang(root, sent_tasks):
    [row] = students("王芳", class_name="H1")
    accounts("H1", row)
    return row


def page(office, row):
    return office.get(f"{LIST}{row.pk}/change/").content.decode()


def act(office, row, **values):
    return office.post(f"{LIST}{row.pk}/account/", values, follow=True)


def test_accounts_made_for_a_class_belong_to_its_students(root):
    rows = students("王芳", "李雷", class_name="H1")
    named = [Trainee("王芳", rows[0].sid), Trainee("李雷", rows[1].sid.lower()), Trainee("韩梅梅")]

    class_open("H1", named, "200", "", 0, by=root.user)

    pairs = dict(Student.objects.values_list("sid", "account__username"))
    assert pairs == {row.sid: row.sid.lower() for row in rows}


def test_the_student_shows_the_account_and_the_user_the_student(office, wang):
    shown = page(office, wang)
    assert wang.sid.lower() in shown and "从未登录" in shown and "重设密码，打印账号条" in shown and "录入" in shown
    user = office.get(f"/admin/accounts/user/{wang.account_id}/change/").content.decode()
    assert f"/admin/students/student/{wang.pk}/change/" in user and "王芳（H1）" in user


@pytest.mark.parametrize(("is_of_its_class", "by_staff"), [(True, True), (False, True), (True, False)])
def test_one_student_takes_the_account_along_to_another_class_by_staff_alone(office, wang, is_of_its_class, by_staff):
    if not is_of_its_class:
        User.objects.filter(pk=wang.account_id).update(class_name="H7")

    if by_staff:
        save_page(office, f"{LIST}{wang.pk}/change/", class_name="H2")
    else:
        student_edit(sid=wang.sid, changes={"class_name": "H2"}, now=timezone.now())

    assert Student.objects.get().class_name == "H2"
    stays = "H7" if not is_of_its_class else "H1"
    assert User.objects.get(pk=wang.account_id).class_name == ("H2" if is_of_its_class and by_staff else stays)


@pytest.mark.parametrize(("after", "follows"), [("H2", True), ("H" * 40, False)])  # longer than an account's may be
def test_many_students_take_their_accounts_along_and_back(wang, after, follows):
    run = change_record("班级", [wang], [{"class_name": ("H1", after)}], user_pk=None, now=timezone.now())
    assert User.objects.get(pk=wang.account_id).class_name == (after if follows else "H1")

    undone(run)

    assert (Student.objects.get().class_name, User.objects.get(pk=wang.account_id).class_name) == ("H1", "H1")


def test_disabled_enabled_taken_off_and_put_on_again(office, wang):
    act(office, wang, do="disable")
    assert not User.objects.get(pk=wang.account_id).is_active
    act(office, wang, do="enable")
    assert User.objects.get(pk=wang.account_id).is_active
    act(office, wang, do="unlink")
    assert Student.objects.get().account_id is None
    assert f'value="{wang.sid.lower()}"' in page(office, wang)  # suggested by the name
    act(office, wang, do="link", username=wang.sid.lower())
    assert Student.objects.get().account_id == wang.account_id


def test_a_slip_has_the_new_password(office, wang, client):
    answer = office.post(f"/admin/student-slip/{wang.pk}/", follow=True)

    slip = answer.context["slips"][0]
    assert (slip.name, slip.number, slip.username) == ("王芳", wang.sid, wang.sid.lower())
    assert User.objects.get(pk=wang.account_id).check_password(slip.password)
    assert office.get(f"/admin/student-slip/{wang.pk}/").status_code == 403


@pytest.mark.parametrize("username", ["root", "没有", "", "a\x00b", "x" * 200, "王芳的"])
def test_no_account_of_staff_none_that_is_not_there_and_none_that_is_anothers(office, wang, root, username):
    User.objects.filter(pk=root.user.pk).update(is_staff=True)
    row = students("李雷")[0]
    names = {"root": root.user.username, "王芳的": wang.sid.lower()}

    answer = act(office, row, do="link", username=names.get(username, username))

    reason = "已经属于另一名学员" if username == "王芳的" else "没有这个学员账号"
    assert reason in answer.content.decode() and Student.objects.get(pk=row.pk).account_id is None


def test_a_clerk_manages_the_accounts_of_classes_alone_and_with_the_right_alone(person, wang, office):
    clerk, lbw = person("clerk", "103", is_staff=True).user, person("lbw", "102").user
    browser, role = logged_in(clerk), Role.objects.get(roleid="103")
    assert "重设密码，打印" not in page(browser, wang)
    assert act(browser, wang, do="disable").status_code == 403
    assert browser.post(f"/admin/student-slip/{wang.pk}/").status_code == 403

    role.permissions.add(Permission.objects.get(codename="account_student"))
    act(browser, wang, do="disable")
    assert not User.objects.get(pk=wang.account_id).is_active
    row = students("李雷")[0]
    assert "没有这个学员账号" in act(browser, row, do="link", username="lbw").content.decode()
    Student.objects.filter(pk=row.pk).update(account=lbw)  # root has linked it
    assert "重设密码，打印" not in page(browser, row)
    before = User.objects.get(pk=lbw.pk).password
    browser.post(f"/admin/student-slip/{row.pk}/")
    act(browser, row, do="disable")
    assert "没有可以管理的账号" in act(browser, row, do="unlink").content.decode()
    assert Student.objects.get(pk=row.pk).account == lbw
    assert User.objects.filter(pk=lbw.pk, password=before, is_active=True).exists()
    Role.objects.filter(pk=role.pk).update(data_scope="change_own")
    assert act(browser, wang, do="enable").status_code == 403
    assert browser.post(f"/admin/student-slip/{wang.pk}/").status_code == 403
