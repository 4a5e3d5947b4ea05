"""The daily comparison with the provider's bill (对账): it finds what only one side has, or what differs.

Each day and merchant is one run. A difference that a later run does not find ends; running twice changes nothing.
"""

import time as clock
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from operator import attrgetter
from typing import Any

import structlog
from django.db import transaction
from django.db.models import Q, QuerySet

from core.models import Restoration
from core.times import SHANGHAI, day_begins, local
from payments.errors import BillBusy, BillNotOut, BillNotReady, BillTooOld, GatewayError, PaymentNotConfigured
from payments.gateways.base import Bill, BillRow
from payments.gateways.wechat import gateway_v3, merchants
from payments.gateways.wechat.merchant import Merchant
from payments.listener import listener
from payments.models import RATES_LENGTH, BillRun, Difference, DifferenceKind, Payment, PaymentStatus, Refund
from payments.selectors import MONEY_MOVES
from payments.services.differences import (
    Ending,
    difference_end,
    difference_kind,
    difference_set,
    differences_ask,
    differences_settle_lost,
    is_worth_asking,
    ours_of,
)

log = structlog.get_logger("payments")
MADE_BY = time(10)  # Shanghai time of the next day: WeChat Pay promises the bill by then
ONE_DAY = timedelta(days=1)
KEPT = timedelta(days=89)  # the provider keeps bills for three months
LOOK_BACK = timedelta(days=30)
MAX_RUN_S = 240  # for all missing days together; a task is killed after 600 s
CLAIM = timedelta(minutes=10)  # of a day by one process: a task is killed after that time


def bill_reconcile(*, day: date, now: datetime) -> list[BillRun]:
    """Compare a day with the bill of each merchant whose keys we have; return the runs. Not in a transaction.

    Payments of our orders that we did not know to be paid, and refunds whose state changed, are asked about and
    recorded at once. Everything else that differs becomes a ``Difference``.

    :raises BillNotOut: the provider makes the bill of that day later.
    :raises BillTooOld: the provider has deleted the bill of that day.
    :raises BillBusy: another process compares this day.
    :raises PaymentNotConfigured: no merchant has the values of v3.
    """
    if now < bill_made_at(day):
        raise BillNotOut
    if local(now).date() - day > KEPT:
        raise BillTooOld
    able = [who for who in merchants() if who.has_v3]
    if not able:
        raise PaymentNotConfigured
    runs = [run for who in able if (run := _run(who, day, now))]
    if not runs:
        raise BillBusy
    differences_settle_lost(now=now)
    return runs


def bills_reconcile_missing(*, now: datetime) -> int:
    """Compare every day that was not compared yet, oldest first; return how many runs were made.

    Stop after 4 minutes, and for a merchant at the first failure; the task of the next hour continues.
    """
    ends_at, number = clock.monotonic() + MAX_RUN_S, 0
    for who in merchants():
        for day in bill_days_missing(who.mch_id, now=now) if who.has_v3 else []:
            if clock.monotonic() > ends_at:
                return number
            run = _run(who, day, now)
            number += run is not None
            if not run or run.state != BillRun.State.DONE:
                break
    differences_settle_lost(now=now)
    return number


def bill_made_at(day: date) -> datetime:
    """Return when the provider has the bill of ``day`` ready."""
    return datetime.combine(day + ONE_DAY, MADE_BY, SHANGHAI)


def bill_days_missing(mch_id: str, *, now: datetime) -> list[date]:
    """Return the days without a finished comparison, oldest first: of the last 30, from the first payment on.

    After a restore the days since the backup count too, as far back as the provider keeps bills.
    """
    today = local(now).date()
    last = today - timedelta(days=1 if now >= bill_made_at(today - ONE_DAY) else 2)
    day = _first_day(today)
    finished_days = set(
        BillRun.objects.filter(mch_id=mch_id, day__gte=day, state=BillRun.State.DONE).values_list("day", flat=True)
    )
    days = (day + timedelta(days=n) for n in range((last - day).days + 1))
    return [one for one in days if one not in finished_days]


def _first_day(today: date) -> date:
    first = Payment.objects.order_by("created_at", "pk").values_list("created_at", flat=True).first()
    day = max(local(first).date(), today - LOOK_BACK) if first else today
    if restoration := Restoration.objects.first():
        day = max(min(day, local(restoration.written_at).date()), today - KEPT)
    return day


def _run(who: Merchant, day: date, now: datetime) -> BillRun | None:
    """Compare a day with the bill of a merchant; None if another process does so now."""
    run, _ = BillRun.objects.get_or_create(
        mch_id=who.mch_id, day=day, defaults={"state": BillRun.State.RUNNING, "ran_at": now}
    )
    rows, is_free = BillRun.objects.filter(pk=run.pk), Q(claimed_until=None) | Q(claimed_until__lte=now)
    if not rows.filter(is_free).update(claimed_until=now + CLAIM):
        return None
    try:
        rows.update(ran_at=now, **_results(who, day, now))
    finally:
        rows.filter(claimed_until=now + CLAIM).update(claimed_until=None)
    return rows.get()


def _results(who: Merchant, day: date, now: datetime) -> dict[str, Any]:
    """Compare a day with its bill, store the differences, and return the fields of the run."""
    try:
        bill = gateway_v3(who).bill(day)
    except GatewayError as error:
        log.error("bill not compared", day=str(day), mch_id=who.mch_id, reason=str(error))
        state = BillRun.State.WAITING if isinstance(error, BillNotReady) else BillRun.State.FAILED
        return _failure(who, day, state, str(error))
    if _is_late(who, bill, now):
        return _failure(who, day, BillRun.State.WAITING, "微信说这一天没有账单，而本地有收款")
    differences, foreign_rows = _compare(who, bill, now)
    _keep_differences(who.mch_id, day, differences, now)
    _end_billed(now)
    return {
        "state": BillRun.State.DONE,
        "rows": len(bill.rows),
        "foreign_rows": foreign_rows,
        "paid_fen": sum(row.bill_fen for row in bill.rows if not row.out_refund_no),
        "refunded_fen": sum(row.bill_fen for row in bill.rows if row.out_refund_no),
        "fee_fen": fees_fen(bill.rows),
        "fee_rates": "、".join(sorted({row.rate for row in bill.rows if row.fee and row.rate}))[:RATES_LENGTH],
        "differences": Difference.objects.filter(mch_id=who.mch_id, day=day, ending=Ending.OPEN).count(),
        "sha1": bill.sha1,
        "last_error": "",
    }


def _failure(who: Merchant, day: date, state: str, reason: str) -> dict[str, Any]:
    """Return the fields of a run that failed; a day that was compared before stays DONE."""
    is_done = BillRun.objects.filter(mch_id=who.mch_id, day=day, state=BillRun.State.DONE).exists()
    return {"state": BillRun.State.DONE if is_done else state, "last_error": reason[:255]}


def fees_fen(rows: Sequence[BillRow]) -> int | None:
    """Return what the provider keeps for itself; None where a row does not say it."""
    fees = [row.fee for row in rows]
    if None in fees:
        return None
    return int((sum(filter(None, fees), Decimal(0)) * 100).quantize(Decimal(1), ROUND_HALF_UP))


def _is_late(who: Merchant, bill: Bill, now: datetime) -> bool:
    """Tell whether an empty bill may only be late.

    WeChat Pay's documentation does not say whether "no statement" also means "not made yet", so for one day an empty
    bill is not believed if we had payments.
    """
    if bill.sha1 or now >= bill_made_at(bill.day) + ONE_DAY:
        return False
    return _paid_on(who, bill.day).exists()


def _paid_on(who: Merchant, day: date) -> QuerySet[Payment]:
    mine = Payment.objects.filter(state=PaymentStatus.PAID, billed_on=None, mch_id=who.mch_id)
    return mine.filter(paid_at__gte=day_begins(day), paid_at__lt=day_begins(day + ONE_DAY)).order_by("pk")


def _compare(who: Merchant, bill: Bill, now: datetime) -> tuple[list[Difference], int]:
    """Return the differences of a day, and how many rows belong to other systems with the same merchant number."""
    differences: list[Difference] = []
    foreign_rows = 0
    found: dict[str, Any] = {"day": bill.day, "found_at": now}
    for is_refund, table, number in (
        (False, Payment.objects.all(), "out_trade_no"),
        (True, Refund.objects.select_related("payment"), "out_refund_no"),
    ):
        rows = [row for row in bill.rows if bool(row.out_refund_no) is is_refund]
        key = attrgetter(number)
        numbers = list(map(key, rows))
        ours: dict[str, Any] = table.in_bulk(numbers, field_name=number)
        candidates = [
            Difference(**row.difference_fields, **found) for row in rows if key(row) in ours or _may_be_ours(row)
        ]
        foreign_rows += len(rows) - len(candidates)
        differing = _differing(candidates, ours, key)
        worth = [difference for difference in differing if is_worth_asking(difference, ours.get(key(difference)))]
        differences_ask(worth, now=now)
        ours = table.in_bulk(numbers, field_name=number)
        differing = _differing(candidates, ours, key)
        matches = set(map(key, candidates)) - set(map(key, differing))
        differences += differing
        table.filter(**{f"{number}__in": matches}, billed_on=None).update(billed_on=bill.day)
    return [*differences, *_unknown_there(who, bill, found)], foreign_rows


def _differing(candidates: Sequence[Difference], ours: dict[str, Any], key: Callable[[Any], str]) -> list[Difference]:
    """Return those of the bill's rows that differ from ours, with our side of each."""
    differing = []
    for candidate in candidates:
        row_here = ours.get(key(candidate))
        if kind := difference_kind(candidate, row_here):
            difference_set(candidate, kind, row_here)
            differing.append(candidate)
    return differing


def _may_be_ours(row: BillRow) -> bool:
    """Tell whether a row is ours: other systems may share our merchant number, with another appid or other numbers."""
    apps = {appid for who in merchants() if who.mch_id == row.mch_id for appid in who.appids}
    if row.appid in apps and listener().may_own(row.out_trade_no):
        return True
    return Payment.objects.filter(out_trade_no=row.out_trade_no).exists()


def _unknown_there(who: Merchant, bill: Bill, found: dict[str, Any]) -> Iterator[Difference]:
    """Yield the payments and refunds of that day that the bill lacks."""
    begins, ends = day_begins(bill.day), day_begins(bill.day + ONE_DAY)
    keys = {(row.out_trade_no, row.out_refund_no) for row in bill.rows}
    refunds = Refund.objects.select_related("payment").filter(billed_on=None, payment__mch_id=who.mch_id)
    # A refund out of the merchant's available balance is in no trade bill.
    refunds = refunds.filter(state__in=MONEY_MOVES).exclude(funds_account="AVAILABLE")
    rows: list[Payment | Refund] = [*_paid_on(who, bill.day)]
    for ours in [*rows, *refunds.filter(accepted_at__gte=begins, accepted_at__lt=ends).order_by("pk")]:
        payment, refund = (ours.payment, ours) if isinstance(ours, Refund) else (ours, None)
        if (payment.out_trade_no, refund.out_refund_no if refund else "") in keys:
            continue
        difference = Difference(
            mch_id=payment.mch_id,
            out_trade_no=payment.out_trade_no,
            out_refund_no=refund.out_refund_no if refund else "",
            appid=payment.appid,
            transaction_id=payment.transaction_id,
            refund_id=refund.refund_id if refund else "",
            **found,
        )
        kind = DifferenceKind.REFUND_UNKNOWN_THERE if refund else DifferenceKind.NO_MONEY
        difference_set(difference, kind, ours)
        yield difference


def _keep_differences(mch_id: str, day: date, differences: Sequence[Difference], now: datetime) -> None:
    """Store the differences of a day, and end those of an earlier run that are none any more."""
    with transaction.atomic():
        rows = Difference.objects.select_for_update().filter(mch_id=mch_id, day=day).order_by("pk")
        earlier = {(row.out_trade_no, row.out_refund_no): row for row in rows}
        for difference in differences:
            _keep(difference, earlier.pop((difference.out_trade_no, difference.out_refund_no), None))
        for row in earlier.values():
            if not row.ending:
                _end_gone(row, now)


_FACTS = ("kind", "appid", "transaction_id", "refund_id", "bill_state", "bill_fen", "bill_at", "our_state", "our_fen")


def _keep(difference: Difference, earlier: Difference | None) -> None:
    if earlier:
        is_same = all(getattr(earlier, name) == getattr(difference, name) for name in _FACTS)
        if is_same and earlier.ending != Ending.GONE:
            return  # still open, or explained by staff
        # It differs in another way than before, or is back after it had gone: staff must look at it again.
        difference.pk, difference.found_at = earlier.pk, earlier.found_at
        difference.note = difference.note or earlier.note
    difference.save()


def _end_billed(now: datetime) -> None:
    """End differences about a payment that is missing in one day's bill and stands in another day's.

    Near midnight the provider may count a payment to another day than we do.
    """
    candidates = Difference.objects.filter(
        kind__in=[DifferenceKind.NO_MONEY, DifferenceKind.REFUND_UNKNOWN_THERE], ending=Ending.OPEN
    )
    for difference in candidates.order_by("pk"):
        if difference_kind(difference, ours_of(difference)) is None:
            _end_gone(difference, now)


def _end_gone(difference: Difference, now: datetime) -> None:
    difference_end(difference, Ending.GONE, "对账", now, difference.note)
