"""Giving money back."""

from datetime import datetime

from payments.models import Refund


def refund_request(*, out_trade_no: str, amount_fen: int, reason: str, requested_by: str, now: datetime) -> Refund:
    """Write down that money goes back; the provider is asked after commit, and again until it answers.

    Call it inside the transaction that changes the order (with the order's row locked). The amount may be part of
    the payment; all refunds together never exceed it.

    :raises RefundNotPossible: the payment is not paid, or less than ``amount_fen`` is left of it.
    """
    raise NotImplementedError


def refund_run(*, refund_id: int, now: datetime) -> Refund:
    """Take the next step of a refund at the provider: apply, or ask how far it is. Safe to call twice at once."""
    raise NotImplementedError


def refund_retry(*, refund_id: int, actor: str, now: datetime) -> Refund:
    """Try a failed or abnormal refund again, under its old number.

    :raises RefundNotPossible: it is under way or done.
    """
    raise NotImplementedError
