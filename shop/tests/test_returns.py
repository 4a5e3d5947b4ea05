"""A return is goods that come back: agreed, sent with a number, received once, and only then paid for."""

from decimal import Decimal
from functools import partial

import pytest
from django.db import IntegrityError
from django.db.models import F
from django.utils import timezone

from payments.models import Refund
from shop.errors import OrderRefused
from shop.models import Order
from shop.order_states import Event, Note
from shop.services.order_refund import (
    MAX_RETURN_NUMBERS,
    order_refund_part,
    order_return,
    order_return_receive,
)
from shop.tests.factories import (
    ORDERS,
    click,
    correct,
    listed,
    make_paid,
    make_product,
    make_vip,
    messages,
    page_of,
    read_without_lock,
    run_refunds,
    ship,
    state_of,
    step,
    stock_of,
)
from tests.kit import at_once, envelope

pytestmark = pytest.mark.django_db
STAFF = {"actor": "wang"}


@pytest.fixture
def bike():
    return make_product("自行车", price="1000.00", stock=5)


@pytest.fixture
def asked(paid, bike, li):
    """Li has two bikes and wants to give them back; 3 are left in stock."""
    order = paid(bike, 2)
    ship(order)
    return order_return(order_id=order.order_id, buyer_pk=li.user.pk, actor="li", reason="太大", now=timezone.now())


def receive(order, pieces=1, *, shelf=True):
    quantities = {line.pk: pieces for line in order.lines.all()}
    return order_return_receive(
        order_id=order.order_id, quantities=quantities, is_restocked=shelf, now=timezone.now(), **STAFF
    )


def send_back(browser, order, number, **more):
    return envelope(browser.post("/order/returns", {"order_id": order.order_id, "tracking_no": number, **more}))


def buyer_reads(browser, order):
    row = browser.get("/order/get_order", order_id=order.order_id).json()["data"]
    return row["order_status"], row["state_text"], row["note"]


class TestTheWayBack:
    def test_goes_from_the_agreement_over_the_parcel_and_the_shelf_to_the_money(self, office, li, asked, bike):
        def offers():
            return [button.name for button in office.get(page_of(asked)).context["buttons"]][:2]

        assert "太大" in office.get(ORDERS, {"work": "returns"}).content.decode() and offers() == ["agree", "reject"]

        assert "等买家寄回" in click(office, asked, "agree", reason="寄到一号仓")[0]
        assert buyer_reads(li, asked) == (5, "退货待处理", "退货申请已同意,请寄回商品并填写寄回单号: 寄到一号仓")
        assert not Refund.objects.exists() and stock_of(bike) == 3 and offers() == ["arrived", "reject"]
        assert send_back(li, asked, "ｓｆ 1234567890123") == (200, True, "退货申请成功")
        page = office.get(ORDERS, {"work": "returns"}).content.decode()
        assert all(text in page for text in ("待寄回", "顺丰速运 SF1234567890123", "太大")) and "请寄回商品" not in page
        assert listed(office, "returns", q="SF1234567890123") == [asked.pk]

        line = asked.lines.get()
        typed = {f"quantity_{line.pk}": "1", "shelf": "yes"}
        assert "收到退货完成" in click(office, asked, "arrived", **typed)[0]
        assert stock_of(bike) == 4 and not Refund.objects.exists()
        assert buyer_reads(li, asked)[:2] == (5, "退货待处理")
        question = office.post(page_of(asked), {"step_approve": "1"}).content.decode()
        assert "自行车×1（放回货架 1）" in question and "太大" in question
        click(office, asked, "approve")
        run_refunds()

        assert (state_of(asked), stock_of(bike), Refund.objects.get().amount_fen) == ("refunded", 4, 200000)
        assert buyer_reads(li, asked)[:2] == (5, "已退款")

    def test_money_without_goods_stays_possible_and_says_so(self, office, asked, bike):
        question = office.post(page_of(asked), {"step_approve_now": "1"}).content.decode()

        assert "商品没有收到，库存不变" in question and "还没有收到，库存没有变" in question
        assert "还没有收到" not in office.post(page_of(asked), {"step_parcel": "1"}).content.decode()
        click(office, asked, "approve_now")
        assert (state_of(asked), stock_of(bike), Refund.objects.count()) == ("refunding", 3, 1)

    def test_chosen_in_the_list_an_order_whose_goods_are_not_back_is_not_paid_as_if_they_were(self, office, asked):
        chosen = {"press": "approve:", "_selected_action": [asked.pk], "sure": "1"}
        (told,) = messages(office.post(f"{ORDERS}?work=returns", chosen, follow=True))

        assert "退货待处理，不能退货退款" in told
        assert (state_of(asked), Refund.objects.exists()) == ("return_asked", False)

    def test_offers_at_each_step_what_may_follow(self, office, asked):
        def buttons():
            page = office.get(page_of(asked)).content.decode()
            names = {"agree", "arrived", "approve", "approve_now", "reject", "return_number", "refund", "refund_part"}
            return {name for name in names if f'name="step_{name}"' in page}

        always = {"arrived", "approve_now", "reject", "return_number", "refund_part"}
        assert buttons() == {"agree", *always}
        click(office, asked, "agree")
        assert buttons() == always
        receive(asked)
        assert buttons() == {"approve", "refund_part"}

    def test_staff_write_the_number_too_and_the_log_keeps_what_it_was(self, office, li, asked):
        send_back(li, asked, "SF1")
        correct(office, asked, "return_number", return_no="jd 22")

        asked.refresh_from_db()
        details = list(asked.logs.filter(code=Note.RETURN_PARCEL).values_list("detail", flat=True))
        assert (asked.return_no, details) == ("JD22", ["没有 → SF1", "SF1 → JD22"])

    def test_ended_by_a_part_the_next_one_begins_anew(self, office, li, asked, bike):
        receive(asked)
        line = asked.lines.get()
        typed = {f"quantity_{line.pk}": "1", "amount": "1000", "refunds_seen": "0", "shelf": "yes"}
        click(office, asked, "refund_part", **typed)

        asked.refresh_from_db()
        assert (asked.state, asked.return_step, stock_of(bike)) == ("shipped", "", 4)  # the shelf is not asked twice
        assert (asked.order_status, asked.note) == (1, "商家已退款 1000.00元")
        assert send_back(li, asked, "SF2", reason="另一台也不要") == (200, True, "退货申请成功")
        asked.refresh_from_db()
        assert (asked.state, asked.return_step, asked.return_no) == ("return_asked", "", "SF2")
        with pytest.raises(OrderRefused, match="最多还能收到 1 件"):
            receive(asked, 2)
        receive(asked, 1)
        assert stock_of(bike) == 5


class TestTheBuyersNumber:
    def test_comes_with_the_request_or_later_and_is_no_request_of_its_own(self, li, zhao, paid, bike):
        order = paid(bike)
        assert send_back(li, order, "SF9")[0] == 200  # nothing was sent: refunded at once, without a parcel
        order.refresh_from_db()
        assert (order.state, order.return_no) == ("refunding", "")

        other = paid(bike)
        ship(other)
        assert send_back(zhao, other, "SF9") == send_back(li, Order(order_id="2" * 30), "SF9")
        assert send_back(li, other, "SF9", reason="坏了") == (200, True, "退货申请成功")
        assert envelope(li.post("/order/returns", {"order_id": other.order_id}))[1:] == (
            False,
            "订单的退货申请正在处理,不能退货",
        )
        other.refresh_from_db()
        assert (other.return_no, other.note) == ("SF9", "坏了")
        receive(other)
        for number in ("SF9", "SF10"):
            assert send_back(li, other, number) == (1004, False, "退回的商品已经收到")

    @pytest.mark.parametrize("number", ["单号", "SF1;DROP", "A" * 41, "A" * 500, ["SF1"], True])
    def test_that_can_be_none_is_refused(self, li, asked, number):
        status, state, msg = send_back(li, asked, number)

        assert (status, state) == (1004, False)
        assert msg == "tracking_no: 只能有字母、数字和横线,最多40位" or not isinstance(number, str)
        asked.refresh_from_db()
        assert asked.return_no == ""

    def test_may_be_corrected_so_often_and_no_more(self, li, asked):
        for number in (0, *range(MAX_RETURN_NUMBERS)):  # the same one again is no correction
            assert send_back(li, asked, f"SF{number}")[0] == 200

        assert send_back(li, asked, "SF99") == (1004, False, "寄回单号已经修改多次,请联系商家")


class TestRefusals:
    def test_what_came_is_not_received_agreed_or_refused_again(self, asked, bike):
        receive(asked, 2)

        for again in (receive, partial(step, event=Event.AGREE_RETURN), partial(step, event=Event.REJECT_RETURN)):
            with pytest.raises(OrderRefused, match="已经收到"):
                again(asked)
        assert (stock_of(bike), asked.lines.get().received_quantity) == (5, 2)

    def test_a_refund_puts_no_piece_on_the_shelf_that_has_come_back(self, asked, bike):
        receive(asked, 1)
        refund = {"amount": Decimal(200), "quantities": {asked.lines.get().pk: 2}, "refunds_seen": 0}

        with pytest.raises(OrderRefused, match="最多还有 1 件可以放回货架"):
            order_refund_part(
                order_id=asked.order_id, **refund, is_restocked=True, reason="", now=timezone.now(), **STAFF
            )

        assert stock_of(bike) == 4 and not Refund.objects.exists()

    def test_no_more_comes_than_was_sold_and_no_line_of_another_order(self, office, asked, paid, bike):
        with pytest.raises(OrderRefused, match="最多还能收到 2 件"):
            receive(asked, 3)
        for typed in ({"shelf": "yes"}, {"shelf": "yes", f"quantity_{asked.lines.get().pk}": "3"}):
            click(office, asked, "arrived", **typed)
        with pytest.raises(OrderRefused, match="没有这种商品"):
            order_return_receive(
                order_id=asked.order_id,
                quantities={paid(bike).lines.get().pk: 1},
                is_restocked=True,
                now=timezone.now(),
                **STAFF,
            )
        asked.refresh_from_db()
        assert (asked.return_step, asked.lines.get().received_quantity) == ("", 0)

    def test_vip_time_alone_cannot_be_sent_back(self, li, wechat):
        order = make_paid(wechat, li.user, make_vip(2))
        order_return(order_id=order.order_id, buyer_pk=li.user.pk, actor="li", now=timezone.now())

        with pytest.raises(OrderRefused, match="只有 VIP 时长"):
            step(order, Event.AGREE_RETURN)
        with pytest.raises(OrderRefused, match="最多还能收到 0 件"):
            receive(order)


@pytest.mark.django_db(transaction=True)
class TestTwoAtOnce:
    @pytest.mark.parametrize("is_locked", [True, False], ids=["locked", "twin"])
    def test_goods_are_received_once(self, asked, bike, monkeypatch, is_locked):
        if not is_locked:
            read_without_lock(monkeypatch, "order_refund")
        results = at_once([lambda: receive(asked, 1)] * 2, refusals=(OrderRefused,))

        assert sum(isinstance(result, Order) for result in results) == (1 if is_locked else 2)
        assert stock_of(bike) == (4 if is_locked else 5)  # one piece came

    def both(self, order):
        pay = partial(step, order, Event.APPROVE_RETURN)
        return at_once([lambda: receive(order, 1), pay], refusals=(OrderRefused,))

    def test_received_or_paid_for_at_the_same_instant_the_other_is_refused_or_follows(self, asked, bike):
        received, refunded = self.both(asked)

        assert isinstance(refunded, Order) and Refund.objects.count() == 1
        is_received = isinstance(received, Order)
        assert (stock_of(bike), asked.lines.get().received_quantity) == ((4, 1) if is_received else (3, 0))
        asked.refresh_from_db()
        assert (asked.state, asked.return_step) == ("refunding", "received" if is_received else "")

    def test_without_the_lock_a_refund_is_overwritten_by_the_parcel(self, asked, monkeypatch):
        read_without_lock(monkeypatch, "order_refund", "order_step")

        assert all(isinstance(result, Order) for result in self.both(asked))  # a refunded order took a parcel

    def test_the_database_refuses_a_piece_that_comes_twice(self, asked):
        with pytest.raises(IntegrityError):
            asked.lines.update(received_quantity=F("quantity") + 1)
