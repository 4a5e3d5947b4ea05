"""The text message provider's stand-in, called by our own client, and its page."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.errors import SmsNotSent
from accounts.sms import caller_tag, sms_send
from sandbox.models import TextMessage

pytestmark = pytest.mark.django_db


def test_keeps_what_is_signed_well_ten_a_day_for_one_number(server, settings, client):
    settings.SMS_BASE_URL = f"{server}/sandbox/aliyun-sms"

    sms_send(phone="13800000001", code="12345", network="192.0.2.1")

    message = TextMessage.objects.get()
    assert (message.phone, message.code, message.out_id) == ("13800000001", "12345", caller_tag("192.0.2.1"))
    assert "【沙箱学院】" in message.text and "12345" in message.text
    TextMessage.objects.bulk_create(TextMessage(phone="13800000001", at=message.at) for _ in range(9))
    with pytest.raises(SmsNotSent, match="频繁"):
        sms_send(phone="13800000001", code="12345", network="192.0.2.1")
    settings.SMS_ACCESS_KEY_SECRET = "another"
    with pytest.raises(SmsNotSent):
        sms_send(phone="13800000002", code="12345", network="192.0.2.1")
    assert client.post("/sandbox/aliyun-sms/").status_code == 400
    assert TextMessage.objects.count() == 10


def test_the_phone_shows_the_newest_first_and_one_number_alone(client):
    now = timezone.now()
    for n in range(3):
        TextMessage.objects.create(
            phone=f"1380000000{n % 2}", code=f"0000{n}", text=f"第{n}条", at=now + timedelta(seconds=n)
        )

    rows = client.get("/sandbox/sms/messages/").json()

    assert [row["code"] for row in rows] == ["00002", "00001", "00000"]
    assert set(rows[0]) == {"phone", "code", "text", "at"}
    assert [row["code"] for row in client.get("/sandbox/sms/messages/?phone=13800000001").json()] == ["00001"]
    assert client.get("/sandbox/sms/messages/?phone=%00").json() == []
    assert "第1条" in client.get("/sandbox/sms/").content.decode()


def test_another_machine_sees_the_messages_it_asked_for_and_no_others(client, office):
    for n, ip in enumerate(["192.0.2.1", "192.0.2.2"]):
        tag = caller_tag(ip)
        TextMessage.objects.create(phone="13800000001", code=f"0000{n}", text=f"第{n}条", at=timezone.now(), out_id=tag)

    def codes(browser, **origin):
        rows = browser.get("/sandbox/sms/messages/", **origin).json()
        page = browser.get("/sandbox/sms/?phone=13800000001", **origin).content.decode()
        assert all(row["text"] in page for row in rows) and page.count("条<") == len(rows)
        return [row["code"] for row in rows]

    assert codes(client) == codes(office, REMOTE_ADDR="192.0.2.9") == ["00001", "00000"]
    assert codes(client, REMOTE_ADDR="192.0.2.1") == ["00000"]
    assert codes(client, REMOTE_ADDR="192.0.2.9") == []
    assert codes(client, HTTP_X_FORWARDED_FOR="192.0.2.1") == []  # the header alone is nobody's address
