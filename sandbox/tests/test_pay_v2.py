"""The v2 stand-in, asked by wechatpy over HTTP."""

import re
from datetime import datetime, timedelta

import pytest
from django.utils import timezone
from wechatpy.exceptions import WeChatPayException

from core.times import SHANGHAI
from sandbox.models import CODE_TTL, Trade
from sandbox.pay import xml
from sandbox.tests.conftest import EXPIRES, NUMBER

pytestmark = pytest.mark.django_db


def refused(call, *args, **kwargs):
    """Call and answer (err_code, text) of the refusal; a transport refusal has no err_code."""
    with pytest.raises(WeChatPayException) as error:
        call(*args, **kwargs)
    return error.value.errcode, error.value.errmsg or error.value.return_msg


def test_an_order_gets_a_code_and_a_signed_answer(v2, order_v2):
    answer = order_v2()

    assert re.fullmatch(r"weixin://wxpay/bizpayurl\?pr=[0-9A-Za-z]{9}", answer["code_url"])
    assert re.fullmatch(r"wx[0-9a-f]{34}", answer["prepay_id"])
    assert answer["trade_type"] == "NATIVE"
    assert v2.check_signature(answer)
    for kind in ("JSAPI", "APP"):
        code = order_v2(f"20261124{kind}", trade_type=kind, user_id="oWang" if kind == "JSAPI" else None)
        assert code["prepay_id"].startswith("wx") and "code_url" not in code


def test_the_code_of_an_equal_order_works_anew_and_another_order_is_refused(order_v2, control):
    code_url = order_v2()["code_url"]
    Trade.objects.update(placed_at=timezone.now() - CODE_TTL, expires_at=EXPIRES + timedelta(hours=1))
    assert control("pay", code_url=code_url)["error"] == "二维码已过期，请刷新后再试"

    assert order_v2()["code_url"] == code_url
    for change in ({"total_fee": 1}, {"time_expire": EXPIRES + timedelta(hours=1)}, {"body": "别的"}):
        assert refused(order_v2, **change) == ("INVALID_REQUEST", "201 商户订单号重复")
    assert Trade.objects.count() == 1
    assert control("pay", code_url=code_url)["trade_state"] == "SUCCESS"


BAD_PARAMETERS = [
    *(({"total_fee": fee}, "total_fee格式错误") for fee in ("12.34", "0")),
    *(({"out_trade_no": number}, "out_trade_no格式错误") for number in ("short", "x" * 33)),
    ({"total_fee": None}, "total_fee参数缺失"),
    ({"body": "长" * 128}, "body格式错误"),
    ({"trade_type": "JSAPI"}, "openid参数缺失"),
    ({"trade_type": "CASH"}, "trade_type格式错误"),
    ({"notify_url": "/pay/payResult"}, "notify_url格式错误"),
]


def test_a_bad_parameter_is_a_transport_failure_and_a_new_order_needs_five_minutes(order_v2):
    answers = [refused(order_v2, **change) for change, _ in BAD_PARAMETERS]
    assert answers == [(None, text) for _, text in BAD_PARAMETERS]

    soon = datetime.now(SHANGHAI) + timedelta(minutes=5, seconds=40)  # a busy machine takes its time

    assert refused(order_v2, time_expire=soon - timedelta(seconds=45))[0] == "INVALID_REQUEST"
    assert not Trade.objects.exists()
    order_v2(time_expire=soon)
    Trade.objects.update(created_at=datetime.now(SHANGHAI) - timedelta(minutes=4))
    assert order_v2(time_expire=soon)["code_url"]  # placed again, it keeps its deadline


MALFORMED = [
    *(b"", b"<html/>", b"\xff\xfe<xml/>", b"<xml><a><b>1</b></a></xml>", b"<xml><a>1</a><a>2</a></xml>"),
    b'<!DOCTYPE x [<!ENTITY a "b">]><xml><nonce_str>&a;</nonce_str></xml>',
]


def test_a_wrong_key_merchant_or_app_and_what_is_no_xml_are_refused(v2, order_v2, client):
    v2.appid, appid = "wx0000000000000000", v2.appid
    assert refused(order_v2)[0] == "APPID_MCHID_NOT_MATCH"

    v2.appid, v2.api_key = appid, "0" * 32
    assert refused(order_v2) == (None, "签名错误")

    v2.mch_id = "1600000000"
    assert refused(order_v2) == (None, "商户号mch_id不存在")

    for body in MALFORMED:
        answer = client.post("/sandbox/wxpay/pay/unifiedorder", body, content_type="text/xml")
        assert answer.status_code == 200
        assert xml.parse(answer.content) == {"return_code": "FAIL", "return_msg": "XML_FORMAT_ERROR XML格式错误"}


def test_a_paid_or_closed_order_can_be_neither_placed_nor_paid_again(v2, v3, order_v2, control):
    closed = "20261124closed"
    assert refused(v2.order.query, out_trade_no=NUMBER) == ("ORDERNOTEXIST", "订单不存在")
    order_v2(), order_v2(closed)
    waiting = v2.order.query(out_trade_no=NUMBER)
    assert (waiting["trade_state"], "transaction_id" in waiting) == ("NOTPAY", False)

    control("pay", out_trade_no=NUMBER)
    v3.close(closed)

    paid = v2.order.query(out_trade_no=NUMBER)
    assert v2.check_signature(paid)
    assert (paid["trade_state"], paid["total_fee"], paid["attach"]) == ("SUCCESS", "1234", "a<b&c")
    assert re.fullmatch(r"4200\d{24}", paid["transaction_id"])
    assert v2.order.query(out_trade_no=closed)["trade_state"] == "CLOSED"
    assert (refused(order_v2)[0], refused(order_v2, closed)[0]) == ("ORDERPAID", "ORDERCLOSED")
    codes = [control("pay", out_trade_no=number)["code"] for number in (NUMBER, closed)]
    assert codes == ["ORDERPAID", "ORDER_CLOSED"]
