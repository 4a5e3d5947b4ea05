"""Starting a payment at the provider."""

from datetime import datetime

from payments.models import Payment


def payment_start(
    *,
    out_trade_no: str,
    amount_fen: int,
    description: str,
    trade_type: str,
    client_ip: str,
    deadline: datetime,
    now: datetime,
    openid: str = "",
) -> Payment:
    """Have the provider take money for an order; asking again answers the same payment, word for word.

    Call it outside any transaction: it talks to the provider (at most 20 s). Two calls at once make one order there.
    ``payment.code_url`` (NATIVE) or ``payment.prepay_id`` is what the client needs; see ``payment_sdk_params``.

    :param deadline: when the order closes if nobody pays. The provider's own deadline, ``payment.time_expire``, is
        later (it takes none under 5 minutes) and never moves again: cap a moved deadline of the order at it.
    :param openid: needed for JSAPI.
    :raises PaymentAlreadyPaid: it is paid; settled by the time this is raised.
    :raises PaymentClosed: it was closed at the provider, or its time there is over: the number is used up.
    :raises WeChatRefused: the provider's no, or a second call with another trade_type or openid (OUT_TRADE_NO_USED).
    :raises ProviderDown, ProviderTimeout: the outcome is unknown; calling again repeats the very same order.
    :raises PaymentNotConfigured: merchant values are missing.
    """
    raise NotImplementedError


def payment_sdk_params(*, payment: Payment, now: datetime) -> dict[str, str]:
    """Sign what the client's SDK needs: JSAPI ``appId timeStamp nonceStr package signType paySign``,
    APP ``appid partnerid prepayid package noncestr timestamp sign``; NATIVE needs nothing, ``{}``.
    """
    raise NotImplementedError
