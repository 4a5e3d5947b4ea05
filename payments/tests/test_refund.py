"""Refunds: written down first, moved once, tried under one number until the provider answers."""

import json
from datetime import timedelta
from functools import partial

import pytest
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from config.celery import app as celery_app
from payments.errors import RefundNotPossible
from payments.models import Payment, PaymentLog, Refund
from payments.services.refund import APART, WAITS, refund_run, refunds_run_due
from payments.services.refund_by_staff import refund_again
from payments.tests.conftest import request
from tests.kit import at_once, meet_at, meeting

pytestmark = pytest.mark.django_db


def run(refund, later_s=0):
    return refund_run(refund_id=refund.pk, now=timezone.now() + timedelta(seconds=later_s))


def test_a_refund_goes_from_intent_to_success(paid, shop, wechat):
    payment = paid()
    refund = request(payment)
    assert (refund.state, refund.out_refund_no) == ("pending", payment.out_trade_no + "R01")
    assert wechat.called("refund") == 0

    assert run(refund).state == "processing"
    wechat.refunds[refund.out_refund_no]["status"] = "SUCCESS"
    done = run(refund, later_s=60)

    assert (done.state, done.next_try_at) == ("success", None)
    assert (wechat.called("refund"), wechat.called("refund_query")) == (1, 1)
    assert shop.refunds == [(refund.out_refund_no, "processing"), (refund.out_refund_no, "success")]
    steps = PaymentLog.objects.filter(refund=refund).values_list("event", "from_state", "to_state")
    assert list(steps) == [
        ("申请退款", "", "pending"),
        ("微信受理退款", "pending", "processing"),
        ("已退款", "processing", "success"),
    ]


@pytest.mark.parametrize(("reason", "sent"), [
    ("质量问题" * 20, "质量问题" * 6 + "质量"),  # 80 bytes, not 80 characters
    ("a" * 79 + "好", "a" * 79),  # not half a character
    ("颜色不对😀👍🏽\u200d☹️\x07\r\n请退款 \u202e", "颜色不对 请退款"),
    ("\x1b\uffff", None),
    ("😀", None),
])  # fmt: skip
def test_a_reason_never_keeps_the_money_back(paid, wechat, reason, sent):
    refund = request(paid(), reason=reason)

    assert run(refund).state == "processing"
    assert json.loads(dict(wechat.calls)["refund"]).get("reason") == sent


def test_parts_never_exceed_the_whole_and_what_is_not_paid_is_not_refunded(paid, start):
    payment = paid()
    first, second = request(payment, 1000), request(payment, 234)
    assert second.out_refund_no.endswith("R02")

    for refused, fen in ((payment, 1), (payment, 0), (payment, -5), (start(), 1), (Payment(out_trade_no="none"), 1)):
        with pytest.raises(RefundNotPossible):
            request(refused, fen)

    Refund.objects.filter(pk=first.pk).update(state="closed", next_try_at=None)
    number, facts = payment.refunds.count(), {"amount_fen": 1, "state": "closed", "created_at": timezone.now()}
    more = [Refund(payment=payment, out_refund_no=f"M{at}", **facts) for at in range(50 - number)]
    Refund.objects.bulk_create(more)
    with pytest.raises(RefundNotPossible, match="最多退款50次"):  # that is the provider's limit
        request(payment, 1)
    Refund.objects.filter(out_refund_no=more[0].out_refund_no).delete()
    assert request(payment, 1000).out_refund_no.endswith("R03")


@pytest.mark.parametrize("fault", [
    ("down",), ("drop",), ("bad_sign",), ("page", 502), ("page", 400), ("error", 500, "SYSTEM_ERROR"),
    ("error", 429, "RATE_LIMITED"),
    ("error", 403, "RULE_LIMIT"), ("change", {"out_refund_no": "other"}), ("change", {"amount": {}}),
    ("change", {"amount": {"refund": 1, "total": 1234}, "status": "SUCCESS"}),
    ("error", 401, "SIGN_ERROR"), ("error", 403, "NO_AUTH"), ("error", 400, "APPID_MCHID_NOT_MATCH"),
])  # fmt: skip
def test_an_unknown_outcome_is_tried_again_under_the_same_number(paid, shop, wechat, fault):
    refund = request(paid())
    wechat.faults = [("refund", *fault)] * 2

    for _ in range(2):
        tried = run(refund, later_s=100)
        assert tried.state == "pending" and tried.last_error and tried.next_try_at > timezone.now()
        Refund.objects.update(next_try_at=timezone.now())

    assert shop.refunds == []
    assert run(refund).state == "processing"
    assert list(wechat.refunds) == [refund.out_refund_no]
    assert run(refund).attempts == 3


def test_the_pauses_between_tries_grow(paid, wechat):
    now = timezone.now()
    refund = request(paid(), now=now)
    wechat.faults = [("refund", "down")] * 8

    pauses = []
    for _ in range(8):
        now = max(now, Refund.objects.get().next_try_at)
        refund_run(refund_id=refund.pk, now=now)
        pauses.append((Refund.objects.get().next_try_at - now).total_seconds())

    assert pauses == [15, 30, 60, 300, 900, 3600, 3600, 3600]
    assert refund_run(refund_id=refund.pk, now=now + timedelta(seconds=3599)).attempts == 8


def test_a_plain_no_is_handed_to_a_person_who_may_retry(paid, shop, wechat):
    payment = paid()
    refund = request(payment)
    wechat.faults = [("refund", "error", 403, "NOT_ENOUGH")]

    failed = run(refund)

    assert (failed.state, failed.next_try_at) == ("failed", None)
    assert failed.last_error.startswith("NOTENOUGH")
    assert shop.refunds == [(refund.out_refund_no, "failed")]
    with pytest.raises(RefundNotPossible):
        request(payment, 1)  # its claim on the money stands
    retried = refund_again(refund_id=refund.pk, actor="李", now=timezone.now())
    assert retried.out_refund_no == refund.out_refund_no
    assert run(refund).state == "processing"
    with pytest.raises(RefundNotPossible):
        refund_again(refund_id=refund.pk, actor="李", now=timezone.now())


def test_a_no_after_an_unknown_outcome_is_checked(paid, wechat):
    """The first try went through though its answer was lost; the second is refused."""
    refund = request(paid())
    wechat.faults = [("refund", "drop"), ("refund", "error", 403, "NOT_ENOUGH")]
    run(refund)

    assert run(refund, later_s=60).state == "processing"
    assert len(wechat.refunds) == 1
    wechat.refunds.clear()  # the provider forgot it: it is applied for again
    run(refund, later_s=600)
    assert list(wechat.refunds) == [refund.out_refund_no]


def test_refunds_of_one_payment_are_sent_a_minute_apart_the_oldest_first(paid, wechat):
    """WeChat refuses one that comes earlier, and it must not use up its tries by that."""
    payment, now = paid(), timezone.now()
    first, second, third = (request(payment, fen, now=now) for fen in (1000, 200, 34))
    refunds_run_due(now=now)
    waiting = Refund.objects.exclude(pk=first.pk)
    assert wechat.called("refund") == 1
    assert {*waiting.values_list("state", "attempts", "last_error", "sent_at")} == {("pending", 0, WAITS, None)}

    refunds_run_due(now=now + timedelta(minutes=1))  # the first may have left later than its `now`
    assert wechat.called("refund") == 1
    waiting.filter(pk=second.pk).update(attempts=0)  # now the later one lies before it in the table
    for number in (2, 3):
        refunds_run_due(now=now + APART * (number - 1) - timedelta(seconds=1))
        assert wechat.called("refund") == number - 1
        refunds_run_due(now=now + APART * (number - 1))
        assert wechat.called("refund") == number

    assert list(wechat.refunds) == [refund.out_refund_no for refund in (first, second, third)]
    assert {*waiting.values_list("state", "last_error")} == {("processing", "")}


def test_a_refund_asked_for_when_an_older_one_may_be_sent_again_comes_after_it(paid, wechat):
    payment, now = paid(), timezone.now()
    first, second = (request(payment, fen, now=now) for fen in (1000, 200))
    refunds_run_due(now=now)
    third = request(payment, 34, now=now + APART)

    refund_run(refund_id=third.pk, now=now + APART)
    refunds_run_due(now=now + APART)
    refunds_run_due(now=now + APART * 2)

    assert list(wechat.refunds) == [refund.out_refund_no for refund in (first, second, third)]


def test_two_that_are_refused_one_after_the_other_fail_both(paid, wechat):
    payment, now, wechat.is_out_of_money = paid(), timezone.now(), True
    for fen in (1000, 234):
        request(payment, fen, now=now)

    for later in (timedelta(), APART):
        refunds_run_due(now=now + later)

    assert {*Refund.objects.values_list("state", "last_error")} == {("failed", "NOTENOUGH 说明")}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("is_locked", "sent"), [(True, 1), (False, 2)])
def test_of_two_that_are_sent_at_once_one_waits(paid, wechat, monkeypatch, is_locked, sent):
    payment = paid()
    refunds = [request(payment, fen) for fen in (1000, 234)]
    Refund.objects.update(sent_at=timezone.now() - 2 * APART)  # neither waits for the other as the older one
    meet_at(monkeypatch, "django.db.models.query.QuerySet.aggregate", is_after=True)
    if not is_locked:
        monkeypatch.setattr(QuerySet, "select_for_update", lambda rows, **_: rows)

    at_once([partial(run, refund) for refund in refunds])

    assert wechat.called("refund") == sent


def test_nothing_is_asked_before_the_order_is_committed(paid, wechat, django_capture_on_commit_callbacks, sent_tasks):
    payment = paid()
    with pytest.raises(RuntimeError), transaction.atomic():
        request(payment)
        raise RuntimeError("the shop changed its mind")
    assert not Refund.objects.exists()

    with django_capture_on_commit_callbacks(execute=True):
        refund = request(payment)
        assert sent_tasks == []

    assert sent_tasks == [("payments.run_refund", (refund.pk,))]


@pytest.mark.django_db(transaction=True)
def test_without_a_broker_the_request_stands_for_the_sweep(paid, wechat, monkeypatch):
    def no_broker(*_, **__):
        raise ConnectionError("no broker")

    monkeypatch.setattr(celery_app, "send_task", no_broker)
    request(paid())

    assert refunds_run_due(now=timezone.now()) == 1


@pytest.mark.django_db(transaction=True)
def test_of_two_who_press_at_once_one_asks(paid, wechat, monkeypatch):
    refund = request(paid())
    both_have_read, update = meeting(), QuerySet.update

    def late_update(rows, **values):
        if "attempts" in values:
            both_have_read()
        return update(rows, **values)

    monkeypatch.setattr(QuerySet, "update", late_update)

    at_once([lambda: refund_run(refund_id=refund.pk, now=timezone.now(), at_once=True)] * 2)

    assert wechat.called("refund") == 1
