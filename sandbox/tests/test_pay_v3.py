"""What is asked by v3 of orders placed by v2: wechatpayv3 verifies the signature of every answer by itself."""

import json
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
import time_machine
from wechatpayv3.core import Core
from wechatpayv3.utils import build_authorization, load_private_key

NUMBER = "20261124120000000v3v3v3v3v3v"

pytestmark = pytest.mark.django_db


def code_of(answer: tuple[int, Any]) -> tuple[int, str]:
    status, body = answer
    return status, (json.loads(body) if isinstance(body, str) else body)["code"]


def test_an_order_lives_its_life_in_public_key_mode(v3: Any, order_v2: Any, control: Any) -> None:
    assert code_of(v3.query(out_trade_no=NUMBER)) == (404, "ORDER_NOT_EXIST")
    placed = order_v2(NUMBER)
    waiting = json.loads(v3.query(out_trade_no=NUMBER)[1])
    assert (waiting["trade_state"], waiting["trade_state_desc"]) == ("NOTPAY", "订单未支付")
    control("pay", code_url=placed["code_url"])

    status, text = v3.query(out_trade_no=NUMBER)
    paid = json.loads(text)
    assert (status, paid["trade_state"]) == (200, "SUCCESS")
    assert paid["amount"] == {"total": 1234, "payer_total": 1234, "currency": "CNY", "payer_currency": "CNY"}
    assert datetime.fromisoformat(paid["success_time"]).utcoffset() == timedelta(hours=8)
    assert code_of(v3.close(NUMBER)) == (400, "ORDERPAID")


def test_close_answers_a_signed_204(v3: Any, order_v2: Any) -> None:
    order_v2(NUMBER)

    assert v3.close(NUMBER)[0] == 204

    assert json.loads(v3.query(out_trade_no=NUMBER)[1])["trade_state"] == "CLOSED"
    assert code_of(v3.close(NUMBER)) == (400, "ORDER_CLOSED")
    assert code_of(v3.close("20261124nosuchorder")) == (404, "ORDER_NOT_EXIST")


def test_certificate_mode_with_a_seeded_folder(v3_client: Any, order_v2: Any, keys: Any) -> None:
    order_v2(NUMBER)

    client = v3_client(cert_dir=keys["WECHAT_PAY_CERT_DIR"])

    assert client.query(out_trade_no=NUMBER)[0] == 200


def test_certificates_are_handed_out_sealed(server: str, order_v2: Any, keys: Any, tmp_path: Path) -> None:
    order_v2(NUMBER)

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


def test_one_order_for_both_apis(v2: Any, v3: Any, order_v2: Any) -> None:
    order_v2(NUMBER)

    assert json.loads(v3.query(out_trade_no=NUMBER)[1])["trade_state"] == "NOTPAY"
    v3.close(NUMBER)
    assert v2.order.query(out_trade_no=NUMBER)["trade_state"] == "CLOSED"


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


def test_refunds_what_is_paid_and_no_more(v3: Any, order_v2: Any, control: Any, shop: Any) -> None:
    order_v2(NUMBER)
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
    other = {"refund": 1, "total": 1234, "currency": "CNY"}
    assert code_of(v3.refund("R1", out_trade_no=NUMBER, amount=other)) == (400, "INVALID_REQUEST")
    assert code_of(v3.query_refund("R9")) == (404, "RESOURCE_NOT_EXISTS")

    assert control("deliver")["refunds_settled"] == 0
    assert control("deliver", ahead_s=10)["refunds_settled"] == 1
    settled = json.loads(v3.query_refund("R1")[1])
    assert (settled["status"], settled["out_trade_no"]) == ("SUCCESS", NUMBER)
    assert "success_time" in settled
    assert json.loads(v3.query(out_trade_no=NUMBER)[1])["trade_state"] == "REFUND"


def test_unknown_paths_and_methods(v3: Any) -> None:
    assert code_of(v3._core.request("/v3/no/such/thing")) == (404, "RESOURCE_NOT_EXISTS")
    assert v3._core.request("/v3/refund/domestic/refunds")[0] == 405


def test_the_client_really_verifies(v3: Any, order_v2: Any, control: Any) -> None:
    """The twin of the tests above: with the answers' signatures spoilt, the client refuses them."""
    order_v2(NUMBER)
    control("faults", answer_wrong_signature=True)

    with pytest.raises(Exception, match="failed to verify the signature"):
        v3.query(out_trade_no=NUMBER)


@pytest.fixture
def abnormal(v3: Any, order_v2: Any, control: Any, shop: Any) -> Any:
    """A refund that could not be delivered."""
    control("pay", code_url=order_v2(NUMBER)["code_url"])
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
    told = [json.loads(body)["event_type"] for path, _, body in shop.heard if path == "/pay/notify"]
    assert told[-2:] == ["REFUND.ABNORMAL", "REFUND.SUCCESS"]


def test_what_is_wrong_with_a_diversion_is_named(v3: Any, abnormal: Any) -> None:
    number = abnormal["refund_id"]

    assert code_of(v3.abnormal_refund("5030000", "R1", "MERCHANT_BANK_CARD")) == (404, "RESOURCE_NOT_EXISTS")
    assert code_of(v3.abnormal_refund(number, "R1", "SOMEWHERE")) == (400, "PARAM_ERROR")
    for change in ({"bank_type": "NOBANK"}, {"bank_account": "123"}, {"real_name": None}):
        assert code_of(v3.abnormal_refund(number, "R1", "USER_BANK_CARD", **(CARD | change))) == (400, "PARAM_ERROR")
    v3._core.encrypt = lambda text: "bm90IHNlYWxlZA=="
    assert code_of(v3.abnormal_refund(number, "R1", "USER_BANK_CARD", **CARD)) == (400, "PARAM_ERROR")


def test_a_closed_refund_leaves_room_for_another(v3: Any, order_v2: Any, control: Any, shop: Any) -> None:
    control("pay", code_url=order_v2(NUMBER)["code_url"])
    asked = {"refund": 1234, "total": 1234, "currency": "CNY"}
    control("faults", refund_closed=True)
    v3.refund(out_refund_no="R1", amount=asked, out_trade_no=NUMBER, notify_url=shop.v3_url)
    control("deliver", ahead_s=10)
    control("faults", reset=True)

    assert json.loads(v3.query_refund("R1")[1])["status"] == "CLOSED"
    assert json.loads(shop.heard[-1][2])["event_type"] == "REFUND.CLOSED"
    assert v3.refund(out_refund_no="R2", amount=asked, out_trade_no=NUMBER)[0] == 200
    assert code_of(v3.refund(out_refund_no="R3", amount=asked, out_trade_no=NUMBER)) == (403, "NOT_ENOUGH")


def test_a_reason_is_counted_in_bytes(v3: Any, order_v2: Any, control: Any) -> None:
    control("pay", code_url=order_v2(NUMBER)["code_url"])
    asked = {"refund": 1, "total": 1234, "currency": "CNY"}

    assert code_of(v3.refund(out_refund_no="R1", amount=asked, out_trade_no=NUMBER, reason="好" * 27)) == (
        400,
        "PARAM_ERROR",
    )
    assert v3.refund(out_refund_no="R1", amount=asked, out_trade_no=NUMBER, reason="好" * 26)[0] == 200
