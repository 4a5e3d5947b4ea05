"""The code of a phone beside the password, for the back office alone."""

import re
import time
from datetime import timedelta
from io import StringIO

import pytest
from auditlog.models import LogEntry
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from django_otp.oath import TOTP
from django_otp.plugins.otp_static.models import StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice

from accounts.models import LoginMethod, User
from accounts.services import second_factor
from accounts.services.login_records import LoginContext
from accounts.services.second_factor import (
    RECOVERY_CODES,
    code_check,
    enrolment_begin,
    enrolment_confirm,
    phone_device_of,
)
from accounts.tests.entering import PASSWORD, age, asks, confirm
from permissions.models import Role
from tests.kit import at_once, during, meet_at, meeting

pytestmark = pytest.mark.django_db
LOGIN, HOME, PAGE = "/admin/login/", "/admin/", "/admin/second-factor/"


@pytest.fixture(autouse=True)
def _offered(settings):
    settings.ADMIN_TOTP = "optional"


@pytest.fixture
def wang(person):
    return person("wang", "103", is_staff=True).user


@pytest.fixture
def phone(wang):
    """Wang's phone, and the recovery codes on paper."""
    return enrol(wang)


def enrol(user):
    pending = enrolment_begin(user=user, now=timezone.now())
    device, paper = enrolment_confirm(user=user, code=shown_by(pending))
    TOTPDevice.objects.filter(pk=device.pk).update(last_t=-1)  # as if that had been a while ago
    device.paper = paper
    return device


def shown_by(device, steps=0):
    """The code that the phone shows, or will show ``steps`` half minutes later."""
    clock = TOTP(device.bin_key)
    clock.time = time.time() + 30 * steps
    return f"{clock.token():06}"


def wrong(device):
    near = {shown_by(device, steps) for steps in (-1, 0, 1)}
    return next(code for code in map("{:06}".format, range(100)) if code not in near)


def log_in(username="wang", address=LOGIN):
    browser = Client(REMOTE_ADDR="10.0.0.1")
    browser.post(address, {"username": username, "password": PASSWORD, "next": HOME})
    return browser


def enter(browser, code, page=HOME):
    return confirm(browser, browser.get(page), code, "code")


class TestEnrolment:
    def test_shows_the_key_once_takes_a_code_and_gives_recovery_codes(self, wang):
        browser, elsewhere = log_in(), log_in()

        page = browser.get(PAGE).content.decode()
        device = TOTPDevice.objects.get()
        assert not device.confirmed and "data:image/svg" in page
        assert re.sub(r"\s", "", re.search(r"<code>([A-Z2-7 ]+)</code>", page)[1]) in device.config_url
        assert TOTPDevice.objects.get().key == device.key  # the same at the next look
        assert "验证码不对" in browser.post(PAGE, {"code": wrong(device)}).content.decode()
        assert browser.get(HOME).status_code == 200 and phone_device_of(wang) is None

        answer = browser.post(PAGE, {"code": shown_by(device)})

        codes = re.findall(r"<li>([a-z2-9]{5}-[a-z2-9]{5})</li>", answer.content.decode())
        assert len(set(codes)) == RECOVERY_CODES and "no-store" in answer["Cache-Control"]
        assert "恢复码" not in browser.get(HOME).content.decode()
        text = browser.get(PAGE).content.decode()
        assert "已绑定手机" in text and codes[0] not in text and "<code>" not in text
        assert phone_device_of(wang) == device
        assert asks(elsewhere.get(HOME), "code"), "other sessions give one"
        entry = LogEntry.objects.latest("pk")
        assert (entry.object_repr, entry.changes) == (str(wang), {"动态验证码": ["", "已绑定"]})
        assert device.key not in str(list(LogEntry.objects.values_list("changes", flat=True)))
        rows = set(StaticToken.objects.values_list("token", flat=True))
        assert len(rows) == RECOVERY_CODES and not rows & {code.replace("-", "") for code in codes}

    def test_makes_a_key_that_lay_open_anew_and_is_refused_to_a_second_phone_and_a_shared_account(self, wang, person):
        old = enrolment_begin(user=wang, now=timezone.now())
        later = enrolment_begin(user=wang, now=timezone.now() + timedelta(minutes=31))
        assert later.key != old.key and TOTPDevice.objects.count() == 1

        enrolment_confirm(user=wang, code=shown_by(later))
        for user in (wang, person("lbw", "102", is_staff=True).user):
            with pytest.raises(ValidationError):
                enrolment_begin(user=user, now=timezone.now())
            with pytest.raises(ValidationError):
                enrolment_confirm(user=user, code=shown_by(later))
        browser = log_in("lbw")
        assert "演示账号大家共用，不能绑定" in browser.get(PAGE).content.decode()
        assert asks(age(browser, 2).get(PAGE)), "an old login gives the password first"


class TestLogin:
    def test_asks_for_the_code_in_place_of_the_page_and_goes_on_there(self, wang, phone):
        browser = log_in()
        question = browser.get("/admin/students/student/?class=H5")
        assert asks(question, "code") and "no-store" in question["Cache-Control"]

        session, code = browser.session, shown_by(phone)

        answer = confirm(browser, question, code, "code")

        assert (answer.status_code, answer["Location"]) == (302, "/admin/students/student/?class=H5")
        assert browser.get(HOME).status_code == 200 and not asks(browser.get(HOME), "code")
        assert not type(session)(session.session_key).exists(session.session_key), "the session is a new one"
        again = enter(log_in(), code)
        assert asks(again, "code") and "验证码不对,或者已经用过" in again.content.decode()
        browser.post(LOGIN, {"username": "wang", "password": PASSWORD})
        assert asks(browser.get(HOME), "code"), "a new login asks again, also in a session that is still there"

    def test_without_the_code_nothing_can_be_done_but_leave(self, office, root, phone):
        enrol(root.user)
        browser = log_in("root")
        addresses = ["/admin/students/student/", "/admin/students/student/export/", "/admin/jsi18n/", PAGE]
        addresses += ["/admin/search/?s=a", "/admin/autocomplete/", "/admin/password_change/", "/admin/classroom/"]
        for address in addresses:
            assert asks(browser.get(address), "code"), address
            assert asks(browser.post(address, {"entrance_password": PASSWORD}), "code"), address
        far = {"REMOTE_ADDR": "192.168.1.7", "content_type": "application/json"}
        assert browser.post("/sandbox/control/faults", {"provider_down": True}, **far).status_code == 403

        assert browser.post("/admin/logout/").status_code == 200
        assert browser.get(HOME).status_code == 302

    def test_makes_each_wrong_code_wait_twice_as_long_and_is_counted(self, wang, phone, settings, refusals):
        settings.OTP_TOTP_THROTTLE_FACTOR = 60  # 1 s is soon over on a busy machine
        browser, waits = log_in(), []
        for failed in range(1, 5):
            enter(browser, wrong(phone))
            page = enter(browser, shown_by(phone)).content.decode()
            waits.append(int(re.search(r"验证码错误次数过多，请 (\d+) 秒后再试", page)[1]))
            past = timezone.now() - timedelta(seconds=60 * 2 ** (failed - 1) + 1)
            TOTPDevice.objects.update(throttling_failure_timestamp=past)  # the wait is over

        assert all(60 * 2**at - 30 < wait <= 60 * 2**at + 1 for at, wait in enumerate(waits)), waits
        assert enter(browser, shown_by(phone)).status_code == 302
        assert phone_device_of(wang).throttling_failure_count == 0
        assert refusals() == {("office", "code"): 4}
        for junk in ("", "x", "１２", "0" * 20, "💥💥💥💥💥💥", "-00001", "\x00" * 6, "abcde-fghij"):
            assert asks(enter(log_in(), junk), "code"), junk
        settings.ADMIN_TOTP = "off"
        browser = log_in()
        assert browser.get(HOME).status_code == 200 and PAGE not in browser.get(HOME).content.decode()
        assert browser.get(PAGE).status_code == 404


@pytest.mark.django_db(transaction=True)
class TestAtTheSameInstant:
    @pytest.fixture
    def li(self):
        return User.objects.create_user("li", PASSWORD, role=Role.objects.get(roleid="103"), is_staff=True)

    def how_many(self, attempt, number=4):
        """Of ``number`` who do it at once, how many succeed."""
        outcomes = at_once([attempt] * number, refusals=(ValidationError,))
        return sum(not isinstance(outcome, ValidationError) for outcome in outcomes)

    def give(self, user, code):
        context = LoginContext(method=LoginMethod.OFFICE, ip="", now=timezone.now())
        return lambda: code_check(user=user, code=code, context=context)

    @pytest.mark.parametrize("is_locked", [True, False], ids=["locked", "twin"])
    def test_a_code_lets_one_in(self, li, monkeypatch, is_locked):
        phone, have_read = enrol(li), meeting(4)
        assert self.how_many(self.give(li, phone.paper[0])) == 1

        def verify(user, device_id, token):
            device = TOTPDevice.objects.get(pk=phone.pk)
            have_read()
            return device.verify_token(token)

        if not is_locked:
            monkeypatch.setattr(second_factor, "verify_token", verify)

        assert (self.how_many(self.give(li, shown_by(phone))) == 1) is is_locked

    @pytest.mark.parametrize("is_locked", [True, False], ids=["locked", "twin"])
    def test_one_phone_is_enrolled_and_gets_one_sheet_of_codes(self, li, monkeypatch, is_locked):
        code = shown_by(enrolment_begin(user=li, now=timezone.now()))
        if not is_locked:
            monkeypatch.setattr(second_factor, "_user_lock", lambda user: user)
            # Each has found the phone that waits to be confirmed.
            meet_at(monkeypatch, "django_otp.plugins.otp_totp.models.TOTPDevice.verify_token", count=4)

        assert (self.how_many(lambda: enrolment_confirm(user=li, code=code)) == 1) is is_locked
        if is_locked:
            assert TOTPDevice.objects.count() == 1 and StaticToken.objects.count() == RECOVERY_CODES

    def test_who_gets_another_role_meanwhile_is_found(self, li, roles):
        def change():
            User.objects.filter(pk=li.pk).update(role=roles["102"])

        assert during(change, lambda: enrolment_begin(user=li, now=timezone.now())).user == li


def test_a_recovery_code_stands_in_for_the_phone_once(wang, phone, settings):
    for code in (phone.paper[3].upper(), f" {phone.paper[4].replace('-', ' ')} "):
        assert enter(log_in(), code).status_code == 302
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another-key" * 5, [settings.SECRET_KEY]
    assert enter(log_in(), phone.paper[0]).status_code == 302, "it outlives a change of the key"
    assert asks(enter(log_in(), phone.paper[3]), "code")
    assert StaticToken.objects.count() == RECOVERY_CODES - 3


@pytest.mark.parametrize(
    ("level", "name", "roleid", "must"),
    [
        ("optional", "zhao", "1", False), ("root", "zhao", "1", True), ("root", "zhao", "103", False),
        ("staff", "zhao", "103", True), ("staff", "lbw", "102", False), ("off", "zhao", "1", False),
    ],
)  # fmt: skip
def test_who_must_enrol_gets_to_no_other_page_before(person, settings, level, name, roleid, must):
    settings.ADMIN_TOTP = level
    user = person(name, roleid, is_staff=True).user
    browser = log_in(name)

    for address in (HOME, "/admin/students/student/", "/admin/password_change/"):
        answer = browser.get(address)
        assert (answer.status_code == 302 and answer["Location"] == PAGE) is must, address
    if must:
        page = browser.get(PAGE).content.decode()
        assert "你的账号必须使用动态验证码" in page and "/admin/students/student/" not in page
        assert browser.post(PAGE, {"code": shown_by(TOTPDevice.objects.get(user=user))}).status_code == 200
        assert browser.get(HOME).status_code == 200


class TestRemoval:
    def test_of_ones_own_asks_first_and_ends_the_sheet_of_codes(self, wang, phone):
        browser = log_in()
        enter(browser, shown_by(phone))

        sheet = browser.post(PAGE, {"do": "codes"}).content.decode()
        assert len(re.findall(r"<li>[a-z2-9]{5}-[a-z2-9]{5}</li>", sheet)) == RECOVERY_CODES
        assert asks(enter(log_in(), phone.paper[0]), "code"), "the earlier sheet is void"
        assert "解除动态验证码？" in browser.post(PAGE, {"do": "remove"}).content.decode() and phone_device_of(wang)
        browser.post(PAGE, {"do": "remove", "sure": "1"})

        assert phone_device_of(wang) is None and not StaticToken.objects.exists()
        assert browser.get(HOME).status_code == 200
        enrol(wang)
        assert asks(browser.get(HOME), "code"), "a session of the first phone is asked for the code of another one"

    def test_of_a_colleagues_is_roots_and_stands_in_the_trail(self, office, root, person, wang, phone):
        record = f"/admin/accounts/user/{wang.pk}/change/"
        page = f"/admin/second-factor/{wang.pk}/remove/"
        person("director", "102", is_staff=True)
        assert log_in("director").post(page).status_code == 403
        assert page in office.get(record).content.decode()
        assert "wang" in office.get(page).content.decode() and phone_device_of(wang)

        answer = office.post(page)

        assert (answer["Location"], phone_device_of(wang)) == (record, None)
        entry = LogEntry.objects.latest("pk")
        assert (entry.actor, entry.object_pk, entry.changes) == (
            root.user, str(wang.pk), {"动态验证码": ["已绑定", ""]},
        )  # fmt: skip
        assert not asks(log_in().get(HOME), "code")
        enrol(wang)
        assert asks(age(office, 2).post(page)) and phone_device_of(wang)
        call_command("second_factor_remove", "wang", stdout=StringIO())  # where no root can come in
        assert phone_device_of(wang) is None
        for name, reason in (("wang", "no second factor"), ("nobody", "no user")):
            with pytest.raises(CommandError, match=reason):
                call_command("second_factor_remove", name)
