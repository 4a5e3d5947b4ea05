"""SANDBOX=0: a merchant's values in the environment, WeChat Pay on a port of the test, the whole stack as it is run."""

import signal

import pytest
import requests

from payments.tests.fake_wechat import MCHID
from tests.journeys.installation import Caller, installation
from tests.kit import free_ports
from tests.processes import until

PORT = free_ports(1)[0]
HERE = f"http://127.0.0.1:{PORT}"
XML, JSON = {"Content-Type": "text/xml"}, {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def stack(merchant_values, tmp_path_factory):
    more = {"SANDBOX": "0", "DEMO_DATA": "1", "ORDER_TTL": "6s", "PUBLIC_BASE_URL": HERE}
    with installation(tmp_path_factory.mktemp("stack"), PORT, ends_by=signal.SIGINT, **merchant_values | more):
        yield


@pytest.fixture(scope="module")
def buyer(stack):
    """The demo account, with something to buy."""
    buyer = Caller(HERE)
    category = buyer("/category/addCategory", {"categoryName": "测试类目"})["category_id"]
    product = {"category_id": category, "productName": "可乐", "price": "3.57", "description": "冰", "inventory": "9"}
    buyer.product = buyer("/product/add_product", product | {"imageUrl": HERE + "/media/cola.png"})["product_id"]
    return buyer


def notify_v3(body, headers):
    return requests.post(HERE + "/pay/notify", body, headers=headers | JSON, timeout=10).status_code


def buy(buyer):
    number = buyer("/pay/pre_order", {"product_id": buyer.product})["order_id"]
    return number, buyer("/pay/payment", {"order_id": number})


def test_order_pay_notify_return_refund(buyer, running_wechat):
    number, started = buy(buyer)
    assert started["code_url"] == buyer("/pay/payment", {"order_id": number})["code_url"]
    assert buyer(f"/pay/transactions/out-trade-no/{number}")["trade_state"] == "NOTPAY"

    transaction = running_wechat.pay(number)["transaction_id"]
    told = requests.post(HERE + "/pay/payResult", running_wechat.notice_v2(number), headers=XML, timeout=10)

    assert told.text.startswith("<xml><return_code><![CDATA[SUCCESS]]>")
    assert buyer("/order/query_order_status", order_id=number)["msg"] == "支付成功"
    asked = buyer(f"/pay/transactions/out-trade-no/{number}", mchid=MCHID)
    assert (asked["transaction_id"], asked["amount"]["total"]) == (transaction, 357)
    assert buyer("/order/returns", {"order_id": number})["state"] is True
    refunds = until(lambda: list(running_wechat.refunds), 60)
    assert refunds == [number + "R01"]
    assert notify_v3(*running_wechat.refund_notice_v3(refunds[0])) == 200
    assert buyer.order(number)["order_status"] == 5


def test_polling_settles_when_no_notification_comes(buyer, running_wechat):
    number, _ = buy(buyer)
    running_wechat.pay(number)

    assert buyer("/order/query_order_status", order_id=number)["msg"] == "支付成功"


def test_an_unpaid_order_is_closed_over_there_first_and_late_money_is_not_lost(buyer, running_wechat):
    number, _ = buy(buyer)

    assert until(lambda: buyer.order(number)["order_status"] == 4, 30)
    assert until(lambda: running_wechat.orders[number]["state"] == "CLOSED", 60)
    running_wechat.pay(number)  # an old code, scanned all the same
    assert notify_v3(*running_wechat.notice_v3(number)) == 200
    assert buyer("/order/query_order_status", order_id=number)["msg"] == "支付成功"
    assert [call for call, _ in running_wechat.calls if call.startswith("refused")] == []
