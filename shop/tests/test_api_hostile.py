"""Input that once got past the parameters."""

import pytest

from core.errors import Throttled
from shop.tests.factories import make_order


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


def test_asking_wechat_is_limited_per_buyer(li, zhao, wechat, monkeypatch):
    monkeypatch.setattr("shop.api.pay.QUERIES_A_MINUTE", 2)

    def ask(client):
        return client.get(f"/pay/transactions/out-trade-no/{make_order(client.user).order_id}")

    answers = [ask(li) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, Throttled.http_status]
    assert 0 < int(answers[-1].headers["Retry-After"]) <= 60
    assert ask(zhao).status_code == 200 and wechat.called("query") == 3


def test_who_asks_wechat_once_a_second_is_never_refused(li, wechat):
    number = make_order(li.user).order_id

    answers = [li.get(f"/pay/transactions/out-trade-no/{number}") for _ in range(61)]

    assert {answer.status_code for answer in answers} == {200}
