"""What staff do daily: ship, decide on returns, refund, find, print."""

import re
from contextlib import closing
from datetime import timedelta
from threading import Barrier

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone

from accounts.tests.entering import age, asks, confirm
from payments.models import Difference, Refund
from shop.models import Order, OrderLog
from shop.services.order_attention import order_remark
from shop.services.order_refund import order_return
from shop.services.order_ship import order_set_parcel, order_ship
from shop.states import ShippingStatus
from shop.tests.factories import make_order, make_paid, make_product, run_refunds
from tests.kit import at_once, logged_in

pytestmark = pytest.mark.django_db
ORDERS = "/admin/shop/order/"
PACKING = "/admin/shop/order/packing/"
NOW = timezone.now()


@pytest.fixture
def clerk(person):
    """May see orders and nothing else."""
    clerk = person("clerk", is_staff=True)
    clerk.user.role.permissions.set([Permission.objects.get(codename="view_order")])
    return logged_in(clerk.user)


@pytest.fixture
def li(person):
    return person("li").user


@pytest.fixture
def paid(li, wechat):
    """Make a paid order: ``paid(product, 2, ago=timedelta(hours=1))``."""

    def make(product=None, quantity=1, *, ago=timedelta(0), **fields):
        order = make_paid(wechat, li, product, quantity, **fields)
        Order.objects.filter(pk=order.pk).update(paid_at=timezone.now() - ago)
        order.refresh_from_db()
        return order

    return make


@pytest.fixture
def returned(paid):
    """Make an order that was shipped and that its buyer wants to give back."""

    def make(reason="破损", now=None):
        order = paid()
        facts = {"order_id": order.order_id, "now": now or timezone.now()}
        order_ship(action=ShippingStatus.SHIPPED, actor="root", **facts)
        return order_return(buyer_pk=order.user_id, actor="li", reason=reason, **facts)

    return make


def listed(client, work, **query):
    return [order.pk for order in client.get(ORDERS, {"work": work, **query}).context["cl"].result_list]


def press(client, work, name, *orders, row=None, **posted):
    """Press a button above the list for ``orders``, or the one in the row of ``row``; answer what is told."""
    value = f"{name}:{row.pk if row else ''}"
    data = {} if "action" in posted else {"press": value}
    data |= {"_selected_action": [order.pk for order in orders], "sure": "1", **posted}
    answer = client.post(f"{ORDERS}?work={work}", data, follow=True)
    return told(answer)


def told(answer):
    return [str(message) for message in answer.context["messages"]]


def state(order):
    return Order.objects.values_list("state", flat=True).get(pk=order.pk)


class TestToShip:
    def test_has_what_is_to_be_sent_the_longest_paid_first_with_all_one_packs_by(self, office, paid, returned, li):
        new = paid(make_product("自行车"), 2, phone="13800000001", address="重庆市渝中区")
        old = paid(make_product("手套"), 3, ago=timedelta(days=3))
        order_ship(order_id=new.order_id, action=ShippingStatus.PREPARING, actor="root", now=NOW)
        make_order(li)
        returned()

        page = office.get(ORDERS, {"work": "ship"}).content.decode()

        assert page.count('name="press" value="ship:"') == 2  # beside the ticked rows, too
        assert listed(office, "ship") == [old.pk, new.pk]
        assert "自行车 <b>× 2</b>" in page and "手套 <b>× 3</b>" in page
        assert "13800000001" in page and "重庆市渝中区" in page and "li" in page
        assert re.search(r'od-late">3\s日', page) and re.search(r'"">0\s分钟', page)

    def test_one_click_ships_one(self, office, paid):
        order, other = paid(), paid()

        said = press(office, "ship", "ship", other, row=order)  # what else is ticked does not matter

        assert said == [f"{order.order_id}：发货完成"]
        assert (state(order), state(other)) == ("shipped", "paid")
        assert order.logs.last().actor == "root"

    @pytest.mark.parametrize("way", [{"press": "ship:"}, {"action": "ship", "index": "0"}])
    def test_one_click_ships_the_chosen_and_tells_of_each(self, office, paid, way):
        """Django's own actions would leave out a row that has left the list, and say nothing."""
        orders = [paid() for _ in range(3)]
        order_ship(order_id=orders[2].order_id, action=ShippingStatus.SHIPPED, actor="wang", now=timezone.now())
        order_remark(order_id=orders[2].order_id, text="易碎", actor="li", now=timezone.now())

        said = press(office, "ship", "ship", *orders, **way)

        assert [state(order) for order in orders] == ["shipped"] * 3
        done, refused = sorted(said, key=lambda text: "不能" in text)
        assert orders[0].order_id in done and orders[1].order_id in done and done.endswith("发货完成（2 条）")
        assert refused.startswith(f"{orders[2].order_id}：订单已经发货，不能重复发货（wang 于 ")
        assert OrderLog.objects.filter(event="发货").count() == 3

    def test_what_takes_too_long_is_told_and_left_for_the_next_time(self, office, paid, monkeypatch):
        monkeypatch.setattr("core.admin.buttons.STOP_AFTER_S", -1)
        first, *rest = [paid(ago=timedelta(hours=hours)) for hours in (3, 2, 1)]

        done, left = press(office, "ship", "ship", first, *rest)

        assert done == f"{first.order_id}：发货完成"
        assert left == f"{rest[0].order_id}、{rest[1].order_id}：时间不够，还没有发货，请再选一次（2 条）"
        assert [state(order) for order in (first, *rest)] == ["shipped", "paid", "paid"]

    @pytest.mark.parametrize("chosen", [[], ["0"], ["x"], ["9" * 30], ["１"]])
    def test_choosing_nothing_says_so(self, office, chosen):
        answer = office.post(f"{ORDERS}?work=ship", {"press": "ship:", "_selected_action": chosen}, follow=True)

        assert told(answer) == ["没有选中任何记录"]

    def test_who_may_only_look_may_print_and_not_ship(self, clerk, paid):
        order = paid()

        page = clerk.get(ORDERS, {"work": "ship"}).content.decode()

        assert 'value="packing:' in page and 'value="ship:' not in page
        for name in ("ship", "refund", "delete_selected"):
            assert clerk.post(f"{ORDERS}?work=ship", {"press": f"{name}:{order.pk}", "sure": "1"}).status_code == 403
            assert clerk.post(f"{ORDERS}{order.pk}/change/", {f"step_{name}": "1"}).status_code == 403
        assert state(order) == "paid"


@pytest.mark.django_db(transaction=True)
class TestTwoAtTheSameInstant:
    def ship(self, order, root):
        """Have two members of staff click; answer their pages."""

        def click():
            client = logged_in(root.user)
            client.post(f"{ORDERS}?work=ship", {"press": f"ship:{order.pk}", "sure": "1"})
            return client.get(ORDERS).content.decode()

        return at_once([click] * 2)

    def test_one_ships_and_the_other_is_told(self, root, paid):
        order = paid()

        pages = self.ship(order, root)

        assert sum(f"{order.order_id}：发货完成" in page for page in pages) == 1
        refused = f"{order.order_id}：订单已经发货，不能重复发货（王者管理员（root） 于"
        assert sum(refused in page for page in pages) == 1
        assert OrderLog.objects.filter(order=order, event="发货").count() == 1

    def test_without_the_lock_both_would(self, root, paid, monkeypatch):
        order, both_have_read = paid(), Barrier(2)

        def read(*, order_id, buyer_pk):
            found = Order.objects.get(order_id=order_id)
            both_have_read.wait(30)
            return found

        monkeypatch.setattr("shop.services.order_ship.order_lock", read)
        self.ship(order, root)

        assert OrderLog.objects.filter(order=order, event="发货").count() == 2


def hidden(page):
    """What the page that asks sends when it is confirmed."""
    fields = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page.content.decode())
    return {name: [value for other, value in fields if other == name] for name, _ in fields}


class TestAsks:
    @pytest.mark.parametrize("name", ["ship", "refund"])
    def test_before_it_acts_saying_what_and_how_much(self, office, paid, name):
        order = paid(make_product("自行车", price="9.90"), 2)
        address = f"{ORDERS}{order.pk}/change/"

        asked = office.post(address, {f"step_{name}": "1"})

        text = asked.content.decode()
        assert "1 个订单，共 19.80 元" in text and "自行车" in text and order.order_id in text
        assert (state(order), order.logs.last().event) == ("paid", "付款")
        office.post(address, hidden(asked))
        assert state(order) == {"ship": "shipped", "refund": "refunding"}[name]
        other = paid()
        office.post(f"{ORDERS}?work=ship", {"press": f"prepare:{other.pk}"})  # it can be undone: nothing is asked
        assert state(other) == "preparing"

    def test_confirmed_it_acts_on_what_was_shown_and_on_nothing_that_came_since(self, office, paid):
        shown = paid()
        everything = {"action": "ship", "index": "0", "select_across": "1", "_selected_action": [shown.pk]}
        asked = office.post(f"{ORDERS}?work=ship", everything)
        later = paid()

        office.post(f"{ORDERS}?work=ship", hidden(asked))

        assert (state(shown), state(later)) == ("shipped", "paid")

    @pytest.mark.parametrize(
        ("name", "place"), [("refund", "the list"), ("refund", "its page"), ("approve", "the list")]
    )
    def test_for_the_password_again_where_money_goes_out(self, office, paid, returned, name, place):
        order = returned() if name == "approve" else paid()
        age(office, 2)
        address = f"{ORDERS}{order.pk}/change/" if place == "its page" else f"{ORDERS}?work=ship"
        sent = {f"step_{name}": "1"} if place == "its page" else {"press": f"{name}:{order.pk}"}

        question = office.post(address, sent)
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

        said = press(office, "returns", "approve", row=order)
        assert said == [f"{order.order_id}：同意退货并退款已提交，款项将原路退回，进度见“退款处理”"]
        pages = [f"{ORDERS}?work=refunds", f"{ORDERS}{order.pk}/change/"]
        texts = [office.get(page).content.decode() for page in pages]
        assert "待提交" in texts[0] and all("moving.js" in text for text in texts)  # they show what changes
        wechat.is_down = True
        run_refunds()
        assert "ConnectionError" in office.get(ORDERS, {"work": "refunds"}).content.decode()  # and it is tried again

        wechat.is_down = False
        run_refunds()
        page = office.get(ORDERS, {"work": "refunds"}).content.decode()
        assert "退款失败" in page and f"{order.order_id}R01" in page and f'value="refund_again:{order.pk}"' in page
        assert "微信拒绝了这笔退款：NOTENOUGH" in page

        wechat.is_out_of_money = False
        press(office, "refunds", "refund_again", row=order)
        assert f'value="refund_again:{order.pk}"' not in office.get(ORDERS, {"work": "refunds"}).content.decode()
        run_refunds()

        assert (state(order), listed(office, "refunds")) == ("refunded", [])
        assert not any("moving.js" in office.get(page).content.decode() for page in pages)
        assert Refund.objects.count() == 1

    def test_an_abnormal_refund_comes_first_and_leads_whoever_may_open_it_to_its_page(
        self, office, clerk, returned, wechat
    ):
        under_way, order = returned(), returned()
        wechat.refunds_turn_out("ABNORMAL")
        press(office, "returns", "approve", row=order)
        run_refunds()
        refund = Refund.objects.get()
        facts = {"mch_id": "1", "day": NOW.date(), "kind": "amount", "found_at": NOW}
        Difference.objects.create(out_trade_no=order.order_id, **facts)
        press(office, "returns", "approve", row=under_way)

        assert listed(office, "refunds") == [order.pk, under_way.pk]
        for page in (f"{ORDERS}?work=refunds", f"{ORDERS}?work=trouble", f"{ORDERS}{order.pk}/change/"):
            shown, closed = (client.get(page).content.decode() for client in (office, clerk))
            assert f'href="/admin/payments/refund/{refund.pk}/change/"' in shown
            assert "/admin/payments/" not in closed and "选择怎样退款" not in closed
            assert all("账户可能已注销或冻结" in text for text in (shown, closed))
            assert ("金额不同" in shown) == ("金额不同" in closed) == ("trouble" in page)
            assert (">选择怎样退款</a>" in shown) == ("trouble" not in page)
            assert f"refund_again:{order.pk}" not in shown and "step_refund_again" not in shown
        assert press(office, "refunds", "refund_again", row=order)[0].startswith(f"{order.order_id}：微信退不到原账户")

    def test_an_abnormal_refund_ends_on_its_page(self, office, returned, wechat):
        order = returned()
        wechat.refunds_turn_out("ABNORMAL")
        press(office, "returns", "approve", row=order)
        run_refunds()
        refund = Refund.objects.get()
        Refund.objects.update(sent_at=refund.sent_at - timedelta(days=2))
        page = f"/admin/payments/refund/{refund.pk}/change/"
        shown = office.get(page).content.decode()
        assert all(f"step_{name}" in shown for name in ("to_merchant", "to_card", "offline", "ask"))
        assert not any(f"step_{name}" in shown for name in ("retry", "renew", "run_now"))

        asked = office.post(page, {"step_offline": "1"}).content.decode()
        assert "账户可能已注销或冻结" in asked and 'name="voucher"' in asked
        said = {"step_offline": "1", "sure": "1", "way": "bank", "voucher": ""}
        again = office.post(page, said).content.decode()
        assert 'name="voucher"' in again and "bo-wrong" in again and Refund.objects.get().state == "abnormal"
        done = office.post(page, said | {"voucher": "BANK-778", "is_sure": "on"}, follow=True).content.decode()

        assert "：已线下退款，银行转账 凭证号 BANK-778" in done
        refund.refresh_from_db()
        assert (refund.state, refund.offline_by, state(order)) == ("offline", "root", "refunded")
        assert order.logs.order_by("pk").last().actor == "root"

    @pytest.mark.parametrize("work", ["ship", "returns", "refunds"])
    def test_asks_as_much_for_many_as_for_one(self, office, paid, returned, work, django_assert_num_queries):
        for _ in range(3):
            order = paid() if work == "ship" else returned()
            if work == "refunds":
                press(office, "returns", "approve", row=order)
        office.get(ORDERS, {"work": work})

        # Session, user; how many, the orders, their lines or refunds; the tabs, the kept filters, the couriers.
        with django_assert_num_queries(8):
            office.get(ORDERS, {"work": work})


class TestPacking:
    def test_sums_up_what_to_fetch_then_one_block_an_order(self, office, paid):
        product, other = make_product("自行车"), make_product("手套")
        facts = {"phone": "13800000001", "address": "重庆", "recipient": "王小明"}
        orders = [paid(product, 2, **facts), paid(product, 3), paid(other, 1)]

        page = office.get(PACKING, {"ids": ",".join(str(order.pk) for order in orders)})

        picks = [(pick.title, pick.pieces, pick.orders) for pick in page.context["picks"]]
        text = page.content.decode()
        assert picks == [("自行车", 5, 2), ("手套", 1, 1)]
        assert text.count("<article") == 3 and text.index("拣货汇总") < text.index("<article")
        assert text.count('src="data:image/svg+xml') == 3
        assert all(part in text for part in (*facts.values(), *(order.order_id for order in orders)))
        assert not re.findall(r'(?:src|href)="(?:https?:)?//', text)
        for address in re.findall(r'(?:src|href)="(/static/[^"]+)', text):
            with closing(office.get(address)) as answer:
                assert answer.status_code == 200

    def test_marks_what_is_not_to_be_sent_and_its_button_ships_the_rest(self, office, paid, returned):
        to_ship, back = paid(make_product("自行车")), returned()

        page = office.get(PACKING, {"ids": f"{to_ship.pk},{back.pk}"})

        assert [pick.title for pick in page.context["picks"]] == ["自行车"]
        assert page.content.decode().count("不要发货") == 1
        to = re.search(r'method="post" action="([^"]+)"', page.content.decode())[1]
        chosen = re.findall(r'name="_selected_action" value="(\d+)"', page.content.decode())
        assert chosen == [str(to_ship.pk)]
        office.post(to, hidden(office.post(to, {"press": "ship:", "_selected_action": chosen})))
        assert state(to_ship) == "shipped"

    @pytest.mark.parametrize("data", [{"press": "packing:"}, {"action": "packing", "index": "0"}])
    def test_is_reached_from_the_chosen_rows(self, clerk, paid, data):
        order = paid()

        answer = clerk.post(f"{ORDERS}?work=ship", data | {"_selected_action": [order.pk]})

        assert answer.headers["Location"] == f"{PACKING}?ids={order.pk}"
        page = clerk.get(f"{ORDERS}{order.pk}/change/").content.decode()
        link = re.search(rf'href="({ORDERS}{order.pk}/packing/)"', page)[1]
        assert order.order_id in clerk.get(link, follow=True).content.decode()

    @pytest.mark.parametrize("ids", [None, "", "0", "x,y", "9" * 40, "1;2", "\x00", "{0},{1}"])
    def test_of_nothing_or_too_much_leads_back(self, office, paid, monkeypatch, ids):
        monkeypatch.setattr("shop.admin.packing.MAX_PRINTED", 1)
        pks = [paid().pk, paid().pk]

        answer = office.get(PACKING, {} if ids is None else {"ids": ids.format(*pks)}, follow=True)

        assert told(answer)[0] in ("没有选中任何订单", "一次最多打印 1 个订单，请分批进行")

    def test_is_for_those_who_may_see_orders(self, person, paid):
        order = paid(phone="13800000001")
        staff = person("zhao", "103", is_staff=True)

        for client in (logged_in(staff.user), Client()):
            for address in (f"{PACKING}?ids={order.pk}", f"{ORDERS}{order.pk}/packing/"):
                answer = client.get(address, follow=True)
                assert "13800000001" not in answer.content.decode()
            assert client.post(ORDERS, {"press": f"packing:{order.pk}"}).status_code in (302, 403)
        assert logged_in(staff.user).get(PACKING, {"ids": order.pk}).status_code == 403


class TestUndo:
    """A parcel that was sent or received by mistake is taken back while nothing followed."""

    def test_of_a_receipt_then_of_the_parcel(self, office, paid, li):
        order = paid()
        facts = {"express_company": "顺丰速运", "express_no": "SF1", "actor": "wang", "now": timezone.now()}
        order_ship(order_id=order.order_id, action=ShippingStatus.SHIPPED, **facts)
        page = f"{ORDERS}{order.pk}/change/"
        text = office.get(page).content.decode()
        quiet = re.findall(r'<button[^>]*name="step_(\w+)"[^>]*data-quiet[^>]*>', text)
        assert set(quiet) == {"receive", "unship", "flag", "parcel"}  # what is rarely next is not the blue button

        office.post(page, {"step_receive": "1"})
        assert state(order) == "shipped"
        office.post(page, {"step_receive": "1", "sure": "1"})
        assert state(order) == "received"
        office.post(page, {"step_unreceive": "1"})
        assert state(order) == "shipped" and "step_unship" not in office.get(page).content.decode()

        other = paid()
        order_ship(order_id=other.order_id, action=ShippingStatus.SHIPPED, **facts)
        press(office, "ship", "unship", other)
        other.refresh_from_db()
        assert (other.state, other.shiping_status, other.holds_stock, other.express_no) == ("paid", 0, True, "")

    @pytest.mark.parametrize("late", [timedelta(minutes=10), timedelta()])
    @pytest.mark.parametrize("name", ["unship", "unreceive"])
    def test_is_refused_once_ten_minutes_are_over_or_something_followed(self, office, paid, name, late):
        order, now = paid(), timezone.now()
        for action in (ShippingStatus.SHIPPED, ShippingStatus.RECEIVED)[: 1 + (name == "unreceive")]:
            order_ship(order_id=order.order_id, action=action, actor="wang", now=now - late)
        if not late:
            order_set_parcel(order_id=order.order_id, express_company="", express_no="", actor="wang", now=now)
        before, page = state(order), f"{ORDERS}{order.pk}/change/"

        office.post(page, {f"step_{name}": "1"})

        assert state(order) == before and f"step_{name}" not in office.get(page).content.decode()
