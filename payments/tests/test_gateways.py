"""The gateways of v2 and v3 against a strict provider: what is sent, what is believed, and how each refusal is told."""

import os
import time
from datetime import timedelta
from pathlib import Path

import pytest
import time_machine
from cryptography.hazmat.primitives import serialization
from django.utils import timezone

from payments.errors import (
    AlreadyClosed,
    AlreadyPaid,
    NoticeRefused,
    NumberUsed,
    OrderUnknown,
    PaymentNotConfigured,
    ProviderDown,
    ProviderTimeout,
    ProviderUntrusted,
    WeChatRefused,
    WeChatUncertain,
)
from payments.gateways.base import PaymentIntent
from payments.gateways.wechat import gateway_v2, gateway_v3, shared
from payments.gateways.wechat.notices import read_v3
from payments.gateways.wechat.v2 import is_authentic, sign
from payments.tasks import refresh_certificates
from payments.tests.fake_wechat import API_KEY, APPID, KEY_ID, MCHID, sign_v2

pytestmark = pytest.mark.django_db  # the time is the database's
NUMBER = "20261125101112000ABCDEF"


def intent(number=NUMBER, **changes):
    now = timezone.now()
    fields = {
        "out_trade_no": number, "amount_fen": 1234, "description": "可乐", "trade_type": "NATIVE",
        "client_ip": "203.0.113.9", "notify_url": "http://127.0.0.1:8399/pay/payResult", "time_start": now,
        "time_expire": now + timedelta(minutes=6),
    }  # fmt: skip
    return PaymentIntent(**(fields | changes))


@pytest.fixture
def order(wechat):
    gateway_v2().create(intent())
    return wechat.orders[NUMBER]


# --- v2 ---
def test_signs_like_the_documented_vector():
    fields = {"appid": "wxd930ea5d5a258f4f", "mch_id": "10000100", "device_info": "1000", "body": "test",
              "nonce_str": "ibuaiVcKdpRxkhJA"}  # fmt: skip

    assert sign(fields, "192006250b4c09247ec02edce69f6a2d", "MD5") == "9A0A8659F005D6984697E2CA0A9CF3B7"


@pytest.mark.parametrize("kind", ["MD5", "HMAC-SHA256"])
def test_authentic_is_what_the_key_signed_and_nothing_else(kind):
    fields = {"appid": APPID, "total_fee": "1", "unknown_new_field": "x"}
    signed = fields | {"sign": sign_v2(fields, kind)}

    assert is_authentic(signed, API_KEY)
    for forged in (signed | {"total_fee": "2"}, signed | {"sign": signed["sign"][:-1]}, fields):
        assert not is_authentic(forged, API_KEY)
    assert not is_authentic(fields | {"sign": sign(fields, "", kind)}, "")  # any stranger can sign without a key


@pytest.mark.parametrize(("kind", "length"), [("MD5", 32), ("HMAC-SHA256", 64)])
@pytest.mark.parametrize("trade_type", ["NATIVE", "JSAPI", "APP"])
def test_places_an_order_of_each_kind_and_signs_the_sdks_parameters(wechat, settings, kind, length, trade_type):
    settings.WECHAT_PAY_SIGN_TYPE, openid, now = kind, "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o", timezone.now()

    ticket = gateway_v2().create(intent(trade_type=trade_type, openid=openid))

    assert ticket.prepay_id.startswith("wx")
    assert ticket.code_url.startswith("weixin://") is (trade_type == "NATIVE")
    sent = wechat.orders[NUMBER]["wanted"]
    assert sent.get("openid") == (openid if trade_type == "JSAPI" else None)
    params = gateway_v2().sdk_params(trade_type, "wx123", now)
    if trade_type == "JSAPI":
        assert params.pop("paySign") == sign_v2(params, kind) and params["package"] == "prepay_id=wx123"
    elif trade_type == "APP":
        assert params["sign"] == sign_v2(params, kind) and len(params["sign"]) == length
        assert (params["partnerid"], params["package"]) == (MCHID, "Sign=WXPay")


@pytest.mark.parametrize(
    "description",
    ["好" * 100, "]]><sign>x</sign>", "]]\x00>" + "x" * 124, "a\x00b\x1fc", "", "𝄞" * 60, "<b>&amp;", "☕️奶茶😀"],
)
def test_any_description_makes_a_valid_order(wechat, description):
    gateway_v2().create(intent(description=description))

    assert len(wechat.orders[NUMBER]["wanted"]["body"].encode()) <= 127


@pytest.mark.parametrize(("message", "code"), [
    ("签名错误", "SIGN_ERROR"), ("appid和openid不匹配", "OPENID_MISMATCH"), ("appid参数有误", "APPID_MCHID_NOT_MATCH"),
    ("商户号不存在", "MCH_NOT_EXISTS"), ("body参数长度有误", "PARAM_ERROR"),
])  # fmt: skip
def test_a_refusal_without_a_code_gets_one_of_the_table(wechat, message, code):
    page = f"<xml><return_code>FAIL</return_code><return_msg>{message}</return_msg></xml>".encode()
    wechat.faults = [("unifiedorder", "page", 200, page)]

    with pytest.raises(WeChatRefused) as failure:
        gateway_v2().create(intent())

    assert failure.value.code == code


@pytest.mark.parametrize(("fault", "error"), [
    (("down",), ProviderDown), (("drop",), ProviderDown), (("page", 502), ProviderDown),
    (("page", 200), ProviderDown), (("page", 200, b"<xml></xml>"), ProviderDown),
    (("page", 500, b"<xml><return_code>FAIL</return_code></xml>"), ProviderDown),
    (("redirect",), ProviderDown), (("bad_sign",), ProviderUntrusted), (("no_sign",), ProviderUntrusted),
    (("change", {"mch_id": "1900000109"}), ProviderUntrusted),
    (("change", {"prepay_id": "wx" + "1" * 63}), ProviderUntrusted),
    (("change", {"code_url": "weixin://" + "1" * 504}), ProviderUntrusted),
    (("error", "SYSTEMERROR", ""), WeChatUncertain), (("error", "FREQUENCY_LIMITED", ""), WeChatUncertain),
    (("error", "A_NEW_CODE", ""), WeChatUncertain), (("error", "ORDERPAID", ""), AlreadyPaid),
    (("error", "ORDER_PAID", ""), AlreadyPaid), (("error", "INVALID_REQUEST", "201 商户订单号重复"), NumberUsed),
    (("error", "ORDERCLOSED", ""), AlreadyClosed), (("error", "OUT_TRADE_NO_USED", ""), NumberUsed),
    (("error", "NOAUTH", ""), WeChatRefused),
])  # fmt: skip
def test_each_refusal_of_an_order_becomes_its_named_error(wechat, fault, error):
    wechat.faults = [("unifiedorder", *fault)]

    with pytest.raises(error) as failure:
        gateway_v2().create(intent())

    assert failure.value.outcome_unknown is (error in (ProviderDown, ProviderUntrusted, WeChatUncertain))


# --- v3 ---
@pytest.mark.parametrize(("fault", "error"), [
    (("down",), ProviderDown), (("drop",), ProviderDown), (("page", 502), ProviderDown),
    (("redirect",), ProviderDown), (("page", 200), ProviderUntrusted),
    (("page", 400), ProviderDown), (("page", 404), ProviderDown), (("error", 404, "X"), OrderUnknown),
    (("error", 404, 404), ProviderDown), (("error", 404, "NotFound"), ProviderDown),  # of a proxy that speaks JSON
    (("page", 404, b"[]"), ProviderDown),
    (("bad_sign",), ProviderUntrusted), (("no_sign",), ProviderUntrusted), (("stale",), ProviderUntrusted),
    (("change", {"mchid": "1900000109"}), ProviderUntrusted), (("change", {"appid": "wx0"}), ProviderUntrusted),
    (("change", {"out_trade_no": "20261125101112000OTHER"}), ProviderUntrusted),
    (("change", {"trade_state": None}), ProviderUntrusted),
    (("change", {"trade_state": "SUCCESS"}), ProviderUntrusted),  # paid, but how much?
    (("change", {"trade_state": "SUCCESS", "amount": {"total": 1}, "transaction_id": "4" * 33}), ProviderUntrusted),
    (("error", 202, "USERPAYING"), WeChatUncertain), (("error", 500, "SYSTEM_ERROR"), WeChatUncertain),
    (("error", 429, "RATELIMIT_EXCEEDED"), WeChatUncertain), (("error", 503, "SOMETHING_NEW"), WeChatUncertain),
    (("error", 403, "NO_AUTH"), WeChatRefused),
])  # fmt: skip
def test_each_refusal_of_a_query_becomes_its_named_error(wechat, order, fault, error):
    wechat.faults = [("query", *fault)]

    with pytest.raises(error) as failure:
        gateway_v3().query(NUMBER)

    assert type(failure.value) is error


def test_a_signed_error_must_be_signed_rightly(wechat, monkeypatch):
    signed = wechat.signed_headers
    monkeypatch.setattr(wechat, "signed_headers", lambda body: signed(body, signer=wechat.keys.merchant))

    with pytest.raises(ProviderUntrusted):
        gateway_v3().query(NUMBER)


@pytest.mark.parametrize(("limit", "value", "fault", "error"), [
    ("TOTAL_TIMEOUT_S", 0.2, ("slow", 0.5), ProviderTimeout),
    ("MAX_BYTES", 100, (), ProviderDown),
])  # fmt: skip
def test_a_slow_or_an_endless_answer_is_cut_off(wechat, order, monkeypatch, limit, value, fault, error):
    monkeypatch.setattr(shared, limit, value)
    wechat.faults = [("query", *fault)]

    with pytest.raises(error):
        gateway_v3().query(NUMBER)


@pytest.mark.parametrize("number", ["../x", "a?mchid=1", "a/close", "", "a b", "单号"])
def test_a_number_cannot_change_the_signed_path(wechat, number):
    with pytest.raises(Exception, match="not a number of ours"):
        gateway_v3().query(number)
    assert wechat.calls == []


def test_a_proxy_of_the_environment_is_not_for_this_machine(wechat, order, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")

    assert gateway_v3().query(NUMBER).trade_state == "NOTPAY"


@pytest.mark.parametrize("form", ["pkcs1", "crlf", "bare"])
def test_takes_merchant_keys_in_every_common_form(wechat, order, settings, tmp_path, form):
    pkcs1 = serialization.PrivateFormat.TraditionalOpenSSL
    files = wechat.keys.write(tmp_path, pkcs1 if form == "pkcs1" else serialization.PrivateFormat.PKCS8)
    for file in map(Path, files):
        lines = file.read_text().splitlines()
        if form == "bare":
            file.write_text("".join(line for line in lines if "-----" not in line))
        elif form == "crlf":
            file.write_bytes("\r\n".join(lines).encode())
    settings.WECHAT_PAY_PRIVATE_KEY_FILE, settings.WECHAT_PAY_PUBLIC_KEY_FILE = files

    assert gateway_v3().query(NUMBER).trade_state == "NOTPAY"


@pytest.mark.parametrize(("name", "value"), [
    ("V3_KEY", "short"), ("V3_KEY", ""), ("PRIVATE_KEY_FILE", "/no/such/file"), ("PUBLIC_KEY_FILE", "/etc/hostname"),
    ("PUBLIC_KEY_ID", ""),
])  # fmt: skip
def test_unusable_values_are_a_configuration_error(wechat, settings, name, value):
    setattr(settings, f"WECHAT_PAY_{name}", value)

    with pytest.raises(PaymentNotConfigured) as error:
        gateway_v3()

    assert "k" * 16 not in str(error.value)


class TestCertificateMode:
    @pytest.fixture(autouse=True)
    def certificates(self, wechat, settings, tmp_path):
        wechat.use_certificate = True
        settings.WECHAT_PAY_PUBLIC_KEY_ID = settings.WECHAT_PAY_PUBLIC_KEY_FILE = ""
        settings.WECHAT_PAY_CERT_DIR = str(tmp_path / "certs")
        return tmp_path / "certs"

    def test_verifies_with_the_certificates_on_disk_and_fetches_them_once(self, wechat, order, certificates):
        for _ in range(3):
            assert gateway_v3().query(NUMBER).trade_state == "NOTPAY"
        assert wechat.called("certificates") == 1
        assert [file.name for file in certificates.iterdir()] == [f"{wechat.keys.serial}.pem"]

        (certificates / f"{wechat.keys.serial}.pem").rename(certificates / "wechatpay.pem")
        (certificates / "merchant_key.pem").write_text("not a certificate")
        assert gateway_v3().query(NUMBER).trade_state == "NOTPAY"
        assert wechat.called("certificates") == 1

    @pytest.mark.parametrize("is_switching", [True, False])
    def test_are_there_before_the_first_notice(self, wechat, order, settings, merchant_values, is_switching):
        """While WeChat switches to a public key it signs with either."""
        if is_switching:
            settings.WECHAT_PAY_PUBLIC_KEY_ID = KEY_ID
            settings.WECHAT_PAY_PUBLIC_KEY_FILE = merchant_values["WECHAT_PAY_PUBLIC_KEY_FILE"]
        wechat.pay(NUMBER)

        refresh_certificates()

        body, headers = wechat.notice_v3(NUMBER)
        assert read_v3(headers, body, [gateway_v3()], timezone.now()).paid_fen == 1234
        wechat.use_certificate = not is_switching
        assert gateway_v3().query(NUMBER).trade_state == "SUCCESS"

    def test_are_fetched_again_after_12_hours_and_one_merchants_keep_no_other_waiting(
        self, wechat, settings, merchant_values, certificates
    ):
        settings.WECHAT_PAY_FORMER_MERCHANTS = [merchant_values | {"WECHAT_PAY_CERT_DIR": str(certificates)}]
        settings.WECHAT_PAY_CERT_DIR = str(certificates.parent / "other")
        settings.WECHAT_PAY_V3_KEY = "x" * 32  # opens none, so the present merchant asks each time
        refresh_certificates()
        assert [file.name for file in certificates.iterdir()] == [f"{wechat.keys.serial}.pem"]
        assert wechat.called("certificates") == 2
        refresh_certificates()
        assert wechat.called("certificates") == 3

        old = time.time() - 12 * 3600 - 1
        os.utime(certificates, (old, old))
        for _ in range(2):
            refresh_certificates()

        assert wechat.called("certificates") == 6

    def test_a_notice_fetches_nothing_and_is_read_once_another_process_has_fetched(self, wechat, order, certificates):
        wechat.pay(NUMBER)
        gateway, calls = gateway_v3(), len(wechat.calls)
        body, headers = wechat.notice_v3(NUMBER)
        with pytest.raises(NoticeRefused, match="未知的证书序列号"):
            read_v3(headers, body, [gateway], timezone.now())
        assert len(wechat.calls) == calls

        certificates.mkdir()
        (certificates / "new.pem").write_bytes(wechat.keys.certificate_pem)

        assert read_v3(headers, body, [gateway], timezone.now()).paid_fen == 1234

    def test_believes_no_certificate_before_or_after_its_time(self, wechat):
        refresh_certificates()

        for days, is_believed in ((-2, False), (0, True), (10, False)):
            with time_machine.travel(timezone.now() + timedelta(days=days)):
                assert bool(gateway_v3().keys.find(wechat.keys.serial)) is is_believed

    def test_an_account_without_certificates_says_nothing_about_an_order(self, wechat, settings, certificates):
        """Nor does one that our key does not open, or that is another than its entry says."""
        other = {"data": [wechat.v3_certificates()[1]["data"][0] | {"serial_no": "ABCD"}]}
        for error, *fault in ((PaymentNotConfigured, "error", 404, "X"), (ProviderUntrusted, "change", other)):
            wechat.faults = [("certificates", *fault)]
            with pytest.raises(error):
                gateway_v3().query(NUMBER)
        settings.WECHAT_PAY_V3_KEY = "x" * 32
        with pytest.raises(ProviderUntrusted):
            gateway_v3().query(NUMBER)

        assert not certificates.exists()
