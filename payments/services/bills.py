"""The daily comparison with the provider's bill (对账): it finds what only one side has, or what differs.

Each day and merchant is one run. A difference that a later run does not find ends; running twice changes nothing.
"""

import time as clock
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any

import structlog
from django.db import transaction
from django.db.models import Q, QuerySet

from core.models import Restoration
from core.times import SHANGHAI, day_begins, local
from payments.errors import BillNotReady, GatewayError, ProviderUntrusted
from payments.gateways.base import Bill
from payments.gateways.wechat import gateway_v3, merchants
from payments.gateways.wechat.merchant import Merchant
from payments.listener import listener
from payments.models import RATES_LENGTH, BillRun, Difference, DifferenceKind, Payment, PaymentStatus, Refund
from payments.selectors import MONEY_MOVES, differences_open
from payments.services.differences import (
    COMPARISON,
    Ending,
    bill_day_note,
    difference_end,
    difference_kind,
    differences_ask,
    differences_settle_lost,
    ours_by_number,
    still_differs,
)

log = structlog.get_logger("payments")
MADE_BY = time(10)  # Shanghai time of the next day: WeChat Pay promises the bill by then
ONE_DAY = timedelta(days=1)
KEPT = timedelta(days=89)  # the provider keeps bills for three months
LOOK_BACK = timedelta(days=30)
MAX_RUN_S = 240  # for all missing days together; a task is killed after 600 s
CLAIM = timedelta(minutes=10)  # of a day by one process: a task is killed after that time
CHUNK = 1000  # rows of a bill that are compared at once
# A difference with the same facts is the same one: what staff have explained stays explained.
_FACTS = ("kind", "appid", "transaction_id", "refund_id", "bill_state", "bill_fen", "bill_at", "our_state", "our_fen")


def bill_reconcile(*, day: date, now: datetime) -> int:
    """Compare a day with the bill of each merchant whose keys we have; return how many. Not in a transaction.

    What differs becomes a ``Difference``. Payments of our orders that we did not know to be paid, and refunds whose
    state changed, are asked about and recorded at once. A day that another process compares is left to it.
    """
    return _reconcile(lambda who: [day], now)


def bills_reconcile_missing(*, now: datetime) -> int:
    """Compare every day that was not compared yet, oldest first, in the same way; return how many.

    Stop after 4 minutes; the task of the next hour continues.
    """
    return _reconcile(lambda who: bill_days_missing(who.mch_id, now=now), now)


def _reconcile(days_of: Callable[[Merchant], Iterable[date]], now: datetime) -> int:
    ends_at, number = clock.monotonic() + MAX_RUN_S, 0
    for who in merchants():
        for day in days_of(who) if who.has_v3 else ():
            outcome = _run(who, day, now)
            number += outcome is not False
            # A bill that is not made or cannot be read holds up no other; another failure meets all of the merchant.
            goes_on = isinstance(outcome, bool | BillNotReady | ProviderUntrusted)
            if not goes_on or clock.monotonic() > ends_at:
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
    first = Payment.objects.order_by("created_at", "pk").values_list("created_at", flat=True).first()
    day = max(local(first).date(), today - LOOK_BACK) if first else today
    if restoration := Restoration.objects.first():
        day = max(min(day, local(restoration.written_at).date()), today - KEPT)
    runs = BillRun.objects.filter(mch_id=mch_id, day__gte=day, state=BillRun.State.DONE)
    finished_days = set(runs.values_list("day", flat=True))
    days = (day + timedelta(days=n) for n in range((last - day).days + 1))
    return [one for one in days if one not in finished_days]


def _run(who: Merchant, day: date, now: datetime) -> GatewayError | bool:
    """Compare a day with the bill of a merchant; return the error if there is none to read.

    Return False if another process compares the day now.
    """
    run, _ = BillRun.objects.get_or_create(
        mch_id=who.mch_id, day=day, defaults={"state": BillRun.State.RUNNING, "ran_at": now}
    )
    rows, is_free = BillRun.objects.filter(pk=run.pk), Q(claimed_until=None) | Q(claimed_until__lte=now)
    if not rows.filter(is_free).update(claimed_until=now + CLAIM):
        return False
    try:
        rows.update(ran_at=now, **_results(who, _bill(who, day, now), now))
    except GatewayError as error:
        log.error("bill not compared", day=str(day), mch_id=who.mch_id, reason=str(error))
        state = BillRun.State.WAITING if isinstance(error, BillNotReady) else BillRun.State.FAILED
        # A day that was compared before stays DONE.
        rows.update(ran_at=now, state=run.state if run.state == BillRun.State.DONE else state, last_error=str(error))
        return error
    finally:
        rows.filter(claimed_until=now + CLAIM).update(claimed_until=None)
    return True


def _bill(who: Merchant, day: date, now: datetime) -> Bill:
    bill = gateway_v3(who).bill(day)
    # WeChat Pay's documentation does not say whether "no statement" also means "not made yet", so for one day an
    # empty bill is not believed if we had payments.
    if not bill.sha1 and now < bill_made_at(day) + ONE_DAY and _paid_on(who, day).exists():
        raise BillNotReady("INVALID_REQUEST", "微信说这一天没有账单，而本地有收款")
    return bill


def _results(who: Merchant, bill: Bill, now: datetime) -> dict[str, Any]:
    """Compare a bill with our tables, store the differences, and return the fields of the run."""
    foreign_rows = _compare(who, bill, now)
    return {
        "state": BillRun.State.DONE,
        "rows": len(bill.rows),
        "foreign_rows": foreign_rows,
        "paid_fen": sum(row.bill_fen for row in bill.rows if not row.out_refund_no),
        # As in our sums: a refund that failed moved no money.
        "refunded_fen": sum(row.bill_fen for row in bill.rows if row.out_refund_no and row.bill_state != "FAIL"),
        "fee_fen": bill.fee_fen,
        "fee_rates": "、".join(sorted({row.rate for row in bill.rows if row.fee and row.rate}))[:RATES_LENGTH],
        "differences": differences_open().filter(mch_id=who.mch_id, day=bill.day).count(),
        "sha1": bill.sha1,
        "last_error": "",
    }


def _compare(who: Merchant, bill: Bill, now: datetime) -> int:
    """Store what differs between a bill and our tables; return how many of its rows belong to other systems."""
    # Other systems may share our merchant number: they have another appid or other numbers.
    apps = {appid for one in merchants() if one.mch_id == who.mch_id for appid in one.appids}
    is_ours, foreign_rows, differences = listener().is_ours, 0, []
    for at in range(0, len(bill.rows), CHUNK):
        rows, agreeing = bill.rows[at : at + CHUNK], []
        find = ours_by_number(rows)
        for row in rows:
            ours = find(row.out_trade_no, row.out_refund_no)
            if not find(row.out_trade_no) and not (row.appid in apps and is_ours(out_trade_no=row.out_trade_no)):
                foreign_rows += 1
            elif kind := difference_kind(row, ours):
                difference = Difference(**row.difference_fields, day=bill.day, found_at=now)
                difference.set_ours(kind, ours)
                differences.append(difference)
            elif ours.billed_on is None:
                agreeing.append(ours)
        bill_day_note(bill.day, agreeing)
    _keep([*differences, *_unknown_there(who, bill, now)], who.mch_id, bill.day, now)
    # What is lost here, the provider's answer may settle; it does not change an amount.
    lost = differences_open().filter(kind__in=(DifferenceKind.STRAY_MONEY, DifferenceKind.STATE))
    differences_ask(lost.filter(mch_id=who.mch_id, day=bill.day).order_by("pk"), now=now)
    return foreign_rows


def _paid_on(who: Merchant, day: date) -> QuerySet[Payment]:
    mine = Payment.objects.filter(state=PaymentStatus.PAID, billed_on=None, mch_id=who.mch_id)
    return mine.filter(paid_at__gte=day_begins(day), paid_at__lt=day_begins(day + ONE_DAY)).order_by("pk")


def _unknown_there(who: Merchant, bill: Bill, now: datetime) -> Iterator[Difference]:
    """Yield the payments and refunds of that day that the bill lacks."""
    begins, ends = day_begins(bill.day), day_begins(bill.day + ONE_DAY)
    keys = {(row.out_trade_no, row.out_refund_no) for row in bill.rows}
    refunds = Refund.objects.select_related("payment").filter(billed_on=None, payment__mch_id=who.mch_id)
    # A refund out of the merchant's available balance is in no trade bill.
    refunds = refunds.filter(state__in=MONEY_MOVES).exclude(funds_account="AVAILABLE")
    refunds = refunds.filter(accepted_at__gte=begins, accepted_at__lt=ends).order_by("pk")
    rows = [(payment, None) for payment in _paid_on(who, bill.day)]
    for payment, refund in [*rows, *((refund.payment, refund) for refund in refunds)]:
        difference = Difference(
            mch_id=payment.mch_id,
            day=bill.day,
            kind=DifferenceKind.REFUND_UNKNOWN_THERE if refund else DifferenceKind.NO_MONEY,
            out_trade_no=payment.out_trade_no,
            out_refund_no=refund.out_refund_no if refund else "",
            appid=payment.appid,
            transaction_id=payment.transaction_id,
            refund_id=refund.refund_id if refund else "",
            found_at=now,
        )
        if (difference.out_trade_no, difference.out_refund_no) not in keys:
            difference.set_ours(difference.kind, refund or payment)
            yield difference


def _keep(differences: Sequence[Difference], mch_id: str, day: date, now: datetime) -> None:
    """Store the differences of a day, and end those that are none any more.

    One of another day may end too: near midnight the provider may count a payment to another day than we do.
    """
    with transaction.atomic():
        # One query for both: two runs that lock the same rows lock them in the same order.
        of_day = Q(mch_id=mch_id, day=day)
        rows = Difference.objects.select_for_update().filter(of_day | Q(ending=Ending.OPEN)).order_by("pk")
        earlier = {_key(row): row for row in rows}
        keys = {_key(difference) for difference in differences}
        for difference in differences:
            if before := earlier.get(_key(difference)):
                _replace(before, difference)
        added = [difference for difference in differences if _key(difference) not in earlier]
        Difference.objects.bulk_create(added, batch_size=CHUNK)
        rest = [row for key, row in earlier.items() if key not in keys and not row.ending]
        _end_gone(rest, mch_id, day, now)


def _replace(before: Difference, difference: Difference) -> None:
    """Store a difference that is known already, if it differs in another way, or again: staff must look at it."""
    if before.ending == Ending.GONE or _facts(before) != _facts(difference):
        difference.pk, difference.found_at, difference.note = before.pk, before.found_at, before.note
        difference.save()


def _end_gone(rows: Sequence[Difference], mch_id: str, day: date, now: datetime) -> None:
    """End those of the open rows that a comparison did not find again: all of its day, of others what agrees now."""
    find = ours_by_number(rows)
    for row in rows:
        is_of_day = (row.mch_id, row.day) == (mch_id, day)
        if is_of_day or not still_differs(row, find(row.out_trade_no, row.out_refund_no)):
            difference_end(row, Ending.GONE, COMPARISON, now, row.note)


def _key(difference: Difference) -> tuple[str, date, str, str]:
    return difference.mch_id, difference.day, difference.out_trade_no, difference.out_refund_no


def _facts(difference: Difference) -> list[Any]:
    return [getattr(difference, name) for name in _FACTS]
