"""The page behind the projected code, as a phone opens it: no JavaScript, cookies, two minutes."""

from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client

from accounts.models import User
from accounts.tests.test_scan_login import Wechat
from attendance.models import Record, Status
from students.models import Student

pytestmark = pytest.mark.django_db
PHONE = "/attendance/phone/"


@pytest.fixture
def phone():
    return Client(enforce_csrf_checks=True)


@pytest.fixture
def scan(attend):
    """Return a function that opens the address behind a fresh code with a phone."""

    def opened(phone, pk):
        url = urlsplit(attend("getCode", attendance_id=pk)["signUrl"])
        return phone.get(f"{url.path}?{url.query}")

    return opened


def press(phone, **fields):
    token = {"csrfmiddlewaretoken": phone.cookies["csrftoken"].value}
    return phone.post(PHONE, token | fields).text


def log_in(phone, who, password="a-password"):
    return press(phone, username=who.user.username, password=password)


def test_a_phone_that_scans_and_logs_in_on_our_page_has_signed(attend, trainee, phone, scan):
    tan = trainee("谭鹏")
    pk = attend("open", class_="H51901")["attendance_id"]

    page = scan(phone, pk)
    wrong = log_in(phone, tan, "wrong")
    from_elsewhere = phone.post(PHONE, {"username": tan.user.username, "password": "a-password"})
    assert "用户名或者密码错误" in wrong and 'name="username"' in wrong
    assert from_elsewhere.status_code == 403 and Record.objects.get().status == Status.UNSIGNED
    said = log_in(phone, tan)

    assert page.status_code == 200 and "script" not in page.text and page["Cache-Control"] == "no-store"
    assert "frame-ancestors 'none'" in page["Content-Security-Policy"]
    assert "签到成功" in said and "出勤" in said and "谭鹏" in said
    assert {phone.cookies[name]["httponly"] for name in ("attendance_scan", "attendance_signer", "device")} == {True}
    assert "已经签到" in press(phone)
    assert attend("getRecords", attendance_id=pk)["data"][0]["attendanceStatus"] == "出勤"


def test_the_moment_of_the_scan_counts_for_two_minutes(attend, trainee, phone, scan, clock):
    tan, wang = trainee("谭鹏"), trainee("王芳")
    pk = attend("open", class_="H51901", lateAfter=1)["attendance_id"]
    clock(55)
    other = Client(enforce_csrf_checks=True)
    address = f"/attendance/sign?code={attend('getCode', attendance_id=pk)['code']}"
    for one in (phone, other):
        one.get(address)

    clock(100)
    assert "username" in phone.get(address).text  # loaded again: the scan still counts
    assert "出勤" in log_in(phone, tan)
    clock(21)
    assert "二维码已失效" in log_in(other, wang)

    record = Record.objects.get(student=tan.student)
    assert record.signed_at - record.session.opened_at < timedelta(seconds=57)
    assert Record.objects.get(student=wang.student).status == Status.UNSIGNED


def test_the_address_alone_is_worth_nothing_later(attend, trainee, phone, scan, clock):
    trainee("谭鹏")
    pk = attend("open", class_="H51901")["attendance_id"]
    address = f"/attendance/sign?code={attend('getCode', attendance_id=pk)['code']}"
    clock(11)

    for where in (address, "/attendance/sign", "/attendance/sign?code=%00é", PHONE):
        page = phone.get(where).text
        assert "二维码已失效" in page and "username" not in page, where


def test_the_phone_knows_its_owner_the_next_time(attend, trainee, phone, scan):
    tan, wang = trainee("谭鹏"), trainee("王芳")
    first, second = (attend("open", class_="H51901", period=period)["attendance_id"] for period in ("上午", "下午"))
    scan(phone, first)
    log_in(phone, tan)

    assert "以 谭鹏 签到" in scan(phone, second).text
    assert "签到成功" in press(phone)
    assert 'name="username"' in press(phone, other="1")
    assert "签到成功" in log_in(phone, wang)
    assert [row["flag"] for row in attend("getRecords", attendance_id=second)["data"]] == ["", "同一设备"]

    User.objects.filter(pk=wang.user.pk).update(epoch=9)  # a new password
    assert 'name="username"' in scan(phone, first).text


def test_a_person_signs_by_wechat(attend, trainee, phone, scan, monkeypatch, settings):
    tan, wechat = trainee("谭鹏"), Wechat()
    monkeypatch.setattr("accounts.wechat.http.get", wechat.get)
    User.objects.filter(pk=tan.user.pk).update(wechat_appid=settings.WECHAT_APP_ID, openid="o1")
    pk = attend("open", class_="H51901")["attendance_id"]
    scan(phone, pk)

    away = urlsplit(phone.get(f"{PHONE}wechat/")["Location"])
    query = parse_qs(away.query)
    back = urlsplit(query["redirect_uri"][0])
    forged = phone.get(back.path, {"code": wechat.may("c0"), "state": "x" * 32}).text
    said = phone.get(back.path, {"code": wechat.may("c1"), "state": query["state"][0]}).text
    again = phone.get(back.path, {"code": wechat.may("c2"), "state": query["state"][0]}).text

    assert (back.hostname, back.path) == ("testserver", f"{PHONE}wechat/")
    assert "请重新扫码" in forged and "请重新扫码" in again
    assert "签到成功" in said and Record.objects.get().status == Status.PRESENT
    assert "请重新扫码" in Client().get(back.path, {"code": "c3", "state": query["state"][0]}).text
    assert Student.objects.count() == 1 and User.objects.filter(openid="o1").count() == 1
