"""The v2 adapter against a strict provider."""

from datetime import timedelta

import pytest
from django.utils import timezone

from payments.errors import (
    AlreadyClosed,
    AlreadyPaid,
    NumberUsed,
    ProviderDown,
    ProviderUntrusted,
    WeChatRefused,
    WeChatUncertain,
)
from payments.gateways.base import PaymentIntent
from payments.gateways.wechat import gateway_v2
from payments.gateways.wechat.v2 import is_authentic, sign
from payments.tests.fake_wechat import API_KEY, APPID, MCHID, sign_v2


def intent(number="20261125101112000ABCDEF", **changes):
    now = timezone.now()
    fields = {
        "out_trade_no": number, "amount_fen": 1234, "description": "可乐", "trade_type": "NATIVE",
        "client_ip": "203.0.113.9", "notify_url": "http://127.0.0.1:8399/pay/payResult", "time_start": now,
        "time_expire": now + timedelta(minutes=6),
    }  # fmt: skip
    return PaymentIntent(**(fields | changes))


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
    sent = wechat.orders["20261125101112000ABCDEF"]["wanted"]
    assert sent.get("openid") == (openid if trade_type == "JSAPI" else None)
    params = gateway_v2().sdk_params(trade_type, "wx123", now)
    if trade_type == "JSAPI":
        assert params.pop("paySign") == sign_v2(params, kind) and params["package"] == "prepay_id=wx123"
    elif trade_type == "APP":
        assert params["sign"] == sign_v2(params, kind) and len(params["sign"]) == length
        assert (params["partnerid"], params["package"]) == (MCHID, "Sign=WXPay")


def test_equal_intents_are_one_order_and_times_are_beijing_time(wechat):
    fields = intent()

    for _ in range(2):
        gateway_v2().create(fields)

    (order,) = wechat.orders.values()
    assert order["wanted"]["time_expire"] == f"{fields.time_expire + timedelta(hours=8):%Y%m%d%H%M%S}"
    with pytest.raises(NumberUsed) as error:
        gateway_v2().create(intent(amount_fen=1235))
    assert error.value.code == "OUT_TRADE_NO_USED"


@pytest.mark.parametrize(
    "description",
    ["好" * 100, "]]><sign>x</sign>", "]]\x00>" + "x" * 124, "a\x00b\x1fc", "", "𝄞" * 60, "<b>&amp;", "☕️奶茶😀"],
)
def test_any_description_makes_a_valid_order(wechat, description):
    gateway_v2().create(intent(description=description))

    assert len(wechat.orders["20261125101112000ABCDEF"]["wanted"]["body"].encode()) <= 127


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
def test_each_refusal_becomes_its_named_error(wechat, fault, error):
    wechat.faults = [("unifiedorder", *fault)]

    with pytest.raises(error) as failure:
        gateway_v2().create(intent())

    assert failure.value.outcome_unknown is (error in (ProviderDown, ProviderUntrusted, WeChatUncertain))


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
