"""The text message provider's stand-in, called without the library: what it must not let pass."""

import hashlib
import hmac
import json
from datetime import timedelta
from urllib.parse import quote, urlencode

import pytest
from django.utils import timezone

from accounts.sms import caller_tag
from sandbox.models import TextMessage

pytestmark = pytest.mark.django_db
PATH = "/sandbox/aliyun-sms/"
ALGORITHM = "ACS3-HMAC-SHA256"
EMPTY = hashlib.sha256(b"").hexdigest()


@pytest.fixture
def send(client, keys):
    """Sign and send by hand, after the provider's description of its signature."""

    def call(
        *, query=(), headers=(), secret=keys["SMS_ACCESS_KEY_SECRET"], key_id=keys["SMS_ACCESS_KEY_ID"], leave_out=()
    ):
        params = {
            "PhoneNumbers": "13800000001",
            "SignName": keys["SMS_SIGN_NAME"],
            "TemplateCode": keys["SMS_TEMPLATE_CODE"],
            "TemplateParam": json.dumps({"code": "12345"}),
        } | dict(query)
        signed = {
            "host": "testserver",
            "x-acs-action": "SendSms",
            "x-acs-content-sha256": EMPTY,
            "x-acs-date": timezone.now().strftime("%Y-%m-%dT%H:%M:%SZ"),
            "x-acs-signature-nonce": "n1",
            "x-acs-version": "2017-05-25",
        } | dict(headers)
        names = sorted(signed.keys() - set(leave_out))
        # quote_via with safe="~": RFC 3986, in which a blank is %20
        canonical_query = urlencode(sorted(params.items()), quote_via=quote, safe="~")
        canonical = "\n".join(
            ["POST", PATH, canonical_query, *(f"{name}:{signed[name]}" for name in names), "", ";".join(names), EMPTY]
        )
        text = f"{ALGORITHM}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        signature = hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()
        signed["authorization"] = (
            f"{ALGORITHM} Credential={key_id},SignedHeaders={';'.join(names)},Signature={signature}"
        )
        return client.post(f"{PATH}?{urlencode(params)}", "", headers=signed, content_type="text/plain")

    return call


def test_keeps_what_is_signed_well(send):
    answer = send()

    assert (answer.status_code, answer.json()["Code"]) == (200, "OK")
    message = TextMessage.objects.get()
    assert (message.phone, message.code) == ("13800000001", "12345")
    assert "【沙箱学院】" in message.text and "12345" in message.text


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"secret": "another"}, "SignatureDoesNotMatch"),
        ({"key_id": "LTAIother"}, "InvalidAccessKeyId.NotFound"),
        ({"leave_out": ["x-acs-date"]}, "SignatureDoesNotMatch"),
        ({"headers": {"x-acs-date": "yesterday"}}, "InvalidTimeStamp.Format"),
        ({"headers": {"x-acs-date": "2020-01-01T00:00:00Z"}}, "InvalidTimeStamp.Expired"),
        ({"headers": {"x-acs-content-sha256": "0" * 64}}, "SignatureDoesNotMatch"),
        ({"headers": {"x-acs-action": "SendBatchSms"}}, "InvalidAction.NotFound"),
        ({"query": {"PhoneNumbers": "+8613800000001"}}, "isv.MOBILE_NUMBER_ILLEGAL"),
        ({"query": {"SignName": "别人"}}, "isv.SMS_SIGNATURE_ILLEGAL"),
        ({"query": {"TemplateCode": "SMS_1"}}, "isv.SMS_TEMPLATE_ILLEGAL"),
        ({"query": {"TemplateParam": "{"}}, "isv.TEMPLATE_MISSING_PARAMETERS"),
        ({"query": {"TemplateParam": '{"code": ["1"]}'}}, "isv.INVALID_PARAMETERS"),
    ],
)
def test_refuses_the_rest(send, change, code):
    answer = send(**change)

    assert answer.json()["Code"] == code
    assert not TextMessage.objects.exists()


def test_refuses_a_call_without_signature(client):
    assert client.post(PATH).status_code == 400
    assert client.get(PATH).status_code == 405


def test_ten_a_day_for_one_number(send):
    assert [send().json()["Code"] for _ in range(11)][9:] == ["OK", "isv.BUSINESS_LIMIT_CONTROL"]


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
