"""A merchant, its provider on a port of its own, and a shop that sells by number."""

import itertools
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from payments.listener import PaidOutcome, PaymentListener
from payments.services.query_close import payment_query
from payments.services.refund import refund_request
from payments.services.start import payment_start
from tests.kit import listener_replaced

_numbers = itertools.count(1)


def request(payment, fen=1234, *, reason="不想要了", by="王", now=None):
    """Request the refund of a payment, or of a part of it."""
    return refund_request(
        out_trade_no=payment.out_trade_no, amount_fen=fen, reason=reason, requested_by=by, now=now or timezone.now()
    )


def post_v2(raw, path="/pay/payResult", **headers):
    """Send a notification of v2 as WeChat does."""
    return Client().post(path, raw, content_type="text/xml", headers=headers)


def post_v3(raw, headers):
    """Send a notification of v3: ``post_v3(*wechat.notice_v3(number))``."""
    return Client().post("/pay/notify", raw, content_type="application/json", headers=headers)


class Shop:
    """Knows orders by number and what they cost; writes down what it is told."""

    def __init__(self):
        self.owed, self.paid, self.refunds = {}, [], []
        self.outcome = PaidOutcome.ACCEPTED

    def order(self, fen=1234):
        number = f"20261125101112000T{next(_numbers):011d}"
        self.owed[number] = fen
        return number

    def lock(self, *, out_trade_no):
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [out_trade_no])
        return self.owed.get(out_trade_no)

    def on_paid(self, **facts):
        self.paid.append(facts)
        return self.outcome

    def on_refund_changed(self, **facts):
        self.refunds.append((facts["out_refund_no"], facts["state"]))


@pytest.fixture
def shop():
    shop = Shop()
    with listener_replaced(PaymentListener(shop.lock, shop.on_paid, shop.on_refund_changed)):
        yield shop


@pytest.fixture
def start(shop, wechat):
    """Start a payment: ``start()`` for a new order of 12.34 yuan, or ``start(number, trade_type="APP")``."""

    def start(number=None, *, now=None, **changes):
        now = now or timezone.now()
        number = number or shop.order()
        fields = {
            "out_trade_no": number,
            "amount_fen": shop.owed[number],
            "description": "可乐 x1",
            "trade_type": "NATIVE",
            "client_ip": "203.0.113.9",
            "deadline": now + timedelta(minutes=2),
        }
        return payment_start(now=now, **(fields | changes))

    return start


@pytest.fixture
def paid(start, wechat):
    """A payment that is paid at the provider and here."""

    def paid():
        payment = start()
        wechat.pay(payment.out_trade_no)
        payment_query(out_trade_no=payment.out_trade_no, now=timezone.now())
        payment.refresh_from_db()
        assert payment.is_paid
        return payment

    return paid
