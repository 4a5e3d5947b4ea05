"""The one door through which a payment becomes paid."""

from datetime import datetime

from payments.gateways.base import PaymentResult
from payments.models import Payment


def payment_confirm(*, result: PaymentResult, now: datetime, source: str) -> Payment:
    """Record that the provider calls it paid, and tell the listener, in one transaction; a repeat changes nothing.

    Notifications v2 and v3, queries and the reconciliation sweep all end here. The result must be authentic
    (signature checked by its gateway); whether it fits our order is checked here.

    :param source: who says so, for the log: ``notify_v2``, ``notify_v3``, ``query``, ``close``, ``reconcile``.
    :raises PaymentUnknown: no order has this number.
    :raises PaymentMismatch: amount, currency, appid, merchant or transaction differ. Logged; nothing changed.
    """
    raise NotImplementedError
