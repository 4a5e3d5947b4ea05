"""The accountant's daily sheet: the same numbers as the first page and the reconciliation, as page, paper and Excel."""

import io
import re
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from auditlog.models import LogEntry
from django.contrib.auth.models import Permission
from django.urls import reverse
from django.utils import timezone
from openpyxl import load_workbook

from accounts.models import User
from backoffice import daily, periods
from core.audit import StaffAction
from core.times import local
from payments.models import BillRun, Difference, Payment, Refund
from shop.models import Order, OrderLog
from shop.order_states import Event, PayStatus, State
from shop.tests.factories import make_category, make_order, make_product, ship, step

pytestmark = pytest.mark.django_db


@pytest.fixture
def books(stock):
    """The records of ``stock``, with more refunds, stray money, a bill with a difference, and orders that ended."""
    now, payment = timezone.now(), stock["payment"]
    Refund.objects.update(state="processing", accepted_at=now, amount_fen=250)
    Refund.objects.create(
        payment=payment, out_refund_no="R2", amount_fen=100, created_at=now, state="offline", offline_at=now,
        offline_by="王", offline_way="cash", offline_voucher="1",
    )  # fmt: skip
    Refund.objects.create(
        payment=payment, out_refund_no="R3", amount_fen=700, created_at=now, state="closed", accepted_at=now
    )
    facts = {"time_start": now, "time_expire": now, "created_at": now, "paid_at": now}
    Payment.objects.create(out_trade_no="STRAY", amount_fen=300, state="stray", transaction_id="4", **facts)
    Payment.objects.create(
        out_trade_no="OPEN", amount_fen=900, state="open", **{name: now for name in facts if name != "paid_at"}
    )
    Order.objects.filter(state=State.SHIPPED).update(refunded=Decimal("2.50"))
    for state in (State.CANCELLED, State.CLOSED, State.INVALID):
        order = stock["orders"][state]
        OrderLog.objects.create(order=order, at=now, actor="x", event="x", from_state=State.OPEN, to_state=state)
        OrderLog.objects.create(order=order, at=now, actor="x", event="删除", from_state=state, to_state=state)
    day = local(now).date()
    BillRun.objects.create(mch_id="1", day=day, state="done", ran_at=now, paid_fen=1550, refunded_fen=250, rows=3)
    Difference.objects.create(mch_id="1", day=day, kind="amount", out_trade_no="X", found_at=now)
    return stock


def lines(client, query=""):
    answer = client.get(reverse("daily") + query)
    table = answer.context["lines"]
    return {line.label: (line.number, "" if line.amount is None else f"{line.amount:.2f}") for line in table}


class TestNumbers:
    def test_a_day_has_the_sums_of_its_orders_and_payments(self, office, books):
        tiles = {tile.label: tile.value for tile in office.get("/admin/").context["tiles"]}
        assert (tiles["今天订单"], tiles["今天收入（元）"]) == ("13", "72.50")  # as the first page says
        assert lines(office) == {
            "下单": (13, "162.50"),
            "其中的订单收入": (None, "72.50"),
            "取消的订单": (1, ""),
            "关闭的订单": (2, ""),
            "收款": (2, "15.50"),
            "其中不属于订单的款": (1, "3.00"),
            "退款": (2, "3.50"),
            "其中线下退款": (1, "1.00"),
            "其中还没有到账": (1, "2.50"),
            "净额": (None, "12.00"),
            "微信账单的收款": (None, "15.50"),
            "这几天本地的收款": (2, "15.50"),
            "微信账单的退款": (None, "2.50"),
            "这几天本地的退款": (1, "2.50"),
            "手续费": (None, ""),
            "微信账单减手续费": (None, ""),
            "对账差异": (1, ""),
        }
        page = office.get(reverse("daily")).content.decode()
        for text in ("以前的版本核对的账单，没有记下手续费", "其中 1 处未处理", "今天还没有结束", "与账单相同"):
            assert text in page
        assert '<td class="number"></td>' not in page

    def test_know_the_fees_and_say_where_a_bill_and_the_same_days_here_differ(self, office, books, today):
        BillRun.objects.update(fee_fen=9, paid_fen=1500)
        Payment.objects.filter(out_trade_no="STRAY").update(paid_at=timezone.now() - timedelta(days=1))

        both = f"?from={today - timedelta(days=1)}&to={today}"
        assert lines(office, both)["收款"] == (2, "15.50")
        assert lines(office, both)["这几天本地的收款"] == (1, "12.50")  # the day before was not compared
        assert (lines(office)["手续费"], lines(office)["微信账单减手续费"]) == ((None, "0.09"), (None, "12.41"))
        page = office.get(reverse("daily") + both).content.decode()
        assert "与账单相差 2.50 元，见对账差异" in page and "合计" in page

    def test_belong_to_days_of_local_time(self, office, books, today):
        midnight = local(timezone.now()).replace(hour=0, minute=0, second=0, microsecond=0)
        Payment.objects.filter(out_trade_no="STRAY").update(paid_at=midnight - timedelta(seconds=1))
        Order.objects.filter(state=State.PAID).update(created_at=midnight - timedelta(seconds=1))
        yesterday = today - timedelta(days=1)

        assert (lines(office)["收款"], lines(office)["下单"][0]) == ((1, "12.50"), 12)
        before = lines(office, f"?from={yesterday}")
        assert before["微信账单"] == (None, "") and "微信账单的收款" not in before  # its bill was not compared
        assert (before["收款"], before["下单"]) == ((1, "3.00"), (1, "12.50"))
        assert before["其中的订单收入"] == (None, "12.50")
        both = lines(office, f"?from={yesterday}&to={today}")
        assert (both["收款"], both["下单"][0]) == ((2, "15.50"), 13)


class TestFees:
    """What couriers charge for the orders of some days, and of how many of them that is known."""

    @pytest.fixture
    def send(self, lbw):
        def send(day, fee, courier="顺丰速运", **parcel):
            order = make_order(lbw.user)
            paid = {"state": State.PAID, "pay_status": PayStatus.PAID, "sweep_at": None}
            Order.objects.filter(pk=order.pk).update(**paid)
            at = datetime.fromisoformat(f"{day}T12:00:00+08:00")
            fee = fee and Decimal(fee)
            return ship(order, now=at, **{"express_company": courier, "courier_fee": fee} | parcel)

        return send

    def test_stand_in_the_month_with_how_many_orders_have_one(self, office, send):
        send("2024-11-05", "12.5")
        send("2024-11-05", None)
        send("2024-11-30", "8", "中通快递")
        send("2024-11-30", None, "", no_parcel="by_hand")  # nobody charges for it
        send("2024-11-30", None, "")  # a client of the API names no courier
        back = send("2024-11-30", "99")
        step(back, Event.UNSHIP, now=back.logs.last().at)
        send("2024-10-31", "6")
        send("2024-12-01", "100")
        query = "?from=2024-11-01&to=2024-11-30"

        assert lines(office, query)["快递费"] == (2, "20.50")
        page = office.get(reverse("daily") + query).content.decode()
        assert "已填 2/4 单" in page and "快递比较" in page and "按发货的日子，自取、面交的不算" in page
        book = load_workbook(io.BytesIO(office.get(reverse("daily") + query + "&xlsx").content))
        sums = {row[0]: row for row in book["汇总"].iter_rows(values_only=True)}
        assert sums["快递费"][1:] == (2, 20.5, "已填 2/4 单，按发货时间；自取、面交的不算")
        months = {row[0]: row[1:3] for row in book["比较"].iter_rows(values_only=True)}
        assert [months[name] for name in ("寄出", "其中填了快递费", "快递费（元）")] == [(4, 1), (2, 1), (20.5, 6)]
        couriers = [row[:5] for row in book["快递比较"].iter_rows(values_only=True)]
        assert couriers[0] == (
            "项目",
            *(f"2024年11月{what}" for what in (" 单数", " 已填", "（元）")),
            "2024年10月 单数",
        )
        assert couriers[1:] == [
            *(("顺丰速运", 2, 1, 12.5, 1), ("没有写快递公司", 1, 0, 0, 0), ("中通快递", 1, 1, 8, 0)),
            ("合计", 4, 2, 20.5, 1),
        ]
        days = {str(row[0])[:10]: row[14:] for row in book["逐日"].iter_rows(values_only=True)}
        assert days["2024-11-05"] == (2, 1, 12.5) and days["2024-11-06"] == (0, 0, None)

    def test_an_order_belongs_to_the_day_on_which_it_was_sent_last(self, office, send):
        order = send("2024-11-05", "5")
        now = order.logs.last().at
        step(order, Event.UNSHIP, now=now)
        ship(order, now=now + timedelta(days=1), express_company="顺丰速运", courier_fee=Decimal(7))

        assert "快递费" not in lines(office, "?from=2024-11-05")
        assert lines(office, "?from=2024-11-06&to=2024-11-06")["快递费"] == (1, "7.00")
        assert lines(office, "?from=2024-11-05&to=2024-11-06")["快递费"] == (1, "7.00")


SPANS = {
    **dict.fromkeys(["", "?from=x&to=%00", "?from=9999-12-31&to=0001-01-01", "?to=2199-01-01"]),  # is today
    "?from=2020-01-05&to=2020-01-03": ("2020-01-03", "2020-01-05"),
    "?from=2020-01-01&to=2021-01-01": ("2020-01-02", "2021-01-01"),
    "?from=2020-01-01&to=2020-12-31": ("2020-01-01", "2020-12-31"),  # a leap year
    "?to=2020-01-03": ("2020-01-03", "2020-01-03"),
}


def test_the_days_are_cut_to_a_span(office, today):
    for query, span in SPANS.items():
        answer = office.get(reverse("daily") + query)
        days, told = answer.context["days"], re.findall("从 ([0-9-]+) 算起，不是从 ([0-9-]+)", answer.text)
        assert (str(days.first), str(days.last)) == (span or (str(today), str(today))), query
        is_cut = query == "?from=2020-01-01&to=2021-01-01"
        assert days.number <= periods.MAX_DAYS and told == ([("2020-01-02", "2020-01-01")] if is_cut else []), query
    page = office.get(reverse("daily") + "?from=2020-03-02&to=2020-03-03").content.decode()
    assert "?from=2020-02-29&amp;to=2020-03-01" in page and "?from=2020-03-04&amp;to=2020-03-05" in page
    assert "后一天" not in office.get(reverse("daily")).content.decode()


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("?from=2020-11-01&to=2020-11-30", ["?from=2020-10-01&to=2020-10-31", "?from=2020-12-01&to=2020-12-31"]),
        ("?from=2020-01-01&to=2020-03-31", ["?from=2019-10-01&to=2019-12-31", "?from=2020-04-01&to=2020-06-30"]),
        ("?from=2020-03-01&to=2020-03-01", ["?from=2020-02-29&to=2020-02-29", "?from=2020-03-02&to=2020-03-02"]),
        ("?from=2020-03-10&to=2020-03-12", ["?from=2020-03-07&to=2020-03-09", "?from=2020-03-13&to=2020-03-15"]),
    ],
)
def test_whole_months_lead_to_whole_months(office, query, expected):
    links = [link.partition("?")[2] for _, link, _ in office.get(reverse("daily") + query).context["shortcuts"]]

    assert [f"?{link}" for link in links[:2]] == expected


@pytest.mark.parametrize(
    ("now", "month", "quarter"),
    [
        ("2026-01-31", "?from=2025-12-01&to=2025-12-31", "?from=2026-01-01&to=2026-01-31"),
        ("2026-11-29", "?from=2026-10-01&to=2026-10-31", "?from=2026-10-01&to=2026-11-29"),
    ],
)
def test_last_month_and_this_quarter_are_one_click_away(office, monkeypatch, now, month, quarter):
    monkeypatch.setattr(daily.times, "now", lambda: datetime.fromisoformat(f"{now}T12:00:00+08:00"))
    shortcuts = office.get(reverse("daily")).context["shortcuts"]
    links = {label: "?" + link.partition("?")[2] for label, link, _ in shortcuts}

    assert (links["上月"], links["本季"]) == (month, quarter)
    assert links["今年"] == f"?from=2026-01-01&to={now}"
    this_month = office.get(reverse("daily") + "?" + links["本月"][1:]).context["shortcuts"]
    assert this_month[0][1].endswith(month)  # a month that is not over leads to the whole one before


def test_a_month_stands_beside_the_month_and_the_year_before(office, books):
    def at(day):
        return datetime.fromisoformat(f"{day}T12:00:00+08:00")

    Order.objects.update(created_at=at("2025-11-03"))
    Order.objects.filter(state=State.PAID).update(created_at=at("2026-11-30"))
    Payment.objects.exclude(paid_at=None).update(paid_at=at("2026-11-30"))
    Payment.objects.filter(out_trade_no="STRAY").update(paid_at=at("2026-10-31"))
    query = "?from=2026-11-01&to=2026-11-30"

    page = office.get(reverse("daily") + query).content.decode()
    book = load_workbook(io.BytesIO(office.get(reverse("daily") + query + "&xlsx").content))

    assert "比较" in page and "比较" not in office.get(reverse("daily")).content.decode()
    heads, placed, _, came, *_ = book["比较"].iter_rows(values_only=True)
    assert heads == ("项目", "2026年11月", "2026年10月", "变化", "2025年11月", "变化")
    assert placed == ("下单", 1, 0, "—", 12, "↓ 92%") and came[2:4] == (3, "↑ 317%")


def test_what_was_sold_in_a_month_stands_beside_the_months_before_by_category_and_product(office, lbw, monkeypatch):
    def sell(product, day, pieces):
        order = make_order(lbw.user, product, pieces)
        paid = {"state": State.PAID, "pay_status": PayStatus.PAID, "sweep_at": None}
        Order.objects.filter(pk=order.pk).update(paid_at=f"{day}T12:00:00+08:00", **paid)

    monkeypatch.setattr(daily, "GROUPS_SHOWN", 1)
    cars, clothes = make_category("车辆"), make_category("服装")
    bike, helmet = (make_product(name, price="100.00", stock=99, category=cars) for name in ("自行车", "头盔"))
    shirt = make_product("衬衫", price="20.00", stock=99, category=clothes)
    for sale in ((bike, "2024-11-30", 3), (helmet, "2024-11-01", 1), (bike, "2024-10-31", 2), (shirt, "2023-11-15", 5)):
        sell(*sale)
    query = reverse("daily") + "?from=2024-11-01&to=2024-11-30"

    book = load_workbook(io.BytesIO(office.get(query + "&xlsx").content))
    page, paper = ("".join(office.get(query + more).content.decode().split()) for more in ("", "&paper"))

    heads, *categories = book["类目比较"].iter_rows(values_only=True)
    assert heads == (
        *("项目", "2024年11月 件数", "2024年11月（元）", "2024年10月 件数", "2024年10月（元）", "变化"),
        *("2023年11月 件数", "2023年11月（元）", "变化"),
    )
    assert categories == [
        ("车辆", 4, 400, 2, 200, "↑ 100%", 0, 0, "—"),
        ("服装", 0, 0, 0, 0, "—", 5, 100, "↓ 100%"),
        ("合计", 4, 400, 2, 200, "↑ 100%", 5, 100, "↑ 300%"),
    ]
    products = [row[0] for row in book["商品比较"].iter_rows(values_only=True)]
    assert products == ["项目", "自行车", "头盔", "衬衫", "合计"]
    assert all("其他1种" in one and "其他2种" in one and "头盔" not in one for one in (page, paper))


class TestPaperAndExcel:
    def test_have_the_same_sums(self, office, root, books, today):
        query = f"?from={today - timedelta(days=1)}&to={today}"
        paper = office.get(reverse("daily") + query + "&paper").content.decode()
        book = load_workbook(io.BytesIO(office.get(reverse("daily") + query + "&xlsx").content))

        assert "data-print" in paper and "15.50" in paper and "root 打印" in paper
        sums = {row[0]: row[1:3] for row in book["汇总"].iter_rows(values_only=True)}
        assert sums["收款"] == (2, 15.5) and sums["净额"] == (None, 12) and sums["手续费"] == (None, None)
        heads, _, day, total = book["逐日"].iter_rows(values_only=True)
        row = dict(zip(heads, day, strict=True))
        assert (row["日期"].date(), row["收款（元）"], row["净额（元）"], row["对账"]) == (today, 15.5, 12, "已核对")
        assert (total[0], total[7], total[12]) == ("合计", "=SUBTOTAL(109,H2:H3)", None)
        paper = book["逐日"]
        assert (paper.page_setup.orientation, paper.page_setup.paperSize, paper.print_title_rows) == (
            *("landscape", 9, "$1:$1"),
        )
        assert paper.sheet_properties.pageSetUpPr.fitToPage and paper.page_setup.fitToHeight == 0
        [entry] = LogEntry.objects.filter(action=StaffAction.EXPORT)
        assert entry.actor == root.user and "日报" in entry.changes["文件"][1]

    def test_need_every_right_that_the_sheet_shows(self, staff, books):
        clerk = staff("200")
        role = User.objects.get(username="staff200").role
        needed = ["view_order", "income_order", "view_payment", "view_refund", "view_billrun", "view_difference"]
        for missing in needed:
            role.permissions.set(Permission.objects.filter(codename__in=set(needed) - {missing}))
            assert clerk.get(reverse("daily")).status_code == 403
        assert reverse("daily") not in clerk.get("/admin/").content.decode()

        role.permissions.set(Permission.objects.filter(codename__in=needed))

        page = clerk.get(reverse("daily")).content.decode()
        assert reverse("daily") in clerk.get("/admin/").content.decode()
        assert "下载 Excel" not in page and clerk.get(reverse("daily") + "?paper").status_code == 200
        assert clerk.get(reverse("daily") + "?xlsx").status_code == 403
        assert not LogEntry.objects.filter(action=StaffAction.EXPORT).exists()
