"""Whatever arrives at the two addresses: only what the provider signed for this order pays it, and nothing breaks."""

import pytest
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from payments.models import InboundEvent, Payment
from payments.tests.fake_wechat import APPID, MCHID, sign_v2, to_xml

NUMBER = "20261125101112000PROPERTY"
TAMPER = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
# What XML can carry, so that the stand-in's own writing is well-formed.
text = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xD7FF), max_size=40)
names = st.sampled_from(
    [
        *("return_code", "result_code", "appid", "mch_id", "total_fee", "fee_type", "out_trade_no", "transaction_id"),
        *("sign", "sign_type", "time_end", "cash_fee", "req_info", "attach", "coupon_fee_0"),
    ]
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def order(shop, wechat, monkeypatch):
    """An order of 12.34 that is paid over there."""
    monkeypatch.setattr("payments.services.notices.REFUSED_PER_MINUTE", 10**6)
    shop.owed[NUMBER] = 1234
    wechat.orders[NUMBER] = {"total_fee": 1234, "state": "NOTPAY"}
    wechat.pay(NUMBER)
    return shop


def post_v2(raw):
    answer = Client().post("/pay/payResult", raw, content_type="text/xml")
    assert answer.status_code == 200
    assert answer.content.startswith(b"<xml><return_code><![CDATA[")
    return b"CDATA[SUCCESS]" in answer.content


def post_v3(raw, headers):
    answer = Client().post("/pay/notify", raw, content_type="application/json", headers=headers)
    assert answer.json()["code"] == ("SUCCESS" if answer.status_code == 200 else "FAIL")
    return answer.status_code == 200


def unpaid(shop):
    return not Payment.objects.filter(state="paid").exists() and shop.paid == []


@TAMPER
@given(changes=st.dictionaries(names, text, max_size=4))
def test_v2_signed_with_our_key_pays_only_what_fits(order, wechat, changes):
    """Even the holder of the key cannot make it say something else of this order."""
    changes.pop("sign", None)
    said = {
        "return_code": "SUCCESS", "result_code": "SUCCESS", "appid": APPID, "mch_id": MCHID, "total_fee": "1234",
        "fee_type": "CNY", "transaction_id": "42000", "out_trade_no": NUMBER, "time_end": "20261125101112",
    }  # fmt: skip
    told = said | changes
    told["sign"] = sign_v2(told)

    accepted = post_v2(to_xml(told).encode())

    needed = [name for name in said if name not in ("fee_type", "time_end", "transaction_id")]
    if accepted:
        assert all(told[name] == said[name] for name in needed)
        assert told["fee_type"] in ("CNY", "")
        assert Payment.objects.get(out_trade_no=NUMBER).transaction_id == told["transaction_id"]
    else:
        assert unpaid(order) and changes
    _forget(order)


@TAMPER
@given(changes=st.dictionaries(names, text, min_size=1, max_size=3), sign=st.none() | text)
def test_v2_not_signed_with_our_key_pays_nothing(order, wechat, changes, sign):
    raw = wechat.notice_v2(NUMBER, key="not our key", **changes | ({"sign": sign} if sign is not None else {}))

    assert not post_v2(raw)
    assert unpaid(order)


@TAMPER
@given(raw=st.binary(max_size=300) | text.map(str.encode) | text.map(lambda t: f"<xml><a>{t}</a></xml>".encode()))
def test_any_bytes_are_refused_in_wechats_format(order, wechat, raw):
    assert not post_v2(raw)
    assert not post_v3(raw, wechat.signed_headers(raw))
    assert not post_v3(raw, {})
    assert unpaid(order)


@TAMPER
@given(data=st.data())
def test_v3_with_one_byte_changed_pays_nothing(order, wechat, data):
    raw, headers = wechat.notice_v3(NUMBER)
    at = data.draw(st.integers(0, len(raw) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda b: b != raw[at]))

    assert not post_v3(raw[:at] + bytes([byte]) + raw[at + 1 :], headers)
    assert unpaid(order)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.floats(allow_nan=False) | text,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(text, inner, max_size=2),
    max_leaves=4,
)

v3_names = st.sampled_from(
    ["appid", "mchid", "out_trade_no", "trade_state", "transaction_id", "amount", "success_time", "trade_type"]
)


@TAMPER
@given(changes=st.dictionaries(v3_names, json_values, max_size=3))
def test_v3_signed_by_wechat_pays_only_what_fits(order, wechat, changes):
    said = wechat.transaction(NUMBER)
    told = said | changes

    accepted = post_v3(*wechat.seal("TRANSACTION.SUCCESS", told))

    if accepted:
        assert all(told[name] == said[name] for name in ("appid", "mchid", "out_trade_no", "trade_state"))
        assert told["amount"]["total"] == 1234
    else:
        assert unpaid(order) and changes
    assert not InboundEvent.objects.filter(verdict="failed").exists()
    _forget(order)


def _forget(shop):
    """Examples share one test's transaction."""
    shop.paid.clear()
    InboundEvent.objects.all().delete()
    for payment in Payment.objects.all():
        payment.logs.all().delete()
        payment.delete()
