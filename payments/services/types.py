"""What the services answer."""

from dataclasses import dataclass, field
from enum import Enum
from typing import Any


class CloseOutcome(Enum):
    CLOSED = "closed"  # the provider will not take money for it (or never heard of it)
    PAID = "paid"  # it was paid: settled by now, the order must not be closed
    STARTING = "starting"  # it is being placed at the provider this very moment: keep the stock, ask again soon
    UNKNOWN = "unknown"  # the provider could not say: keep the stock, ask again later


@dataclass(frozen=True)
class PaymentState:
    """What is known of a payment.

    :param state: a value of ``PaymentStatus``, or ``""`` when no payment was ever started here.
    :param asked: the provider was asked just now; False when that was less than ``min_interval_s`` ago.
    :param trade_state: the provider's word (``SUCCESS``, ``NOTPAY``, ``CLOSED``...), ``""`` when not asked.
    :param answer: the provider's whole answer, the documented object of 6.2; empty when not asked.
    """

    out_trade_no: str
    state: str
    asked: bool
    trade_state: str = ""
    answer: dict[str, Any] = field(default_factory=dict)

    @property
    def is_paid(self) -> bool:
        return self.state == "paid"
