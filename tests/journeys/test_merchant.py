"""SANDBOX=0: a merchant's values in the environment, WeChat Pay in another process, the whole stack as it is run."""

import json
import signal
import subprocess
import sys

import pytest
import requests

from tests.journeys.installation import installation, until
from tests.kit import free_ports

PORT = free_ports(1)[0]
HERE = f"http://127.0.0.1:{PORT}"

pytestmark = pytest.mark.slow


class Provider:
    """The strict stand-in in a process of its own."""

    def __init__(self, folder):
        command = [sys.executable, "-m", "payments.tests.standin_process", str(folder)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.environment = json.loads(self.process.stdout.readline())

    def __call__(self, *words):
        self.process.stdin.write(" ".join(words) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def stop(self):
        self.process.stdin.close()
        self.process.wait(5)


@pytest.fixture(scope="module")
def provider(tmp_path_factory):
    provider = Provider(tmp_path_factory.mktemp("merchant"))
    yield provider
    provider.stop()


@pytest.fixture(scope="module")
def stack(provider, tmp_path_factory):
    merchant = provider.environment | {"SANDBOX": "0", "DEMO_DATA": "1", "ORDER_TTL": "6s"}
    with installation(tmp_path_factory.mktemp("stack"), PORT, ends_by=signal.SIGINT, **merchant):
        yield


@pytest.fixture(scope="module")
def buyer(stack):
    """The demo account of the seed, with something to buy."""
    token = requests.post(HERE + "/users/login", json={"username": "lbw", "password": "555"}, timeout=10).json()[
        "token"
    ]

    def call(path, data=None, **query):
        verb = "GET" if data is None else "POST"
        return requests.request(
            verb, HERE + path, json=data, params=query, headers={"authorization": token}, timeout=30
        ).json()

    category = call("/category/addCategory", {"categoryName": "测试类目"})["category_id"]
    product = {"category_id": category, "productName": "可乐", "price": "3.57", "description": "冰", "inventory": "9"}
    call.product = call("/product/add_product", product | {"imageUrl": HERE + "/media/cola.png"})["product_id"]
    return call


def buy(buyer):
    number = buyer("/pay/pre_order", {"product_id": buyer.product})["order_id"]
    return number, buyer("/pay/payment", {"order_id": number})


def test_order_pay_notify_return_refund(buyer, provider):
    number, started = buy(buyer)
    assert started["code_url"] == buyer("/pay/payment", {"order_id": number})["code_url"]
    assert buyer(f"/pay/transactions/out-trade-no/{number}")["trade_state"] == "NOTPAY"

    transaction = provider("pay", number)
    told = provider("notify_v2", number, HERE + "/pay/payResult")

    assert told["body"].startswith("<xml><return_code><![CDATA[SUCCESS]]>")
    assert buyer("/order/query_order_status", order_id=number)["msg"] == "支付成功"
    asked = buyer(f"/pay/transactions/out-trade-no/{number}", mchid=provider.environment["WECHAT_PAY_MCH_ID"])
    assert (asked["transaction_id"], asked["amount"]["total"]) == (transaction, 357)
    assert buyer("/order/returns", {"order_id": number})["state"] is True
    refunds = until(lambda: provider("show")["refunds"], 60)
    assert refunds == [number + "R01"]
    assert provider("refund_v3", refunds[0], HERE + "/pay/notify")["status"] == 200
    assert buyer("/order/get_order", {"order_id": number})["data"]["order_status"] == 5


def test_polling_settles_when_no_notification_comes(buyer, provider):
    number, _ = buy(buyer)
    provider("pay", number)

    assert buyer("/order/query_order_status", order_id=number)["msg"] == "支付成功"


def test_an_unpaid_order_is_closed_over_there_first_and_late_money_is_not_lost(buyer, provider):
    number, _ = buy(buyer)

    assert until(lambda: buyer("/order/get_order", {"order_id": number})["data"]["order_status"] == 4, 30)
    assert until(lambda: provider("show")["orders"][number] == "CLOSED", 60)
    provider("pay", number)  # an old code, scanned all the same
    assert provider("notify_v3", number, HERE + "/pay/notify")["status"] == 200
    assert buyer("/order/query_order_status", order_id=number)["msg"] == "支付成功"
    assert [call for call in provider("show")["calls"] if call.startswith("refused")] == []
