"""The stand-in of WeChat Pay over HTTP: v2 asked by wechatpy, v3 by wechatpayv3.

wechatpayv3 verifies the signature of every answer by itself. The demo's tests compare the bills with our books.
"""

import json
import re
import time
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import requests
import time_machine
from django.db.models import F
from django.utils import timezone
from wechatpayv3.utils import build_authorization
from wechatpy.exceptions import WeChatPayException

from core.times import SHANGHAI, local
from payments.gateways.wechat import gateway_v3
from sandbox.models import CODE_TTL, Refund, Trade
from sandbox.pay.signing import parse_xml
from sandbox.pay.trades import REFUNDS_APART
from sandbox.tests.conftest import EXPIRES, NUMBER

pytestmark = pytest.mark.django_db
PATH = f"/v3/pay/transactions/out-trade-no/{NUMBER}"
NOON = (local(timezone.now()) - timedelta(days=3)).replace(hour=12, minute=0, second=0, microsecond=0)


def refused(call, *args, **kwargs):
    """Call v2 and answer (err_code, text) of the refusal; a transport refusal has no err_code."""
    with pytest.raises(WeChatPayException) as error:
        call(*args, **kwargs)
    return error.value.errcode, error.value.errmsg or error.value.return_msg


def code_of(answer):
    """Return status and code of a refusal of v3."""
    status, body = answer
    return status, (json.loads(body) if isinstance(body, str) else body)["code"]


def state_of(v3, refund):
    return json.loads(v3.query_refund(refund)[1])["status"]


def a_minute_passes():
    Refund.objects.update(created_at=F("created_at") - REFUNDS_APART)


# --- v2 ---
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
        assert parse_xml(answer.content) == {"return_code": "FAIL", "return_msg": "XML_FORMAT_ERROR XML格式错误"}


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


# --- v3: what is asked of orders placed by v2 ---
def test_an_order_lives_its_life(v2, v3, order_v2, paid):
    assert code_of(v3.query(out_trade_no=NUMBER)) == (404, "ORDER_NOT_EXIST")
    order_v2("20261124closed")
    waiting = json.loads(v3.query(out_trade_no="20261124closed")[1])
    assert (waiting["trade_state"], waiting["trade_state_desc"]) == ("NOTPAY", "订单未支付")
    assert v3.close("20261124closed")[0] == 204
    assert v2.order.query(out_trade_no="20261124closed")["trade_state"] == "CLOSED"
    assert code_of(v3.close("20261124closed")) == (400, "ORDER_CLOSED")
    paid()

    status, text = v3.query(out_trade_no=NUMBER)
    answer = json.loads(text)
    assert (status, answer["trade_state"]) == (200, "SUCCESS")
    assert answer["amount"] == {"total": 1234, "payer_total": 1234, "currency": "CNY", "payer_currency": "CNY"}
    assert datetime.fromisoformat(answer["success_time"]).utcoffset() == timedelta(hours=8)
    assert code_of(v3.close(NUMBER)) == (400, "ORDERPAID")


def test_strangers_get_401_and_an_unknown_key_400(v3, v3_client, client, keys):
    stranger = (Path(keys["WECHAT_PAY_PRIVATE_KEY_FILE"]).parent / "platform_key.pem").read_text()

    for change in ({"private_key": stranger}, {"cert_serial_no": "AB" * 20}, {"mchid": "1600000000"}):
        assert code_of(v3_client(**change).query(out_trade_no=NUMBER)) == (401, "SIGN_ERROR")
    for header in ("", "Bearer x", 'WECHATPAY2-SHA256-RSA2048 mchid="1",nonce_str="n"', "WECHATPAY2"):
        answer = client.get(f"/sandbox/wxpay{PATH}", headers={"authorization": header})
        assert (answer.status_code, answer.json()["code"]) == (401, "SIGN_ERROR")
    v3._core._public_key_id = "PUB_KEY_ID_0000000000000000000000000000000000"
    assert code_of(v3.query(out_trade_no=NUMBER)) == (400, "PARAM_ERROR")


def test_the_signature_covers_time_body_path_and_query(v3):
    def status_of(method, path, body=b"", *, age_s=0):
        with time_machine.travel(time.time() - age_s, tick=False):
            core = v3._core
            signed = build_authorization(PATH, "POST", core._mchid, core._cert_serial_no, core._private_key, data="{}")
        answer = requests.request(
            method, core._gate_way + path, data=body, headers={"Authorization": signed}, timeout=10
        )
        assert ("Wechatpay-Signature" in answer.headers) == (answer.status_code != 401)
        return answer.status_code

    assert status_of("POST", PATH, b"{}") == 400  # signed well, but it names no key
    assert status_of("POST", PATH, b"{}", age_s=301) == 401
    assert status_of("POST", PATH, b"{ }") == 401
    assert status_of("PUT", PATH, b"{}") == 401
    assert status_of("POST", f"{PATH}x", b"{}") == status_of("POST", f"{PATH}?mchid=1", b"{}") == 401


def test_refunds_what_is_paid_and_no_more(v3, paid, give_back, control):
    trade = paid()
    trade.state = "NOTPAY"
    trade.save()
    assert code_of(give_back()) == (403, "TRADE_ERROR")
    trade.state = "SUCCESS"
    trade.save()

    assert code_of(give_back(fen=1235)) == (403, "NOT_ENOUGH")
    status, made = give_back(reason="不想要了")
    assert (status, made["status"], made["amount"]["refund"]) == (200, "PROCESSING", 1234)
    assert give_back()[1]["refund_id"] == made["refund_id"]
    assert code_of(give_back("R2", 1)) == (429, "FREQUENCY_LIMITED")
    a_minute_passes()
    assert code_of(give_back("R2", 1)) == (403, "NOT_ENOUGH")
    assert code_of(give_back(fen=1)) == (400, "INVALID_REQUEST")
    assert code_of(give_back("R3", transaction_id="4200000")) == (404, "ORDER_NOT_EXIST")
    assert code_of(v3.query_refund("R9")) == (404, "RESOURCE_NOT_EXISTS")

    assert control("deliver")["refunds_settled"] == 0
    assert control("deliver", ahead_s=10)["refunds_settled"] == 1
    settled = json.loads(v3.query_refund("R1")[1])
    assert (settled["status"], settled["out_trade_no"]) == ("SUCCESS", NUMBER)
    assert "success_time" in settled
    assert json.loads(v3.query(out_trade_no=NUMBER)[1])["trade_state"] == "REFUND"


@pytest.mark.parametrize("outcome", ["ABNORMAL", "CLOSED"])
def test_a_refund_that_does_not_arrive_is_told_and_a_closed_one_leaves_room(
    v3, paid, give_back, control, shop, outcome
):
    paid()
    control("faults", **{f"refund_{outcome.lower()}": True})
    assert give_back()[1]["user_received_account"] == "支付用户零钱"
    control("deliver", ahead_s=10)
    control("faults", reset=True)

    assert state_of(v3, "R1") == outcome
    told = [json.loads(body)["event_type"] for path, _, body in shop.heard if path == "/pay/notify"]
    assert told == [f"REFUND.{outcome}"]
    a_minute_passes()
    assert give_back("R2")[0] == (200 if outcome == "CLOSED" else 403)
    a_minute_passes()
    assert code_of(give_back("R3", 1)) == (403, "NOT_ENOUGH")


# --- Bills ---
def test_a_line_of_a_bill_has_the_time_of_its_payment_or_refund(server, settings, paid, give_back):
    settings.WECHAT_PAY_BASE_URL = f"{server}/sandbox/wxpay"
    paid()
    give_back(fen=234)
    Trade.objects.update(paid_at=NOON)
    Refund.objects.update(created_at=NOON + timedelta(hours=1))

    lines = [(row.out_refund_no, row.bill_fen, row.bill_at) for row in gateway_v3().bill(NOON.date()).rows]

    assert lines == [("", 1234, NOON), ("R1", 234, NOON + timedelta(hours=1))]


def test_no_bill_of_a_day_without_trade_nor_of_today_nor_before_ten(v3):
    today = local(timezone.now())
    assert code_of(v3.trade_bill(f"{NOON - timedelta(days=1):%Y-%m-%d}")) == (400, "NO_STATEMENT_EXIST")
    assert code_of(v3.trade_bill(f"{today:%Y-%m-%d}")) == (400, "INVALID_REQUEST")
    assert code_of(v3.trade_bill(f"{today - timedelta(days=91):%Y-%m-%d}")) == (400, "INVALID_REQUEST")
    assert code_of(v3.trade_bill("2026-13-01")) == (400, "PARAM_ERROR")
    with time_machine.travel((NOON + timedelta(days=1)).replace(hour=9)):
        assert code_of(v3.trade_bill(f"{NOON:%Y-%m-%d}")) == (400, "STATEMENT_CREATING")
