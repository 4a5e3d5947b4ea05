"""Whose login a phone number is: what a token alone does to it, what the password and a code do, and what root does."""

from functools import partial

import pytest
from django.db import IntegrityError
from django.utils import timezone

from accounts.errors import PhoneTaken
from accounts.models import LoginMethod, User
from accounts.services import phones, sms_codes
from accounts.services.login_records import LoginContext
from accounts.services.phones import PhoneProof
from accounts.services.users import user_register, user_update
from accounts.tests.entering import PASSWORD
from tests.kit import at_once, envelope, meet_at

pytestmark = pytest.mark.django_db
OLD, NEW = "13800000001", "13900000002"
UPDATED = (200, True, "更新成功")
TAKEN = (10066, False, "手机号已经被绑定")
NEEDS_PASSWORD = (10066, False, "修改手机号需要原来的密码")
WRONG_CODE = (10026, False, "验证码不正确")


@pytest.fixture
def messages(monkeypatch):
    """The codes that went out, by number."""
    sent = {}
    monkeypatch.setattr(sms_codes, "FREE_PER_NUMBER", 99)
    monkeypatch.setattr(sms_codes, "PER_NUMBER", (("minute", 9, 60), ("day", 99, 86400)))
    monkeypatch.setattr(sms_codes, "sms_send", lambda phone, values, **_: sent.update({phone: values["code"]}))
    return sent


@pytest.fixture
def notices(monkeypatch):
    """The numbers that were told of a change."""
    messages = []
    monkeypatch.setattr(phones, "task_send", lambda name, phone, unid, **_: messages.append(phone))
    return messages


@pytest.fixture
def li(person):
    return person("li", phone=OLD, is_phone_bound=True)


@pytest.fixture
def wang(person):
    return person("wang")


def ask(client, number):
    return client.post("/sms/send", {"phoneNumber": number}).json()["key"]


def change(client, phone=None, whom=None, **fields):
    phone = {} if phone is None else {"phone": phone}
    return envelope(client.post("/users/updateUser", {"unid": (whom or client).user.unid} | phone | fields))


def stored(client):
    client.user.refresh_from_db()
    return client.user.phone, client.user.is_phone_bound


def user_of_message(api, messages, number):
    key = ask(api, number)
    return api.post("/users/login?type=sms", {"code": messages[number], "key": key}).json().get("userInfo", {})


class TestWithTheTokenAlone:
    def test_a_number_is_kept_and_shown_and_is_no_login(self, wang, api, messages, notices):
        assert change(wang, NEW) == UPDATED

        assert stored(wang) == (NEW, False)
        assert user_of_message(api, messages, NEW) == {}
        key = ask(wang, NEW)
        assert change(wang, NEW, oldPassword=PASSWORD, key=key, code=messages[NEW]) == UPDATED, "it is proved later"
        assert (stored(wang), notices) == ((NEW, True), [])

    def test_no_user_squats_on_a_number(self, wang, person, api, messages, roles):
        change(wang, NEW)

        user_register(username="zhao", password=PASSWORD, nickname="赵", phone=NEW)

        assert user_of_message(api, messages, NEW)["username"] == "zhao"
        assert change(wang, NEW, oldPassword=PASSWORD, code="12345", key=ask(wang, "13700000000")) == TAKEN

    def test_a_login_of_another_is_told_a_few_times_an_hour(self, wang, li, monkeypatch):
        answers = [change(wang, OLD if n % 2 else f"1390000000{n}") for n in range(10)]

        assert answers == [UPDATED, TAKEN] * 5
        assert {change(li, OLD, city="南京") for _ in range(12)} == {UPDATED}, "the own number is no try"
        answer = wang.post("/users/updateUser", {"unid": wang.user.unid, "phone": NEW})
        assert (answer.status_code, 0 < int(answer["Retry-After"]) <= 3600) == (429, True)
        wang.http.defaults["REMOTE_ADDR"] = "10.9.0.1"
        assert change(wang, NEW) == UPDATED
        monkeypatch.setattr(phones, "PER_ACCOUNT", (11, 24 * 3600))
        assert change(wang, OLD)[0] == 429, "more addresses are no more tries"


class TestWithPasswordAndCode:
    def prove(self, client, messages, number, **fields):
        key = ask(client, number)
        return change(client, number, **{"oldPassword": PASSWORD, "key": key, "code": messages[number]} | fields)

    def test_a_number_becomes_the_login_and_the_old_one_is_told(self, li, api, messages, notices):
        assert self.prove(li, messages, NEW) == UPDATED

        assert user_of_message(api, messages, NEW)["username"] == "li"
        assert user_of_message(api, messages, OLD) == {}
        assert notices == [OLD]
        assert {change(li, number) for number in (OLD, "")} == {NEEDS_PASSWORD}
        assert change(li, OLD, oldPassword=PASSWORD) == UPDATED, "a login is replaced by a number that is none"
        assert (stored(li), notices) == ((OLD, False), [OLD, NEW])

    @pytest.mark.parametrize(
        ("fields", "answer"),
        [
            ({"oldPassword": ""}, NEEDS_PASSWORD),
            ({"oldPassword": "wrong"}, NEEDS_PASSWORD),
            ({"code": "1234"}, (10025, False, "请传入5位验证码")),
            ({"code": "00000x"}, WRONG_CODE),
            ({"key": "x" * 32}, (10027, False, "先点击发送验证码")),
        ],
    )
    def test_without_either_nothing_changes_and_the_code_still_works(self, li, messages, notices, fields, answer):
        assert self.prove(li, messages, NEW, city="南京", **fields) == answer
        assert (*stored(li), li.user.city, notices) == (OLD, True, "", [])

        assert change(li, NEW, oldPassword=PASSWORD, code=messages[NEW]) == UPDATED
        key = ask(li, "13700000000")
        other = {"oldPassword": PASSWORD, "key": key, "code": messages["13700000000"]}
        assert change(li, OLD, **other) == WRONG_CODE, "a code for another number proves nothing"

    def test_guessing_the_password_with_a_stolen_token_has_to_wait_and_root_never_gets_in_by_message(
        self, li, root, api, messages, monkeypatch
    ):
        self.prove(root, messages, NEW)
        assert stored(root) == (NEW, False) and user_of_message(api, messages, NEW) == {}

        monkeypatch.setattr("accounts.services.login.PAIR_LIMIT", 2)
        for n in range(2):
            assert change(li, NEW, oldPassword=f"guess{n}") == NEEDS_PASSWORD
        assert change(li, NEW, oldPassword=PASSWORD)[0] == 429

    @pytest.mark.django_db(transaction=True)
    @pytest.mark.parametrize(("is_locked", "refusal"), [(True, PhoneTaken), (False, IntegrityError)])
    def test_of_four_who_prove_one_number_at_once_one_gets_it(self, person, messages, monkeypatch, is_locked, refusal):
        people = [person(f"user{n}") for n in range(4)]
        proofs = [PhoneProof(ask(one, NEW), messages[NEW]) for one in people]
        meet_at(monkeypatch, "accounts.services.phones.sms_code_spend", count=4)  # each has seen that it is free
        if not is_locked:
            monkeypatch.setattr(phones, "_LOCK", "SELECT %s")  # then the constraint alone stops the others

        context = LoginContext(method=LoginMethod.API, ip="10.0.0.1", now=timezone.now())
        bind = partial(user_update, by_root=False, old_password=PASSWORD, new_password="", context=context)
        works = [
            partial(bind, user_pk=one.user.pk, changes={"phone": NEW}, proof=proof)
            for one, proof in zip(people, proofs, strict=True)
        ]
        results = at_once(works, refusals=(refusal,))

        assert [type(result) for result in results].count(refusal) == 3
        assert User.objects.filter(phone=NEW, is_phone_bound=True).count() == 1


class TestByRoot:
    def test_a_number_is_a_login_at_once_and_unique(self, root, li, wang, api, messages, notices):
        assert change(root, NEW, whom=li) == UPDATED

        assert user_of_message(api, messages, NEW)["username"] == "li"
        assert notices == [OLD]
        assert change(root, NEW, whom=wang) == TAKEN
        new = {"username": "zhao", "password": PASSWORD, "nickname": "赵", "phone": NEW}
        assert envelope(root.post("/users/register", new)) == TAKEN
        assert not User.objects.filter(username="zhao").exists()
        for whom, phone in ((li, "025-83210000"), (wang, "025-83210000"), (root, "13700000000")):
            assert change(root, phone, whom=whom) == UPDATED
            assert stored(whom) == (phone, False), "what gets no messages may be shared, and root's is no login"
