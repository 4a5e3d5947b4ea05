"""What staff tell each other about orders, and how they look at the list: tabs and filters."""

from datetime import date, timedelta

import pytest
from auditlog.models import LogEntry
from django.utils import timezone

from core.times import local
from payments.models import Difference
from shop.models import Order, PartRefund
from shop.order_states import STATUSES, OrderAction, State
from shop.services.order_edit import order_flag, order_unflag
from shop.tests.factories import (
    ORDERS,
    click,
    correct,
    hidden,
    listed,
    make_order,
    make_product,
    messages,
    page_of,
    read_without_lock,
)
from tests.kit import at_once, logged_in, meet_at

pytestmark = pytest.mark.django_db


@pytest.fixture
def order(li):
    return make_order(li.user)


def flag(client, order, reason="买家说没有收到"):
    return click(client, order, "flag", reason=reason)


def unflag(client, order, reason="已经送到"):
    return correct(client, order, "unflag", reason=reason)


class TestTheReasonOfAReturn:
    def test_stands_on_the_page_and_where_one_decides(self, office, returned):
        order = returned("屏幕<b>碎了")

        page = office.get(page_of(order)).content.decode()
        approving = office.post(page_of(order), {"step_approve_now": "1"}).content.decode()
        rejecting = office.post(f"{ORDERS}?work=returns", {"press": f"reject:{order.pk}"}).content.decode()
        part = office.post(page_of(order), {"step_refund_part": "1"}).content.decode()

        assert "买家申请退货" in page
        for text in (page, approving, rejecting, part, office.get(ORDERS, {"work": "returns"}).content.decode()):
            assert "屏幕&lt;b&gt;碎了" in text and "<b>碎了" not in text
        assert "没有写明" in office.get(page_of(returned(""))).content.decode()
        click(office, order, "reject", reason="已拆封")
        assert "买家申请退货" not in office.get(page_of(order)).content.decode()


class TestRemarks:
    def test_stay_with_who_and_when_for_all_who_may_look_and_run_nothing(self, office, clerk, order):
        click(office, order, "remark", text="第一条")
        click(office, order, "remark", text="<script>alert(1)</script>\n电话没人接")

        page = office.get(page_of(order)).content.decode()

        first, second = order.logs.filter(code="remark")
        assert (first.actor, first.detail) == ("root", "第一条")
        assert second.detail.endswith("\n电话没人接") and page.count("电话没人接") >= 1
        assert "<script>alert" not in page and "&lt;script&gt;" in page
        read_only = clerk("view").get(page_of(order)).content.decode()
        assert "电话没人接" in read_only and "step_remark" not in read_only and "step_flag" not in read_only
        entries = LogEntry.objects.filter(action=OrderAction.ORDER, object_pk=str(order.pk))
        assert [entry.changes["说明"][1] for entry in entries.order_by("pk")] == [first.detail, second.detail]

    def test_that_say_nothing_or_too_much_are_asked_for_again(self, office, order):
        for text in ("", "  ", "a\x00b", "长" * 501):
            answer = office.post(page_of(order), {"step_remark": "1", "sure": "1", "text": text})
            assert "bo-wrong" in answer.content.decode()
        assert not order.logs.filter(code="remark").exists()


class TestTheFlag:
    def test_is_set_and_cleared_with_its_reasons(self, office, order):
        assert flag(office, order) == [f"{order.order_id}：标记需关注完成"]
        order.refresh_from_db()
        assert (order.flagged_by, order.flag_reason) == ("root", "买家说没有收到")
        assert "买家说没有收到" in office.get(page_of(order)).content.decode()
        assert "买家说没有收到" in office.get(ORDERS).content.decode()
        assert [row.pk for row in office.get(ORDERS, {"flagged": "1"}).context["cl"].result_list] == [order.pk]
        page = office.post(ORDERS, {"press": f"close:{order.pk}"}).content.decode()
        assert "买家说没有收到" in page  # also before anything is done

        assert unflag(office, order) == [f"{order.order_id}：取消关注完成"]

        order.refresh_from_db()
        assert (order.flagged_at, order.flagged_by, order.flag_reason) == (None, "", "")
        assert listed(office, "trouble") == []
        entries = LogEntry.objects.filter(action=OrderAction.ORDER).order_by("pk")
        assert [entry.changes["事件"][1] for entry in entries] == ["标记需关注", "取消关注"]
        assert entries[1].changes["说明"][1] == "已经送到（原因是：买家说没有收到）"

    def test_needs_a_reason_both_ways_and_is_not_cleared_unread(self, office, order):
        assert flag(office, order, "") == [] and not Order.objects.get().flagged_at
        flag(office, order)
        asked = hidden(office.post(page_of(order), {"step_unflag": "1"}))
        assert "订单已经标记需关注：买家说没有收到" in flag(office, order, "另一个原因")[0]
        assert unflag(office, order, " ") == [] and Order.objects.get().flagged_at
        facts = {"order_id": order.order_id, "actor": "wang", "now": timezone.now()}
        order_unflag(reason="好了", seen={"flag_reason": "买家说没有收到"}, **facts)
        order_flag(reason="第二个原因", **facts)  # by a colleague

        for page in (asked, asked | {"seen": ""}):
            refused = office.post(page_of(order), page | {"reason": "好了"})
            assert "关注的原因已经变了：第二个原因" in messages(refused)[0]

        order.refresh_from_db()
        assert order.flag_reason == "第二个原因"


class TestTheInvoice:
    def test_is_a_number_that_lists_filter_and_files_have(self, office, paid, order):
        sold, other = paid(), paid()

        assert correct(office, sold, "invoice", invoice_no="24312000000012345678") == [f"{sold.order_id}：发票完成"]

        assert "24312000000012345678" in office.get(page_of(sold)).content.decode()
        assert sold.logs.last().detail == "没有 → 24312000000012345678"
        for value, rows in (("yes", [sold]), ("no", [other]), ("x", [other, sold, order])):
            assert [*office.get(ORDERS, {"invoiced": value}).context["cl"].result_list] == rows
        lines = office.get(f"{ORDERS}export/", {"format": "csv", "invoiced": "yes"}).content.decode().splitlines()
        assert len(lines) == 2 and "24312000000012345678" in lines[1]
        correct(office, sold, "invoice", invoice_no="")
        assert not Order.objects.exclude(invoice_no="").exists()
        assert "订单没有付款" in click(office, order, "invoice", invoice_no="1")[0]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_locked", [True, False], ids=["locked", "twin"])
def test_of_two_at_the_same_instant_one_flags_and_one_clears(root, order, monkeypatch, is_locked):
    def both(name, **typed):
        """Have two members of staff press a button; count the pages that tell them that it is done."""

        def one():
            client = logged_in(root.user)
            client.post(page_of(order), {f"step_{name}": "1", "sure": "1", **typed})
            return f"{order.order_id}：{text}完成" in client.get(ORDERS).content.decode()

        text = {"flag": "标记需关注", "unflag": "取消关注"}[name]
        return sum(at_once([one] * 2))

    if is_locked:
        meet_at(monkeypatch, "shop.services.order_edit.flag_write")
    else:
        read_without_lock(monkeypatch, "order_edit")
    assert both("flag", reason="没有收到") == order.logs.filter(code="flag").count() == (1 if is_locked else 2)

    if is_locked:
        meet_at(monkeypatch, "shop.services.order_edit.order_write")
        asked = hidden(logged_in(root.user).post(page_of(order), {"step_unflag": "1"}))
        assert both("unflag", **asked, reason="好了") == 1
        assert [log.code for log in order.logs.order_by("pk")][1:] == ["flag", "unflag"]


class TestTrouble:
    def test_is_a_flag_a_refund_that_failed_or_a_difference_and_nothing_else(self, office, li):
        flagged, failed, stuck, differs, settled, fine = [make_order(li.user) for _ in range(6)]
        flag(office, flagged)
        for order, state in ((failed, State.REFUND_FAILED), (stuck, State.SHIPPED), (fine, State.REFUNDING)):
            Order.objects.filter(pk=order.pk).update(state=state, sweep_at=None, **STATUSES[state].numbers)
        Order.objects.filter(pk=stuck.pk).update(part_refund=PartRefund.STUCK)
        facts = {"mch_id": "1", "day": date(2026, 11, 1), "kind": "amount", "found_at": timezone.now()}
        Difference.objects.create(out_trade_no=differs.order_id, **facts)
        ended = {"ending": "gone", "ended_at": timezone.now()}
        Difference.objects.create(out_trade_no=settled.order_id, **facts | ended)

        page = office.get(ORDERS, {"work": "trouble"})

        assert [row.pk for row in page.context["cl"].result_list] == [
            one.pk for one in (flagged, failed, stuck, differs)
        ]
        text = page.content.decode()
        assert text.count("退款异常</b>") == 2 and "对账差异" in text and "金额不同" in text
        assert f'value="unflag:{flagged.pk}"' in text and f'value="unflag:{failed.pk}"' not in text


def test_tabs_say_how_many_wait_up_to_a_bound(office, returned, paid, monkeypatch):
    monkeypatch.setattr("shop.admin.order_list.MAX_SHOWN", 2)
    returned()
    for _ in range(3):
        paid()

    page = office.get(ORDERS)

    counts = {name: str(count) for name, _, count in page.context["tabs"]}
    assert counts == {"ship": "2+", "returns": "1", "refunds": "0", "trouble": "0"}
    text = "".join(page.content.decode().split())
    assert '待发货<bclass="od-count">2+</b>' in text and "异常</a>" in text


# --- The bar of filters ---------------------------------------------------------------------------
def test_each_field_of_the_bar_filters(office, li, person):
    today, old = local(timezone.now()).date(), timezone.now() - timedelta(days=40)
    first, second = (
        make_order(person("wang").user, make_product("台灯")),
        make_order(li.user, make_product("折叠自行车")),
    )
    Order.objects.filter(pk=first.pk).update(created_at=old, express_company="顺丰速运", express_no="SF1")

    for query, orders in {
        f"created_at_from={today}&created_at_to={today}": [second],
        "product=自行车": [second],
        "username__startswith=wan": [first],
        "express_company__exact=顺丰速运": [first],
        "state__exact=open&flagged=": [second, first],
        "state__exact=&product=&username__startswith=": [second, first],
        "state__exact=paid": [],
    }.items():
        page = office.get(f"{ORDERS}?{query}", follow=True)
        assert list(page.context["cl"].result_list) == orders, query
    page = office.get(f"{ORDERS}?username__startswith=li&q=x").content.decode()  # a day is one click
    assert f'href="?q=x&amp;username__startswith=li&amp;created_at_from={today}&amp;created_at_to={today}"' in page
    assert 'href="?q=x">清除' in page
    blank = office.get(f"{ORDERS}?state__exact=&product=&flagged=").content.decode()
    assert "导出 Excel" in blank and "清除</a>" not in blank
