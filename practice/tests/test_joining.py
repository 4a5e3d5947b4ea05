"""Joining a class by its invitation, or without one where that is allowed."""

import importlib
import re
from datetime import timedelta
from functools import partial

import pytest
from django.test import Client
from django.urls import clear_url_caches
from django.utils import timezone

from accounts.captcha import NO_ANSWER, captcha_make
from accounts.models import User
from config import urls
from core.cache import ratelimit, valkey
from permissions.models import DataScope
from practice.errors import InvitationInvalid
from practice.models import ClassTerms, Invitation
from practice.services import (
    ALPHABET,
    JOINED_A_MINUTE,
    OPEN_STUDENTS,
    OPENED_AN_HOUR,
    WRONG_A_MINUTE,
    account_join,
    invitation_make,
    practice_class_end,
    terms_forget,
    terms_keep,
)
from students.listener import tell_rename_undone, tell_renamed
from students.models import Student
from tests.kit import at_once, envelope

pytestmark = pytest.mark.django_db
PERSON = {"username": "lilei", "password": "kai-ge-2026", "nickname": "李雷"}
INVALID = (1004, False, "邀请码无效或已过期")


@pytest.fixture
def invitation(root):
    """To a class with the role 102, data scope 仅本人, and three practice students each."""
    terms_keep(class_name="H5", roleid="102", scope=DataScope.OWN, students=3)
    return invite(root, places=2)


def invite(root, places=40, days=7):
    return invitation_make(class_name="H5", days=days, places=places, by="root", now=timezone.now())


def join(api, invite, **more):
    return api.post("/users/join", PERSON | {"invite": invite} | more)


class TestAnInvitation:
    def test_makes_the_account_with_the_classs_terms_and_logs_it_in(self, api, invitation):
        code = f" {invitation.code[:4].lower()}-{invitation.code[4:]} "  # as a person types it

        body = join(api, code).json()

        assert (body["status"], body["state"], body["msg"]) == (1, True, "登入成功")
        user = User.objects.get(username="lilei")
        assert (user.class_name, user.nickname, user.role.origin.roleid) == ("H5", "李雷", "102")
        assert user.role.data_scope == DataScope.OWN and user.last_login and not user.is_staff
        listed = api.get("/students/getstulist", headers={"authorization": body["token"]}).json()
        assert listed["total"] == 3 == Student.objects.filter(created_by=user).count()

    def test_that_is_wrong_or_over_or_full_makes_none(self, api, root, invitation):
        assert len(invitation.code) == 8 and set(invitation.code) <= set(ALPHABET)
        assert not set("0O1IL2Z5SGBU") & set(ALPHABET), "they look alike"
        for wrong in ("", "ACDEFGHJ", invitation.code[:7], invitation.code + "A", "undefined"):
            assert envelope(join(api, wrong)) == INVALID
        for number in (1, 2):
            assert envelope(join(api, invitation.code, username=f"u{number}"))[1]
        assert envelope(join(api, invitation.code)) == INVALID, "all places are taken"
        newer = invite(root)
        assert envelope(join(api, invitation.code)) == INVALID
        Invitation.objects.update(ends_at=timezone.now())
        assert envelope(join(api, newer.code)) == INVALID
        over = invite(root)
        practice_class_end(class_name="H5", now=timezone.now())
        assert envelope(join(api, over.code)) == INVALID
        deleted = invite(root)
        terms_forget(class_name="H5")
        assert envelope(join(api, deleted.code)) == INVALID
        assert User.objects.filter(class_name="H5").count() == 2

    def test_keeps_its_place_for_a_name_that_is_taken_and_a_password_that_is_weak(self, api, invitation, settings):
        settings.AUTH_PASSWORD_VALIDATORS = settings.PASSWORD_POLICY
        Student.objects.create(sid="WWLN1", name="李雷", age=20, class_name="H5")

        refusals = [envelope(join(api, invitation.code, **change)) for change in (
            {"username": "root"}, {"username": "系统"}, {"username": "wwln1"}, {"username": ""}, {"nickname": ""},
            {"password": "123"}, {"username": "x" * 65}, {"username": ["a"]},
        )]  # fmt: skip

        assert [text for _, _, text in refusals[:5]] == ["用户名已注册"] * 3 + ["注册出错,缺少字段"] * 2
        assert refusals[5][2].startswith("密码不符合要求") and not any(state for _, state, _ in refusals)
        invitation.refresh_from_db()
        assert (invitation.joined, User.objects.count()) == (0, 1)

    def test_counts_wrong_codes_of_a_network_and_then_takes_no_right_one_either(self, api, invitation):
        for number in range(WRONG_A_MINUTE):
            assert envelope(join(api, f"ACDEFG{number:02}")) == INVALID

        wrong, right = join(api, "ACDEFGHJ"), join(api, invitation.code)

        for answer in (wrong, right):
            assert answer.status_code == 429 and 0 < int(answer["Retry-After"]) <= 60
        assert not User.objects.filter(class_name="H5").exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_conditional", [True, False], ids=["conditional", "twin"])
def test_the_last_places_are_taken_once_of_many_at_the_same_instant(invitation, monkeypatch, is_conditional):
    def person(number):
        fields = PERSON | {"username": f"u{number}"}
        return account_join(invite=invitation.code, captcha=NO_ANSWER, network="", now=timezone.now(), **fields)

    if not is_conditional:  # the count is written as it was read
        monkeypatch.setattr("practice.services.F", lambda name: {"places": 200, "joined": 0}[name])

    outcomes = at_once([partial(person, number) for number in range(6)], refusals=(InvitationInvalid,))

    number = 2 if is_conditional else 6
    assert sum(isinstance(outcome, User) for outcome in outcomes) == number
    assert User.objects.filter(class_name="H5").count() == number


def solved():
    key, _ = captcha_make()
    return {"key": key, "captcha": valkey.client().get(f"spms:captcha:{key}").decode()}


def test_without_an_invitation_an_account_needs_a_captcha_where_the_engineer_allows_it(api, settings):
    assert envelope(join(api, "", **solved())) == INVALID
    settings.PRACTICE_OPEN = True
    assert envelope(join(api, "")) == (3004, False, "验证码错误")
    assert envelope(join(api, "ACDEFGHJ", **solved())) == INVALID, "a false code stays false"

    assert envelope(join(api, "", **solved())) == (1, True, "登入成功")

    user = User.objects.get()
    assert (user.class_name, user.role.roleid) == ("", "200")
    assert Student.objects.filter(created_by=user).count() == OPEN_STUDENTS


@pytest.mark.parametrize(
    ("way", "limit", "window_s"), [("joined", JOINED_A_MINUTE, 60), ("opened", OPENED_AN_HOUR, 3600)]
)
def test_a_network_opens_so_many_accounts_and_no_more(api, invitation, settings, way, limit, window_s):
    settings.PRACTICE_OPEN = True
    fields = {"invite": invitation.code} if way == "joined" else {"invite": "", **solved()}
    for _ in range(limit - 1):
        ratelimit.hit(f"join:{way}:127.0.0.1", limit=limit, window_s=window_s)

    assert join(api, **fields).status_code == 200
    answer = join(api, **fields | (solved() if way == "opened" else {}), username="u2")
    assert answer.status_code == 429 and window_s - 60 <= int(answer["Retry-After"]) <= window_s
    assert User.objects.count() == 2  # and root


class TestThePage:
    def test_takes_a_person_in_without_a_script_and_a_teacher_projects_it(self, office, invitation):
        browser = Client()
        for who in (browser, office):
            page = who.get(f"/practice/join/?invite={invitation.code}").text
            assert f'value="{invitation.code}"' in page and "data:image/svg+xml" in page and "<script" not in page
            assert "账号开好了" not in page

        done = browser.post("/practice/join/", PERSON | {"invite": invitation.code}).text

        assert "账号开好了" in done and "http://testserver" in done and PERSON["password"] not in done
        assert User.objects.get(username="lilei").class_name == "H5"

    def test_says_what_is_wrong_and_keeps_what_was_typed(self, invitation):
        page = Client().post("/practice/join/", PERSON | {"invite": "<b>x", "nickname": '"><i>'})

        text = page.text
        assert page.status_code == 200 and "邀请码无效或已过期" in text and PERSON["password"] not in text
        assert "<b>x" not in text and "<i>" not in text and 'value="lilei"' in text
        assert Client(enforce_csrf_checks=True).post("/practice/join/", PERSON).status_code == 403

    @pytest.mark.parametrize("kind", ["text/plain", "application/json", "x"])
    def test_a_body_that_is_no_form_is_an_empty_one(self, kind):
        page = Client().post("/practice/join/", b'{"invite": "x"}', content_type=kind)

        assert page.status_code == 200 and "缺少字段" in page.text

    def test_has_a_captcha_where_accounts_are_open(self, settings):
        settings.PRACTICE_OPEN = True
        page = Client().get("/practice/join/").text
        assert "<svg" in page and re.search(r'name="key" value="\w{32}"', page)


def test_production_has_neither_call_nor_page(api, settings):
    settings.PRODUCTION = True
    try:
        importlib.reload(urls)
        clear_url_caches()
        assert api.post("/users/join", PERSON).status_code == 404
        assert Client().get("/practice/join/").status_code == 404
    finally:
        settings.PRODUCTION = False
        importlib.reload(urls)
        clear_url_caches()
    assert api.post("/users/join", PERSON).status_code == 200


def test_the_terms_and_the_invitation_follow_the_name_of_a_class(api, root, invitation):
    notes = tell_renamed(before="H5", after="H6")
    assert join(api, invitation.code).json()["state"] and User.objects.get(username="lilei").class_name == "H6"
    tell_rename_undone(before="H5", after="H6", notes=notes)
    assert ClassTerms.objects.get().class_name == "H5"

    for after in ("H7", "x" * 33):  # two classes become one, or a name that no account may have
        terms_keep(class_name="H7", roleid="200", students=0)
        code = invite(root).code
        notes = tell_renamed(before="H5", after=after)
        assert envelope(join(api, code, username="x")) == INVALID
        tell_rename_undone(before="H5", after=after, notes=notes)
    assert sorted(ClassTerms.objects.values_list("class_name", flat=True)) == ["H5", "H7"]


class TestTheClassRoom:
    def do(self, office, what, **fields):
        return office.post("/admin/classroom/", {"do": what, "class_name": "H5"} | fields, follow=True).text

    def test_opens_a_class_for_an_invitation_that_follows_it_to_its_end(self, office, api):
        fields = {"class_name": "H5", "role": "103", "scope": "own", "practice": 2, "is_invited": "on"}
        page = office.post("/admin/classroom/", fields, follow=True).text
        assert "H5" in page and ClassTerms.objects.get().students == 2

        page = self.do(office, "invite", days="3", places="1")

        invitation = Invitation.objects.get()
        assert invitation.code in page and "0/1 人" in page and invitation.made_by == "root"
        assert invitation.ends_at - invitation.made_at == timedelta(days=3)
        assert join(api, invitation.code).json()["userInfo"]["roleName"].startswith("主管")
        for days, places in (("x", "1"), ("3", ""), ("²", "1")):
            assert "请填天数和人数" in self.do(office, "invite", days=days, places=places)
        self.do(office, "invite", days="9" * 5000, places="9" * 5000)
        assert Invitation.objects.get().places == 200
        assert "结束 H5 的课" in self.do(office, "end") and Invitation.objects.exists()
        assert "已经结束" in self.do(office, "end", sure="1")
        assert not Invitation.objects.exists() and User.objects.get(username="lilei").ends_at
        self.do(office, "invite", days="1", places="1")
        assert User.objects.get(username="lilei").ends_at is None
        self.do(office, "delete", sure="1")
        assert not ClassTerms.objects.exists() and "没有这个班级" in self.do(office, "invite", days="1", places="1")

    def test_a_class_of_before_has_the_role_of_its_accounts(self, person, office, api):
        person("old", "103", class_name="H5")
        self.do(office, "invite", days="1", places="1")
        assert join(api, Invitation.objects.get().code).json()["userInfo"]["roleid"] == "103"
