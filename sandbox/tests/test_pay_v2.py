"""The v2 stand-in, asked by wechatpy over HTTP."""

import re
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import requests
from wechatpy.exceptions import WeChatPayException
from wechatpy.pay.utils import calculate_signature, calculate_signature_hmac, dict_to_xml

from sandbox.models import PayCode, Trade
from sandbox.pay import xml

BEIJING = ZoneInfo("Asia/Shanghai")
NUMBER = "20261124120000000abcdefghijk"
# One moment for all parameters: two orders made in different seconds would not be equal.
START = datetime.now(BEIJING)
TIMES = {"time_start": START, "time_expire": START + timedelta(minutes=30)}

pytestmark = pytest.mark.django_db


def refused(call: Any, *args: Any, **kwargs: Any) -> tuple[str | None, str | None]:
    """Call and answer (err_code, text) of the refusal; a transport refusal has no err_code."""
    with pytest.raises(WeChatPayException) as caught:
        call(*args, **kwargs)
    return caught.value.errcode, caught.value.errmsg or caught.value.return_msg


def test_signs_like_the_documented_vector() -> None:
    fields = {
        "appid": "wxd930ea5d5a258f4f",
        "mch_id": "10000100",
        "device_info": "1000",
        "body": "test",
        "nonce_str": "ibuaiVcKdpRxkhJA",
    }
    key = "192006250b4c09247ec02edce69f6a2d"

    assert xml.sign(fields, key=key, sign_type="MD5") == "9A0A8659F005D6984697E2CA0A9CF3B7"
    assert xml.sign(fields, key=key, sign_type="HMAC-SHA256") == calculate_signature_hmac(fields, key)


def test_an_order_gets_a_code_and_a_signed_answer(v2: Any, order_v2: Any) -> None:
    answer = order_v2()

    assert re.fullmatch(r"weixin://wxpay/bizpayurl\?pr=[0-9A-Za-z]{9}", answer["code_url"])
    assert re.fullmatch(r"wx[0-9a-f]{34}", answer["prepay_id"])
    assert answer["trade_type"] == "NATIVE"
    assert v2.check_signature(answer)


def test_an_hmac_order_is_answered_with_hmac(v2: Any, order_v2: Any, keys: Any) -> None:
    answer = order_v2(sign_type="HMAC-SHA256")

    sign = answer.pop("sign")
    assert sign == calculate_signature_hmac(answer, keys["WECHAT_PAY_API_KEY"])


def test_jsapi_and_app_get_a_prepay_id_only(order_v2: Any) -> None:
    jsapi = order_v2("20261124000jsapi", trade_type="JSAPI", user_id="oWang")
    app = order_v2("20261124000app", trade_type="APP")

    for answer in (jsapi, app):
        assert answer["prepay_id"].startswith("wx")
        assert "code_url" not in answer


def test_an_equal_order_gets_a_fresh_code(order_v2: Any) -> None:
    first, second = order_v2(**TIMES), order_v2(**TIMES)

    assert first["code_url"] != second["code_url"]
    assert Trade.objects.count() == 1
    assert PayCode.objects.count() == 2


def test_a_number_used_with_other_parameters_is_refused(order_v2: Any) -> None:
    order_v2(**TIMES)

    for change in ({"total_fee": 1}, {"time_expire": START + timedelta(hours=1)}, {"body": "别的"}):
        assert refused(order_v2, **(TIMES | change)) == ("INVALID_REQUEST", "201 商户订单号重复")


BAD_PARAMETERS: list[tuple[dict[str, Any], str]] = [
    ({"total_fee": "12.34"}, "total_fee必须是整数（分）"),
    ({"total_fee": "0"}, "total_fee超出范围"),
    ({"total_fee": "-1"}, "total_fee必须是整数（分）"),
    ({"total_fee": None}, "total_fee参数缺失"),
    ({"body": ""}, "body参数缺失"),
    ({"body": "长" * 128}, "body长度超过127"),
    ({"attach": "长" * 128}, "attach长度超过127"),
    ({"product_id": None}, "product_id参数缺失"),
    ({"trade_type": "JSAPI"}, "openid参数缺失"),
    ({"trade_type": "CASH"}, "trade_type参数错误"),
    ({"out_trade_no": "short"}, "out_trade_no格式错误"),
    ({"out_trade_no": "x" * 33}, "out_trade_no格式错误"),
    ({"out_trade_no": "含中文的订单号码"}, "out_trade_no格式错误"),
    ({"notify_url": "/pay/payResult"}, "notify_url必须是带路径的绝对地址"),
    ({"notify_url": "http://shop.example/pay?x=1"}, "notify_url不能携带参数"),
    ({"fee_type": "USD"}, "fee_type只支持CNY"),
    ({"nonce_str": "x" * 33}, "nonce_str长度超过32"),
]


def test_a_bad_parameter_is_a_transport_failure(order_v2: Any) -> None:
    said = [refused(order_v2, **change) for change, _ in BAD_PARAMETERS]

    assert said == [(None, text) for _, text in BAD_PARAMETERS]
    assert not Trade.objects.exists()


def test_a_deadline_below_five_minutes_is_refused(order_v2: Any) -> None:
    soon = datetime.now(BEIJING) + timedelta(minutes=4, seconds=58)

    assert refused(order_v2, time_expire=soon)[0] == "INVALID_REQUEST"
    assert refused(order_v2, time_expire=datetime.now(BEIJING) - timedelta(hours=8))[0] == "INVALID_REQUEST"


def test_a_wrong_key_or_merchant_is_refused(v2: Any, order_v2: Any) -> None:
    v2.api_key = "0" * 32
    assert refused(order_v2) == (None, "签名错误")

    v2.mch_id = "1600000000"
    assert refused(order_v2) == (None, "商户号mch_id不存在")


def test_another_appid_is_refused(v2: Any, order_v2: Any) -> None:
    v2.appid = "wx0000000000000000"

    assert refused(order_v2)[0] == "APPID_MCHID_NOT_MATCH"


def test_the_sign_type_takes_part_in_the_signature(server: str, keys: Any) -> None:
    fields = {"mch_id": keys["WECHAT_PAY_MCH_ID"], "appid": keys["WECHAT_APP_ID"], "nonce_str": "n"}
    sign = calculate_signature(fields, keys["WECHAT_PAY_API_KEY"])

    body = dict_to_xml(fields | {"sign_type": "MD5"}, sign)
    answer = requests.post(f"{server}/sandbox/wxpay/pay/orderquery", data=body.encode(), timeout=10)

    assert xml.parse(answer.content)["return_msg"] == "签名错误"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not xml",
        b"<html/>",
        b"\xff\xfe<xml/>",
        b"<xml><a><b>1</b></a></xml>",
        b"<xml><a>1</a><a>2</a></xml>",
        b'<!DOCTYPE x [<!ENTITY a "b">]><xml><nonce_str>&a;</nonce_str></xml>',
    ],
)
def test_malformed_xml_is_refused(client: Any, body: bytes) -> None:
    answer = client.post("/sandbox/wxpay/pay/unifiedorder", body, content_type="text/xml")

    assert answer.status_code == 200
    assert xml.parse(answer.content) == {"return_code": "FAIL", "return_msg": "XML_FORMAT_ERROR XML格式错误"}


def test_get_is_refused(client: Any) -> None:
    assert "REQUIRE_POST_METHOD" in client.get("/sandbox/wxpay/pay/unifiedorder").content.decode()


def test_a_query_follows_the_order(v2: Any, order_v2: Any, control: Any) -> None:
    assert refused(v2.order.query, out_trade_no=NUMBER) == ("ORDERNOTEXIST", "订单不存在")
    order_v2()
    waiting = v2.order.query(out_trade_no=NUMBER)
    assert (waiting["trade_state"], "transaction_id" in waiting) == ("NOTPAY", False)

    control("pay", out_trade_no=NUMBER)

    paid = v2.order.query(out_trade_no=NUMBER)
    assert v2.check_signature(paid)
    assert (paid["trade_state"], paid["total_fee"], paid["attach"]) == ("SUCCESS", "1234", "a<b&c")
    assert re.fullmatch(r"4200\d{24}", paid["transaction_id"])
    assert v2.order.query(transaction_id=paid["transaction_id"])["out_trade_no"] == NUMBER


def test_close_then_everything_says_closed(v2: Any, order_v2: Any, control: Any) -> None:
    order_v2()

    v2.order.close(NUMBER)

    assert v2.order.query(out_trade_no=NUMBER)["trade_state"] == "CLOSED"
    assert refused(v2.order.close, NUMBER)[0] == "ORDERCLOSED"
    assert refused(order_v2)[0] == "ORDERCLOSED"
    assert control("pay", out_trade_no=NUMBER)["code"] == "ORDER_CLOSED"


def test_closing_an_order_that_never_was_succeeds(v2: Any) -> None:
    assert v2.order.close("20261124nosuchorder")["result_code"] == "SUCCESS"


def test_a_paid_order_can_be_neither_closed_nor_placed_nor_paid_again(v2: Any, order_v2: Any, control: Any) -> None:
    order_v2(**TIMES)
    control("pay", out_trade_no=NUMBER)

    assert refused(v2.order.close, NUMBER)[0] == "ORDERPAID"
    assert refused(order_v2, **TIMES)[0] == "ORDERPAID"
    assert control("pay", out_trade_no=NUMBER)["code"] == "ORDERPAID"
