"""What is asked by v3 of orders placed by v2: wechatpayv3 verifies the signature of every answer by itself."""

import json
import time
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import requests
import time_machine
from django.db.models import F
from wechatpayv3.utils import build_authorization

from sandbox.models import Refund
from sandbox.pay.trades import REFUNDS_APART
from sandbox.tests.conftest import NUMBER

pytestmark = pytest.mark.django_db
PATH = f"/v3/pay/transactions/out-trade-no/{NUMBER}"


def code_of(answer):
    status, body = answer
    return status, (json.loads(body) if isinstance(body, str) else body)["code"]


def state_of(v3, refund):
    return json.loads(v3.query_refund(refund)[1])["status"]


def a_minute_passes():
    Refund.objects.update(created_at=F("created_at") - REFUNDS_APART)


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


def test_the_client_really_verifies(v3, order_v2, control):
    """The twin of the tests above: with the answers' signatures spoilt, the client refuses them."""
    order_v2()
    control("faults", answer_wrong_signature=True)

    with pytest.raises(Exception, match="failed to verify the signature"):
        v3.query(out_trade_no=NUMBER)


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


def test_an_abnormal_refund_is_told(v3, paid, give_back, control, shop):
    paid()
    control("faults", refund_abnormal=True)
    assert give_back()[1]["user_received_account"] == "支付用户零钱"

    control("deliver", ahead_s=10)

    assert state_of(v3, "R1") == "ABNORMAL"
    events = [json.loads(body)["event_type"] for path, _, body in shop.heard if path == "/pay/notify"]
    assert events == ["REFUND.ABNORMAL"]


def test_a_closed_refund_leaves_room_for_another(v3, paid, give_back, control, shop):
    paid()
    control("faults", refund_closed=True)
    give_back("R1")
    control("deliver", ahead_s=10)
    control("faults", reset=True)

    assert state_of(v3, "R1") == "CLOSED"
    assert json.loads(shop.heard[-1][2])["event_type"] == "REFUND.CLOSED"
    a_minute_passes()
    assert give_back("R2")[0] == 200
    a_minute_passes()
    assert code_of(give_back("R3", 1)) == (403, "NOT_ENOUGH")
