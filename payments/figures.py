"""Sums over payments, refunds and bills, for the first page of the back office and the accountant's daily sheet.

The revenue is a sum over orders: ``shop.revenue``.
"""

import operator
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass
from datetime import date, datetime, timedelta
from typing import Any, Self

from django.db.models import Aggregate, Count, DateField, Q, Sum
from django.db.models.functions import Coalesce, Trunc, TruncDate

from core.times import SHANGHAI, day_begins
from payments.models import BillRun, Difference, Payment, PaymentStatus, Refund, RefundStatus
from payments.selectors import MONEY_MOVES

_S = RefundStatus
# The bill lists a refund on the day on which the provider has accepted it. One that was closed later moved no money.
_ACCEPTED = (*MONEY_MOVES, _S.OFFLINE)
_NOT_THERE = (_S.PROCESSING, _S.ABNORMAL, _S.OWED)


def refund_sums(spans: Sequence[tuple[datetime, datetime]]) -> list[tuple[int, int]]:
    """Return number and fen of the refunds that were asked for in each span, without those that came to nothing."""
    refunds = Refund.objects.order_by().exclude(state=RefundStatus.CLOSED)
    sums = [
        refunds.filter(created_at__gte=begins, created_at__lt=ends).aggregate(**_sums("number", "fen"))
        for begins, ends in spans
    ]
    return [(row["number"], row["fen"]) for row in sums]


class Sums:
    """Base of dataclasses of numbers that may be added up."""

    def __add__(self, other: Self) -> Self:
        return type(self)(*map(operator.add, astuple(self), astuple(other)))  # type: ignore[call-overload]


@dataclass(frozen=True)
class MoneyDay(Sums):
    """A day's money in fen. Each payment and each refund belongs to one day, so days may be added up.

    Money comes in when it is paid, whether it belongs to an order or not (``strays``). It goes back when the provider
    accepts the refund, or when staff note down that they paid the buyer without the provider (``offline``).
    ``waiting``: what of the accepted refunds the buyer does not have yet.
    """

    paid: int = 0
    paid_fen: int = 0
    strays: int = 0
    stray_fen: int = 0
    refunds: int = 0
    refunded_fen: int = 0
    offline: int = 0
    offline_fen: int = 0
    waiting: int = 0
    waiting_fen: int = 0

    @property
    def back_fen(self) -> int:
        return self.refunded_fen + self.offline_fen

    @property
    def net_fen(self) -> int:
        return self.paid_fen - self.back_fen


def money_days(first: date, last: date) -> dict[date, MoneyDay]:
    """Return the money of each day that has some; both days are included. Three queries."""
    begins, ends = day_begins(first), day_begins(last + timedelta(days=1))
    days: dict[date, MoneyDay] = defaultdict(MoneyDay)
    payments = Payment.objects.filter(state__in=(PaymentStatus.PAID, PaymentStatus.STRAY))
    stray = Q(state=PaymentStatus.STRAY)
    refunds = Refund.objects.filter(state__in=_ACCEPTED)
    unpaid = Q(state__in=_NOT_THERE)
    offline = Refund.objects.filter(state=RefundStatus.OFFLINE, accepted_at=None)
    for rows, moment, sums in (
        (payments, "paid_at", {**_sums("paid", "paid_fen"), **_sums("strays", "stray_fen", stray)}),
        (refunds, "accepted_at", {**_sums("refunds", "refunded_fen"), **_sums("waiting", "waiting_fen", unpaid)}),
        (offline, "offline_at", _sums("offline", "offline_fen")),
    ):
        moves: Any = rows.order_by().filter(**{f"{moment}__gte": begins, f"{moment}__lt": ends})
        for row in moves.annotate(day=TruncDate(moment, tzinfo=SHANGHAI)).values("day").annotate(**sums):
            days[row.pop("day")] += MoneyDay(**row)
    return dict(days)


def refunded(unit: str, first: date, last: date, order_ids: Iterable[str] | None = None) -> dict[date, int]:
    """Return the fen that went back from ``first`` to ``last``, as :func:`money_days` has it, in one query.

    :param unit: by ``day``, by ``week`` (its Monday) or by ``month`` (its first).
    :param order_ids: only of these orders.
    """
    refunds: Any = Refund.objects.order_by().filter(Q(state__in=_ACCEPTED) | Q(state=_S.OFFLINE, accepted_at=None))
    refunds = refunds.annotate(at=Coalesce("accepted_at", "offline_at"))
    refunds = refunds.filter(at__gte=day_begins(first), at__lt=day_begins(last + timedelta(days=1)))
    if order_ids is not None:
        refunds = refunds.filter(payment__out_trade_no__in=order_ids)
    rows = refunds.values_list(Trunc("at", unit, output_field=DateField(), tzinfo=SHANGHAI))
    return dict(rows.annotate(fen=Sum("amount_fen")))


def _sums(number: str, fen: str, which: Q | None = None) -> dict[str, Aggregate]:
    return {number: Count("pk", filter=which), fen: Sum("amount_fen", filter=which, default=0)}


@dataclass(frozen=True)
class BillDay(Sums):
    """What the provider's bills of a day say, of all merchant numbers, and how many differences there are with ours."""

    compared: int = 0  # merchant numbers whose bill was compared
    missing: int = 0  # those whose bill was asked for in vain
    paid_fen: int = 0
    refunded_fen: int = 0
    fee_fen: int = 0
    feeless: int = 0  # compared merchant numbers whose fees are not known
    foreign: int = 0  # rows that belong to other systems; their money is among the sums
    differences: int = 0
    open: int = 0

    @property
    def is_compared(self) -> bool:
        return self.compared > 0 and not self.missing

    @property
    def state(self) -> str:
        if self.missing:
            return "没有核对完"
        return "已核对" if self.compared else "还没有核对"


def bill_days(first: date, last: date) -> dict[date, BillDay]:
    """Return what the bills say of each day that has one or a difference; both days are included. Two queries."""
    days: dict[date, BillDay] = defaultdict(BillDay)
    for run in BillRun.objects.order_by().filter(day__gte=first, day__lte=last):
        is_done = run.state == BillRun.State.DONE
        days[run.day] += BillDay(
            compared=int(is_done),
            missing=int(not is_done),
            paid_fen=run.paid_fen,
            refunded_fen=run.refunded_fen,
            fee_fen=run.fee_fen or 0 if is_done else 0,
            feeless=int(is_done and run.fee_fen is None),
            foreign=run.foreign_rows,
        )
    differences: Any = Difference.objects.order_by().filter(day__gte=first, day__lte=last).values("day")
    is_open = Q(ending=Difference.Ending.OPEN)
    for row in differences.annotate(differences=Count("pk"), open=Count("pk", filter=is_open)):
        days[row.pop("day")] += BillDay(**row)
    return dict(days)
