"""The v3 stand-in, asked by wechatpayv3 over HTTP: it verifies every answer's signature by itself."""

import json
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
import time_machine
from django.utils import timezone
from wechatpayv3 import WeChatPayType
from wechatpayv3.core import Core
from wechatpayv3.utils import build_authorization, load_private_key

from sandbox.models import Trade

NUMBER = "20261124120000000v3v3v3v3v3v"

pytestmark = pytest.mark.django_db


def code_of(answer: tuple[int, Any]) -> tuple[int, str]:
    status, body = answer
    return status, (json.loads(body) if isinstance(body, str) else body)["code"]


def test_an_order_lives_its_life_in_public_key_mode(v3: Any, order_v3: Any, control: Any) -> None:
    assert code_of(v3.query(out_trade_no=NUMBER)) == (404, "ORDER_NOT_EXIST")
    status, placed = order_v3()
    assert status == 200
    assert placed["code_url"].startswith("weixin://wxpay/bizpayurl?pr=")

    waiting = json.loads(v3.query(out_trade_no=NUMBER)[1])
    assert (waiting["trade_state"], waiting["trade_state_desc"]) == ("NOTPAY", "订单未支付")
    control("pay", code_url=placed["code_url"])

    status, text = v3.query(out_trade_no=NUMBER)
    paid = json.loads(text)
    assert (status, paid["trade_state"]) == (200, "SUCCESS")
    assert paid["amount"] == {"total": 1234, "payer_total": 1234, "currency": "CNY", "payer_currency": "CNY"}
    assert datetime.fromisoformat(paid["success_time"]).utcoffset() == timedelta(hours=8)
    assert json.loads(v3.query(transaction_id=paid["transaction_id"])[1])["out_trade_no"] == NUMBER
    assert code_of(order_v3()) == (400, "ORDERPAID")
    assert code_of(v3.close(NUMBER)) == (400, "ORDERPAID")


def test_close_answers_a_signed_204(v3: Any, order_v3: Any) -> None:
    order_v3()

    assert v3.close(NUMBER)[0] == 204

    assert json.loads(v3.query(out_trade_no=NUMBER)[1])["trade_state"] == "CLOSED"
    assert code_of(v3.close(NUMBER)) == (400, "ORDER_CLOSED")
    assert code_of(v3.close("20261124nosuchorder")) == (404, "ORDER_NOT_EXIST")


def test_certificate_mode_with_a_seeded_folder(v3_client: Any, order_v3: Any, keys: Any) -> None:
    order_v3()

    client = v3_client(cert_dir=keys["WECHAT_PAY_CERT_DIR"])

    assert client.query(out_trade_no=NUMBER)[0] == 200


def test_certificates_are_handed_out_sealed(server: str, order_v3: Any, keys: Any, tmp_path: Path) -> None:
    order_v3()

    class LocalCore(Core):
        _gate_way = property(lambda self: f"{server}/sandbox/wxpay", lambda self, value: None)

    core = LocalCore(
        keys["WECHAT_PAY_MCH_ID"],
        keys["WECHAT_PAY_CERT_SERIAL"],
        Path(keys["WECHAT_PAY_PRIVATE_KEY_FILE"]).read_text(),
        keys["WECHAT_PAY_V3_KEY"],
        cert_dir=str(tmp_path),
        timeout=10,
    )

    assert [file.name for file in tmp_path.iterdir()] == [f"{core._certificates[0].serial_number:X}.pem"]
    assert core.request(f"/v3/pay/transactions/out-trade-no/{NUMBER}?mchid={keys['WECHAT_PAY_MCH_ID']}")[0] == 200


def test_one_order_for_both_apis(v2: Any, v3: Any, order_v2: Any, order_v3: Any) -> None:
    order_v2(NUMBER)

    assert json.loads(v3.query(out_trade_no=NUMBER)[1])["trade_state"] == "NOTPAY"
    assert code_of(order_v3()) == (403, "OUT_TRADE_NO_USED")
    v3.close(NUMBER)
    assert v2.order.query(out_trade_no=NUMBER)["trade_state"] == "CLOSED"


def test_the_same_order_again_gets_a_fresh_code(order_v3: Any) -> None:
    first, second = order_v3()[1], order_v3()[1]

    assert first["code_url"] != second["code_url"]
    assert code_of(order_v3(amount={"total": 1})) == (403, "OUT_TRADE_NO_USED")


def test_a_near_deadline_is_moved_a_minute_away(order_v3: Any) -> None:
    order_v3(time_expire=(timezone.now() - timedelta(hours=1)).isoformat())

    assert timedelta(seconds=50) < Trade.objects.get().expires_at - timezone.now() <= timedelta(minutes=1)


BAD_PARAMETERS: list[tuple[dict[str, Any], str]] = [
    ({"amount": {"total": 0}}, "amount.total"),
    ({"amount": {"total": 12.5}}, "amount.total"),
    ({"amount": {"total": "1234"}}, "amount.total"),
    ({"amount": {"total": True}}, "amount.total"),
    ({"amount": [1]}, "amount"),
    ({"amount": {"total": 1, "currency": "USD"}}, "amount.currency"),
    ({"description": "长" * 128}, "description"),
    ({"description": "\x00"}, "description"),
    ({"description": "\ud800"}, "description"),
    ({"description": {"a": 1}}, "description"),
    ({"out_trade_no": "short"}, "out_trade_no"),
    ({"notify_url": "ftp://shop.example/x"}, "notify_url"),
    ({"notify_url": "http://[shop"}, "notify_url"),
    ({"time_expire": "2026-11-24 12:00:00"}, "time_expire"),
    ({"time_expire": "2026-13-24T12:00:00+08:00"}, "time_expire"),
    ({"attach": "a" * 129}, "attach"),
    ({"scene_info": {"device_id": "x"}}, "scene_info.payer_client_ip"),
]


def test_a_bad_parameter_is_named(order_v3: Any) -> None:
    answers = [order_v3(**change) for change, _ in BAD_PARAMETERS]

    assert {(status, answer["code"]) for status, answer in answers} == {(400, "PARAM_ERROR")}
    assert [answer["detail"]["field"] for _, answer in answers] == [field for _, field in BAD_PARAMETERS]
    assert not Trade.objects.exists()


def test_jsapi_needs_a_payer(v3_client: Any, shop: Any) -> None:
    pay = v3_client(wechatpay_type=WeChatPayType.JSAPI).pay
    order = {"description": "鞋", "out_trade_no": NUMBER, "amount": {"total": 1}, "notify_url": shop.v3_url}

    assert code_of(pay(**order, payer={"openid": ""})) == (400, "PARAM_ERROR")
    assert json.loads(pay(**order, payer={"openid": "oWang"})[1])["prepay_id"].startswith("wx")


def test_strangers_get_401(v3_client: Any, keys: Any) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )

    for change in ({"private_key": stranger.decode()}, {"cert_serial_no": "AB" * 20}, {"mchid": "1600000000"}):
        assert code_of(v3_client(**change).query(out_trade_no=NUMBER)) == (401, "SIGN_ERROR")


def test_a_stale_clock_gets_401(v3: Any) -> None:
    with time_machine.travel(time.time() - 301, tick=False):
        path = f"/v3/pay/transactions/out-trade-no/{NUMBER}?mchid={v3._mchid}"
        stale = build_authorization(path, "GET", v3._mchid, v3._core._cert_serial_no, v3._core._private_key)

    answer = requests.get(v3._core._gate_way + path, headers={"Authorization": stale}, timeout=10)

    assert (answer.status_code, answer.json()["code"]) == (401, "SIGN_ERROR")
    assert "Wechatpay-Signature" not in answer.headers


@pytest.mark.parametrize(
    "header",
    ["", "Bearer x", "WECHATPAY2-SHA256-RSA2048 ", 'WECHATPAY2-SHA256-RSA2048 mchid="1",nonce_str="n"', "WECHATPAY2"],
)
def test_a_malformed_authorization_gets_401(client: Any, header: str) -> None:
    answer = client.get("/sandbox/wxpay/v3/certificates", headers={"authorization": header})

    assert (answer.status_code, answer.json()["code"]) == (401, "SIGN_ERROR")


def test_the_signature_covers_body_path_and_query(server: str, keys: Any) -> None:
    key = load_private_key(Path(keys["WECHAT_PAY_PRIVATE_KEY_FILE"]).read_text())
    path = f"/v3/pay/transactions/out-trade-no/{NUMBER}"
    signed = build_authorization(path, "GET", keys["WECHAT_PAY_MCH_ID"], keys["WECHAT_PAY_CERT_SERIAL"], key)
    headers = {"Authorization": signed}
    base = f"{server}/sandbox/wxpay"

    assert requests.get(f"{base}{path}?mchid=1", headers=headers, timeout=10).status_code == 401
    assert requests.get(f"{base}{path}x", headers=headers, timeout=10).status_code == 401
    assert requests.get(f"{base}{path}", headers=headers, timeout=10).json()["code"] == "PARAM_ERROR"  # no mchid


def test_an_unknown_public_key_id_is_refused(v3: Any) -> None:
    v3._core._public_key_id = "PUB_KEY_ID_0000000000000000000000000000000000"

    assert code_of(v3.query(out_trade_no=NUMBER)) == (400, "PARAM_ERROR")


def test_refunds(v3: Any, order_v3: Any, control: Any, shop: Any) -> None:
    order_v3()
    whole = {"out_trade_no": NUMBER, "amount": {"refund": 1234, "total": 1234, "currency": "CNY"}}
    assert code_of(v3.refund("R1", **whole)) == (403, "TRADE_ERROR")
    control("pay", out_trade_no=NUMBER)

    assert (
        code_of(v3.refund("R1", **(whole | {"amount": {"refund": 1235, "total": 1234, "currency": "CNY"}})))[0] == 403
    )
    status, text = v3.refund("R1", **whole, reason="不想要了", notify_url=shop.v3_url)
    made = json.loads(text)
    assert (status, made["status"], made["amount"]["refund"]) == (200, "PROCESSING", 1234)
    again = json.loads(v3.refund("R1", **whole)[1])
    assert again["refund_id"] == made["refund_id"]
    assert code_of(v3.refund("R2", **whole)) == (403, "NOT_ENOUGH")
    assert code_of(v3.query_refund("R9")) == (404, "RESOURCE_NOT_EXISTS")

    control("deliver", ahead_s=10)
    settled = json.loads(v3.query_refund("R1")[1])
    assert (settled["status"], settled["out_trade_no"]) == ("SUCCESS", NUMBER)
    assert "success_time" in settled
    assert json.loads(v3.query(out_trade_no=NUMBER)[1])["trade_state"] == "REFUND"


def test_unknown_paths_and_methods(v3: Any) -> None:
    assert code_of(v3._core.request("/v3/no/such/thing")) == (404, "RESOURCE_NOT_EXISTS")
    assert v3._core.request("/v3/pay/transactions/native")[0] == 405


def test_the_client_really_verifies(v3: Any, order_v3: Any, control: Any) -> None:
    """The twin of the tests above: with the answers' signatures spoilt, the client refuses them."""
    order_v3()
    control("faults", answer_wrong_signature=True)

    with pytest.raises(Exception, match="failed to verify the signature"):
        v3.query(out_trade_no=NUMBER)


@pytest.fixture
def abnormal(v3: Any, order_v3: Any, control: Any, shop: Any) -> Any:
    """A refund that could not be delivered."""
    control("pay", code_url=order_v3()[1]["code_url"])
    control("faults", refund_abnormal=True)
    asked = {"refund": 1234, "total": 1234, "currency": "CNY"}
    v3.refund(out_refund_no="R1", amount=asked, out_trade_no=NUMBER, notify_url=shop.v3_url)
    control("deliver", ahead_s=10)
    refund = json.loads(v3.query_refund("R1")[1])
    assert (refund["status"], refund["user_received_account"]) == ("ABNORMAL", "支付用户零钱")
    return refund


CARD = {"bank_type": "ICBC_DEBIT", "bank_account": "6222021234567890", "real_name": "王小明"}


@pytest.mark.parametrize(
    ("kind", "card", "account"),
    [("USER_BANK_CARD", CARD, "工商银行借记卡7890"), ("MERCHANT_BANK_CARD", {}, "商户结算银行账户")],
)
def test_an_abnormal_refund_goes_elsewhere(
    v3: Any, abnormal: Any, control: Any, shop: Any, kind: str, card: Any, account: str
) -> None:
    status, text = v3.abnormal_refund(abnormal["refund_id"], "R1", kind, **card)
    assert (status, json.loads(text)["status"]) == (200, "PROCESSING")
    assert code_of(v3.abnormal_refund(abnormal["refund_id"], "R1", kind, **card)) == (400, "INVALID_REQUEST")

    control("deliver", ahead_s=10)

    refund = json.loads(v3.query_refund("R1")[1])
    assert (refund["status"], refund["user_received_account"]) == ("SUCCESS", account)
    told = [json.loads(body)["event_type"] for _, _, body in shop.heard]
    assert told[-2:] == ["REFUND.ABNORMAL", "REFUND.SUCCESS"]


def test_what_is_wrong_with_a_diversion_is_named(v3: Any, abnormal: Any) -> None:
    number = abnormal["refund_id"]

    assert code_of(v3.abnormal_refund("5030000", "R1", "MERCHANT_BANK_CARD")) == (404, "RESOURCE_NOT_EXISTS")
    assert code_of(v3.abnormal_refund(number, "R1", "SOMEWHERE")) == (400, "PARAM_ERROR")
    for change in ({"bank_type": "NOBANK"}, {"bank_account": "123"}, {"real_name": None}):
        assert code_of(v3.abnormal_refund(number, "R1", "USER_BANK_CARD", **(CARD | change))) == (400, "PARAM_ERROR")
    v3._core.encrypt = lambda text: "bm90IHNlYWxlZA=="
    assert code_of(v3.abnormal_refund(number, "R1", "USER_BANK_CARD", **CARD)) == (400, "PARAM_ERROR")


def test_a_closed_refund_leaves_room_for_another(v3: Any, order_v3: Any, control: Any, shop: Any) -> None:
    control("pay", code_url=order_v3()[1]["code_url"])
    asked = {"refund": 1234, "total": 1234, "currency": "CNY"}
    control("faults", refund_closed=True)
    v3.refund(out_refund_no="R1", amount=asked, out_trade_no=NUMBER, notify_url=shop.v3_url)
    control("deliver", ahead_s=10)
    control("faults", reset=True)

    assert json.loads(v3.query_refund("R1")[1])["status"] == "CLOSED"
    assert json.loads(shop.heard[-1][2])["event_type"] == "REFUND.CLOSED"
    assert v3.refund(out_refund_no="R2", amount=asked, out_trade_no=NUMBER)[0] == 200
    assert code_of(v3.refund(out_refund_no="R3", amount=asked, out_trade_no=NUMBER)) == (403, "NOT_ENOUGH")


def test_a_reason_is_counted_in_bytes(v3: Any, order_v3: Any, control: Any) -> None:
    control("pay", code_url=order_v3()[1]["code_url"])
    asked = {"refund": 1, "total": 1234, "currency": "CNY"}

    assert code_of(v3.refund(out_refund_no="R1", amount=asked, out_trade_no=NUMBER, reason="好" * 27)) == (
        400,
        "PARAM_ERROR",
    )
    assert v3.refund(out_refund_no="R1", amount=asked, out_trade_no=NUMBER, reason="好" * 26)[0] == 200
