"""Input that once got past the parameters."""

import pytest

from core.errors import Throttled


@pytest.mark.parametrize("number", ["%00", "a%00b", "x" * 33, "短"])
def test_an_impossible_order_number_is_an_unknown_order(li, number):
    answer = li.get(f"/pay/transactions/out-trade-no/{number}", mchid="1")

    assert (answer.status_code, answer.json()["msg"]) == (200, "err 该数据不存在")


def test_deep_nesting_is_a_bad_request(li):
    deep = "[" * 900 + "]" * 900

    answer = li.http.post(
        "/cart/add_to_cart", f'{{"product_id":"1","count":{deep}}}', content_type="application/json",
        headers={"authorization": li.token},
    )  # fmt: skip

    assert answer.status_code in {200, 400}
    assert answer.json()["state"] is False


def test_asking_wechat_is_limited_per_buyer(li, monkeypatch):
    monkeypatch.setattr("shop.api.pay.ratelimit.hit", lambda *_, **__: 7)
    monkeypatch.setattr("shop.api.pay.selectors.order_find", lambda **_: object())
    monkeypatch.setattr("shop.api.pay._require_merchant", lambda *_: None)

    answer = li.get("/pay/transactions/out-trade-no/20261125000000000abcdefghijk", mchid="1")

    assert (answer.status_code, answer.headers["Retry-After"]) == (Throttled.http_status, "7")
