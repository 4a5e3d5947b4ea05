"""What a payment provider is asked and answers. Gateways know neither requests nor models; amounts are integer fen."""

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from core.upstreams import UpstreamRefused


class GatewayError(Exception):
    """The provider did not do what was asked.

    :param code: a key of ``payments.wechat_codes.WECHAT_CODES`` when the provider answered with a reason, else ``""``.
    :param outcome_unknown: the provider may or may not have acted. Conclude nothing from it: ask, or repeat the same
        call, which may succeed later.
    """

    outcome_unknown = False

    def __init__(self, message: str, *, code: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.code = code

    @property
    def text(self) -> str:
        return f"{self.code} {self.message}".strip()[:255]


class GatewayMisconfigured(GatewayError):
    """Merchant values are missing or unusable; nothing was sent."""


class MerchantUnknown(GatewayMisconfigured):
    """The payment was made for a merchant whose keys we do not have. Other payments can go on."""


class GatewayUnreachable(GatewayError):
    """No connection, a broken one, or an unusable answer (5xx of a proxy, HTML, too long)."""

    outcome_unknown = True


class GatewayTimeout(GatewayUnreachable):
    """No answer in time."""


class GatewayBusy(GatewayUnreachable):
    """Nothing was sent: too many wait for the provider, or it is dead. Come back later."""

    def __init__(self, refusal: UpstreamRefused) -> None:
        super().__init__(str(refusal))
        self.refused = refusal


class GatewayUntrusted(GatewayError):
    """The answer's signature is missing or wrong, or it speaks of another merchant or order."""

    outcome_unknown = True


class GatewayRefused(GatewayError):
    """The provider answered with an error code."""


class GatewayUncertain(GatewayRefused):
    """The provider failed half-way or is busy: SYSTEMERROR, BANKERROR, FREQUENCY_LIMITED, USERPAYING."""

    outcome_unknown = True


class BillNotReady(GatewayUncertain):
    """STATEMENT_CREATING: the provider has not made the day's bill yet."""


class BillEmpty(GatewayRefused):
    """NO_STATEMENT_EXIST: the provider moved nothing on that day."""


class AlreadyPaid(GatewayRefused):
    """ORDERPAID: ask for the details."""


class AlreadyClosed(GatewayRefused):
    """ORDERCLOSED: the number is used up."""


class OrderUnknown(GatewayRefused):
    """ORDERNOTEXIST: no such order, or no such refund, there."""


class NumberUsed(GatewayRefused):
    """OUT_TRADE_NO_USED, INVALID_REQUEST 201: the number exists there with other parameters."""


class NoticeRefused(Exception):
    """A notification that must not be believed. ``str()`` is the reason, in Chinese, for the provider and the journal.

    :param http_status: for providers that read it (v3).
    """

    is_genuine = False  # nothing proves that the provider sent it; a stranger may send any number of such

    def __init__(self, reason: str, *, http_status: int = 400) -> None:
        super().__init__(reason)
        self.http_status = http_status


class NoticeUnfit(NoticeRefused):
    """The provider did send it, but it says nothing that we can act on."""

    is_genuine = True


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
