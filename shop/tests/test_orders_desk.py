"""What staff do daily: ship, decide on returns, refund, find, print."""

import re
from contextlib import closing
from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from accounts.tests.entering import age, asks, confirm
from payments.models import Difference, Refund
from shop.models import OrderLog
from shop.order_states import Event, Note
from shop.services.order_edit import order_correct, order_remark
from shop.tests.factories import (
    ORDERS,
    PACKING,
    by_hand,
    correct,
    hidden,
    listed,
    make_order,
    make_product,
    messages,
    page_of,
    read_without_lock,
    run_refunds,
    ship,
    state_of,
    step,
)
from tests.kit import at_once, logged_in, meet_at

pytestmark = pytest.mark.django_db


def press(client, work, name, *orders, row=None, **posted):
    """Press a button above the list for ``orders``, or the one in the row of ``row``; answer what is told."""
    data = {} if "action" in posted else {"press": f"{name}:{row.pk if row else ''}"}
    data |= {"_selected_action": [order.pk for order in orders], "sure": "1", **posted}
    data |= by_hand(*orders, *([row] if row else []))
    return messages(client.post(f"{ORDERS}?work={work}", data, follow=True))


class TestToShip:
    def test_has_what_is_to_be_sent_the_longest_paid_first_with_all_one_packs_by(self, office, paid, returned, li):
        new = paid(make_product("自行车"), 2, phone="13800000001", address="重庆市渝中区")
        old = paid(make_product("手套"), 3, ago=timedelta(days=3))
        step(new, Event.PREPARE)
        make_order(li.user)
        returned()

        page = office.get(ORDERS, {"work": "ship"}).content.decode()

        assert page.count('name="press" value="ship:"') == 2  # beside the ticked rows, too
        assert listed(office, "ship") == [old.pk, new.pk]
        assert page.index(f'value="ship:{old.pk}"') < page.index(f'value="prepare:{old.pk}"')  # the usual step first
        assert re.findall(r'name="step_([a-z_]+)"', office.get(page_of(old)).content.decode())[0] == "ship"
        assert "自行车 <b>× 2</b>" in page and "手套 <b>× 3</b>" in page
        assert "13800000001" in page and "重庆市渝中区" in page and "li" in page
        assert re.search(r'od-late">3\s日', page) and re.search(r'"">0\s分钟', page)

    def test_a_click_in_a_row_ships_that_one_whatever_else_is_ticked(self, office, paid):
        order, other = paid(), paid()

        assert press(office, "ship", "ship", other, row=order) == [f"{order.order_id}：发货完成"]
        assert (state_of(order), state_of(other)) == ("shipped", "paid")
        assert order.logs.last().actor == "root"

    @pytest.mark.parametrize("way", [{"press": "ship:"}, {"action": "ship", "index": "0"}])
    def test_one_click_ships_the_chosen_and_tells_of_each(self, office, paid, way):
        """Django's own actions would leave out a row that has left the list, and say nothing."""
        orders = [paid() for _ in range(3)]
        ship(orders[2], actor="wang")
        order_remark(order_id=orders[2].order_id, text="易碎", actor="li", now=timezone.now())

        done, refused = sorted(press(office, "ship", "ship", *orders, **way), key=lambda text: "不能" in text)

        assert [state_of(order) for order in orders] == ["shipped"] * 3
        assert orders[0].order_id in done and orders[1].order_id in done and done.endswith("发货完成（2 条）")
        assert refused.startswith(f"{orders[2].order_id}：订单已经发货，不能重复发货（wang 于 ")
        assert OrderLog.objects.filter(event="发货").count() == 3

    def test_a_number_that_comes_later_is_found_until_it_is_there(self, office, paid):
        later, handed = paid(), paid()
        chosen = {"press": "ship:", "_selected_action": [later.pk, handed.pk], "sure": "1"}
        couriers = {f"express_company_{later.pk}": ":later", f"express_company_{handed.pk}": ":hand"}
        office.post(f"{ORDERS}?work=ship", chosen | couriers)

        assert [order.logs.last().detail for order in (later, handed)] == ["单号以后补", "自取、面交（没有快递）"]
        assert "没有单号" in office.get(page_of(later)).content.decode()
        assert listed(office, "", parcel="later") == [later.pk]
        later.refresh_from_db()
        number = {f"express_no_{later.pk}": "SF1234567890123", f"express_company_{later.pk}": "顺丰速运"}
        correct(office, later, "parcel", **number)
        assert later.logs.last().detail == "单号以后补 → 顺丰速运 SF1234567890123"
        assert listed(office, "", parcel="later") == []

    def test_what_takes_too_long_is_told_and_left_for_the_next_time(self, office, paid, monkeypatch):
        monkeypatch.setattr("core.admin.buttons.STOP_AFTER_S", -1)
        first, *rest = [paid(ago=timedelta(hours=hours)) for hours in (3, 2, 1)]

        done, rest_left = press(office, "ship", "ship", first, *rest)

        assert done == f"{first.order_id}：发货完成"
        assert rest_left == f"{rest[0].order_id}、{rest[1].order_id}：时间不够，还没有发货，请再选一次（2 条）"
        assert [state_of(order) for order in (first, *rest)] == ["shipped", "paid", "paid"]

    def test_choosing_nothing_says_so(self, office):
        for chosen in ([], ["0"], ["x"], ["9" * 30], ["１"]):
            answer = office.post(f"{ORDERS}?work=ship", {"press": "ship:", "_selected_action": chosen}, follow=True)
            assert messages(answer) == ["没有选中任何记录"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_locked", [True, False], ids=["locked", "twin"])
def test_of_two_at_the_same_instant_one_ships_and_the_other_is_told(root, paid, monkeypatch, is_locked):
    order = paid()
    if is_locked:
        meet_at(monkeypatch, "shop.services.order_step.order_move")
    else:
        read_without_lock(monkeypatch, "order_step")

    def click():
        client = logged_in(root.user)
        client.post(f"{ORDERS}?work=ship", {"press": f"ship:{order.pk}", "sure": "1", **by_hand(order)})
        return client.get(ORDERS).content.decode()

    pages = at_once([click] * 2)

    shipped = [f"{order.order_id}：发货完成" in page for page in pages]
    refused = f"{order.order_id}：订单已经发货，不能重复发货（王者管理员（root） 于"
    assert sum(shipped) == OrderLog.objects.filter(order=order, event="发货").count() == (1 if is_locked else 2)
    assert [refused in page for page in pages] == [not is_told for is_told in shipped]


class TestAsks:
    @pytest.mark.parametrize(("name", "state"), [("ship", "shipped"), ("refund", "refunding")])
    def test_before_it_acts_saying_what_and_how_much(self, office, paid, name, state):
        order, other = paid(make_product("自行车", price="1234.50"), 2), paid()

        question = office.post(page_of(order), {f"step_{name}": "1"})

        text = question.content.decode()
        assert "1 个订单，共 2,469.00 元" in text and "自行车" in text and order.order_id in text
        assert (state_of(order), order.logs.last().event) == ("paid", "付款")
        office.post(page_of(order), hidden(question) | by_hand(order))
        assert state_of(order) == state
        office.post(f"{ORDERS}?work=ship", {"press": f"prepare:{other.pk}"})  # it can be undone: nothing is asked
        assert state_of(other) == "preparing"

    def test_confirmed_it_acts_on_what_was_shown_and_on_nothing_that_came_since(self, office, paid):
        shown = paid()
        everything = {"action": "ship", "index": "0", "select_across": "1", "_selected_action": [shown.pk]}
        question = office.post(f"{ORDERS}?work=ship", everything)
        later = paid()

        office.post(f"{ORDERS}?work=ship", hidden(question) | by_hand(shown))

        assert (state_of(shown), state_of(later)) == ("shipped", "paid")

    @pytest.mark.parametrize(
        ("name", "place"), [("refund", "the list"), ("refund", "its page"), ("approve_now", "the list")]
    )
    def test_for_the_password_again_where_money_goes_out(self, office, paid, returned, name, place):
        order = returned() if name == "approve_now" else paid()
        age(office, 2)
        address = page_of(order) if place == "its page" else f"{ORDERS}?work=ship"
        form = {f"step_{name}": "1"} if place == "its page" else {"press": f"{name}:{order.pk}"}

        question = office.post(address, form)
        assert asks(question) and not Refund.objects.exists()
        sure = confirm(office, question)
        assert not asks(sure) and "确认" in sure.content.decode() and not Refund.objects.exists()
        office.post(address, hidden(sure) | {"reason": "破损"})

        assert Refund.objects.count() == 1
        assert OrderLog.objects.filter(order=order).latest("pk").detail == "破损"


class TestReturns:
    def test_the_longest_waiting_comes_first_with_its_reason_and_a_refusal_tells_another(self, office, returned):
        new, old = returned("不想要了"), returned("破损", now=timezone.now() - timedelta(days=1))

        assert listed(office, "returns") == [old.pk, new.pk]
        page = office.get(ORDERS, {"work": "returns"}).content.decode()
        assert "不想要了" in page and "破损" in page

        assert press(office, "returns", "reject", row=old, reason="已超过七天") == [f"{old.order_id}：拒绝退货完成"]
        old.refresh_from_db()
        assert (old.state, old.order_status, old.note) == ("shipped", 1, "退货申请未通过: 已超过七天")
        assert old.logs.last().detail == "已超过七天"

    def test_an_approval_refunds_and_the_refund_is_followed_to_its_end(self, office, returned, wechat):
        order = returned()
        wechat.is_out_of_money = True
        pages = [f"{ORDERS}?work=refunds", page_of(order)]

        def shown():
            return [office.get(page).content.decode() for page in pages]

        message = press(office, "returns", "approve_now", row=order)
        assert message == [f"{order.order_id}：不等寄回，直接退款已提交，款项将原路退回，进度见“退款处理”"]
        assert "待提交" in shown()[0] and all("moving.js" in text for text in shown())  # they show what changes
        wechat.is_down = True
        run_refunds()
        assert "ConnectionError" in shown()[0]  # and it is tried again

        wechat.is_down = False
        run_refunds()
        again = f'value="refund_again:{order.pk}"'
        assert all(text in shown()[0] for text in ("退款失败", f"{order.order_id}R01", again, "：NOTENOUGH"))

        wechat.is_out_of_money = False
        press(office, "refunds", "refund_again", row=order)
        assert again not in shown()[0]
        run_refunds()

        assert (state_of(order), listed(office, "refunds")) == ("refunded", [])
        assert not any("moving.js" in text for text in shown())
        assert Refund.objects.count() == 1

    def test_an_abnormal_refund_comes_first_and_leads_to_its_page_where_it_ends(self, office, clerk, returned, wechat):
        under_way, order = returned(), returned()
        wechat.refunds_turn_out("ABNORMAL")
        press(office, "returns", "approve_now", row=order)
        run_refunds()
        refund = Refund.objects.get()
        facts = {"mch_id": "1", "day": timezone.now().date(), "kind": "amount", "found_at": timezone.now()}
        Difference.objects.create(out_trade_no=order.order_id, **facts)
        press(office, "returns", "approve_now", row=under_way)

        assert listed(office, "refunds") == [order.pk, under_way.pk]
        may_look = clerk("view")
        for page in (f"{ORDERS}?work=refunds", f"{ORDERS}?work=trouble", page_of(order)):
            shown, closed = (client.get(page).content.decode() for client in (office, may_look))
            assert f'href="/admin/payments/refund/{refund.pk}/change/"' in shown
            assert "/admin/payments/" not in closed and "处理这笔退款" not in closed
            assert all("账户可能已注销或冻结" in text for text in (shown, closed))
            assert ("金额不同" in shown) == ("金额不同" in closed) == ("trouble" in page)
            assert (">处理这笔退款</a>" in shown) == ("trouble" not in page)
            assert f"refund_again:{order.pk}" not in shown and "step_refund_again" not in shown
        assert press(office, "refunds", "refund_again", row=order)[0].startswith(f"{order.order_id}：微信退不到原账户")

        Refund.objects.update(sent_at=refund.sent_at - timedelta(days=2))
        page = f"/admin/payments/refund/{refund.pk}/change/"
        steps = set(re.findall(r"step_(\w+)", office.get(page).content.decode()))
        assert {"offline", "ask"} <= steps and not {"retry", "renew", "run_now"} & steps
        form = {"step_offline": "1", "sure": "1", "way": "bank", "voucher": ""}
        again = office.post(page, form).content.decode()
        assert 'name="voucher"' in again and "bo-wrong" in again and "账户可能已注销或冻结" in again
        answer = office.post(page, form | {"voucher": "BANK-778", "is_sure": "on"}, follow=True).content.decode()

        assert "：已线下退款，银行转账 凭证号 BANK-778" in answer
        refund.refresh_from_db()
        assert (refund.state, refund.offline_by, state_of(order)) == ("offline", "root", "refunded")
        assert order.logs.order_by("pk").last().actor == "root"

    def test_the_page_of_a_failed_refund_asks_once_for_the_refunds(
        self, office, returned, wechat, django_assert_num_queries
    ):
        order = returned()
        wechat.is_out_of_money = True
        press(office, "returns", "approve_now", row=order)
        run_refunds()
        office.get(page_of(order))

        # The user; the order, its lines, its log; the refunds. Then the pieces of them, the payments, and three names.
        with django_assert_num_queries(10):
            shown = office.get(page_of(order)).content.decode()

        assert "step_refund_again" in shown and "NOTENOUGH" in shown

    # The user; how many, the orders, their lines; the tabs, the couriers. Then what other tables
    # tell: the requests, the refunds, or of what is wrong the differences and the failures.
    @pytest.mark.parametrize(("work", "queries"), [("ship", 6), ("returns", 7), ("refunds", 7), ("trouble", 8)])
    def test_asks_as_much_for_many_as_for_one(self, office, paid, returned, work, queries, django_assert_num_queries):
        for _ in range(3):
            order = paid() if work in ("ship", "trouble") else returned()
            if work == "refunds":
                press(office, "returns", "approve_now", row=order)
            if work == "trouble":
                press(office, "ship", "flag", row=order, reason="x")
        office.get(ORDERS, {"work": work})

        with django_assert_num_queries(queries):
            office.get(ORDERS, {"work": work})


class TestPacking:
    def test_sums_up_what_to_fetch_then_one_block_an_order(self, office, paid):
        product, other = make_product("自行车"), make_product("手套")
        facts = {"phone": "13800000001", "address": "重庆", "recipient": "王小明"}
        orders = [paid(product, 2, **facts), paid(product, 3), paid(other, 1), paid(make_product("毛巾"))]
        for order in (orders[1], orders[3]):
            order.lines.update(refunded_quantity=1)  # not sent any more

        page = office.get(PACKING, {"ids": ",".join(str(order.pk) for order in orders)})

        picks = [(pick["name"], pick["pieces"], pick["orders"]) for pick in page.context["picks"]]
        text = page.content.decode()
        assert picks == [("自行车", 4, 2), ("手套", 1, 1)]
        assert text.count("<article") == 4 and text.index("拣货汇总") < text.index("<article")
        assert text.count('src="data:image/svg+xml') == 4
        assert all(part in text for part in (*facts.values(), *(order.order_id for order in orders)))
        assert not re.findall(r'(?:src|href)="(?:https?:)?//', text)
        for address in re.findall(r'(?:src|href)="(/static/[^"]+)', text):
            with closing(office.get(address)) as answer:
                assert answer.status_code == 200

    def test_marks_what_is_not_to_be_sent_and_its_button_ships_the_rest(self, office, paid, returned):
        to_ship, back = paid(make_product("自行车")), returned()

        page = office.get(PACKING, {"ids": f"{to_ship.pk},{back.pk}"})

        text = page.content.decode()
        assert [pick["name"] for pick in page.context["picks"]] == ["自行车"] and text.count("不要发货") == 1
        to = re.search(r'method="post" action="([^"]+)"', text)[1]
        chosen = re.findall(r'name="_selected_action" value="(\d+)"', text)
        assert chosen == [str(to_ship.pk)]
        office.post(to, hidden(office.post(to, {"press": "ship:", "_selected_action": chosen})) | by_hand(to_ship))
        assert state_of(to_ship) == "shipped"

    def test_is_reached_from_the_chosen_rows_and_from_the_order(self, clerk, paid):
        order, browser = paid(), clerk("view")

        for data in ({"press": "packing:"}, {"action": "packing", "index": "0"}):
            answer = browser.post(f"{ORDERS}?work=ship", data | {"_selected_action": [order.pk]})
            assert answer.headers["Location"] == f"{PACKING}?ids={order.pk}"
        page = browser.get(page_of(order)).content.decode()
        link = re.search(rf'href="({ORDERS}{order.pk}/packing/)"', page)[1]
        assert order.order_id in browser.get(link, follow=True).content.decode()

    def test_of_nothing_or_too_much_leads_back(self, office, paid, monkeypatch):
        monkeypatch.setattr("shop.admin.packing.MAX_PRINTED", 1)

        for ids in (None, "", "0", "x,y", "9" * 40, "1;2", "\x00"):
            answer = office.get(PACKING, {} if ids is None else {"ids": ids}, follow=True)
            assert messages(answer) == ["没有选中任何订单"]
        answer = office.get(PACKING, {"ids": f"{paid().pk},{paid().pk}"}, follow=True)
        assert messages(answer) == ["一次最多打印 1 个订单，请分批进行"]


class TestUndo:
    """A parcel that was sent or received by mistake is taken back while nothing followed."""

    def test_of_a_receipt_then_of_the_parcel(self, office, paid):
        order, parcel = paid(), {"express_company": "顺丰速运", "express_no": "SF1", "courier_fee": Decimal("12.5")}
        ship(order, **parcel)
        page = page_of(order)
        text = office.get(page).content.decode()
        quiet = re.findall(r'<button[^>]*name="step_(\w+)"[^>]*data-quiet[^>]*>', text)
        assert set(quiet) == {"receive", "unship", "flag", "parcel", "invoice"}  # rarely next, so not the blue button

        office.post(page, {"step_receive": "1"})
        assert state_of(order) == "shipped"
        office.post(page, {"step_receive": "1", "sure": "1"})
        assert state_of(order) == "received"
        office.post(page, {"step_unreceive": "1"})
        assert state_of(order) == "shipped" and "step_unship" not in office.get(page).content.decode()

        other = paid()
        ship(other, **parcel)
        order_remark(order_id=other.order_id, text="说错了", actor="wang", now=timezone.now())
        press(office, "ship", "unship", other)
        other.refresh_from_db()
        assert (other.state, other.shiping_status, other.holds_stock) == ("paid", 0, True)
        assert (other.express_company, other.express_no, other.courier_fee) == ("", "", None)
        assert other.logs.last().detail == "顺丰速运 SF1 快递费 12.50 元"

        step(other, Event.PREPARE)
        ship(other, **parcel)
        press(office, "ship", "unship", other)
        assert state_of(other) == "preparing"

    @pytest.mark.parametrize("late", [timedelta(minutes=10), timedelta()])
    @pytest.mark.parametrize("name", ["unship", "unreceive"])
    def test_is_refused_once_ten_minutes_are_over_or_something_followed(self, office, paid, name, late):
        order, now = paid(), timezone.now()
        ship(order, now=now - late)
        if name == "unreceive":
            step(order, Event.RECEIVE, now=now - late)
        if not late:
            order_correct(order_id=order.order_id, note=Note.PARCEL, express_no="SF2", actor="wang", now=now)
        before = state_of(order)

        office.post(page_of(order), {f"step_{name}": "1"})

        assert state_of(order) == before and f"step_{name}" not in office.get(page_of(order)).content.decode()
