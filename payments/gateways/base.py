"""What a payment provider is asked and answers. Gateways know neither requests nor models; amounts are integer fen."""

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, NamedTuple


@dataclass(frozen=True)
class PaymentIntent:
    """All that the provider's order is made of. Times are aware; equal intents make equal requests."""

    out_trade_no: str
    amount_fen: int
    description: str
    trade_type: str
    client_ip: str
    notify_url: str
    time_start: datetime
    time_expire: datetime
    openid: str = ""
    currency: str = "CNY"


@dataclass(frozen=True)
class PaymentTicket:
    """What a client pays with."""

    prepay_id: str
    code_url: str = ""  # NATIVE only


@dataclass(frozen=True)
class PaymentResult:
    """What the provider says of a payment, authentic by signature.

    :param trade_state: SUCCESS, REFUND, NOTPAY, CLOSED, REVOKED, USERPAYING, PAYERROR, ACCEPT.
    :param paid_fen: the order's total (not what coupons left of it); 0 when unpaid.
    :param answer: the object that the API document shows for a query.
    """

    out_trade_no: str
    trade_state: str
    appid: str
    mch_id: str
    paid_fen: int = 0
    currency: str = "CNY"
    transaction_id: str = ""
    paid_at: datetime | None = None
    trade_type: str = ""
    answer: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class RefundResult:
    """What the provider says of a refund, authentic by signature.

    :param status: PROCESSING, SUCCESS, CLOSED, ABNORMAL.
    :param appid, mch_id: of the merchant; "" where the provider does not say.
    """

    out_trade_no: str
    out_refund_no: str
    status: str
    refund_fen: int
    total_fen: int
    appid: str = ""
    mch_id: str = ""
    refund_id: str = ""
    refunded_at: datetime | None = None
    received_by: str = ""  # the account the money goes to, in the provider's words
    accepted_at: datetime | None = None
    funds_account: str = ""  # where the merchant's money comes from: UNSETTLED, AVAILABLE...

    @property
    def is_back_at_merchant(self) -> bool:
        """The money of an abnormal refund was returned to the merchant, not to the buyer."""
        return self.received_by.startswith("商户")


class BillRow(NamedTuple):
    """A line of the provider's daily bill: a payment, or with ``out_refund_no`` a refund.

    :param bill_at: the provider's own time.
    :param bill_state: of a payment SUCCESS or REVOKED; of a refund its state when the bill was made (SUCCESS,
        PROCESSING, FAIL, CHANGE...), since a bill is never updated.
    :param bill_fen: what was paid, coupons included; of a refund what goes back.
    :param fee: yuan, with five decimals; of a refund what of the fee goes back, so it is negative. None: not named.
    :param rate: of the fee, as the provider writes it.
    """

    bill_at: datetime
    appid: str
    mch_id: str
    out_trade_no: str
    transaction_id: str
    bill_state: str
    bill_fen: int
    out_refund_no: str = ""
    refund_id: str = ""
    fee: Decimal | None = None
    rate: str = ""

    @property
    def difference_fields(self) -> dict[str, Any]:
        """The fields that a ``Difference`` keeps."""
        return {name: value for name, value in self._asdict().items() if name not in ("fee", "rate")}


@dataclass(frozen=True)
class Bill:
    """All that the provider moved for a merchant on a day, proved by its digest. No rows: it moved nothing."""

    day: date
    rows: tuple[BillRow, ...] = ()
    sha1: str = ""

    @property
    def fee_fen(self) -> int | None:
        """What the provider keeps for itself; None where a row does not say it."""
        fees = [row.fee for row in self.rows]
        if None in fees:
            return None
        return int((sum(filter(None, fees), Decimal(0)) * 100).quantize(Decimal(1), ROUND_HALF_UP))
