"""Which merchant got, or may have got, the money of a payment."""

from payments.gateways.wechat import merchant_of, merchants
from payments.gateways.wechat.merchant import Merchant
from payments.models import Payment


def payee(payment: Payment) -> Merchant:
    """Return the merchant that a payment was made for: only with its keys does the provider answer about the payment.

    :raises MerchantUnknown: we have no keys of that merchant any more.
    """
    return merchant_of(payment.appid, payment.mch_id)


def payees(payment: Payment) -> list[tuple[str, str]]:
    """Return the (appid, merchant number) pairs that may have got a payment's money.

    That is the payment's own pair. For a payment stored before these columns existed, or of which we do not know by
    which app it was placed, it is each of ours.
    """
    if payment.mch_id and payment.appid:
        return [(payment.appid, payment.mch_id)]
    ours = [who for who in merchants() if payment.mch_id in ("", who.mch_id)]
    return [(appid, who.mch_id) for who in ours for appid in who.appids]
