"""Refunds."""

from django.utils import timezone

from payments.services.refund import refund_request


def request(payment, fen=1234, *, reason="不想要了", by="王", now=None):
    """Request the refund of a payment, or of a part of it."""
    return refund_request(
        out_trade_no=payment.out_trade_no, amount_fen=fen, reason=reason, requested_by=by, now=now or timezone.now()
    )
