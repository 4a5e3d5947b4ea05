"""The back office's entrance: its login, sessions that end, and the password asked for before what is dangerous."""

import re
from datetime import timedelta

import pytest
from django.conf import settings
from django.contrib.auth.models import Permission
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import LoginLog, User
from accounts.services import login
from accounts.tests.entering import PASSWORD, age, asks, confirm
from core.cache import valkey
from permissions.models import Role
from students.models import TransferRun
from students.tests.factories import students
from tests.kit import PageForm, logged_in

pytestmark = pytest.mark.django_db
LOGIN, HOME = "/admin/login/", "/admin/"
NO_ENTRY = "用户名或密码错误，或者没有后台权限"
TRIES = [("wang", "wrong"), ("a-typed-password", "x"), ("trainee", PASSWORD), ("gone", PASSWORD), ("wang", PASSWORD)]


@pytest.fixture
def wang(person):
    return person("wang", "103", is_staff=True)


@pytest.fixture
def browser():
    return Client(REMOTE_ADDR="10.0.0.1", HTTP_USER_AGENT="Firefox")


def attempt(browser, password=PASSWORD, username="wang", **caller):
    return browser.post(LOGIN, {"username": username, "password": password}, **caller)


def is_inside(browser):
    return browser.get(HOME).status_code == 200


def reason(answer):
    return " ".join(answer.context["form"].non_field_errors())


class TestGuessing:
    @pytest.mark.usefixtures("few_guesses")
    def test_counts_together_with_guesses_at_the_api_and_a_captcha_takes_the_place_of_waiting(self, wang, api):
        owner, browser = Client(REMOTE_ADDR="10.0.0.1"), Client(REMOTE_ADDR="10.0.0.1")
        attempt(owner)
        owner.post("/admin/logout/")
        api.http.defaults["REMOTE_ADDR"] = "10.0.0.1"
        for _ in range(2):
            assert reason(attempt(browser, "wrong")) == NO_ENTRY
            api.post("/users/login", {"username": "wang", "password": "wrong"})
        page = attempt(browser)  # the right password
        assert api.post("/users/login", {"username": "wang", "password": PASSWORD}).status_code == 429
        assert attempt(owner).status_code == 302, "a browser that logged in before is counted by itself"
        assert re.fullmatch(r"登录失败次数过多，请 \d+ 秒后再试，或者填写图形验证码", reason(page))

        def solve(page, password, answer=None):
            [key] = re.findall(r'name="captcha_key" value="(\w+)"', page.content.decode())
            answer = answer or valkey.client().get(f"spms:captcha:{key}").decode()
            fields = {"username": "wang", "password": password, "captcha_key": key, "captcha": answer}
            return browser.post("/admin/login/", fields)

        page = solve(page, PASSWORD, "wrong")
        assert "图形验证码" in reason(page)
        page = solve(page, "wrong")
        assert reason(page) == NO_ENTRY
        assert solve(attempt(browser), PASSWORD).status_code == 302
        assert is_inside(browser)


def test_each_refusal_is_counted_and_logged_without_the_name_and_the_log_of_logins_is_the_apis_own(
    browser, wang, person, api, refusals, caplog
):
    caplog.set_level("INFO")
    person("trainee")
    person("gone", "103", is_staff=True, is_active=False)
    for username, password in TRIES:
        page = attempt(browser, password, username)
        assert page.status_code == 302 or reason(page) == NO_ENTRY, "a guesser learns nothing"
    for username, password in TRIES[:2]:
        api.post("/users/login", {"username": username, "password": password})

    office = dict.fromkeys([("office", outcome) for outcome in ("wrong", "unknown", "no_staff", "disabled")], 1)
    assert refusals() == office | {("api", "wrong"): 1, ("api", "unknown"): 1}
    assert caplog.text.count("login refused") == 6 and "10.0.0.1" in caplog.text
    assert "a-typed-password" not in caplog.text, "people type passwords into that field"
    assert wang.get("/getloginlog").json()["data"] == []
    assert not LoginLog.objects.exists(), "it holds successes alone"


class TestTheSession:
    def test_is_a_new_one_after_each_login_and_ends_after_12_hours_whatever_was_done_in_it(self, browser, wang):
        session = browser.session
        session["planted"] = 1
        session.save()
        browser.cookies[settings.SESSION_COOKIE_NAME] = session.session_key

        keys = [session.session_key]
        for _ in range(2):
            attempt(browser)
            keys.append(browser.session.session_key)

        assert len(set(keys)) == 3
        assert not type(session)(keys[0]).exists(keys[0]) and not type(session)(keys[1]).exists(keys[1])
        assert browser.cookies[settings.SESSION_COOKIE_NAME]["max-age"] == 12 * 3600
        started = timezone.now()

        for hours, expected in ((11.9, True), (12.1, False)):
            session = browser.session
            session["logged_in_at"] = (started - timedelta(hours=hours)).timestamp()
            session.save()  # whatever is done in it: the clock of its row starts anew
            assert is_inside(browser) is expected

    @pytest.mark.usefixtures("few_guesses")
    def test_stays_where_the_password_was_changed_and_the_old_one_cannot_be_guessed_there(self, browser, wang):
        elsewhere = Client()
        attempt(browser), attempt(elsewhere)
        new = {"new_password1": "another-Password-7", "new_password2": "another-Password-7"}

        answer = browser.post("/admin/password_change/", {"old_password": PASSWORD, **new})

        assert answer.status_code == 302
        assert (is_inside(browser), is_inside(elsewhere)) == (True, False)
        for _ in range(login.PAIR_LIMIT):
            page = browser.post("/admin/password_change/", {"old_password": "wrong", **new})
            assert page.context["form"].errors["old_password"] == ["密码错误"]
        page = browser.post("/admin/password_change/", {"old_password": "another-Password-7", **new})
        assert "次数过多" in page.context["form"].errors["old_password"][0]

    def test_ends_with_the_right_to_enter_and_has_the_rights_of_the_present_role(self, browser, root, roles):
        attempt(browser, username="root")
        assert browser.get("/admin/permissions/role/").status_code == 200

        User.objects.filter(pk=root.user.pk).update(role=roles["103"])
        assert browser.get("/admin/permissions/role/").status_code == 403
        User.objects.filter(pk=root.user.pk).update(is_staff=False)
        assert not is_inside(browser)


def test_a_user_who_is_sent_back_to_the_login_reads_why(browser):
    page = "/admin/students/student/"
    assert "登录已过期" not in browser.get(LOGIN, {"next": page}).content.decode()

    browser.get(LOGIN)  # leaves the cookie that outlives a session
    assert "登录已过期" in browser.get(page, follow=True).content.decode()
    assert "登录已过期" not in browser.get(HOME, follow=True).content.decode()


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
