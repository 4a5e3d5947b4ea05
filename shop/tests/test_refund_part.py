"""Refunds of a part: by line and amount, never more than was paid, bought, or the provider allows."""

from contextlib import suppress
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError
from django.db.models import F
from django.utils import timezone

from core.errors import DomainError
from core.times import local
from payments.errors import RefundNotPossible
from payments.models import BillRun, Difference, Refund
from payments.selectors import refunds_of_order
from payments.services.bills import bill_reconcile
from payments.services.refund import APART, refund_run
from shop.errors import OrderRefused
from shop.models import LineRefund, Order
from shop.services.order_refund import order_refund, order_refund_part
from shop.tests.factories import (
    ORDERS,
    PACKING,
    hidden,
    listed,
    make_product,
    make_vip,
    messages,
    page_of,
    run_refunds,
    ship,
    stock_of,
)
from tests.kit import at_once, meet_at, meeting

pytestmark = pytest.mark.django_db


@pytest.fixture
def paid(paid):
    return lambda product=None, quantity=2: paid(product or make_product(price="10.00", stock=9), quantity)


def part(order, amount, pieces=0, *, restock=False, seen=None):
    line = order.lines.get()
    return order_refund_part(
        order_id=order.order_id,
        amount=Decimal(amount),
        quantities={line.pk: pieces},
        is_restocked=restock,
        refunds_seen=Refund.objects.filter(payment__out_trade_no=order.order_id).count() if seen is None else seen,
        actor="wang",
        now=timezone.now(),
    )


def money(order):
    """Fen of each refund, oldest first."""
    refunds = Refund.objects.filter(payment__out_trade_no=order.order_id).order_by("pk")
    return list(refunds.values_list("amount_fen", flat=True))


class TestPage:
    def test_half_an_order_goes_back_and_the_other_half_is_shipped(self, office, li, paid):
        order = paid()
        line, page = order.lines.get(), page_of(order)

        question = office.post(page, {"step_refund_part": "1"})
        form = {f"quantity_{line.pk}": "1", "amount": "10.00", "shelf": "yes", "reason": "只要一件"}
        texts = messages(office.post(page, hidden(question) | form, follow=True))
        run_refunds()

        assert '还能退 <span data-rest="20">20.00</span> 元' in question.content.decode()
        assert "部分退款已提交" in texts[0]
        order.refresh_from_db()
        assert (order.state, order.refunded, order.part_refund, stock_of(line.product)) == ("paid", 10, "", 8)
        assert order.logs.last().detail == f"10.00元 {line.title}×1（放回货架） 只要一件"
        paper = office.get(PACKING, {"ids": order.pk}).content.decode()
        assert "<b>1</b> （另 1 件已退款，不发）" in paper
        row = li.get("/order/get_order", order_id=order.order_id).json()["data"]
        assert (row["note"], row["order_status"], row["pay_status"]) == ("商家已退款 10.00元: 只要一件", 1, 1)
        text = office.get(page).content.decode()
        assert f"{line.title}×1（放回货架）" in text and f"{order.order_id}R01" in text

        # The buyer's own return gives back what is left, and only the pieces that are left go back on the shelf.
        assert li.post("/order/returns", {"order_id": order.order_id}).json()["state"]
        run_refunds()
        order.refresh_from_db()
        assert (order.state, money(order), stock_of(line.product)) == ("refunded", [1000, 1000], 9)
        assert order.lines.get().returned == 2

    @pytest.mark.parametrize(
        ("typed", "problem"),
        [
            ({"amount": "20.01"}, "最多还能退 20.00元"),
            *(({"amount": amount}, "bo-wrong") for amount in ("0", "1.001", "NaN")),
            ({"amount": "5", "pieces": "3"}, "最多还能退 2 件"),
            ({"amount": "5", "pieces": "-1"}, "bo-wrong"),
            ({"amount": "5", "pieces": "1", "shelf": ""}, "请选择退的商品是否放回货架"),
            ({"amount": "5", "pieces": "2", "shelf": "no"}, "没有发货的商品都退了，请退完全部余款"),
        ],
    )
    def test_a_mistake_moves_nothing_and_what_was_typed_stays(self, office, paid, typed, problem):
        order = paid()
        page, line = page_of(order), order.lines.get()
        typed = {"reason": "写了很久的理由", **typed}
        typed[f"quantity_{line.pk}"] = typed.pop("pieces", "")

        again = office.post(page, hidden(office.post(page, {"step_refund_part": "1"})) | typed).content.decode()

        assert problem in again and "写了很久的理由" in again and f'value="{typed["amount"]}"' in again
        assert not Refund.objects.exists() and not LineRefund.objects.exists()
        assert stock_of(line.product) == 7

    def test_a_second_click_pays_nothing_more(self, office, paid):
        order = paid()
        form = hidden(office.post(page_of(order), {"step_refund_part": "1"})) | {"amount": "1.00"}

        first, again = (office.post(page_of(order), form) for _ in range(2))

        assert first.status_code == 302 and "刚刚有过别的退款" in again.content.decode() and money(order) == [100]
        assert 'name="refunds_seen" value="1"' in again.content.decode()  # with the figures of now


class TestMoney:
    def test_an_early_part_that_arrives_late_does_not_end_it(self, paid, wechat):
        order = paid()
        part(order, "5")
        order_refund(order_id=order.order_id, actor="root", now=timezone.now())
        first, rest = Refund.objects.order_by("pk")

        refund_run(refund_id=first.pk, now=timezone.now(), at_once=True)
        order.refresh_from_db()
        assert (first.amount_fen, rest.amount_fen, order.state) == (500, 1500, "refunding")
        wechat.refunds_turn_out("ABNORMAL")
        refund_run(refund_id=rest.pk, now=timezone.now() + APART, at_once=True)
        order.refresh_from_db()
        assert order.state == "refund_failed"

    def test_one_that_failed_is_to_be_tended_before_the_next(self, office, paid, wechat):
        order = paid()
        ship(order)
        wechat.refunds_turn_out("CLOSED")
        part(order, "5", 1)
        run_refunds()
        wechat.refunds_turn_out("SUCCESS")

        page = office.get(ORDERS, {"work": "refunds"}).content.decode()
        assert listed(office, "refunds") == [order.pk] and "处理这笔退款" in page
        assert "处理这笔退款" in office.get(page_of(order)).content.decode()
        with pytest.raises(RefundNotPossible, match="还没有退成"):
            part(order, "5")
        refund = f"/admin/payments/refund/{Refund.objects.get().pk}/change/"
        office.post(refund, {"step_renew": "1", "sure": "1"})
        run_refunds()

        order.refresh_from_db()
        assert (order.state, order.refunded, listed(office, "refunds")) == ("shipped", 5, [])
        assert sorted(wechat.refunds) == [f"{order.order_id}R01", f"{order.order_id}R02"]
        assert "已换新单号" in messages(office.post(refund, {"step_renew": "1", "sure": "1"}, follow=True))[-1]

    def test_the_last_that_the_provider_takes_is_for_all_that_is_left(self, paid, monkeypatch):
        monkeypatch.setattr("shop.services.order_refund.MAX_REFUNDS", 4)  # the provider takes fifty
        order = paid()
        ship(order)
        for _ in range(3):
            part(order, "0.01")

        with pytest.raises(RefundNotPossible, match="只剩最后一次"):
            part(order, "0.01")
        part(order, "19.97")
        run_refunds()

        order.refresh_from_db()
        assert (order.state, len(money(order)), sum(money(order))) == ("refunded", 4, 2000)
        # The bill of that day agrees, however many refunds of one payment it has.
        now = timezone.now()
        bill_reconcile(day=local(now).date(), now=now + timedelta(days=1, hours=12))
        run = BillRun.objects.get()
        assert (run.state, run.refunded_fen) == ("done", 2000) and not Difference.objects.exists()


def test_vip_time_goes_back_by_the_line_or_not_at_all(paid, li):
    order = paid(make_vip(2, price="30.00", stock=5), 2)
    with pytest.raises(OrderRefused, match="只能整行退"):
        part(order, "30", 1)

    part(order, "1")  # money alone
    li.user.refresh_from_db()
    assert li.user.vip_level_at(timezone.now()) == 2
    part(order, "40", 2)
    li.user.refresh_from_db()

    assert li.user.vip_level_at(timezone.now()) == 0


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_locked", [True, False], ids=["locked", "twin"])
def test_of_two_at_once_that_give_the_one_piece_back_one_is_refused(paid, monkeypatch, is_locked):
    """Both for little money: what the payment allows. In the twin the second would break the line."""
    order, module = paid(quantity=1), "shop.services.order_refund"
    ship(order)
    if is_locked:
        meet_at(monkeypatch, f"{module}.order_refunds_sum")
    else:
        both_have_read = meeting()
        monkeypatch.setattr(f"{module}.order_lock", lambda *, order_id: Order.objects.get(order_id=order_id))
        monkeypatch.setattr(f"{module}._require_possible", lambda *_: None)
        # What the new counts are made with: by then both have read the line.
        monkeypatch.setattr(f"{module}.F", lambda name: both_have_read() or F(name))
        sums = lambda *, order: refunds_of_order(out_trade_no=order.order_id)  # noqa: E731
        monkeypatch.setattr(f"{module}.order_refunds_sum", sums)

    def refund():
        with suppress(DomainError):
            return part(order, "1", 1, restock=True, seen=0)

    results = at_once([refund, refund], refusals=(IntegrityError,))

    assert sum(isinstance(result, Order) for result in results) == 1
    assert any(isinstance(result, IntegrityError) for result in results) != is_locked
    if is_locked:
        assert (money(order), LineRefund.objects.count(), stock_of(order.lines.get().product)) == ([100], 1, 9)
