"""The door of this app: start, ask, close, confirm a payment; request a refund.

Who calls what when, and the states, are drawn in ``docs/payments.md``. All are keyword-only, take ``now``,
and raise ``payments.errors`` only. What staff do with a refund that did not arrive is in ``refund_stuck``.
"""

from payments.services.confirm import payment_confirm
from payments.services.query_close import CloseOutcome, PaymentState, payment_close, payment_query
from payments.services.refund import refund_request, refund_run, refunds_require
from payments.services.refund_stuck import refund_again
from payments.services.start import payment_check_provider, payment_sdk_params, payment_start

__all__ = [
    "CloseOutcome",
    "PaymentState",
    "payment_check_provider",
    "payment_close",
    "payment_confirm",
    "payment_query",
    "payment_sdk_params",
    "payment_start",
    "refund_again",
    "refund_request",
    "refund_run",
    "refunds_require",
]
