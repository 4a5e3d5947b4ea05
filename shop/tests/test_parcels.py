"""Parcels: who gets it, who carries it, under which number; found again by each of these."""

import csv
import re
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from html import unescape

import pytest
from auditlog.models import LogEntry
from django.contrib.auth.models import Permission
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.db.models import F
from django.utils import timezone

from core.audit import Actor
from core.sheets.write import sheet_write
from shop.admin.order import OrderAdmin
from shop.models import Courier, Order
from shop.order_states import Event, Note
from shop.selectors import order_search
from shop.services.order_edit import order_correct
from shop.tests.factories import (
    ORDERS,
    by_hand,
    click,
    correct,
    hidden,
    listed,
    make_order,
    make_product,
    messages,
    page_of,
    read_without_lock,
    ship,
    step,
)
from tests.kit import at_once, logged_in, meet_at

pytestmark = pytest.mark.django_db


def ask_to_ship(office, *orders, follow=False):
    data = {"press": "ship:", "_selected_action": [order.pk for order in orders]}
    return office.post(f"{ORDERS}?work=ship", data, follow=follow)


def typed(order, number, courier="顺丰速运", fee=""):
    names = "express_no", "express_company", "courier_fee"
    return {f"{name}_{order.pk}": value for name, value in zip(names, (number, courier, fee))}


def send(office, *orders, **fields):
    """Fill in the page that ships and confirm it; return what is answered."""
    return office.post(f"{ORDERS}?work=ship", hidden(ask_to_ship(office, *orders)) | fields, follow=True)


def as_shown(page):
    """What the page sends as it stands."""
    form = page.context["form"]
    return {name: form[name].value() or "" for name in form.in_table if name != "sheet"} | hidden(page)


def parcel(order):
    order.refresh_from_db()
    return order.state, order.express_company, order.express_no


NUMBER, NO_NUMBER = "SF1234567890123", "没有快递单号：请填写"
MISTAKES = [
    (("SF1", ""), "请选择快递公司"),
    ((NUMBER, ":hand"), "请选择快递公司"),
    ((NUMBER, ":later"), "请选择快递公司"),
    (("SF<1>", "顺丰速运"), "只能有字母、数字和横线"),
    (("SF1", "没有的公司"), "bo-wrong"),
    (("1" * 41, "顺丰速运"), "最多 40 位"),
    (("SF777", "顺丰速运"), "是否重复扫描"),
    *((("", courier), NO_NUMBER) for courier in ("", "顺丰速运", "圆通速递")),  # no line is shipped by silence
    ((NUMBER, "顺丰速运", "-1"), "大于或等于0"),
    ((NUMBER, "顺丰速运", "1.234"), "不超过 2 位"),
    *(((NUMBER, "顺丰速运", fee), "一个数字") for fee in ("x", "NaN")),
    ((NUMBER, "顺丰速运", "1000000"), "bo-wrong"),
    (("", ":hand", "5"), "自取、面交没有快递费"),
]


class TestShipping:
    def test_ten_parcels_of_two_couriers_leave_from_one_page(self, office, paid, li):
        product = make_product(stock=99)
        orders = [paid(product, recipient=f"收件人{n}", phone=f"1380000000{n}") for n in range(10)]
        couriers = ["顺丰速运", "圆通速递"] * 5
        fields = {}
        for n, (order, courier) in enumerate(zip(orders, couriers)):
            fields |= typed(order, f"{'sf' if courier[0] == '顺' else 'yt'} 123000000000{n}", courier)

        answer = send(office, *orders, **fields)

        assert "发货完成（10 条）" in messages(answer)[0]
        assert [parcel(order) for order in orders] == [
            ("shipped", couriers[n], f"{'SFYT'[n % 2 * 2 :][:2]}123000000000{n}") for n in range(10)
        ]
        row = li.get("/order/get_order", order_id=orders[3].order_id).json()["data"]
        assert (row["recipient"], row["express_no"], row["express_company"]) == (
            "收件人3",
            "YT1230000000003",
            couriers[3],
        )

    @pytest.mark.parametrize(("line", "problem"), MISTAKES)
    def test_a_mistake_ships_nothing_and_forgets_nothing(self, office, paid, line, problem):
        order, other = paid(address="重庆"), paid(address="南京")

        again = send(office, order, other, **typed(order, *line), **typed(other, "SF777")).content.decode()

        assert problem in again and 'value="SF777"' in again
        assert parcel(order) == parcel(other) == ("paid", "", "")

    def test_the_couriers_are_a_list_that_staff_edit_and_the_last_one_is_chosen_already(self, office, paid):
        office.post("/admin/shop/courier/add/", {"name": "校园配送", "position": "1", "is_active": "on"})
        off = Courier.objects.create(name="关门快递", is_active=False)
        order = paid(recipient="收件人7")
        text = ask_to_ship(office, order).content.decode()
        assert "校园配送" in text and off.name not in text and 'value="顺丰速运" selected' not in text
        assert "收件人7" in text

        send(office, order, **typed(order, NUMBER))

        assert 'value="顺丰速运" selected' in ask_to_ship(office, paid()).content.decode()

    def test_more_than_fit_on_one_page_are_refused(self, office, paid, monkeypatch):
        monkeypatch.setattr(OrderAdmin, "buttons", [replace(button, max_rows=2) for button in OrderAdmin.buttons])

        page = ask_to_ship(office, *(paid() for _ in range(3)), follow=True)

        assert messages(page) == ["一次最多发货 2 条，请分批进行"]

    @pytest.mark.parametrize(("number", "is_doubted"), [("SF12", True), (NUMBER, False), ("X" * 13, True)])
    def test_a_number_of_another_form_is_asked_about(self, office, paid, number, is_doubted):
        order = paid()

        page = send(office, order, **typed(order, number)).content.decode()

        assert ("不像顺丰速运的单号" in page) == is_doubted == (parcel(order)[0] == "paid")
        if is_doubted:
            assert f'name="sure_numbers" value="{number}"' in page
            send(office, order, **typed(order, number), sure_numbers=number)
            assert parcel(order) == ("shipped", "顺丰速运", number)

    def test_a_number_that_another_order_has_is_asked_about_for_ninety_days(self, office, paid):
        sent, order, same = paid(recipient="王建国"), paid(recipient="李四"), paid(recipient="王建国")
        send(office, sent, **typed(sent, NUMBER))

        page = send(office, order, **typed(order, NUMBER), sure_numbers="SF9")  # confirmed for another number

        assert (
            f"订单 {sent.order_id}（王建国）已经用这个单号发货" in page.content.decode() and parcel(order)[0] == "paid"
        )
        send(office, same, **typed(same, NUMBER))  # two orders of one person go in one parcel
        Order.objects.exclude(pk=order.pk).update(created_at=F("created_at") - timedelta(days=91))
        send(office, order, **typed(order, NUMBER))
        assert parcel(order)[0] == parcel(same)[0] == "shipped"

    def test_the_message_that_says_it_is_done_takes_it_back(self, office, paid):
        orders = [paid(), paid()]
        page = send(office, *orders, **by_hand(*orders)).content.decode()
        step = re.search(r'name="press" value="(unship:[\d,]+)"', page)[1]
        to = re.search(r'action="([^"]+)" class="bo-undo"', page)[1]

        answer = office.post(unescape(to), {"press": step}, follow=True)

        assert "撤销发货完成（2 条）" in messages(answer)[0]
        assert [parcel(order)[0] for order in orders] == ["paid", "paid"]
        assert "unship:" not in answer.content.decode()

    def test_the_receiver_is_corrected_until_the_parcel_leaves_then_its_number(self, office, paid):
        order = paid(phone="13800000001", address="重庆")
        page = page_of(order)
        receiver = {"recipient": "王小明", "phone": "13800000002", "address": "南京"}

        office.post(page, hidden(office.post(page, {"step_receiver": "1"})) | receiver)
        order.refresh_from_db()
        assert (order.recipient, order.phone, order.address) == ("王小明", "13800000002", "南京")
        assert order.logs.last().detail == "13800000001 重庆 → 王小明 13800000002 南京"

        ship(order, express_company="顺丰速运", express_no="SF1")
        assert "不能再修改收货信息" in click(office, order, "receiver", **receiver | {"address": "北京"})[-1]
        Courier.objects.all().delete()  # orders keep the name
        form = office.post(page, {"step_parcel": "1"})
        office.post(page, hidden(form) | typed(order, "SF2") | {"sure_numbers": "SF2"})

        assert 'value="SF1"' in form.content.decode()
        assert parcel(order) == ("shipped", "顺丰速运", "SF2") and order.address == "南京"
        assert order.logs.last().detail == "顺丰速运 SF1 → 顺丰速运 SF2"


class TestFees:
    """What the courier charges for the parcels of an order."""

    def test_is_typed_or_left_out_shown_exported_and_corrected_with_the_number(self, office, paid, li):
        order, other = paid(), paid()
        send(office, order, other, **typed(order, NUMBER, fee="12.5"), **typed(other, NUMBER))

        assert dict(Order.objects.values_list("pk", "courier_fee")) == {order.pk: Decimal("12.50"), other.pk: None}
        assert order.logs.last().detail == f"顺丰速运 {NUMBER} 快递费 12.50 元"
        assert "12.50 元（付给快递公司）" in office.get(page_of(order)).content.decode()
        assert "付给快递公司" not in office.get(page_of(other)).content.decode()
        head, *rows = csv.reader(office.get(f"{ORDERS}export/", {"format": "csv"}).content.decode().splitlines())
        assert sorted(row[head.index("快递费（元）")] for row in rows) == ["", "12.50"]
        assert "12.5" not in str(li.get("/order/get_order", order_id=order.order_id).json())

        change = office.post(page_of(order), {"step_parcel": "1"})
        assert "一个订单有几个包裹的，填合计" in change.content.decode() and 'value="12.50"' in change.content.decode()
        office.post(page_of(order), hidden(change) | typed(order, NUMBER, fee="0"))
        assert order.logs.last().detail == f"顺丰速运 {NUMBER} 快递费 12.50 元 → 顺丰速运 {NUMBER} 快递费 0.00 元"
        entry = LogEntry.objects.filter(object_pk=str(order.pk)).latest("pk")
        assert entry.changes["事件"][1] == "修改快递" and entry.changes["说明"][1] == order.logs.last().detail

    def test_is_filled_in_after_the_refund_of_all_too_but_the_number_stays(self, office, paid, wechat):
        order, bare, unsent = ship(paid(), express_company="顺丰速运", express_no="SF1"), ship(paid()), paid()
        for row in (order, bare, unsent):
            click(office, row, "refund", reason="破损")
        page = office.post(page_of(order), {"step_parcel": "1"})
        assert "step_parcel" in office.get(page_of(order)).content.decode()
        assert "step_parcel" not in office.get(page_of(unsent)).content.decode()

        older = office.post(page_of(order), hidden(page) | typed(order, "SF2", "圆通速递", fee="8"))
        assert "已全额退款，只能改快递费" in older.content.decode() and parcel(order)[2] == "SF1"
        fees = {f"courier_fee_{row.pk}": fee for row, fee in ((order, "8"), (bare, "7"))}
        both = ask_to_correct(office, order, bare)  # one that left without saying how does not stop the other
        office.post(ORDERS, hidden(both) | fees)
        correct(
            office,
            order,
            "parcel",
            **fees | {f"courier_fee_{order.pk}": "9"},
            **{f"express_company_{order.pk}": "圆通速递"},
        )

        assert [parcel(row)[1:] for row in (order, bare)] == [("顺丰速运", "SF1"), ("", "")]
        waiting = paid()
        told = messages(send(office, unsent, waiting, **by_hand(waiting)))  # nor does it stop what is to be sent
        assert "订单正在退款" in "".join(told) and (parcel(unsent)[0], parcel(waiting)[0]) == ("refunding", "shipped")
        assert (order.courier_fee, bare.courier_fee) == (Decimal(9), Decimal(7))
        assert order.logs.last().detail == "顺丰速运 SF1 快递费 8.00 元 → 顺丰速运 SF1 快递费 9.00 元"


def ask_to_correct(client, *orders):
    return client.post(ORDERS, {"press": "parcel:", "_selected_action": [order.pk for order in orders]})


class TestTwoWhoCorrect:
    """The page carries what it was made from: a row that only a colleague changed keeps what the colleague wrote."""

    @pytest.fixture
    def sent(self, paid):
        for n in range(3):
            ship(paid(), express_company="校园配送", express_no=f"SF10000000000{n}")
        return list(Order.objects.order_by("pk"))

    @pytest.fixture
    def wang(self, person):
        """Wang corrects an order's number and fee, now."""
        wang = person("wang", "103", is_staff=True, nickname="王老师")

        def correct(order, number, fee=None):
            fields = {"express_company": "校园配送", "express_no": number, "courier_fee": fee}
            facts = {"note": Note.PARCEL, "actor": Actor.of(wang.user), "now": timezone.now()}
            order_correct(order_id=order.order_id, **fields, **facts)

        return correct

    def values(self, *orders):
        return list(
            Order.objects.filter(pk__in=[o.pk for o in orders]).order_by("pk").values_list("express_no", "courier_fee")
        )

    def test_what_the_page_shows_unchanged_is_not_written(self, office, sent, wang):
        first, second, third = sent
        page = ask_to_correct(office, *sent)
        wang(first, "SF7", Decimal(9))
        rows = [typed(order, order.express_no, "校园配送", fee) for order, fee in zip(sent, ("", "8.5", ""))]

        answer = office.post(ORDERS, hidden(page) | rows[0] | rows[1] | rows[2], follow=True)

        unchanged, changed = messages(answer)
        assert unchanged == f"{third.order_id}、{first.order_id}：修改快递完成，没有改动（2 条）"
        assert changed == f"{second.order_id}：修改快递完成"
        assert self.values(*sent) == [("SF7", 9), (second.express_no, Decimal("8.5")), (third.express_no, None)]
        assert [order.logs.count() - first.logs.count() for order in sent] == [0, 0, -1]

    def test_what_both_changed_is_refused_with_the_name_and_both_values(self, office, sent, wang):
        first, second, _ = sent
        page = ask_to_correct(office, first, second)
        wang(first, "SF7")
        step(first, Event.RECEIVE)  # by somebody else
        rows = typed(first, "SF8", "校园配送", "3") | typed(second, "SF9", "校园配送")

        done, refused = messages(office.post(ORDERS, hidden(page) | rows, follow=True))

        assert done == f"{second.order_id}：修改快递完成"
        assert refused.startswith(f"{first.order_id}：你打开此页之后，这里改成了“校园配送 SF7”")
        assert "“校园配送 SF8 快递费 3.00 元”没有保存" in refused and "（王老师（wang） 于 " in refused
        assert refused.endswith("修改快递）") and self.values(first, second) == [("SF7", None), ("SF9", None)]

    def test_who_has_read_that_may_confirm_once_more(self, office, sent, wang):
        order = sent[0]
        page = office.post(page_of(order), {"step_parcel": "1"})
        wang(order, "SF7")
        wrong = office.post(page_of(order), hidden(page) | typed(order, "SF<8>", "校园配送"))  # tells of nothing yet

        refused = office.post(page_of(order), hidden(wrong) | typed(order, "SF8", "校园配送"))
        assert "改成了“校园配送 SF7”" in refused.content.decode() and 'value="SF8"' in refused.content.decode()
        assert self.values(order) == [("SF7", None)]
        office.post(page_of(order), hidden(refused) | typed(order, "SF8", "校园配送"))
        assert self.values(order) == [("SF8", None)]

    def test_what_has_not_left_or_has_no_number_stays_as_it_is(self, office, sent, paid):
        waiting, bare, (first, *_) = paid(), ship(paid()), sent
        session = office.session
        session["last_courier"] = "顺丰速运"
        session.save()
        page = as_shown(ask_to_correct(office, waiting, bare, first))

        answer = office.post(ORDERS, page | typed(first, "SF9", "校园配送"), follow=True)

        assert [text.rpartition("修改快递完成")[2] for text in messages(answer)] == ["，没有改动（2 条）", ""]
        assert [parcel(order) for order in (waiting, bare, first)] == [
            ("paid", "", ""),
            ("shipped", "", ""),
            ("shipped", "校园配送", "SF9"),
        ]
        gone = office.post(ORDERS, page | typed(first, "", "校园配送"))
        assert NO_NUMBER in gone.content.decode() and parcel(first)[2] == "SF9"
        unsent = office.post(ORDERS, page | typed(waiting, "SF7", "校园配送"), follow=True)
        assert "还没有发货" in "".join(messages(unsent)) and parcel(waiting) == ("paid", "", "")

    @pytest.mark.parametrize("seen", ["", "x", "other"])
    def test_a_page_that_does_not_say_what_it_showed_changes_nothing(self, office, sent, seen):
        order, other = sent[:2]
        page = hidden(ask_to_correct(office, order)) | typed(order, "SF8", "校园配送")
        page["seen"] = hidden(ask_to_correct(office, other))["seen"] if seen == "other" else seen

        assert "没有保存" in messages(office.post(ORDERS, page, follow=True))[0]
        assert self.values(order) == [(order.express_no, None)]

    @pytest.mark.parametrize(
        ("name", "column", "shown"),
        [("receiver", "recipient", "王小明"), ("invoice", "invoice_no", "24"), ("return_number", "return_no", "SF7")],
    )
    def test_so_it_is_with_all_that_staff_correct(self, office, paid, returned, name, column, shown):
        order = returned() if name == "return_number" else paid(address="重庆")
        page = office.post(page_of(order), {f"step_{name}": "1"})
        note = {"receiver": Note.RECEIVER, "invoice": Note.INVOICE, "return_number": Note.RETURN_PARCEL}[name]
        order_correct(order_id=order.order_id, note=note, actor="wang", now=timezone.now(), **{column: shown})
        step(order, Event.PREPARE) if name == "receiver" else None
        mine = {"recipient": "李四", "phone": "", "address": "重庆"} if name == "receiver" else {column: "JD1"}

        refused = office.post(page_of(order), hidden(page) | mine).content.decode()

        order.refresh_from_db()
        assert getattr(order, column) == shown and f"改成了“{shown}" in refused and f"{note.label}）" in refused


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_locked", [True, False], ids=["locked", "twin"])
def test_of_two_corrections_at_the_same_instant_one_is_told(root, paid, monkeypatch, is_locked):
    order, clients = (
        ship(paid(), express_company="校园配送", express_no="SF1"),
        [logged_in(root.user), logged_in(root.user)],
    )
    pages = [hidden(client.post(page_of(order), {"step_parcel": "1"})) for client in clients]
    if is_locked:
        meet_at(monkeypatch, "shop.services.order_edit.order_write")
    else:
        read_without_lock(monkeypatch, "order_edit")

    def correct(client, page, number):
        return lambda: client.post(page_of(order), page | typed(order, number, "校园配送")).status_code

    answers = at_once(correct(*both, number) for *both, number in zip(clients, pages, ("SF2", "SF3")))

    assert sorted(answers) == ([200, 302] if is_locked else [302, 302])  # 200 shows the page again
    assert order.logs.filter(code="parcel").count() == (1 if is_locked else 2)


class TestFillingIn:
    """Couriers' exports, and columns copied in Excel, fill in the page; nothing is sent until it is confirmed."""

    HEAD = ["序号", "客户订单号", "收件人电话", "运单号码", "快递公司"]

    @pytest.fixture
    def orders(self, paid):
        return [paid(phone=f"1381111000{n}", address=f"重庆 {n} 号") for n in range(3)]

    def fill(self, office, orders, *, rows=None, head=HEAD, name="顺丰.xlsx", **posted):
        file = rows and SimpleUploadedFile(name, sheet_write(name.rpartition(".")[2], head, rows))
        form = {"press": "ship:", "_selected_action": [order.pk for order in orders], "sure": "1", **posted}
        answer = office.post(f"{ORDERS}?work=ship", form | ({"sheet": file} if file else {}))
        return answer, answer.context["form"] if answer.context else None

    @pytest.mark.parametrize("name", ["顺丰.xlsx", "顺丰.csv"])
    def test_from_a_sheet_by_number_or_phone_and_names_what_does_not_fit(self, office, orders, paid, name):
        first, second, third = orders
        twin, masked = paid(phone=third.phone), paid(phone="13911110001")
        rows = [
            ["1", first.order_id, "", "SF1000000000001", "没有的公司"],
            ["2", "自己的编号", "138-1111-0001", "YT1000000000002", ""],
            ["3", "", third.phone, "JD3", ""],
            ["4", "", "13999999999", "JD4", ""],
            ["5", first.order_id, "", "SF5", ""],
            ["6", second.order_id, "", "", ""],
            ["7", "", "139****0001", "YT1000000000007", "德邦快递"],
        ]
        page, form = self.fill(office, [*orders, twin, masked], rows=rows, name=name, **typed(twin, "ZT9", "中通快递"))

        assert form.filled == 3
        reasons = ["2 个订单是这个电话", "不是这里的订单", "已经有单号 SF1000000000001", "没有快递单号"]
        assert len(form.problems) == len(reasons)
        for row, (problem, reason) in enumerate(zip(form.problems, reasons, strict=True), 4):
            assert problem.startswith(f"第 {row} 行") and reason in problem and problem in page.content.decode()
        values = {key: form[key].value() for order in (first, second, twin, masked) for key in typed(order, "")}
        expected = typed(first, "SF1000000000001") | typed(second, "YT1000000000002", "圆通速递")
        assert values == expected | typed(twin, "ZT9", "中通快递") | typed(masked, "YT1000000000007", "德邦快递")
        assert {parcel(order)[0] for order in orders} == {"paid"}

        page = office.post(f"{ORDERS}?work=ship", hidden(page) | values)
        text = page.content.decode()
        assert "没有快递单号：请填写" in text and "已填入" not in text and all(row in text for row in form.problems)
        again = office.post(f"{ORDERS}?work=ship", hidden(page) | values).content.decode()
        assert all(again.count(f"<li>{row}") == 1 for row in form.problems)
        office.post(
            f"{ORDERS}?work=ship", hidden(page) | values | by_hand(third) | {"sure_numbers": "YT1000000000007 ZT9"}
        )
        assert parcel(second) == ("shipped", "圆通速递", "YT1000000000002")

    @pytest.mark.parametrize(
        ("head", "text", "fee"),
        [
            ("运费", "8", "8"),
            ("快递费", "¥8.50", "8.50"),
            ("邮费", "1,208元", "1208"),
            *(
                ("邮费", text, text) for text in ("1,2", "1,299,5", "0,123", "1.5,000", "8元5", "8 9")
            ),  # each may be two amounts
            ("运费（元）", "", "3"),
            ("运费(元)", "包邮", "包邮"),
        ],
    )
    def test_takes_the_fee_where_the_sheet_has_one(self, office, orders, head, text, fee):
        order = orders[0]
        rows = [[order.order_id, "SF1000000000001", text]]
        form = self.fill(
            office, orders, rows=rows, head=["订单号", "运单号", head], **{f"courier_fee_{order.pk}": "3"}
        )[1]

        assert (form.filled, form[f"courier_fee_{order.pk}"].value()) == (1, fee)
        assert (f"courier_fee_{order.pk}" in form.errors) == (fee not in ("8", "8.50", "1208", "3"))

    def test_the_fees_of_a_couriers_bill_find_parcels_that_have_left(self, office, orders):
        first, second, third = (
            ship(order, express_company="校园配送", express_no=f"SF100000000000{n}") for n, order in enumerate(orders)
        )
        Order.objects.filter(pk=third.pk).update(no_parcel="by_hand", express_company="", express_no="")
        text = "序号\t运单号\t运费\n\tSF1000000000001\t1,209.00\n2\tsf1000000000000\t8.00\n3\tSF9\t7.00"
        asked = office.post(ORDERS, {"press": "parcel:", "_selected_action": [order.pk for order in orders]})
        page = office.post(ORDERS, as_shown(asked) | {"pasted": text})
        filled = page.context["form"]
        assert (filled.filled, len(filled.problems)) == (2, 1) and "不是这里的订单" in filled.problems[0]

        office.post(ORDERS, as_shown(page))

        fees = Order.objects.order_by("pk").values_list("courier_fee", flat=True)
        assert list(fees) == [Decimal(8), Decimal(1209), None]
        assert second.logs.last().detail.endswith("→ 校园配送 SF1000000000001 快递费 1,209.00 元")
        assert third.logs.last().code == "ship"  # nothing was changed

    def test_each_row_of_a_bill_that_cannot_be_right_is_answered_and_nothing_is_written(self, office, orders):
        for order, number in zip(orders, "123"):
            ship(order, express_company="校园配送", express_no=f"SF{number}")
        asked = office.post(ORDERS, {"press": "parcel:", "_selected_action": [order.pk for order in orders]})
        text = "运单号 运费\nSF1 8\nSF1 7\nSF2 1e9\nSF3 =1+1\nSF1 8"

        page = office.post(ORDERS, as_shown(asked) | {"pasted": text})
        again = office.post(ORDERS, as_shown(page))

        assert page.context["form"].problems == ["第 3 行 SF1 7：这个订单已经有单号 SF1 快递费 8"]
        assert set(again.context["form"].errors) == {f"courier_fee_{order.pk}" for order in orders[1:]}
        assert not Order.objects.exclude(courier_fee=None).exists()

    def test_one_parcel_for_two_people_gets_its_fee_and_another_number_and_no_third_one(self, office, orders):
        pair, third = orders[:2], orders[2]
        for order, number in zip(orders, ("SF1", "SF1", "SF3")):  # the first was confirmed then
            ship(order, express_company="校园配送", express_no=number)
        both = typed(pair[0], "SF2", "校园配送", "8") | typed(pair[1], "SF2", "校园配送")

        office.post(ORDERS, as_shown(ask_to_correct(office, *pair)) | {f"courier_fee_{pair[0].pk}": "8"})
        assert [parcel(order)[2] for order in pair] == ["SF1", "SF1"] and pair[0].courier_fee == 8
        office.post(ORDERS, as_shown(ask_to_correct(office, *pair)) | both)
        assert [parcel(order)[2] for order in pair] == ["SF2", "SF2"]

        all_three = as_shown(ask_to_correct(office, *orders)) | typed(third, "SF2", "校园配送")
        assert "是否重复扫描" in office.post(ORDERS, all_three).content.decode() and parcel(third)[2] == "SF3"

    def test_from_a_csv_that_keeps_numbers_as_text_and_shortens_a_courier(self, office, orders):
        lines = [",".join(self.HEAD), f'1,="{orders[0].order_id}",,="JX-7","极兔"']
        sheet = SimpleUploadedFile("面单.csv", "\r\n".join(lines).encode("gb18030"))
        _, form = self.fill(office, orders, sheet=sheet)

        assert {key: form[key].value() for key in typed(orders[0], "")} == typed(orders[0], "JX-7", "极兔速递")

    @pytest.mark.parametrize("text", ["{0}\t73100000000001\n{1}\tJD2", "73100000000001 {0}\r\nJD2, {1}\r\n"])
    def test_from_two_columns_in_either_order(self, office, orders, text):
        _, form = self.fill(office, orders, pasted=text.format(orders[0].order_id, orders[1].phone))

        assert (form.filled, form.problems, form["pasted"].value()) == (2, [], "")
        couriers = [form[f"express_company_{order.pk}"].value() for order in orders[:2]]
        assert couriers == ["中通快递", "京东快递"]

    def test_twenty_that_do_not_fit_are_named_and_more_are_counted(self, office, orders):
        twenty, more = (self.fill(office, orders, pasted="x SF1\n" * rows)[1].problems for rows in (20, 21))

        assert more == [*twenty, "另有 1 行没有填入"]

    def test_the_number_of_another_order_counts_more_than_the_phone(self, office, orders, paid):
        first, elsewhere = orders[0], paid(phone=orders[0].phone)
        _, copied = self.fill(office, orders, pasted=f"{first.phone} {elsewhere.order_id} SF1")
        rows = [["1", elsewhere.order_id, first.phone, "SF1", ""], ["2", first.order_id, first.phone, "SF2", ""]]
        _, sheet = self.fill(office, orders, rows=rows)

        assert "不是这里的订单" in copied.problems[0] and "不是这里的订单" in sheet.problems[0]
        assert (copied.filled, sheet.filled, sheet[f"express_no_{first.pk}"].value()) == (0, 1, "SF2")

    def test_hides_the_digits_of_a_phone(self, office, orders, person):
        clerk = person("clerk", "103", is_staff=True)
        rights = ["view_order", "ship_order"]
        clerk.user.role.permissions.set(Permission.objects.filter(codename__in=rights))
        shown = logged_in(clerk.user)

        forms = [self.fill(client, orders, pasted="13899990001 JD1")[1] for client in (office, shown)]

        assert [form.filled for form in forms] == [0, 1]  # the clerk's are compared by what the clerk sees

    def test_what_is_no_sheet_or_has_more_rows_than_a_page_can_need_is_refused(self, office, orders, monkeypatch):
        file = SimpleUploadedFile("a.xlsx", b"PK\x03\x04broken")
        page, form = self.fill(office, orders, sheet=file, **typed(orders[0], "SF1"))
        assert "已损坏" in form.problems[0] and 'value="SF1"' in page.content.decode()

        monkeypatch.setattr("core.sheets.read.MAX_SENT", 1)
        forms = [self.fill(office, orders, pasted=f"{orders[0].order_id} SF1" + more)[1] for more in ("", "\nx SF2")]
        assert (forms[0].filled, forms[1].problems) == (1, ["一次最多读 1 行，请只留需要的行"])


class TestSearch:
    @pytest.fixture
    def order(self, li):
        make_order(li.user, make_product("手套"), phone="13900000000", recipient="李四")
        order = make_order(li.user, make_product("折叠自行车"), phone="13800001234", recipient="王小明")
        Order.objects.filter(pk=order.pk).update(express_no="SF778899")
        return order

    def test_finds_what_a_caller_tells_by_indexes_and_the_newest_alone(self, office, order):
        orders = Order.objects.order_by("-pk")
        texts = ["13800001234", "138 0000 1234", "138-0000-1234", "1380000", "1234", "0001234", order.order_id]

        for text in (*texts, f" {order.order_id[-5:]} ", "王小", "自行车", "sf7788", "SF 778899"):
            assert [row.pk for row in office.get(ORDERS, {"q": text}).context["cl"].result_list] == [order.pk], text
            assert list(order_search(orders, text, limit=9)) == list(order_search(orders, text)) == [order], text

    def test_finds_by_the_buyer_within_a_work_list_and_nothing_by_anything_else(self, office, order, person, paid):
        theirs, mine = make_order(person("王大明").user), paid(phone="13800001234")

        assert listed(office, "", q="王大") == [theirs.pk]
        assert listed(office, "ship", q="13800001234") == [mine.pk]
        for text in ("%", "_" * 11, "-", "不存在", "a" * 5000, "'"):
            assert not listed(office, "", q=text), text
        assert office.get(ORDERS, {"q": "\x00"}).status_code == 200

    def test_shows_the_newest_of_many_and_says_so(self, office, order, monkeypatch):
        monkeypatch.setattr("shop.admin.order.MAX_FOUND", 2)
        newer = [make_order(order.user, make_product(f"自行车{n}"), phone="13800001234") for n in range(2)]

        page = office.get(ORDERS, {"q": "1380000"})

        assert [row.pk for row in page.context["cl"].result_list] == [row.pk for row in reversed(newer)]
        assert "超过 2 个，显示最新的 2 个" in page.content.decode()
        assert "超过 2 个" not in office.get(ORDERS, {"q": "1390000"}).content.decode()

    @pytest.mark.parametrize("text", ["1234", "13800001234", "abcdef", "王小明的弟弟"])
    def test_a_search_reads_only_indexes(self, order, text):
        with connection.cursor() as cursor:
            # For a handful of rows it would be cheaper to read the table, or to walk along the primary key.
            cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_indexscan = off")
            plan = order_search(Order.objects.order_by("-pk"), text).explain()

        indexes = ("id_", "phone", "phone_tail", "recipient", "express_no", "buyer", "tail")
        assert all(f"order_{index}" in plan for index in indexes)
        assert "Seq Scan on shop_order" not in plan


def test_an_empty_work_list_is_good_news_and_a_search_in_it_keeps_its_name(office):
    page = office.get(ORDERS, {"work": "ship"}).content.decode()
    found_nothing = office.get(ORDERS, {"work": "ship", "q": "13800001234"}).content.decode()

    assert "“待发货”都处理完了" in page and "?work=returns" in page
    assert "看全部“待发货”" in found_nothing and "都处理完了" not in found_nothing
    lists = [office.get(f"{ORDERS}{query}").context_data["cl"] for query in ("?work=ship", "?work=ship&state=paid")]
    assert [shown.has_active_filters for shown in lists] == [False, True]  # a work list is no filter to be cleared
