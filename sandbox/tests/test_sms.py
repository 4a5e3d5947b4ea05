"""The text message provider's stand-in, called by our own client, and its page."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.errors import SmsNotSent
from accounts.sms import caller_tag, sms_send
from sandbox.models import TextMessage

pytestmark = pytest.mark.django_db


def test_keeps_what_is_signed_well_ten_a_day_for_one_number(server, settings, client):
    def send(phone="13800000001"):
        values = {"code": "12345"}
        sms_send(phone=phone, template=settings.SMS_TEMPLATE_CODE, values=values, network="192.0.2.1")

    settings.SMS_BASE_URL = f"{server}/sandbox/aliyun-sms"
    send()

    message = TextMessage.objects.get()
    assert (message.phone, message.code, message.out_id) == ("13800000001", "12345", caller_tag("192.0.2.1"))
    assert "【沙箱学院】" in message.text and "12345" in message.text
    TextMessage.objects.bulk_create(TextMessage(phone="13800000001", at=message.at) for _ in range(9))
    with pytest.raises(SmsNotSent, match="频繁"):
        send()
    settings.SMS_ACCESS_KEY_SECRET = "another"
    with pytest.raises(SmsNotSent):
        send("13800000002")
    assert client.post("/sandbox/aliyun-sms/").status_code == 400
    assert TextMessage.objects.count() == 10


def test_the_phone_shows_the_newest_and_another_machine_what_it_asked_for(client, office):
    now = timezone.now()
    for n, ip in enumerate(["192.0.2.1", "192.0.2.2"]):
        facts = {"code": f"0000{n}", "text": f"第{n}条", "at": now + timedelta(seconds=n), "out_id": caller_tag(ip)}
        TextMessage.objects.create(phone=f"1380000000{n}", **facts)

    def codes(browser, phone="", **origin):
        rows = browser.get(f"/sandbox/sms/messages/?phone={phone}", **origin).json()
        page = browser.get(f"/sandbox/sms/?phone={phone}", **origin).content.decode()
        assert all(row["text"] in page for row in rows) and page.count("条<") == len(rows)
        assert all(set(row) == {"phone", "code", "text", "at"} for row in rows)
        return [row["code"] for row in rows]

    assert codes(client) == codes(office, REMOTE_ADDR="192.0.2.9") == ["00001", "00000"]
    assert (codes(client, "13800000001"), codes(client, "%00")) == (["00001"], [])
    assert codes(client, REMOTE_ADDR="192.0.2.1") == ["00000"]
    assert codes(client, REMOTE_ADDR="192.0.2.9") == []
    assert codes(client, HTTP_X_FORWARDED_FOR="192.0.2.1") == []  # the header alone is no address
