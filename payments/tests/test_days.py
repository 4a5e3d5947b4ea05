"""The money of a day is what the provider's bill of that day says."""

from datetime import timedelta

import pytest

from payments.figures import bill_days, money_days
from payments.models import Refund
from payments.tests.test_bills import DAY, NOON, compare, refunded, sold  # noqa: F401  (fixtures)

pytestmark = pytest.mark.django_db


def test_agrees_with_the_bill(sold, refunded):  # noqa: F811
    for _ in range(3):
        payment = sold()
    sold(at=NOON.replace(hour=23, minute=59, second=59))
    sold(at=NOON + timedelta(days=1))
    refunded(payment, fen=234)
    refunded(payment, "PROCESSING", fen=1000)

    run = compare()

    [money], [bill] = money_days(DAY, DAY).values(), bill_days(DAY, DAY).values()
    assert (run.differences, bill.differences, bill.state) == (0, 0, "已核对")
    assert (money.paid_fen, money.refunded_fen) == (bill.paid_fen, bill.refunded_fen) == (4 * 1234, 1234)
    assert (money.paid, money.refunds, money.waiting, money.net_fen) == (4, 2, 1, 3 * 1234)


def test_counts_a_refund_once_wherever_it_ends(sold, refunded):  # noqa: F811
    refund = refunded(sold(), "PROCESSING")
    for state in ("processing", "success", "abnormal", "owed"):
        Refund.objects.filter(pk=refund.pk).update(state=state)
        assert money_days(DAY, DAY)[DAY].back_fen == 1234
    ended = {"offline_at": NOON + timedelta(days=1), "offline_by": "王", "offline_way": "cash", "offline_voucher": "1"}
    Refund.objects.filter(pk=refund.pk).update(state="offline", **ended)

    days = money_days(DAY, DAY + timedelta(days=1))

    assert sum(day.back_fen for day in days.values()) == 1234
    Refund.objects.filter(pk=refund.pk).update(state="closed")
    assert money_days(DAY, DAY)[DAY].back_fen == 0
