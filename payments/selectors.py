"""Questions to the database."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Now

from payments.models import (
    PAYMENT_NOTICE,
    BillRun,
    Difference,
    InboundEvent,
    ListenerFailure,
    Payment,
    PaymentStatus,
    Refund,
    RefundStatus,
)

EVENTS_OF = timedelta(days=7)


def records_of(numbers: Iterable[str]) -> dict[str, QuerySet[Any]]:
    """Return what is kept about the payments of these orders, by the names that staff read."""
    payments = Payment.objects.filter(out_trade_no__in=list(numbers)).order_by("pk")
    return {"付款": payments, "退款": Refund.objects.filter(payment__in=payments).order_by("pk")}


def merchants_waiting() -> set[str]:
    """Return the numbers of the merchants about whose payments and refunds the sweeps still have to ask."""
    payments = Payment.objects.order_by().filter(next_check_at__isnull=False).values_list("mch_id", flat=True)
    refunds = Refund.objects.order_by().filter(next_try_at__isnull=False).values_list("payment__mch_id", flat=True)
    return set(payments.union(refunds))


def differences_open() -> QuerySet[Difference]:
    """Return the differences with the provider's bills that wait for staff."""
    return Difference.objects.filter(ending=Difference.Ending.OPEN)


def orders_differing() -> QuerySet[Difference, Any]:
    """Return the order numbers about which a difference with the provider's bills waits for staff."""
    return differences_open().order_by().values("out_trade_no")


def differences_of(numbers: Iterable[str]) -> QuerySet[Difference]:
    """Return the open differences about these order numbers, oldest first."""
    return differences_open().filter(out_trade_no__in=numbers).order_by("pk")


def orders_untold() -> QuerySet[ListenerFailure, Any]:
    """Return the order numbers of which the listener could not take a payment or refund."""
    return ListenerFailure.objects.order_by().values("out_trade_no")


def listener_failures_of(numbers: Iterable[str]) -> QuerySet[ListenerFailure]:
    """Return what the listener could not take about these order numbers, oldest first."""
    return ListenerFailure.objects.filter(out_trade_no__in=numbers).order_by("pk")


def bills_failed(*, older_than: datetime) -> QuerySet[BillRun]:
    """Return up to 5 comparisons of the last month that have not succeeded within a day, oldest first."""
    failures = BillRun.objects.exclude(state=BillRun.State.DONE)
    span = (older_than - timedelta(days=30), older_than - timedelta(days=1))
    return failures.filter(day__gte=span[0].date(), day__lte=span[1].date()).order_by("day", "mch_id")[:5]


def refunds_waiting() -> int:
    """Return how many refunds are under way."""
    return Refund.objects.filter(next_try_at__isnull=False).count()


def refunds_stuck() -> int:
    """Return how many refunds wait for staff: they failed, or are closed and nothing has taken their place."""
    is_dead = Q(state=_S.CLOSED, replaced_by=None)
    return Refund.objects.filter(Q(state__in=_STUCK) | is_dead).count()


def payments_left_open(*, now: datetime) -> int:
    """Return how many payments are not closed an hour after their end, when the order's sweep should have done it."""
    is_open = Q(state__in=[PaymentStatus.STARTING, PaymentStatus.OPEN], next_check_at__isnull=False)
    return Payment.objects.filter(is_open, time_expire__lt=now - timedelta(hours=1)).count()


def events_to_do(*, now: datetime) -> QuerySet[InboundEvent]:
    """Return the failed notifications of the last days that wait for staff, newest first.

    Forged ones, which 1.1.0 kept, are no failure. The provider sends one that failed ten times and more:
    of a payment only the newest counts, whatever became of it, and of a refund the newest of those with the same body.
    """
    later = InboundEvent.objects.filter(
        ~Q(out_trade_no=""),
        Q(kind=PAYMENT_NOTICE) | Q(body_sha256=OuterRef("body_sha256")),
        out_trade_no=OuterRef("out_trade_no"),
        kind=OuterRef("kind"),
        pk__gt=OuterRef("pk"),
    )
    failure = Q(verdict=InboundEvent.Verdict.FAILED) | Q(verdict=InboundEvent.Verdict.REFUSED, is_genuine=True)
    events = InboundEvent.objects.filter(failure, acknowledged_at=None, received_at__gte=now - EVENTS_OF)
    return events.filter(~Exists(later)).order_by("-received_at", "-pk")


def notices_by_verdict(*, since: datetime) -> dict[str, int]:
    """Return how many notifications came since then, by verdict."""
    events = InboundEvent.objects.order_by().filter(received_at__gte=since, received_at__lte=Now())
    return dict(events.values_list("verdict").annotate(Count("pk")))


# --- The refunds of one payment ---
_S = RefundStatus
UNDER_WAY = (_S.PENDING, _S.PROCESSING)
MONEY_MOVES = (_S.PROCESSING, _S.SUCCESS, _S.ABNORMAL, _S.OWED)  # the provider has begun to move the money
_STUCK = (_S.FAILED, _S.ABNORMAL, _S.OWED)


@dataclass(frozen=True)
class RefundsOfPayment:
    """All refunds of one payment, oldest first, and their sums."""

    paid_fen: int
    refunds: tuple[Refund, ...]

    @property
    def number(self) -> int:
        return len(self.refunds)

    @property
    def claimed_fen(self) -> int:
        """What has gone back or is to go back.

        A failed refund counts, because it may be tried again. A closed one does not: its number is dead.
        """
        return sum(refund.amount_fen for refund in self.refunds if refund.state != _S.CLOSED)

    @property
    def rest_fen(self) -> int:
        return self.paid_fen - self.claimed_fen

    @property
    def moved_fen(self) -> int:
        return self._sum(*MONEY_MOVES)

    @property
    def is_all_back(self) -> bool:
        return self._sum(_S.SUCCESS, _S.OFFLINE) >= self.paid_fen > 0

    @property
    def is_under_way(self) -> bool:
        return any(refund.state in UNDER_WAY for refund in self.refunds)

    @property
    def is_stuck(self) -> bool:
        return any(refund.state in _STUCK for refund in self.refunds)

    @property
    def to_tend(self) -> Refund | None:
        """The refund that staff must do something about: it failed, or is closed and nothing has taken its place."""
        stuck = [refund for refund in self.refunds if refund.state in _STUCK]
        dead = [
            refund
            for refund in self.refunds
            if refund.state == _S.CLOSED and not refund.replaced_by_id and refund.amount_fen <= self.rest_fen
        ]
        # First those that another try may help.
        candidates = sorted([*stuck, *dead], key=lambda refund: (refund.state not in (_S.FAILED, _S.CLOSED), refund.pk))
        return candidates[0] if candidates else None

    def _sum(self, *states: str) -> int:
        return sum(refund.amount_fen for refund in self.refunds if refund.state in states)


def refunds_of(payment: Payment) -> RefundsOfPayment:
    """Return the refunds of a payment. A caller that acts on the sums has locked the payment's or its order's row."""
    return RefundsOfPayment(payment.amount_fen, tuple(payment.refunds.order_by("pk")))


def refunds_of_order(*, out_trade_no: str) -> RefundsOfPayment:
    """Return the refunds of an order's payment. An order without a payment here has none, of 0 fen."""
    payment = Payment.objects.filter(out_trade_no=out_trade_no).first()
    return refunds_of(payment) if payment else RefundsOfPayment(0, ())
