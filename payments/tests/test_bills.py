"""Every morning: what the provider's bill and our books say differently is found, and settled by the usual handlers."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from core.times import local
from payments.errors import DifferenceEnded, RefundNotPossible, WeChatRefused
from payments.figures import bill_days, money_days
from payments.gateways.base import Bill, PaymentResult
from payments.listener import listener
from payments.models import BillRun, Difference, Payment, PaymentLog, Refund
from payments.services import bills, differences
from payments.services.bills import bill_days_missing, bill_reconcile, bills_reconcile_missing
from payments.services.differences import (
    difference_add_refund,
    difference_ask,
    difference_return,
    payment_return_stray,
)
from payments.services.query_close import payment_query
from payments.services.refund import APART, refund_run
from payments.tests.conftest import post_v3, request
from payments.tests.fake_wechat import APPID, BEIJING, MCHID, bill_row
from tests.kit import at_once, listener_replaced, meet_at, meeting

pytestmark = pytest.mark.django_db
NOON = (local(timezone.now()) - timedelta(days=3)).replace(hour=12, minute=0, second=0, microsecond=0)
DAY = NOON.date()


@pytest.fixture
def sold(start, wechat):
    """Sell something three days ago: paid there, and here too unless ``here=False``."""

    def sell(fen=None, *, at=NOON, here=True):
        payment = start()
        wechat.pay(payment.out_trade_no, at=at.astimezone(BEIJING), fen=fen)
        if here:
            payment_query(out_trade_no=payment.out_trade_no, now=timezone.now())
        payment.refresh_from_db()
        return payment

    return sell


@pytest.fixture
def refunded(wechat):
    def refund(payment, status="SUCCESS", fen=1234, at=NOON):
        wechat.refund_status = status
        row = request(payment, fen)
        refund_run(refund_id=row.pk, now=timezone.now() + APART * payment.refunds.count())
        row.refresh_from_db()
        wechat.refunds[row.out_refund_no]["create_time"] = at.isoformat()
        Refund.objects.filter(pk=row.pk).update(accepted_at=at)
        return row

    return refund


@pytest.fixture
def forget(shop):
    """Forget a payment with its order, as a restored backup does."""

    def forget(payment, *, order=True):
        PaymentLog.objects.filter(payment=payment).delete()
        Refund.objects.filter(payment=payment).delete()
        payment.delete()
        if order:
            del shop.owed[payment.out_trade_no]

    return forget


def compare(day=DAY, now=None):
    assert bill_reconcile(day=day, now=now or timezone.now()) == 1
    return BillRun.objects.get(day=day)


def differences_open():
    rows = Difference.objects.filter(ending="").order_by("pk")
    return [(row.kind, row.out_refund_no or row.out_trade_no) for row in rows]


def the_one():
    return Difference.objects.get(ending="")


def step(service, **facts):
    return service(difference_id=the_one().pk, actor="李", now=timezone.now(), **facts)


@pytest.fixture
def stray(sold, forget):
    """The difference of money that no order has."""
    forget(sold(here=False))
    compare()
    return the_one()


class TestComparison:
    def test_what_no_notification_told_of_is_recorded(self, sold, refunded, shop, forget, wechat):
        refund = refunded(sold(), "PROCESSING")
        wechat.refunds[refund.out_refund_no]["status"] = "SUCCESS"
        shop.paid.clear()
        here, lost = sold(here=False), sold(here=False)
        forget(lost, order=False)

        run = compare()

        numbers = [here.out_trade_no, lost.out_trade_no]
        assert Payment.objects.filter(out_trade_no__in=numbers, state="paid", billed_on=DAY).count() == 2
        assert sorted(call["out_trade_no"] for call in shop.paid) == sorted(numbers)
        assert (run.differences, PaymentLog.objects.filter(actor="对账单", event="支付成功").count()) == (0, 2)
        refund.refresh_from_db()
        assert (refund.state, refund.billed_on) == ("success", DAY)

    def test_a_bill_is_never_brought_up_to_date_so_later_states_agree(self, sold, refunded, wechat):
        refunded(sold(), "PROCESSING")
        for billed, here, number in (
            ("PROCESSING", "success", 0), ("PROCESSING", "abnormal", 0), ("PROCESSING", "closed", 0),
            ("CHANGE", "success", 0), ("FAIL", "closed", 0), ("SUCCESS", "owed", 0), ("SUCCESS", "abnormal", 1),
        ):  # fmt: skip
            Refund.objects.update(state=here, next_try_at=None, billed_on=None)
            wechat.edit_bill = lambda rows, word=billed: [
                [word if cell == "PROCESSING" else cell for cell in row] for row in rows
            ]

            run = compare()
            assert (run.differences, wechat.called("refund_query")) == (number, number), (billed, here)
            assert (run.refunded_fen == 0) == (billed == "FAIL")  # the money did not move

    def test_near_midnight_the_day_is_the_providers(self, sold, wechat):
        """We believe it was paid a moment after midnight, the provider a moment before."""
        midnight = (NOON + timedelta(days=1)).replace(hour=0)
        payment = sold(at=midnight - timedelta(seconds=1))
        Payment.objects.update(paid_at=midnight)

        # Before 10:00 in Shanghai an empty bill of the day before yesterday may only be late.
        compare(DAY + timedelta(days=1), timezone.now() + timedelta(days=1))
        assert differences_open() == [("no_money", payment.out_trade_no)]
        compare(DAY)

        assert differences_open() == []
        assert compare(DAY + timedelta(days=1)).differences == 0

    def test_another_systems_rows_are_counted_and_left_alone(self, sold, wechat, shop):
        sold()
        other = bill_row(NOON, "OTHER-SYSTEM-1", "42000771", 500)
        other_app = bill_row(NOON, "20261120101112000Tother00001", "42000772", 500)
        other_app[1] = "wx0000000000000000"
        other_refund = bill_row(NOON, "OTHER-SYSTEM-1", "42000771", 0, "OTHER-R1", "5000", 500, "SUCCESS")
        wechat.edit_bill = lambda rows: [*rows, other, other_app, other_refund]
        ours = replace(listener(), is_ours=lambda *, out_trade_no: not out_trade_no.startswith("OTHER"))
        with listener_replaced(ours):
            run = compare()

        assert (run.rows, run.foreign_rows, run.differences) == (4, 3, 0)

    def test_more_rows_cost_no_more_queries(self, sold, refunded, wechat, monkeypatch):
        """A day of 20,000 payments: those that agree, for the first time or again, and those that nobody knows."""

        def queries():
            with CaptureQueriesContext(connection) as context:
                compare()
            return len(context)

        monkeypatch.setattr(bills, "differences_ask", lambda *_, **__: None)
        queries()  # the day's run is made
        refunded(sold())
        wechat.edit_bill = lambda rows: [*rows, bill_row(NOON, "20261120120000000Tlost0", "42lost0", 100)]
        few = [queries(), queries()]
        for _ in range(3):
            refunded(sold())
        lost = [bill_row(NOON, f"20261120120000000Tlost{number}", f"42lost{number}", 100) for number in range(4)]
        wechat.edit_bill = lambda rows: rows + lost

        assert [queries(), queries()] == few
        assert (BillRun.objects.get().rows, Difference.objects.count()) == (12, 4)
        assert (
            not Payment.objects.filter(billed_on=None).exists() and not Refund.objects.filter(billed_on=None).exists()
        )


class TestDifferences:
    def test_money_without_an_order_is_found_and_goes_back_once(self, office, stray, shop, wechat):
        page, listing = f"/admin/payments/difference/{stray.pk}/change/", "/admin/payments/difference/"
        assert (stray.kind, stray.bill_fen, stray.our_fen) == ("stray_money", 1234, None)
        assert stray.note == "微信有此记录：err 订单不存在"

        question = office.post(page, {"step_return": "1"}).content.decode()
        assert "1 处差异，账单金额共 12.34元" in question and not Refund.objects.exists()
        payer = f"微信支付订单号 {stray.transaction_id} 的付款人"
        assert f"把 12.34元 全额原路退回付款的微信账户：{payer}。先向微信核实" in question
        text = office.post(page, {"step_return": "1", "sure": "1"}, follow=True).content.decode()

        assert "退回这笔钱已提交，已一致，已提交退款" in text and "step_return" not in text
        for query, is_listed in (("", False), ("?ending=gone", True), ("?ending=all", True)):
            assert (stray.out_trade_no in office.get(listing + query).content.decode()) is is_listed
        payment, refund = Payment.objects.get(), Refund.objects.get()
        assert (payment.state, payment.amount_fen, payment.mch_id) == ("stray", 1234, MCHID)
        assert refund_run(refund_id=refund.pk, now=timezone.now()).state == "processing"
        assert (wechat.refunds[refund.out_refund_no]["amount"]["refund"], refund.requested_by) == (1234, "root")
        assert compare().differences == 0
        # Its notification, coming late, is acknowledged and changes nothing.
        assert post_v3(*wechat.notice_v3(payment.out_trade_no)).status_code == 200
        # Nor does another press.
        for error in (DifferenceEnded, RefundNotPossible):
            with pytest.raises(error):
                difference_return(difference_id=stray.pk, actor="王", now=timezone.now())
            Difference.objects.update(ending="", ended_at=None)
        assert Refund.objects.count() == 1 and shop.paid == []

    def test_a_row_more_that_is_no_money_sends_none_and_twice_changes_nothing(self, sold, wechat):
        def snapshot():
            compare()
            return [list(model.objects.order_by("pk").values()) for model in (Difference, Payment, Refund, PaymentLog)]

        wechat.edit_bill = lambda rows: [*rows, bill_row(NOON, "20261120101112000Tsurplus001", "42000777", 100)]
        sold()
        assert snapshot() == snapshot() and BillRun.objects.count() == 1
        assert differences_open() == [("stray_money", "20261120101112000Tsurplus001")]

        with pytest.raises(WeChatRefused):
            step(difference_return)
        assert step(difference_ask).note == "微信：没有这个单号"
        assert not Refund.objects.exists()
        surplus, wechat.edit_bill = wechat.edit_bill, lambda rows: rows
        compare()
        assert (differences_open(), Difference.objects.get().ending) == ([], "gone")
        wechat.edit_bill = surplus
        compare()
        assert len(differences_open()) == 1
        wechat.edit_bill = lambda rows: rows
        # Money that fits its order is not sent back either.
        sold(here=False)
        wechat.faults = [("query", "down")]
        compare()
        assert differences_open()[0][0] == "state" and the_one().note
        with pytest.raises(RefundNotPossible, match="查询微信"):
            step(difference_return)
        assert step(difference_ask).ending == "gone" and not Payment.objects.exclude(state="paid").exists()

    def test_what_the_bill_lacks_or_shows_paid_twice_is_found(self, sold, refunded, wechat):
        """Beside it a refund out of the available balance, which is in no bill."""
        sold()
        unpaid, lost, balance, twice = [sold() for _ in range(4)]
        lost, balance, twice = refunded(lost), refunded(balance), refunded(twice, "ABNORMAL")
        Refund.objects.filter(pk=balance.pk).update(funds_account="AVAILABLE")
        proof = {"offline_way": "bank", "offline_voucher": "1", "offline_by": "李", "offline_at": timezone.now()}
        Refund.objects.filter(pk=twice.pk).update(state="offline", next_try_at=None, **proof)
        wechat.refunds[twice.out_refund_no]["status"] = "SUCCESS"
        missing = {unpaid.out_trade_no, lost.out_refund_no, balance.out_refund_no}
        wechat.edit_bill = lambda rows: [row for row in rows if not missing & {row[6] if row[15] == "0" else row[15]}]

        compare()

        assert sorted(differences_open()) == sorted([
            ("no_money", unpaid.out_trade_no), ("refund_there", lost.out_refund_no), ("state", twice.out_refund_no)
        ])  # fmt: skip
        twice.refresh_from_db()
        assert twice.trouble == "已线下退款，微信又退款成功，请核对是否重复"
        first = Difference.objects.get(kind="no_money")
        assert (first.bill_fen, first.our_fen, first.our_state) == (None, 1234, "已支付")
        for one in Difference.objects.exclude(kind="state"):
            result = difference_ask(difference_id=one.pk, actor="李", now=timezone.now())
            assert (result.note, result.ending) == ("微信：SUCCESS 12.34元", "")
        wechat.edit_bill = lambda rows: rows
        compare()
        assert differences_open() == [("state", twice.out_refund_no)]

    def test_another_amount_goes_back_where_it_is_not_booked(self, office, sold, shop, wechat):
        booked, wrong = sold(), sold(fen=1, here=False)
        wechat.edit_bill = lambda rows: [[1235 if cell == 1234 else cell for cell in row] for row in rows]

        compare()

        first, second = Difference.objects.order_by("pk")
        assert [(one.kind, one.out_trade_no) for one in (first, second)] == [
            ("amount", booked.out_trade_no), ("amount", wrong.out_trade_no),
        ]  # fmt: skip
        pages = [office.get(f"/admin/payments/difference/{one.pk}/change/").text for one in (first, second)]
        Difference.objects.filter(pk=second.pk).update(out_refund_no="R1")  # as of a refund
        pages.append(office.get(f"/admin/payments/difference/{second.pk}/change/").text)
        Difference.objects.filter(pk=second.pk).update(out_refund_no="")
        assert ["step_return" in page for page in pages] == [False, True, False] and "在订单上补退差额" in pages[0]
        assert wechat.called("query") == 1  # that of the sale: no answer could end these
        with pytest.raises(RefundNotPossible, match="已经入账"):
            difference_return(difference_id=first.pk, actor="李", now=timezone.now())
        assert difference_return(difference_id=second.pk, actor="李", now=timezone.now()).ending == "gone"
        wrong.refresh_from_db()
        assert (wrong.state, wrong.amount_fen, Refund.objects.get().amount_fen) == ("stray", 1, 1)
        assert "原应付12.34元" in PaymentLog.objects.get(event="款项与订单不符").detail
        assert len(shop.paid) == 1

    def test_a_refund_unknown_here_is_adopted_unless_another_claims_its_money(self, sold, refunded, shop, wechat):
        refund = refunded(sold())
        PaymentLog.objects.filter(refund=refund).delete()
        refund.delete()
        shop.refunds.clear()
        compare()
        assert differences_open() == [("refund_here", refund.out_refund_no)]
        requests = wechat.called("refund")
        mine = request(Payment.objects.get())  # it has the number of the lost one, so give that another
        Refund.objects.update(out_refund_no="MINE")

        with pytest.raises(RefundNotPossible, match="线下退款"):
            step(difference_add_refund)
        PaymentLog.objects.filter(refund=mine).delete()
        mine.delete()
        ended = step(difference_add_refund)

        adopted = Refund.objects.get()
        assert (ended.ending, adopted.state, adopted.amount_fen) == ("gone", "success", 1234)
        assert (adopted.requested_by, adopted.billed_on, wechat.called("refund")) == ("李", DAY, requests)
        assert shop.refunds == [(refund.out_refund_no, "success")]
        with pytest.raises(RefundNotPossible):
            request(adopted.payment, 1)

    def test_money_that_came_and_went_without_us_leaves_two_rows_that_agree(self, sold, refunded, forget, wechat):
        """Paid and refunded after a backup: nothing is sent, both are written down."""
        payment = sold()
        refund = refunded(payment)
        wechat.orders[payment.out_trade_no]["state"] = "REFUND"
        forget(payment)
        compare()
        money, money_back = Difference.objects.order_by("out_refund_no")
        assert (money.kind, money_back.kind) == ("stray_money", "refund_here")
        calls, press = wechat.called("refund"), {"actor": "李", "now": timezone.now()}

        with pytest.raises(RefundNotPossible, match="所属的收款"):
            difference_add_refund(difference_id=money_back.pk, **press)
        assert difference_return(difference_id=money.pk, **press).ending == ""
        assert difference_add_refund(difference_id=money_back.pk, **press).ending == "gone"
        assert difference_ask(difference_id=money.pk, **press).ending == "gone"

        assert (Payment.objects.get().state, Refund.objects.get().out_refund_no) == ("stray", refund.out_refund_no)
        assert wechat.called("refund") == calls

    def test_asks_no_longer_than_its_time_and_not_on_in_a_silence(self, sold, wechat, monkeypatch):
        monkeypatch.setattr(differences, "MAX_ASKING_S", 1e-9)
        for _ in range(4):
            sold(here=False)
        assert compare().differences == 3
        assert {one.note for one in Difference.objects.filter(ending="")} == {""}

        monkeypatch.setattr(differences, "MAX_ASKING_S", 60)
        wechat.faults = [("query", "down")] * 4
        compare()
        assert len(wechat.faults) == 2
        wechat.faults = []
        assert compare().differences == 0


class TestDays:
    def test_each_merchant_has_a_bill(self, wechat, settings, merchant_values):
        today = local(timezone.now()).date()
        ten = datetime(today.year, today.month, today.day, 10, tzinfo=BEIJING)
        yesterday = today - timedelta(days=1)
        former = {"WECHAT_PAY_MCH_ID": "1900000001", "WECHAT_PAY_CERT_SERIAL": "AA"}
        settings.WECHAT_PAY_FORMER_MERCHANTS = [merchant_values | former]
        assert bill_reconcile(day=yesterday, now=ten) == 2
        assert dict(BillRun.objects.values_list("mch_id", "state")) == {MCHID: "done", "1900000001": "failed"}
        assert BillRun.objects.get(state="failed").last_error.startswith("SIGN_ERROR")
        settings.WECHAT_PAY_V3_KEY, settings.WECHAT_PAY_FORMER_MERCHANTS = "", []
        assert bill_reconcile(day=DAY, now=ten) == bills_reconcile_missing(now=ten) == 0

    @pytest.mark.parametrize(("fault", "state"), [
        (("bill", "error", 400, "STATEMENT_CREATING"), "waiting"), (("bill", "down"), "failed"),
        (("billdownload", "half"), "failed"), (("bill", "change", {"hash_value": "0" * 40}), "failed"),
    ])  # fmt: skip
    def test_what_could_not_be_compared_is_tried_again(self, sold, wechat, fault, state):
        sold()
        Payment.objects.update(created_at=NOON)
        wechat.faults = [fault]

        run = compare()

        assert (run.state, Difference.objects.count()) == (state, 0) and run.last_error
        assert DAY in bill_days_missing(MCHID, now=timezone.now())
        assert compare().state == "done"
        wechat.faults = [fault]
        run = compare()
        assert run.state == "done" and run.last_error and run.rows == 1

    def test_a_bill_that_is_late_is_not_taken_for_an_empty_one(self, sold, wechat):
        payment, out = sold(), NOON.replace(hour=10, minute=15) + timedelta(days=1)
        wechat.edit_bill = lambda rows: []

        assert (compare(now=out).state, differences_open()) == ("waiting", [])
        assert compare(now=out + timedelta(days=1)).state == "done"
        assert differences_open() == [("no_money", payment.out_trade_no)]

    def test_a_bill_that_cannot_be_read_holds_up_no_later_one(self, sold, wechat):
        sold()
        Payment.objects.update(created_at=NOON)
        wechat.edit_bill = lambda rows: [["HAPPY" if cell == "SUCCESS" else cell for cell in row] for row in rows]

        assert bills_reconcile_missing(now=NOON + timedelta(days=3)) == 3

        assert list(BillRun.objects.order_by("day").values_list("state", flat=True)) == ["failed", "done", "done"]

    def test_neither_does_one_that_is_not_made_or_a_day_that_another_process_compares(self, sold, wechat):
        now = NOON + timedelta(days=3)
        sold()
        Payment.objects.update(created_at=NOON)
        BillRun.objects.create(mch_id=MCHID, day=DAY, ran_at=now, claimed_until=now + timedelta(minutes=1))
        wechat.faults = [("bill", "error", 400, "STATEMENT_CREATING")]

        assert bills_reconcile_missing(now=now) == 2

        states = dict(BillRun.objects.exclude(day=DAY).values_list("day", "state"))
        assert states == {DAY + timedelta(days=1): "waiting", DAY + timedelta(days=2): "done"}

    def test_missed_days_are_made_up_once_and_a_silence_holds_up_its_merchant(self, sold, wechat):
        payment, now = sold(), NOON + timedelta(days=3)
        Payment.objects.update(created_at=NOON)
        assert bill_days_missing(MCHID, now=now) == [DAY, DAY + timedelta(days=1), DAY + timedelta(days=2)]

        other = BillRun.objects.create(mch_id=MCHID, day=DAY, ran_at=now, claimed_until=now + timedelta(minutes=1))
        assert bill_reconcile(day=DAY, now=now) == 0  # another process compares it
        wechat.faults = [("bill", "down")]
        BillRun.objects.filter(pk=other.pk).update(claimed_until=now)  # it was killed, and its time is over
        assert [bills_reconcile_missing(now=now) for _ in range(3)] == [1, 3, 0]

        assert bills_reconcile_missing(now=now + timedelta(hours=23)) == 1
        payment.refresh_from_db()
        assert payment.billed_on == DAY
        Payment.objects.update(created_at=NOON - timedelta(days=300))
        days = bill_days_missing("another", now=NOON.replace(hour=9))
        assert (days[0], days[-1]) == (DAY - timedelta(days=30), DAY - timedelta(days=2)), "at most thirty days back"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("claim", "processes"), [(bills.CLAIM, 1), (-bills.CLAIM, 8)], ids=["claimed", "no claim"])
def test_a_day_is_compared_by_one_of_many_that_try_at_once(shop, monkeypatch, claim, processes):
    all_tried, comparing = meeting(8), []

    def bill(who, day, now):
        comparing.append(day)
        all_tried()
        return Bill(day)

    def reconcile():
        if not bill_reconcile(day=DAY, now=NOON + timedelta(days=3)):
            all_tried()

    monkeypatch.setattr(bills, "CLAIM", claim)
    monkeypatch.setattr(bills, "_bill", bill)
    at_once([reconcile] * 8)

    assert len(comparing) == processes
    assert not BillRun.objects.exclude(claimed_until=None).exists()


@pytest.mark.django_db(transaction=True)
def test_two_who_return_the_same_money_at_once_send_it_once(monkeypatch):
    money = PaymentResult("20261120101112000Tsurplus001", "SUCCESS", APPID, MCHID, 100, transaction_id="42000777")
    meet_at(monkeypatch, "payments.services.differences._mark_stray")

    outcomes = at_once(
        [lambda: payment_return_stray(result=money, actor="王", now=timezone.now())] * 2, refusals=(RefundNotPossible,)
    )

    assert sorted(map(str, outcomes)) == ["None", "这笔款刚刚已经退回"]
    assert (Payment.objects.count(), Refund.objects.get().amount_fen) == (1, 100)


def test_the_money_of_a_day_is_what_the_bill_says_and_a_refund_counts_once_wherever_it_ends(sold, refunded):
    for at in (NOON, NOON, NOON.replace(hour=23, minute=59, second=59), NOON + timedelta(days=1)):
        payment = sold(at=at)
    refunded(payment, fen=234)
    refund = refunded(payment, "PROCESSING", fen=1000)

    run = compare()

    assert (run.state, run.rows, run.mch_id, len(run.sha1)) == ("done", 5, MCHID, 40)
    assert Payment.objects.filter(billed_on=DAY).count() == 3 and Refund.objects.filter(billed_on=DAY).count() == 2
    [money], [bill] = money_days(DAY, DAY).values(), bill_days(DAY, DAY).values()
    assert (run.differences, bill.differences, bill.state) == (0, 0, "已核对")
    assert (money.paid_fen, money.refunded_fen) == (bill.paid_fen, bill.refunded_fen) == (3 * 1234, 1234)
    assert (money.paid, money.refunds, money.waiting, money.net_fen) == (3, 2, 1, 2 * 1234)
    proof = {"offline_at": NOON + timedelta(days=1), "offline_by": "王", "offline_way": "cash", "offline_voucher": "1"}
    for state, back_fen in [("abnormal", 1234), ("owed", 1234), ("offline", 1234), ("closed", 234)]:
        Refund.objects.filter(pk=refund.pk).update(state=state, **proof)
        assert sum(day.back_fen for day in money_days(DAY, DAY + timedelta(days=1)).values()) == back_fen, state


def test_a_difference_shows_its_steps_and_stays_explained_until_the_facts_change(office, stray, wechat):
    page, listing = f"/admin/payments/difference/{stray.pk}/change/", "/admin/payments/difference/"

    shown, listed = office.get(page).content.decode(), office.get(listing).content.decode()
    assert "有款无单" in listed and "支付成功 12.34元" in listed and stray.out_trade_no in listed
    assert "恢复备份之后" in shown
    assert all(f"step_{name}" in shown for name in ("accept", "ask", "return")) and "step_adopt" not in shown
    run = office.get("/admin/payments/billrun/").content.decode()
    assert f"day__exact={DAY}" in run and "24.68" not in run and "已核对，有差异" in run
    text = office.post(page, {"step_ask": "1"}, follow=True).content.decode()
    assert "查询微信完成，微信有此记录：err 订单不存在" in text
    form = {"action": "accept", "_selected_action": [stray.pk], "sure": "1"}
    assert "请写明理由" in office.post(listing, form | {"reason": " "}, follow=True).content.decode()
    office.post(listing, form | {"reason": "测试款"}, follow=True)
    stray.refresh_from_db()
    assert (stray.ending, stray.note, stray.ended_by) == ("accepted", "测试款", "root")
    assert "有差异" not in office.get("/admin/payments/billrun/").content.decode()

    compare()
    assert differences_open() == []
    wechat.edit_bill = lambda rows: [[1 if at == 24 else cell for at, cell in enumerate(row)] for row in rows]
    compare()
    assert differences_open() == [("stray_money", stray.out_trade_no)] and the_one().bill_fen == 1


@pytest.mark.parametrize(("change", "told"), [
    ({}, "重新核对已提交，结果稍后在本页显示"), ({"day": DAY - timedelta(days=90)}, "微信只保留三个月内的账单"),
    ({"mch_id": "1900000001"}, "商户支付参数未配置"),
])  # fmt: skip
def test_a_day_is_compared_again(office, stray, sent_tasks, django_capture_on_commit_callbacks, change, told):
    BillRun.objects.update(**change)
    with django_capture_on_commit_callbacks(execute=True):
        run = f"/admin/payments/billrun/{BillRun.objects.get().pk}/change/"
        page = office.post(run, {"step_again": "1"}, follow=True).content.decode()

    assert told in page
    assert sent_tasks == ([] if change else [("payments.reconcile_bill", (DAY.isoformat(),))])
    # While it is RUNNING the sweep looks, should the worker never get it.
    assert BillRun.objects.get().state == (BillRun.State.DONE if change else BillRun.State.RUNNING)
