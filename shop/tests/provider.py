"""WeChat Pay as the shop's tests need it: at the gateway seam, in memory, with a dial for silence."""

from datetime import timedelta

import pytest
from django.utils import timezone

from payments.gateways.base import (
    AlreadyClosed,
    AlreadyPaid,
    Gateway,
    GatewayError,
    GatewayRefused,
    GatewayTimeout,
    OrderUnknown,
    PaymentIntent,
    PaymentResult,
    PaymentTicket,
    RefundIntent,
    RefundResult,
)
from payments.gateways.wechat import merchant
from payments.services import payment_confirm, refund_run
from payments.services.refund import refunds_due


class FakeProvider(Gateway):
    def __init__(self):
        self.orders: dict[str, PaymentIntent] = {}
        self.states: dict[str, str] = {}
        self.refunds: dict[str, RefundIntent] = {}
        self.refund_status = "SUCCESS"  # what comes next
        self.refund_states: dict[str, str] = {}
        self.receivers: dict[str, str] = {}
        self.is_down = self.denies_refunds = False
        self.refusal: GatewayError | None = None  # of whatever is asked
        self.calls: list[str] = []

    def _hear(self, call: str) -> None:
        self.calls.append(call)
        if self.is_down:
            raise GatewayTimeout("silence")
        if self.refusal:
            raise self.refusal

    # --- what our side calls ---
    def create(self, intent):
        self._hear("create")
        number = intent.out_trade_no
        if self.states.get(number) == "SUCCESS":
            raise AlreadyPaid("paid", code="INVALID_REQUEST")
        if self.states.get(number) == "CLOSED":
            raise AlreadyClosed("closed", code="ORDER_CLOSED")
        self.orders[number] = intent
        self.states.setdefault(number, "NOTPAY")
        return PaymentTicket(prepay_id=f"wx{number}"[:64], code_url=f"weixin://wxpay/bizpayurl?pr={number[-9:]}")

    def query(self, number):
        self._hear("query")
        if number not in self.orders:
            raise OrderUnknown("unknown", code="ORDERNOTEXIST")
        return self.result(number)

    def close(self, number):
        self._hear("close")
        if number not in self.orders:
            raise OrderUnknown("unknown", code="ORDERNOTEXIST")
        if self.states[number] == "SUCCESS":
            raise AlreadyPaid("paid", code="INVALID_REQUEST")
        self.states[number] = "CLOSED"

    def refund(self, intent):
        self._hear("refund")
        if self.denies_refunds:
            raise GatewayRefused("基本账户余额不足", code="NOTENOUGH")
        self.refunds[intent.out_refund_no] = intent
        return self._refund_result(intent)

    def refund_abnormal(self, refund_id, number, card=None):
        self._hear("refund_abnormal")
        if self.refund_states.get(number) != "ABNORMAL":
            raise GatewayRefused("not abnormal", code="INVALID_REQUEST")
        self.refund_states[number] = "SUCCESS"
        self.receivers[number] = card.number if card else "商户基本账户"
        return self._refund_result(self.refunds[number])

    def refund_query(self, number):
        self._hear("refund_query")
        if number not in self.refunds:
            raise OrderUnknown("unknown", code="ORDERNOTEXIST")
        return self._refund_result(self.refunds[number])

    def sdk_params(self, trade_type, prepay_id, now):
        names = ("appId", "timeStamp", "nonceStr", "signType", "paySign")
        return dict.fromkeys(names, "x") | {"package": f"prepay_id={prepay_id}"}

    def refunded_fen(self, number: str) -> int:
        """What went back of an order's money, or is on its way."""
        mine = [intent for intent in self.refunds.values() if intent.out_trade_no == number]
        return sum(intent.refund_fen for intent in mine if self.refund_states[intent.out_refund_no] != "CLOSED")

    def paid_back_fen(self, number: str) -> int:
        """What the buyer got."""
        mine = [intent for intent in self.refunds.values() if intent.out_trade_no == number]
        arrived = [i for i in mine if self.refund_states[i.out_refund_no] == "SUCCESS"]
        return sum(i.refund_fen for i in arrived if not self.receivers.get(i.out_refund_no, "").startswith("商户"))

    def _refund_result(self, intent):
        number = intent.out_refund_no
        if self.refund_states.get(number) not in ("SUCCESS", "CLOSED"):
            self.refund_states[number] = self.refund_status
        return RefundResult(
            out_trade_no=intent.out_trade_no,
            out_refund_no=number,
            status=self.refund_states[number],
            refund_fen=intent.refund_fen,
            total_fen=intent.total_fen,
            refund_id=f"50{number[:28]}",
            received_by=self.receivers.get(number, "支付用户零钱"),
        )

    # --- what happens on the other side ---
    def pay(self, number: str) -> None:
        """The phone pays: also a code whose order was closed, as live ones were seen to."""
        self.states[number] = "SUCCESS"

    def result(self, number: str) -> PaymentResult:
        paid = self.states[number] == "SUCCESS"
        fen = self.orders[number].amount_fen
        return PaymentResult(
            out_trade_no=number,
            trade_state=self.states[number],
            appid=merchant().appid,
            mch_id=merchant().mch_id,
            paid_fen=fen if paid else 0,
            transaction_id=f"42{number[-28:]}" if paid else "",
            paid_at=timezone.now() if paid else None,
            trade_type="NATIVE",
            answer={
                "appid": merchant().appid,
                "mchid": merchant().mch_id,
                "out_trade_no": number,
                "trade_state": self.states[number],
                "trade_state_desc": "支付成功" if paid else "订单未支付",
                "amount": {"total": fen},
            },
        )

    def notify(self, number: str, now=None) -> None:
        """Send the notification of a payment, as received and checked."""
        payment_confirm(result=self.result(number), now=now or timezone.now(), source="notify_v2")

    def run_refunds(self, now=None) -> None:
        """What the worker does with refunds that are due, however long they were to wait."""
        for refund_id in refunds_due(now=timezone.now() + timedelta(days=365)):
            refund_run(refund_id=refund_id, now=now or timezone.now(), at_once=True)


@pytest.fixture
def provider(monkeypatch):
    fake = FakeProvider()
    install(fake, monkeypatch.setattr)
    return fake


def install(fake, setattr_):
    for module, name in (
        ("start", "gateway_v2"),
        ("start", "gateway_to_ask"),
        ("close", "gateway_to_ask"),
        ("query", "gateway_to_ask"),
        ("reconcile", "gateway_to_ask"),
        ("refund", "gateway_v3"),
        ("refund_stuck", "gateway_v3"),
    ):
        setattr_(f"payments.services.{module}.{name}", lambda *who: fake)
    setattr_("payments.services.start.PAUSE_S", 0)
