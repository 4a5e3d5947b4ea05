"""What the services share in dealing with the provider."""

from datetime import datetime

from django.db import connection

from payments.errors import (
    PaymentError,
    PaymentNotConfigured,
    ProviderBusy,
    ProviderDown,
    ProviderTimeout,
    WeChatRefused,
)
from payments.gateways.base import (
    GatewayBusy,
    GatewayError,
    GatewayMisconfigured,
    GatewayRefused,
    GatewayTimeout,
)
from payments.gateways.wechat import merchant_of, merchants
from payments.gateways.wechat.merchant import Merchant
from payments.models import Payment, PaymentLog, Refund

SYSTEM = "系统"
LOCK_WAIT_MS = 3000  # a notification must be answered within 5 s


def as_refusal(error: GatewayError) -> PaymentError:
    """Turn a gateway's error into the answer for the caller."""
    match error:
        case GatewayMisconfigured():
            return PaymentNotConfigured()
        case GatewayBusy():
            return ProviderBusy(**error.refused.error_options())
        case GatewayTimeout():
            return ProviderTimeout()
        case GatewayRefused() if error.code:
            return WeChatRefused(error.code, detail=error.message)
    if error.code:
        return WeChatRefused(error.code)
    return ProviderDown()


def payee(payment: Payment) -> Merchant:
    """The merchant that a payment was made for: it alone can be asked about it.

    :raises MerchantUnknown: we have no keys of it any more.
    """
    return merchant_of(payment.appid, payment.mch_id)


def payees(payment: Payment) -> list[tuple[str, str]]:
    """Appids and merchant numbers that its money may have gone to: its own; any of ours where that is not known."""
    if payment.mch_id:
        return [(payment.appid, payment.mch_id)]
    return [(who.appid, who.mch_id) for who in merchants()]


def limit_lock_wait() -> None:
    """Within this transaction, rather fail than wait long for a row: whoever asked will ask again."""
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL lock_timeout = {LOCK_WAIT_MS}")


def log_step(
    payment: Payment,
    event: str,
    now: datetime,
    *,
    actor: str = SYSTEM,
    refund: Refund | None = None,
    from_state: str = "",
    to_state: str = "",
    detail: str = "",
) -> None:
    """Write one line of the money log."""
    PaymentLog.objects.create(
        payment=payment,
        refund=refund,
        at=now,
        actor=actor[:64],
        event=event,
        from_state=from_state,
        to_state=to_state,
        detail=detail[:255],
    )
