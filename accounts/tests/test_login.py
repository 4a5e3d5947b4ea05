"""POST /users/login as the contract has it, the captcha that it may ask for, and the log of logins."""

import base64
import io
import time
import xml.etree.ElementTree as ET
from datetime import timedelta
from functools import partial

import pytest
from django.contrib.auth.hashers import make_password
from django.core import signing
from django.db import connection
from django.utils import timezone
from PIL import Image

from accounts import captcha
from accounts.models import LoginLog, User
from accounts.services import login
from accounts.services.login import login_record, logins_purge
from accounts.services.users import password_set
from accounts.tasks import purge_login_attempts
from accounts.tests.entering import user_json
from accounts.tokens import token_issue
from core.cache import valkey
from core.times import local
from permissions.models import DataScope, Role
from tests.kit import at_once, envelope

pytestmark = pytest.mark.django_db
WRONG = {"status": 0, "state": False, "msg": "用户名或者密码错误"}


@pytest.fixture
def li(person):
    return person("li", "103", password="right-password", nickname="李", phone="1577775772").user


def attempt(api, username="li", password="right-password", ip="10.0.0.1", **options):
    api.http.defaults["REMOTE_ADDR"] = ip
    return api.post("/users/login", {"username": username, "password": password}, **options)


@pytest.mark.parametrize("format", ["json", "form", "multipart"])
def test_answers_what_clients_read(api, li, format):
    body = attempt(api, format=format, headers={"authorization": "outdated"}).json()

    assert body["permission"] == {"buttons": ["read", "add", "edit", "delete"]}
    assert body["userInfo"] == user_json(li, nickname="李", phone="1577775772", roleid="103", roleName="主管")
    for missing in ({}, {"password": "x"}, {"username": " ", "password": "x"}, {"username": None}):
        answer = api.post("/users/login", missing, format=format if None not in missing.values() else "json")
        assert envelope(answer) == (1004, False, "没有传递用户名或者密码")


@pytest.mark.parametrize(
    "username, password",
    [
        ("li", "wrong"),
        ("nobody", "right-password"),
        ("LI", "right-password"),
        ("li", " right-password"),
        ({"$gt": ""}, {"$gt": ""}),
        (True, "right-password"),
        pytest.param("x" * 20_000, "y" * 20_000, id="long"),
    ],
)
def test_wrong_or_odd_credentials_are_all_alike(api, li, username, password):
    assert attempt(api, username, password).json() == WRONG
    User.objects.filter(pk=li.pk).update(is_active=False)
    User.objects.create_user("wechat", None, role=li.role)
    assert attempt(api).json() == attempt(api, "wechat", "!").json() == WRONG
    assert attempt(api, "wechat", "").json()["state"] is False
    assert not LoginLog.objects.exists()


def test_an_unknown_name_takes_as_long_as_a_wrong_password(api, li, settings):
    settings.PASSWORD_HASHERS = ["accounts.passwords.LeanArgon2PasswordHasher"]
    User.objects.filter(pk=li.pk).update(password=make_password("right-password"))

    def fastest(username):
        times = []
        for number in range(5):
            start = time.thread_time()  # what other tests do at this moment must not count
            attempt(api, username, "wrong", ip=f"10.0.1.{number}")
            times.append(time.thread_time() - start)
        return min(times)

    known_s, unknown = fastest("li"), fastest("nobody")

    assert abs(known_s - unknown) < 0.5 * known_s


@pytest.mark.usefixtures("few_guesses")
def test_guessing_from_one_address_has_to_wait_and_the_owner_elsewhere_does_not(api, li):
    for _ in range(login.PAIR_LIMIT):
        assert attempt(api, password="wrong").json() == WRONG

    answer = attempt(api)

    assert answer.status_code == 429
    assert answer.json()["state"] is False
    assert 0 < int(answer["Retry-After"]) <= login.WINDOW_S
    window = next(key for key in valkey.client().scan_iter("spms:rate:login:pair:*10.0.0.1"))
    before = valkey.client().pttl(window)
    for _ in range(20):
        assert attempt(api, password="wrong").status_code == 429
    assert valkey.client().pttl(window) <= before, "waiting ends though the guesser goes on"
    assert attempt(api, ip="10.0.0.2").json()["state"] is True
    api.http.cookies.clear()
    valkey.client().delete(window)  # what its end does
    assert attempt(api).json()["state"] is True


@pytest.mark.usefixtures("few_guesses")
def test_guessers_everywhere_or_at_every_name_do_not_shut_out_an_address_that_logged_in_before(api, li, monkeypatch):
    assert attempt(api, ip="10.0.0.1").json()["state"] is True
    for number in range(login.ACCOUNT_LIMIT):
        guess(api, 1, ip=f"10.9.{number}.1")
    monkeypatch.setattr(login, "ADDRESS_LIMIT", 20)
    for number in range(20):
        guess(api, 1, username=f"name{number}")

    assert attempt(api, ip="10.8.0.1").status_code == 429
    assert attempt(api, "one-more").status_code == 429
    assert attempt(api).json()["state"] is True


def guess(api, times, **options):
    api.http.cookies.clear()
    for _ in range(times):
        attempt(api, password="guess", **options)


@pytest.mark.usefixtures("few_guesses")
def test_a_classmate_at_the_same_address_cannot_lock_the_owner_out(api, li):
    attempt(api)
    device = api.http.cookies["device"].value
    guess(api, login.PAIR_LIMIT)

    answer = attempt(api)
    assert (answer.status_code, answer.json()["msg"]) == (429, "登入失败次数过多,请输入图形验证码,或稍后再试")
    api.http.cookies["device"] = device
    for _ in range(login.PAIR_LIMIT):  # right ones do not count
        assert attempt(api).json()["state"] is True
    for _ in range(login.PAIR_LIMIT):  # its own wrong ones do
        attempt(api, password="guess")
    assert attempt(api).status_code == 429


@pytest.mark.usefixtures("few_guesses")
def test_a_right_password_ends_the_count_of_its_own_address(api, li):
    for _ in range(3):
        guess(api, login.PAIR_LIMIT - 1)
        assert attempt(api).json()["state"] is True


@pytest.mark.usefixtures("few_guesses")
def test_a_device_is_known_by_our_signature_or_its_own_token_and_for_its_users_only(api, li, person):
    guess(api, login.PAIR_LIMIT)
    for cookie in ("", "li", signing.dumps({"li": "x"}), signing.dumps({"wang": "x"}, salt="device")):
        api.http.cookies["device"] = cookie
        assert attempt(api).status_code == 429

    api.http.cookies.clear()
    assert attempt(api, headers={"authorization": token_issue(li)}).json()["state"] is True
    api.http.cookies.clear()
    assert attempt(api, headers={"authorization": person("wang").token}).status_code == 429


def wrong_guesses(api, devices):
    """Return how many wrong passwords these devices can try within a minute."""
    number = 0
    for device in devices:
        api.http.cookies["device"] = device
        while attempt(api, password="guess").status_code == 200:
            number += 1
    return number


@pytest.mark.usefixtures("few_guesses")
def test_old_logins_do_not_multiply_the_guesses(api, li):
    devices = []
    for _ in range(6):
        api.http.cookies.clear()
        attempt(api)
        devices.append(api.http.cookies["device"].value)
    attempt(api, ip="10.0.0.2")
    home = api.http.cookies["device"].value

    assert wrong_guesses(api, devices) == login.DEVICES_LIMIT + login.PAIR_LIMIT

    api.http.cookies["device"] = home  # the devices' limit is used up: the owner is known by the address
    assert attempt(api, password="typo", ip="10.0.0.2").json() == WRONG
    assert attempt(api, ip="10.0.0.2").json()["state"] is True
    valkey.client().flushdb()
    password_set(user=li, new_password="another-password")
    assert wrong_guesses(api, devices) == login.PAIR_LIMIT, "they end with the password"


@pytest.mark.usefixtures("few_guesses")
@pytest.mark.parametrize("is_verified_before", [False, True])
def test_a_captcha_takes_the_place_of_waiting_once(api, li, is_verified_before):
    guess(api, login.PAIR_LIMIT)
    api.http.defaults["REMOTE_ADDR"] = "10.0.0.1"
    fields = {"username": "li", "password": "right-password"}
    api.get("/users/getCaptcha")
    assert api.post("/users/login", fields | {"captcha": "wrong"}).status_code == 429

    key = api.get("/users/getCaptcha").json()["key"]
    captcha = {"captcha": valkey.client().get(f"spms:captcha:{key}").decode()}
    if is_verified_before:  # old clients send it there only
        api.get("/users/verifyCaptcha", **captcha)
        captcha = {}
    assert api.post("/users/login", fields | {"password": "guess"} | captcha).json() == WRONG
    assert api.post("/users/login", fields | captcha).status_code == 429


def test_a_class_that_shares_one_account_or_one_address_logs_in_with_typos(api, li, person):
    assert login.ADDRESS_LIMIT >= 40 * 5  # a class, five typos each
    assert login.DEVICES_LIMIT + login.PAIR_LIMIT == 90  # guesses a minute, by old logins
    person("number", password="555")
    assert attempt(api, "number", 555).json()["state"] is True  # old clients send a number
    for typos in (10, 20, 5):
        for _ in range(typos):
            assert attempt(api, password="typo").json() == WRONG
        assert attempt(api).json()["state"] is True


# --- The captcha ---

RIGHT_CAPTCHA = {"state": True, "status": 200, "msg": "验证码正确"}
WRONG_CAPTCHA = {"state": False, "status": 3004, "msg": "验证码错误"}


def answer_of(key):
    return valkey.client().get(f"spms:captcha:{key}").decode()


@pytest.mark.parametrize("path", ["/users/getCaptcha", "/users/refreshCaptcha"])
def test_gives_one_svg_element_around_a_picture(api, path):
    body = api.get(path, v="next").json()

    svg = ET.fromstring(body["img"])
    (picture,) = list(svg)
    kind, _, data = picture.get("href").partition(",")
    image = Image.open(io.BytesIO(base64.b64decode(data)))
    assert (svg.tag.rpartition("}")[2], kind, image.format) == ("svg", "data:image/png;base64", "PNG")
    assert image.size == (int(svg.get("width")), int(svg.get("height")))
    assert len(body["key"]) == 32 and 295 < valkey.client().ttl(f"spms:captcha:{body['key']}") <= 300
    answers = {answer_of(api.get(path).json()["key"]) for _ in range(20)}
    assert {len(answer) for answer in answers} == {5} and len(answers) > 15
    assert not set("".join(answers).upper()) & set("0OQ1ILJ72Z5S6G8BXMW")


def test_accepts_the_answer_once_whatever_its_case(api):
    key = api.get("/users/getCaptcha").json()["key"]
    answer = f" {answer_of(key).upper()} "

    assert api.get("/users/verifyCaptcha", key=key).json() == WRONG_CAPTCHA  # no answer is no try
    for odd in ({"key": "../../roles:version", "captcha": "x"}, {"key": "x" * 5000, "captcha": "x" * 5000}):
        assert api.get("/users/verifyCaptcha", **odd).json() == WRONG_CAPTCHA
    assert api.get("/users/verifyCaptcha", key=key, captcha=answer).json() == RIGHT_CAPTCHA
    assert api.get("/users/verifyCaptcha", key=key, captcha=answer).json() == WRONG_CAPTCHA
    key = api.get("/users/getCaptcha").json()["key"]
    answer = answer_of(key)
    for wrong_and_right in ("0000", answer):
        assert api.get("/users/verifyCaptcha", key=key, captcha=wrong_and_right).json() == WRONG_CAPTCHA


def test_works_by_cookie_alone_and_the_key_wins_over_it(api):
    first = api.get("/users/getCaptcha").json()["key"]
    assert api.get("/users/verifyCaptcha", captcha=answer_of(first)).json() == RIGHT_CAPTCHA

    second = api.get("/users/getCaptcha").json()["key"]
    other = captcha.captcha_make()[0]
    assert api.get("/users/verifyCaptcha", key=other, captcha=answer_of(other)).json() == RIGHT_CAPTCHA
    assert answer_of(second)


def test_the_cookie_holds_the_key_alone_and_works_cross_site_over_https(api):
    answer = api.get("/users/getCaptcha")
    (cookie,) = answer.cookies.values()
    assert (cookie.key, cookie.value) == ("captcha", answer.json()["key"])
    assert cookie["httponly"] and cookie["samesite"] == "Lax" and not cookie["secure"] and cookie["max-age"] == 300

    answer = api.http.get("/users/getCaptcha", secure=True, headers={"origin": "https://shop.example"})

    cookie = answer.cookies["captcha"]
    assert (cookie["samesite"], cookie["secure"]) == ("None", True)
    assert answer["Access-Control-Allow-Origin"] == "https://shop.example"
    assert answer["Access-Control-Allow-Credentials"] == "true"


def test_of_two_tries_at_once_one_passes():
    key, _ = captcha.captcha_make()
    answer = answer_of(key)

    assert at_once([lambda: captcha.captcha_solve(key=key, answer=answer)] * 8).count(True) == 1


# --- The log ---

EMPTY = {"loginTime": "", "ip": ""}


def test_shows_this_login_and_the_one_before_newest_first_by_ten_unless_told_otherwise(person):
    li = person("li", "103", password="right-password")
    for ip in ("10.0.0.1", "10.0.0.2"):
        li.http.defaults["REMOTE_ADDR"] = ip
        assert li.post("/users/login", {"username": "li", "password": "right-password"}).json()["state"]

    body = li.get("/getloginlog").json()

    second, first = body["data"]
    assert (first["username"], first["lastLogin"], first["__v"]) == ("li", EMPTY, 0)
    assert (first["nowLogin"]["ip"], second["nowLogin"]["ip"]) == ("10.0.0.1", "10.0.0.2")
    assert second["lastLogin"] == first["nowLogin"]
    assert len(first["_id"]) == 24 and int(first["_id"], 16) and first["_id"] != second["_id"]
    LoginLog.objects.bulk_create(LoginLog(username="li", logged_in_at=timezone.now()) for _ in range(11))
    for page, length in (({}, 10), ({"page": 2}, 3), ({"count": 12}, 12)):
        assert len(li.get("/getloginlog", **page).json()["data"]) == length
    assert first["nowLogin"]["loginTime"] == f"{local(LoginLog.objects.earliest('pk').logged_in_at):%Y/%m/%d %H:%M:%S}"


def test_with_sight_of_the_own_alone_it_shows_the_own_class(person):
    Role.objects.filter(roleid="103").update(data_scope=DataScope.OWN)
    people = {
        name: person(name, roleid, class_name=class_name)
        for name, class_name, roleid in (("li", "H5", "103"), ("wang", "H6", "103"), ("boss", "", "102"))
    }
    for client in people.values():
        login_record(user=client.user, ip="", now=timezone.now())

    def names(username):
        return [row["username"] for row in people[username].get("/getloginlog").json()["data"]]

    assert names("li") == ["li"] and names("boss") == ["boss", "wang", "li"]


@pytest.mark.django_db(transaction=True)
def test_each_of_many_logins_at_once_sees_a_different_one_before_it():
    user = User.objects.create_user("li", "x", role=Role.objects.get(roleid="200"))
    start = timezone.now()

    def log_in(number):
        login_record(user=user, ip=f"10.0.0.{number}", now=start + timedelta(seconds=number))

    at_once([partial(log_in, number) for number in range(16)])

    entries = list(LoginLog.objects.order_by("pk"))
    assert [entry.last_ip for entry in entries] == ["", *(entry.ip for entry in entries[:-1])]


def test_old_logins_go_after_a_year_but_each_users_newest_stays(person, settings):
    li, wang, now = person("li").user, person("wang").user, timezone.now()
    whose = [(li, 400), (li, 399), (li, 366), (li, 364), (li, 363), (wang, 400), (None, 400)]  # the last one is deleted
    LoginLog.objects.bulk_create(
        LoginLog(user=user, username=f"{user}-{days}", logged_in_at=now - timedelta(days=days), ip="10.0.0.1")
        for user, days in whose
    )

    assert logins_purge(now=now, batch=2) == 4

    assert list(LoginLog.objects.order_by("pk").values_list("username", flat=True)) == ["li-364", "li-363", "wang-400"]
    settings.AUDIT_KEEP_DAYS = 0
    assert logins_purge(now=now + timedelta(days=999)) == 0, "they stay for ever"
    assert login_record(user=wang, ip="", now=now).last_ip == "10.0.0.1"


def test_attempts_that_hosts_of_the_last_release_record_are_emptied():
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO accounts_loginattempt (at, door, outcome, username, ip, device, times)"
            " VALUES (now(), 'sms', 'code', '13800000002', '', '', 1)"
        )

        purge_login_attempts()

        cursor.execute("SELECT count(*) FROM accounts_loginattempt")
        assert cursor.fetchone() == (0,)
