"""A refund that did not arrive comes to an end, and its money goes out once, in any order of steps."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from payments.errors import GatewayError, RefundNotPossible
from payments.listener import listener
from payments.models import Payment, PaymentLog, Refund
from payments.services import refund as refund_module
from payments.services.refund import PAID_TWICE, refund_run
from payments.services.refund_by_staff import refund_again, refund_ask, refund_offline
from payments.tests.conftest import request
from tests.kit import at_once, listener_replaced, meet_at, meeting

pytestmark = pytest.mark.django_db
LATER = timedelta(minutes=3)


def later():
    return timezone.now() + LATER


@pytest.fixture
def refund_in(paid, wechat):
    """Make a refund that ended so at the provider, and here: ``refund_in("ABNORMAL")``."""

    def make(status):
        refund = request(paid(), reason="破损")
        wechat.refund_status = "ABNORMAL" if status == "FAILED" else status
        if status == "FAILED":
            wechat.faults = [("refund", "error", 403, "NOT_ENOUGH")]
        return refund_run(refund_id=refund.pk, now=timezone.now())

    return make


def offline(refund, **changes):
    facts = {"way": "bank", "voucher": "2026112500017", "actor": "李", "now": later()}
    return refund_offline(refund_id=refund.pk, **(facts | changes))


class TestAbnormal:
    def test_says_what_is_wrong_is_not_repeated_and_ends_offline(self, refund_in, shop, wechat):
        refund = refund_in("ABNORMAL")

        assert refund.trouble == "微信退不到「支付用户零钱」，账户可能已注销或冻结"
        with pytest.raises(RefundNotPossible, match="登记线下退款"):
            refund_again(refund_id=refund.pk, actor="李", now=later())

        # Staff have sent it there at the merchant's own desk.
        wechat.refunds[refund.out_refund_no] |= {"status": "SUCCESS", "user_received_account": "商户结算银行账户"}

        owed = refund_ask(refund_id=refund.pk, now=later())

        assert (owed.state, owed.refunded_at, owed.next_try_at) == ("owed", None, None)
        assert "还没有退给买家" in owed.trouble
        ended = offline(refund, now=timezone.now())  # it is over there, so nothing needs to be waited for
        assert (ended.state, ended.offline_way, ended.offline_voucher) == ("offline", "bank", "2026112500017")
        assert (ended.offline_by, shop.refunds[-1]) == ("李", (refund.out_refund_no, "offline"))


class TestClosed:
    def test_gets_a_new_number_when_the_provider_calls_the_old_one_closed(self, refund_in, shop, wechat):
        """And its money, or a part of it that goes elsewhere, is not paid offline as well."""
        old, paid, other = refund_in("CLOSED"), refund_in("CLOSED"), refund_in("CLOSED")
        wechat.refunds[paid.out_refund_no]["status"] = wechat.refund_status = "SUCCESS"

        new = refund_again(refund_id=old.pk, actor="李", now=later())
        assert (new.out_refund_no[-3:], new.amount_fen, new.reason) == ("R02", 1234, "破损")
        assert shop.refunds[-1] == (new.out_refund_no, "pending")
        assert refund_run(refund_id=new.pk, now=later()).state == "success"
        with pytest.raises(RefundNotPossible, match="已退款"):
            refund_again(refund_id=paid.pk, actor="李", now=later())
        request(other.payment, 1)
        for refund, text in ((old, "新单号"), (other, "超过")):
            with pytest.raises(RefundNotPossible, match=text):
                offline(refund)

        old.refresh_from_db()
        paid.refresh_from_db()
        assert (old.state, paid.state, Refund.objects.count()) == ("closed", "success", 5)

    @pytest.mark.parametrize("fault", [("down",), ("bad_sign",), ("error", 401, "SIGN_ERROR"), ("page", 404)])
    def test_not_while_the_provider_cannot_say_nor_is_it_then_paid_offline(self, refund_in, wechat, fault):
        old = refund_in("CLOSED")
        wechat.faults = [("refund_query", *fault)] * 2

        for step in (lambda: refund_again(refund_id=old.pk, actor="李", now=later()), lambda: offline(old)):
            with pytest.raises(GatewayError):
                step()

        assert Refund.objects.get().state == "closed"

    @pytest.mark.django_db(transaction=True)
    def test_two_who_press_at_once_make_one_new_number(self, refund_in, wechat):
        old = refund_in("CLOSED")

        outcomes = at_once(
            [lambda: refund_again(refund_id=old.pk, actor="李", now=later())] * 2, refusals=(RefundNotPossible,)
        )

        outcomes = [getattr(outcome, "out_refund_no", None) or outcome.msg for outcome in outcomes]
        assert sorted(outcomes) == [old.payment.out_trade_no + "R02", "这笔退款已换新单号，请处理新的退款单"]


class TestOffline:
    @pytest.mark.parametrize("status", ["ABNORMAL", "CLOSED", "FAILED"])
    def test_ends_what_the_provider_will_not_pay_with_proof_after_two_minutes(self, refund_in, wechat, status):
        refund = refund_in(status)
        with pytest.raises(RefundNotPossible, match="两分钟"):
            offline(refund, now=timezone.now() + timedelta(seconds=90))
        for proof in ({"voucher": " "}, {"way": ""}, {"way": "gold"}):
            with pytest.raises(RefundNotPossible, match="凭证号"):
                offline(refund, **proof)

        assert offline(refund).state == "offline"

        calls = wechat.called("refund") + wechat.called("refund_query")
        with pytest.raises(RefundNotPossible):
            refund_again(refund_id=refund.pk, actor="李", now=later() + LATER)
        refund_run(refund_id=refund.pk, now=later() + LATER, at_once=True)
        assert wechat.called("refund") + wechat.called("refund_query") == calls

    @pytest.mark.parametrize("status", ["PROCESSING", "SUCCESS"])
    @pytest.mark.parametrize("is_known", [True, False])  # or we believe that it does not
    def test_is_refused_when_the_provider_pays(self, refund_in, wechat, status, is_known):
        refund = refund_in(status if is_known else "ABNORMAL")
        wechat.refunds[refund.out_refund_no]["status"] = status

        with pytest.raises(RefundNotPossible, match="不能登记线下退款" if is_known else "已记录，不能再退"):
            offline(refund)

        refund.refresh_from_db()
        assert refund.state == status.lower()

    def test_ends_what_never_left_the_house_and_a_worker_whose_turn_it_was_sends_nothing(
        self, paid, wechat, settings, monkeypatch
    ):
        refund, key = request(paid()), settings.WECHAT_PAY_V3_KEY
        settings.WECHAT_PAY_V3_KEY = ""
        waiting = refund_run(refund_id=refund.pk, now=timezone.now())
        assert (waiting.state, waiting.sent_at) == ("pending", None) and "WECHAT_PAY_V3_KEY" in waiting.last_error
        settings.WECHAT_PAY_V3_KEY = key
        monkeypatch.setattr(refund_module, "_claim_attempt", lambda *_, **__: offline(refund).state == "offline")

        refund_run(refund_id=refund.pk, now=timezone.now())

        assert wechat.called("refund") == 0

    def test_money_that_the_provider_sends_all_the_same_is_shown_red(self, refund_in, wechat, shop):
        refund = refund_in("ABNORMAL")
        offline(refund)
        wechat.refunds[refund.out_refund_no]["status"] = "SUCCESS"

        for _ in range(2):
            assert refund_ask(refund_id=refund.pk, now=later()).state == "offline"
            Refund.objects.update(last_error="以前的说法")

        refund.refresh_from_db()
        assert refund.paid_twice_at is not None and refund.trouble
        assert PaymentLog.objects.filter(event=PAID_TWICE).count() == 1
        assert shop.refunds[-1] == (refund.out_refund_no, "offline")


@pytest.mark.parametrize("code", [(401, "SIGN_ERROR"), (403, "NO_AUTH"), (400, "PARAM_ERROR"), (400, "MCH_NOT_EXISTS")])
def test_a_refusal_of_a_question_is_none_of_the_refund_nor_an_answer_about_a_refusal(refund_in, paid, wechat, code):
    refund = refund_in("PROCESSING")
    wechat.faults = [("refund_query", "error", *code)]

    refund = refund_run(refund_id=refund.pk, now=later())

    assert refund.state == "processing" and refund.last_error and refund.next_try_at
    refund = request(paid())
    denial = ("refund", "error", 403, "NOT_ENOUGH")
    wechat.faults = [("refund", "drop"), denial, ("refund_query", "error", *code)]
    refund_run(refund_id=refund.pk, now=timezone.now())
    assert refund_run(refund_id=refund.pk, now=later()).state == "pending"
    assert refund_run(refund_id=refund.pk, now=later() + LATER).state == "processing"


@pytest.mark.django_db(transaction=True)
def test_the_order_is_locked_before_its_payment(refund_in, shop, monkeypatch):
    """Else staff, and a notification that has locked the order and needs the payment, would wait for each other."""
    refund, order_is_locked, other_waits = refund_in("FAILED"), meeting(), meeting()

    def hold():
        with transaction.atomic():
            shop.lock(out_trade_no=refund.payment.out_trade_no)
            order_is_locked()
            other_waits()
            return Payment.objects.select_for_update(nowait=True).get().pk

    def again():
        order_is_locked()
        return refund_again(refund_id=refund.pk, actor="王", now=later())

    free, refund_made = at_once([hold, again])

    assert (free, refund_made.state) == (refund.payment_id, "pending")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_locked", [True, False], ids=["locked", "twin"])
def test_of_two_at_the_same_instant_one_is_told(refund_in, shop, monkeypatch, is_locked):
    """One registers a refund as paid by other means while another submits it again: the money must go out once."""
    refund, temporary = refund_in("FAILED"), listener()
    if not is_locked:
        monkeypatch.setattr(QuerySet, "select_for_update", lambda rows, **options: rows)
        temporary = replace(temporary, lock=lambda *, out_trade_no: shop.owed.get(out_trade_no))

    meet_at(monkeypatch, "payments.models.Refund.save")  # both have read the row by now
    steps = [lambda: offline(refund), lambda: refund_again(refund_id=refund.pk, actor="王", now=later())]
    with listener_replaced(temporary):
        outcomes = at_once(steps, refusals=(RefundNotPossible,))

    outcomes = [getattr(outcome, "state", None) or outcome.msg for outcome in outcomes]
    refund.refresh_from_db()
    if not is_locked:
        assert outcomes == ["offline", "pending"]
    elif refund.state == "offline":
        assert outcomes == ["offline", "这笔退款现在是“已线下退款”"]
    else:
        assert outcomes[1] == refund.state == "pending" and "不能登记线下退款" in outcomes[0]
