"""Before what is dangerous the password is asked for again, and nothing of what was sent is lost."""

import re

import pytest
from django.contrib.auth.models import Permission
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from accounts.services import login
from accounts.tests.entering import PASSWORD, age, asks, confirm
from permissions.models import Role
from students.models import TransferRun
from students.tests.factories import students
from tests.kit import PageForm, logged_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def old(office):
    """Root, who gave the password two hours ago."""
    return age(office, 2)


@pytest.fixture
def pages(root, yuangong, roles):
    """Addresses that a passer-by must not use at an open screen."""
    user, role = [yuangong.user.pk], [roles["200"].pk]
    return [
        reverse("admin:permissions_role_change", args=role),
        reverse("admin:permissions_role_add"),
        reverse("admin:permissions_role_delete", args=[roles["103"].pk]),
        reverse("admin:accounts_user_change", args=user),
        reverse("admin:accounts_user_add") + "?role=2",
        reverse("admin:accounts_user_delete", args=user),
        reverse("admin:auth_user_password_change", args=user),
        reverse("classroom"),
    ]


class TestAPage:
    def test_asks_before_it_is_shown_and_comes_after_the_answer(self, office, pages):
        everything = list(User.objects.order_by("pk").values()), list(Role.objects.order_by("pk").values())
        for page in pages:
            question = age(office, 1).get(page)
            assert asks(question) and question.status_code == 200, page
            assert "no-store" in question["Cache-Control"] and "yuangong" not in question.content.decode()

            refusal = confirm(office, office.post(page, {"post": "yes", "do": "delete"}), "wrong")
            assert asks(refusal) and "密码错误" in refusal.content.decode(), page
            answer = confirm(office, question)

            assert (answer.status_code, answer["Location"]) == (302, page)
            assert not asks(age(office, 0.9).get(page)), "the answer counts for an hour"
        form = {"action": "disable", "_selected_action": list(User.objects.values_list("pk", flat=True))}
        assert asks(age(office, 1).post(reverse("admin:accounts_user_changelist"), form))
        assert (list(User.objects.order_by("pk").values()), list(Role.objects.order_by("pk").values())) == everything

    def test_of_a_user_does_not_ask_those_who_may_only_look(self, person, pages, roles):
        roles["200"].permissions.add(Permission.objects.get(codename="view_user"))
        clerk = logged_in(person("clerk", "200", is_staff=True).user)

        for page in (pages[3], reverse("admin:accounts_user_changelist")):
            shown = age(clerk, 2).get(page)
            assert shown.status_code == 200 and not asks(shown)


class TestAForm:
    def test_goes_on_as_it_was_sent(self, office, roles):
        page = reverse("admin:permissions_role_change", args=[roles["200"].pk])
        rights = [str(right.pk) for right in Permission.objects.filter(codename__endswith="_student")]
        form = {"name": '员工 "新" & <旧>', "buttons": ["read", "add"], "permissions": rights, "_continue": "1"}
        fields = PageForm(office.get(page)).data(**form)

        question = age(office, 2).post(page, fields)  # the clerk took an hour to fill it in
        assert asks(question)
        roles["200"].refresh_from_db()
        assert roles["200"].name == "员工"
        answer = confirm(office, question)

        assert (answer.status_code, answer["Location"]) == (302, page)  # as "save and go on" does
        roles["200"].refresh_from_db()
        assert (roles["200"].name, roles["200"].buttons) == (form["name"], ["read", "add"])
        assert roles["200"].permissions.count() == len(rights)

    def test_with_a_file_has_to_be_sent_again_and_says_so(self, old):
        page = reverse("classroom")
        question = old.post(page, {"class_name": "H5", "file": SimpleUploadedFile("n.txt", "李四".encode())})

        answer = confirm(old, question)

        assert (answer.status_code, answer["Location"]) == (302, page)
        assert "文件没有保留下来" in old.get(page).content.decode()
        assert not User.objects.filter(username__startswith="h5").exists()

    def test_of_another_site_is_refused_before_anything_is_asked(self, old, pages):
        forged = Client(enforce_csrf_checks=True)
        forged.cookies = old.cookies

        answer = forged.post(pages[0], {"name": "x", "entrance_password": PASSWORD})

        assert answer.status_code == 403 and not asks(answer)

    @pytest.mark.parametrize("label", ["students_student", "accounts_user"])
    def test_that_deletes_many_or_takes_that_back_asks(self, old, label, yuangong):
        doomed = students("谭鹏")[0] if label == "students_student" else yuangong.user
        address = reverse(f"admin:{label}_changelist")
        question = old.post(address, {"action": "delete_selected", "_selected_action": [str(doomed.pk)]})
        assert asks(question)

        sure = confirm(old, question)
        assert sure.status_code == 200 and not asks(sure) and type(doomed).objects.filter(pk=doomed.pk).exists()

        form = {"action": "delete_selected", "_selected_action": str(doomed.pk), "post": "yes"}
        old.post(address, dict(sure.context.get("posted", form)))
        is_done = not type(doomed).objects.filter(pk=doomed.pk).exists()
        assert is_done or TransferRun.objects.filter(kind="delete").exists()  # students go in the background
        # So does what takes an import or a deletion back.
        now = timezone.now()
        run = TransferRun.objects.create(kind="import", state="done", created_at=now, phase_at=now, file_name="x")
        page = reverse("admin:students_transferrun_change", args=[run.pk])

        question = age(old, 2).post(page, {"do": "undo"})
        assert asks(question)
        confirm(old, question)

        run.refresh_from_db()
        assert run.state == "undoing"


def test_a_download_comes_after_the_answer_and_leaves_a_page_that_asks_no_more(old):
    students("李四", class_name="H51901")
    page = reverse("admin:students_student_export") + "?class=H51901&format=csv"
    question = old.get(page, headers={"referer": "http://testserver/admin/students/student/?class=H51901"})
    assert asks(question) and "李四" not in question.content.decode()

    between = confirm(old, question)

    text = between.content.decode()
    assert 'content="0; url=/admin/students/student/export/?class=H51901&amp;format=csv"' in text
    assert 'href="http://testserver/admin/students/student/?class=H51901"' in text  # the way back
    assert "李四" in old.get(page).content.decode("utf-8-sig")
    question = age(old, 2).get(page, headers={"referer": "https://evil.example/"})
    assert "evil.example" not in question.content.decode()
    assert "evil.example" not in old.post(page, {"entrance_back": "//evil.example"}).content.decode()


@pytest.mark.usefixtures("few_guesses")
def test_the_answer_is_limited_like_the_login_and_leaves_a_trace(old, pages, refusals):
    question = old.get(pages[0])
    for _ in range(login.PAIR_LIMIT):
        confirm(old, question, "wrong")

    page = confirm(old, question)

    assert asks(page) and re.search(r"登录失败次数过多，请 \d+ 秒后再试", page.content.decode())
    assert refusals() == {("office", "wrong"): login.PAIR_LIMIT, ("office", "many"): 1}
