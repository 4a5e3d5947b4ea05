"""The accountant's daily sheet: what was ordered, what came in and went back, and what WeChat Pay's bill says.

Every number comes from ``shop.revenue`` or ``payments.figures``, so that it is the one that other pages show.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from functools import partial
from typing import Any, NamedTuple

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from backoffice.navigation import may_see_daily
from backoffice.periods import Days, change_text, days_asked
from core import times
from core.admin.listing import admin_of
from core.admin.password import require_password
from core.admin.tables import table
from core.audit import StaffAction, action_record
from core.money import fen_to_yuan, yuan_text
from core.sheets.write import Page, book_write, download
from core.times import format_office_time, local
from payments.figures import BillDay, MoneyDay, bill_days, money_days
from shop.revenue import OrderSums, courier_fees, order_days_between, products_sold

_NO_FEES = "其中有以前的版本核对的账单，没有记下手续费；在“对账记录”里重新核对就有"
_DAY_TITLES = (
    *("日期", "下单", "下单金额（元）", "订单收入（元）", "取消", "关闭", "收款笔数", "收款（元）"),
    *("退款笔数", "退款（元）", "净额（元）", "手续费（元）", "对账", "未处理差异"),
    *("寄出", "其中填了快递费", "快递费（元）"),
)
_SUMS = [*range(1, 12), *range(13, 17)]  # the columns that are added up


class Line(NamedTuple):
    """One line of the sheet. ``amount`` is in yuan. ``number`` or ``amount`` is None where it would mean nothing."""

    label: str
    number: int | None
    amount: Decimal | None
    hint: str = ""


# What is compared with the days before and the year before.
_COMPARED: dict[str, Callable[["Sheet"], Any]] = {
    "下单": lambda sheet: sheet.order.placed,
    "订单收入（元）": lambda sheet: sheet.order.revenue,
    "收款（元）": lambda sheet: fen_to_yuan(sheet.money.paid_fen),
    "退款（元）": lambda sheet: fen_to_yuan(sheet.money.back_fen),
    "净额（元）": lambda sheet: fen_to_yuan(sheet.money.net_fen),
    "寄出": lambda sheet: sheet.order.sent,
    "其中填了快递费": lambda sheet: sheet.order.with_fee,
    "快递费（元）": lambda sheet: sheet.order.fees,
}
_BY_PAYMENT = "按付款的日子，不含已退的商品"
# By what else whole months are compared: a title with what is counted and the units of the numbers, the last of which
# is money.
_GROUPED_BY: dict[str, tuple[str, Sequence[str], Callable[..., Sequence[Sequence[Any]]]]] = {
    "类目比较": (_BY_PAYMENT, (" 件数", "（元）"), partial(products_sold, "category")),
    "商品比较": (_BY_PAYMENT, (" 件数", "（元）"), partial(products_sold, "product")),
    "快递比较": ("按发货的日子，自取、面交的不算", (" 单数", " 已填", "（元）"), courier_fees),
}
Groups = dict[str, Sequence[Sequence[Any]]]  # by their names, for each span its numbers
GROUPS_SHOWN = 20  # categories or products on the page and on paper; the workbook has all


class Sheet:
    """The figures of some days, oldest first, and their sums."""

    def __init__(self, days: Days) -> None:
        self.days, span = days, (days.first, days.last)
        orders, money, bills = order_days_between(*span), money_days(*span), bill_days(*span)
        self.figures = [
            (orders.get(day, OrderSums()), money.get(day, MoneyDay()), bills.get(day, BillDay())) for day in days.all
        ]
        self.order: OrderSums = sum((order for order, _, _ in self.figures), OrderSums())
        self.money: MoneyDay = sum((money for _, money, _ in self.figures), MoneyDay())
        self.bill: BillDay = sum((bill for _, _, bill in self.figures), BillDay())

    def lines(self) -> Iterator[Line]:
        order, money, bill = self.order, self.money, self.bill
        yield Line("下单", order.placed, order.amount, "按下单时间，包括后来没有付款的")
        yield Line(
            "其中的订单收入", None, order.revenue, "这些订单里已付款、没有全额退款的，减去部分退款；与首页的收入相同"
        )
        yield Line("取消的订单", order.cancelled, None, "买家取消，按取消的时间")
        yield Line("关闭的订单", order.closed, None, "超时未付、员工关闭或作废，按关闭的时间")
        yield Line("收款", money.paid, fen_to_yuan(money.paid_fen), "按支付时间")
        if money.strays:
            hint = "没有相符的订单，包括在收款里，全部要退回"
            yield Line("其中不属于订单的款", money.strays, fen_to_yuan(money.stray_fen), hint)
        yield Line(
            "退款", money.refunds + money.offline, fen_to_yuan(money.back_fen), "按微信受理退款、登记线下退款的时间"
        )
        if money.offline:
            yield Line("其中线下退款", money.offline, fen_to_yuan(money.offline_fen), "没有经过微信支付")
        if money.waiting:
            hint = "包括在退款里：微信已受理，买家还没有收到"
            yield Line("其中还没有到账", money.waiting, fen_to_yuan(money.waiting_fen), hint)
        yield Line("净额", None, fen_to_yuan(money.net_fen), "收款减退款")
        if order.sent:
            hint = f"已填 {order.with_fee}/{order.sent} 单，按发货时间；自取、面交的不算"
            yield Line("快递费", order.with_fee, order.fees if order.with_fee else None, hint)
        if not bill.compared:
            yield Line("微信账单", None, None, "还没有核对：每天的账单第二天 10 点以后才有")
            return
        compared = [money for _, money, bill in self.figures if bill.is_compared]
        ours = sum(compared, MoneyDay())
        foreign = f"；账单里有 {bill.foreign} 笔属于用同一商户号的其他系统" if bill.foreign else ""
        about = f"{self.days.number} 天里核对了 {len(compared)} 天{foreign}"
        yield Line("微信账单的收款", None, fen_to_yuan(bill.paid_fen), about)
        yield Line("这几天本地的收款", ours.paid, fen_to_yuan(ours.paid_fen), _compared(bill.paid_fen, ours.paid_fen))
        yield Line("微信账单的退款", None, fen_to_yuan(bill.refunded_fen), "按受理时间，不含线下退款和微信退款失败的")
        hint = _compared(bill.refunded_fen, ours.refunded_fen)
        yield Line("这几天本地的退款", ours.refunds, fen_to_yuan(ours.refunded_fen), hint)
        fee = None if bill.feeless else fen_to_yuan(bill.fee_fen)
        yield Line("手续费", None, fee, _NO_FEES if bill.feeless else "微信账单里的，减去随退款退回的")
        net = None if fee is None else fen_to_yuan(bill.paid_fen - bill.refunded_fen - bill.fee_fen)
        yield Line("微信账单减手续费", None, net, "账单的收款减退款减手续费：这几天进商户账户的钱")
        yield Line("对账差异", bill.differences, None, f"其中 {bill.open} 处未处理")

    def rows(self) -> Iterator[list[Any]]:
        for day, (order, money, bill) in zip(self.days.all, self.figures, strict=True):
            yield [
                *(day, order.placed, order.amount, order.revenue, order.cancelled, order.closed),
                *(money.paid, fen_to_yuan(money.paid_fen)),
                *(money.refunds + money.offline, fen_to_yuan(money.back_fen), fen_to_yuan(money.net_fen)),
                fen_to_yuan(bill.fee_fen) if bill.compared and not bill.feeless else None,
                *(bill.state, bill.open),
                *(order.sent, order.with_fee, order.fees if order.with_fee else None),
            ]

    def sums(self) -> list[Any]:
        """Return the last line of the table of days: the sum of each column of numbers."""
        columns = [[value for value in column if value is not None] for column in zip(*self.rows(), strict=True)]
        sums = [sum(values[1:], values[0]) if at in _SUMS and values else "" for at, values in enumerate(columns)]
        return ["合计", *sums[1:]]


def daily_page(request: HttpRequest) -> HttpResponse:
    """Show, print or send the sheet.

    :raises PermissionDenied: the user may not see orders, their income, payments, refunds and bills, or may not export.
    """
    if not may_see_daily(request):
        raise PermissionDenied
    may_export = admin_of("payments.payment").may_export(request)
    now = local(times.now())
    days = days_asked(request, now.date(), default=now.date())
    sheet = Sheet(days)
    if "xlsx" in request.GET:
        if not may_export:
            raise PermissionDenied
        require_password(request, is_download=True)
        name = f"日报-{days.title.replace(' ', '')}.xlsx"
        action_record(request.user, StaffAction.EXPORT, {"文件": name})
        return download(name, _book(sheet))
    context = admin.site.each_context(request) | {
        "title": f"日报 {days.title}",
        "days": days,
        "lines": list(sheet.lines()),
        "compared": [
            (one.title, _GROUPED_BY.get(one.title, ("",))[0], table(one.head, map(_cells, one.rows)))
            for one in _comparisons(sheet, GROUPS_SHOWN)
        ],
        "by_day": table(_DAY_TITLES, map(_cells, (*sheet.rows(), sheet.sums()))) if days.number > 1 else "",
        "may_export": may_export,
        "back": f"?{days.query}",
        "made_at": format_office_time(now),
        "shortcuts": days.shortcuts(),
    }
    template = "backoffice/daily_paper.html" if "paper" in request.GET else "backoffice/daily.html"
    return render(request, template, context)


def _comparisons(sheet: Sheet, shown: int | None = None) -> Iterator[Page]:
    """Yield the sums and what was sold in whole months, beside the months before and those of a year ago.

    :param shown: so many categories or products stand by themselves, the rest of them as one.
    """
    if not sheet.days.months:
        return
    spans = list(dict.fromkeys([sheet.days, sheet.days.before(), sheet.days.year_before()]))
    sheets = [sheet, *map(Sheet, spans[1:])]
    sums: Groups = {label: [(value_of(one),) for one in sheets] for label, value_of in _COMPARED.items()}
    yield _comparison("比较", spans, [""], sums)
    for title, (_, units, rows_of) in _GROUPED_BY.items():
        found = [rows_of(days.first, days.last) for days in spans]
        yield _comparison(title, spans, units, _grouped(found, len(units), shown))


def _grouped(found: Sequence[Sequence[Sequence[Any]]], width: int, shown: int | None) -> Groups:
    """Return the ``width`` numbers of each group in each span, and their total; of ``found``, the rows of the spans."""
    by_name = [{name: numbers for name, *numbers in rows} for rows in found]
    names = list(dict.fromkeys(name for numbers in by_name for name in numbers))
    nothing = [*[0] * (width - 1), Decimal(0)]
    groups: Groups = {name: [numbers.get(name, nothing) for numbers in by_name] for name in names}
    rest = names[shown:] if shown else []
    lines: Groups = {name: groups[name] for name in names[:shown]}
    if rest:
        lines[f"其他 {len(rest)} 种"] = _sum([groups[name] for name in rest])
    if groups:
        lines["合计"] = _sum(groups.values())
    return lines


def _comparison(title: str, spans: Sequence[Days], units: Sequence[str], groups: Groups) -> Page:
    """Return the table of groups with their numbers in each span; the last number of a span is what changes."""
    heads = [[days.label + unit for unit in units] for days in spans]
    rows = []
    for name, (now, *others) in groups.items():
        pairs = ((before, change_text(now[-1], before[-1]) or "—") for before in others)
        rows.append([name, *now, *(value for before, change in pairs for value in (*before, change))])
    head = ["项目", *heads[0], *(text for texts in heads[1:] for text in (*texts, "变化"))]
    return Page(title, head, rows, [24, *[16] * len(head)])


def _sum(groups: Iterable[Sequence[Sequence[Any]]]) -> list[list[Any]]:
    """Add up the numbers of groups, span by span."""
    return [[sum(numbers) for numbers in zip(*span, strict=True)] for span in zip(*groups, strict=True)]


def _cells(row: Sequence[Any]) -> list[Any]:
    return ["—" if value is None else yuan_text(value) if isinstance(value, Decimal) else str(value) for value in row]


def _compared(there_fen: int, here_fen: int) -> str:
    difference = there_fen - here_fen
    return f"与账单相差 {yuan_text(fen_to_yuan(difference))} 元，见对账差异" if difference else "与账单相同"


def _book(sheet: Sheet) -> bytes:
    head = [f"日报 {sheet.days.title}", "笔数", "金额（元）", "说明"]
    lines = [["" if value is None else value for value in line] for line in sheet.lines()]
    return book_write(
        Page("汇总", head, lines, [28, 10, 14, 60]),
        *_comparisons(sheet),
        Page("逐日", _DAY_TITLES, sheet.rows(), [12, 8, 14, 14, 8, 8, 10, 12, 10, 12, *[12] * 7], _SUMS),
    )
