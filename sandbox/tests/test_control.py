"""The control page and its JSON twin."""

import time
from collections import Counter
from types import SimpleNamespace

import pytest
import requests
from django.utils import timezone

from sandbox import faults
from sandbox.faults import faults_on, faults_set
from sandbox.models import Delivery, FaultKind, Refund, Trade
from sandbox.tests.conftest import NUMBER

pytestmark = pytest.mark.django_db


def test_the_page_lists_the_books_in_few_queries(
    client, paid, order_v2, give_back, control, shop, django_assert_max_num_queries
):
    assert "没有等待支付的订单" in client.get("/sandbox/").content.decode()
    paid()
    control("deliver")
    give_back("R-77")
    for number in range(4):
        order_v2(f"20261124number{number}")

    with django_assert_max_num_queries(5):
        page = client.get("/sandbox/").content.decode()

    texts = (NUMBER, "¥12.34", "耐克跑鞋 &amp; &lt;特价&gt;", "转入退款", "R-77", "退款处理中", "已送达", shop.v2_url)
    assert [text for text in texts if text not in page] == []


def test_the_form_shows_what_is_on(client):
    faults_set(changes={"provider_slow": 2.5, "notify_twice": True})

    page = client.get("/sandbox/").content.decode()

    assert 'name="seconds-provider_slow" value="2.5"' in page and 'name="seconds-notify_late" value="20.0"' in page
    assert 'value="notify_twice" checked' in page and 'value="notify_never" checked' not in page


class TestFromAnotherMachine:
    """A trainee who finds the page of faults cannot set one for all."""

    ELSEWHERE = {"REMOTE_ADDR": "192.168.1.7"}
    PROXIED = {"HTTP_X_FORWARDED_FOR": "192.168.1.7"}

    def turn(self, client, **caller):
        body = {"data": {"provider_down": True}, "content_type": "application/json"}
        return client.post("/sandbox/control/faults", **body, **caller).status_code

    @pytest.mark.parametrize("caller", [ELSEWHERE, PROXIED])
    def test_staff_and_strangers_cannot_turn_it(self, client, person, caller):
        assert self.turn(client, **caller) == 403
        client.force_login(person("director", "102", is_staff=True).user)
        assert self.turn(client, **caller) == 403
        assert faults_on() == {}

        page = client.get("/sandbox/", **caller).content.decode()
        assert "登录后台" in page and 'name="save"' not in page

    def test_root_of_the_back_office_does_and_all_users_see_it(self, office, client):
        assert self.turn(office, **self.ELSEWHERE) == 200
        assert client.get("/sandbox/control/faults", **self.ELSEWHERE).json()["faults"]["provider_down"] == 1
        assert faults_on() == {FaultKind.PROVIDER_DOWN: 1.0}
        assert 'name="save"' in office.get("/sandbox/", **self.ELSEWHERE).content.decode()


class TestTheFaultsOfOneOrder:
    """Its buyer sets it, and it affects this order alone."""

    OTHER = "20261124theother"

    def test_strike_it_and_its_refund_alone(self, order_v2, give_back, control):
        mine, _ = order_v2(), order_v2(self.OTHER)

        on = control("faults", code_url=mine["code_url"], notify_twice=True, notify_late=30)["faults"]

        assert (on["notify_twice"], on["notify_late"], on["notify_never"]) == (1, 30, False)
        assert "provider_down" not in on and faults_on() == {}
        refused = control("faults", code_url=mine["code_url"], provider_down=True)["error"]
        assert "'provider_down' is not one of" in refused
        control("faults", prepay_id=mine["prepay_id"], refund_abnormal=True)
        for number in (NUMBER, self.OTHER):
            control("pay", out_trade_no=number)
        sent = Counter(Delivery.objects.values_list("trade__out_trade_no", flat=True))
        assert sent == {NUMBER: 2, self.OTHER: 1}
        assert Delivery.objects.filter(trade__out_trade_no=NUMBER, next_try_at__lte=timezone.now()).count() == 0
        for number in (NUMBER, self.OTHER):
            give_back(f"R-{number}", of=number)
        states = dict(Refund.objects.values_list("trade__out_trade_no", "outcome"))
        assert states == {NUMBER: "ABNORMAL", self.OTHER: "SUCCESS"}

    def test_count_before_those_of_all(self, order_v2, control):
        mine, _ = order_v2(), order_v2(self.OTHER)

        control("faults", code_url=mine["code_url"], notify_late=5)
        control("faults", notify_late=50)

        late = [faults_on(Trade.objects.get(out_trade_no=number)) for number in (NUMBER, self.OTHER)]
        assert late == [{FaultKind.NOTIFY_LATE: 5}, {FaultKind.NOTIFY_LATE: 50}]


class TestJson:
    def test_turns_faults_on_and_off(self, control, server):
        on = control("faults", notify_twice=True, provider_slow=3, notify_late=True)["faults"]
        assert (on["notify_twice"], on["provider_slow"], on["notify_late"], on["wrong_amount"]) == (1, 3, 20, False)

        assert control("faults", notify_twice=False)["faults"]["notify_twice"] is False
        assert requests.get(f"{server}/sandbox/control/faults", timeout=5).json()["faults"]["provider_slow"] == 3
        assert not any(control("faults", reset=True)["faults"].values())
        for body in ({"no_such": True}, {"notify_late": "x"}, {"notify_late": -1}, {"notify_late": 1e9}):
            assert "error" in control("faults", **({"notify_twice": True} | body))
        assert faults_on() == {}

    def test_pays_by_each_name_and_tells_what_the_provider_holds(self, order_v2, control, server):
        by_code, by_prepay = order_v2("20261124bycode"), order_v2("20261124byprepay")
        order_v2()

        for body in (
            {"code_url": by_code["code_url"]},
            {"prepay_id": by_prepay["prepay_id"]},
            {"out_trade_no": NUMBER, "deliver": True},
        ):
            assert control("pay", **body)["trade_state"] == "SUCCESS"
        for call in ("pay", "faults"):
            assert control(call, code_url="weixin://wxpay/bizpayurl?pr=none") == {"error": "no such code"}

        url = f"{server}/sandbox/control/trades"
        (trade,) = requests.get(url, params={"out_trade_no": NUMBER}, timeout=5).json()["trades"]
        assert (trade["trade_state"], trade["total_fee"]) == ("SUCCESS", 1234)
        assert [row["state"] for row in trade["deliveries"]] == ["DELIVERED"]
        assert trade["codes"][0]["pay_page"].endswith("/")
        states = [row["deliveries"][0]["state"] for row in requests.get(url, timeout=5).json()["trades"]]
        assert states == ["DELIVERED", "DUE", "DUE"]

    def test_a_foreign_web_page_is_refused(self, client):
        post = {"path": "/sandbox/control/faults", "data": {"provider_down": True}}

        foreign = client.post(**post, content_type="application/json", headers={"origin": "https://evil.example"})
        form = client.post(**post)

        assert (foreign.status_code, form.status_code) == (403, 400)
        assert faults_on() == {}

    def test_a_body_that_is_no_json_object_is_refused(self, client):
        for body in ("[" * 20_000, "[]", '{"a":', '{"class_name": "\\ud800"}', '{"a": NaN}', "9" * 5000):
            answer = client.post("/sandbox/control/checkpoints", body, content_type="application/json")

            assert (answer.status_code, list(answer.json())) == (400, ["error"])


def test_a_provider_is_slow_or_down_or_its_answer_is_lost_or_signed_wrongly(v2, v3, order_v2, control):
    control("faults", provider_down=True)
    with pytest.raises(Exception, match="None"):
        order_v2()
    assert not Trade.objects.exists()

    control("faults", reset=True, answer_lost=True)
    with pytest.raises(Exception, match="None"):
        order_v2()
    assert Trade.objects.count() == 1  # the order was placed

    control("faults", reset=True, answer_wrong_signature=True, provider_slow=0.3)
    start = time.monotonic()
    assert not v2.check_signature(order_v2())
    assert time.monotonic() - start >= 0.3
    with pytest.raises(Exception, match="failed to verify the signature"):  # so this client does verify
        v3.query(out_trade_no=NUMBER)


PROVIDERS = {"oauth": "/sandbox/wxapi/sns/userinfo", "weather": "/sandbox/tianqi/api", "sms": "/sandbox/aliyun-sms/"}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_each_provider_is_slow_or_fails_by_faults_of_its_own(client, keys, monkeypatch, provider):
    waits = []
    monkeypatch.setattr(faults, "time", SimpleNamespace(sleep=waits.append))
    others = {f"{other}_{kind}": True for other in PROVIDERS if other != provider for kind in ("slow", "down")}

    failures = []
    for changes in (others, {f"{provider}_slow": 3}, {f"{provider}_down": True}):
        faults_set(changes=changes, reset=True)
        failures.append(client.get(PROVIDERS[provider]).status_code == 502)

    assert failures == [False, False, True]
    assert waits == [0, 3, 0]
