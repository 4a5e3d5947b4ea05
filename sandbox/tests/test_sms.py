"""The text message provider's stand-in, called by our own client, and its page."""

import pytest

from accounts.errors import SmsNotSent
from accounts.sms import asker_tag, sms_send
from sandbox.models import TextMessage

pytestmark = pytest.mark.django_db


def test_keeps_what_is_signed_well_ten_a_day_for_one_number(server, settings, client):
    def send(phone="13800000001"):
        values = {"code": "12345"}
        sms_send(phone=phone, template=settings.SMS_TEMPLATE_CODE, values=values, asker="u1")

    settings.SMS_BASE_URL = f"{server}/sandbox/aliyun-sms"
    send()

    message = TextMessage.objects.get()
    assert (message.phone, message.code, message.out_id) == ("13800000001", "12345", asker_tag("u1"))
    assert "【沙箱学院】" in message.text and "12345" in message.text
    TextMessage.objects.bulk_create(TextMessage(phone="13800000001", at=message.at) for _ in range(9))
    with pytest.raises(SmsNotSent, match="频繁"):
        send()
    settings.SMS_ACCESS_KEY_SECRET = "another"
    with pytest.raises(SmsNotSent):
        send("13800000002")
    assert client.post("/sandbox/aliyun-sms/").status_code == 400
    assert TextMessage.objects.count() == 10
