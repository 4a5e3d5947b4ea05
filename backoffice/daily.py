"""The accountant's daily sheet: what was ordered, what came in and went back, and what WeChat Pay's bill says.

Every number comes from the apps' ``figures``, so that it is the one that other pages show.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.safestring import SafeString

from backoffice.navigation import may_see_daily
from core import times
from core.admin.listing import page_of
from core.admin.password import require_password
from core.admin.tables import table
from core.audit import StaffAction, action_record
from core.money import fen_to_yuan, yuan_text
from core.sheets.write import Page, book_write, download
from core.times import format_office_time, local
from payments.figures import BillDay, MoneyDay, bill_days, money_days
from shop.revenue import OrderSums, order_days_between

MAX_DAYS = 366
FIRST_YEAR, LAST_YEAR = 2000, 2200
_NO_FEES = "其中有以前的版本核对的账单，没有记下手续费；在“对账”里重新核对就有"
_DAY_TITLES = (
    *("日期", "下单", "下单金额（元）", "订单收入（元）", "取消", "关闭", "收款笔数", "收款（元）"),
    *("退款笔数", "退款（元）", "净额（元）", "手续费（元）", "对账", "未处理差异"),
)


_SUMS = [*range(1, 12), 13]  # the columns that are added up


class Line(NamedTuple):
    """One line of the sheet. ``amount`` is in yuan. ``number`` or ``amount`` is None where it would mean nothing."""

    label: str
    number: int | None
    amount: Decimal | None
    hint: str = ""


@dataclass(frozen=True)
class Sheet:
    """The figures of some days, oldest first."""

    first: date
    last: date
    orders: dict[date, OrderSums]
    money: dict[date, MoneyDay]
    bills: dict[date, BillDay]

    @property
    def days(self) -> list[date]:
        return [self.first + timedelta(days=n) for n in range((self.last - self.first).days + 1)]

    @property
    def title(self) -> str:
        return f"{self.first}" if self.first == self.last else f"{self.first} 至 {self.last}"

    def lines(self) -> Iterator[Line]:
        order, money, bill = (sum(part.values(), zero) for part, zero in self._parts())
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
        if not bill.compared:
            yield Line("微信账单", None, None, "还没有核对：每天的账单第二天 10 点以后才有")
            return
        compared = [day for day, one in self.bills.items() if one.is_compared]
        days, ours = len(compared), sum((self.money.get(day, MoneyDay()) for day in compared), MoneyDay())
        foreign = f"；账单里有 {bill.foreign} 笔属于用同一商户号的其他系统" if bill.foreign else ""
        about = f"{len(self.days)} 天里核对了 {days} 天{foreign}"
        yield Line("微信账单的收款", None, fen_to_yuan(bill.paid_fen), about)
        yield Line("这几天本地的收款", ours.paid, fen_to_yuan(ours.paid_fen), _compared(bill.paid_fen, ours.paid_fen))
        yield Line("微信账单的退款", None, fen_to_yuan(bill.refunded_fen), "按受理时间，不含线下退款")
        hint = _compared(bill.refunded_fen, ours.refunded_fen)
        yield Line("这几天本地的退款", ours.refunds, fen_to_yuan(ours.refunded_fen), hint)
        fee = None if bill.feeless else fen_to_yuan(bill.fee_fen)
        yield Line("手续费", None, fee, _NO_FEES if bill.feeless else "微信账单里的，减去随退款退回的")
        net = None if fee is None else fen_to_yuan(bill.paid_fen - bill.refunded_fen - bill.fee_fen)
        yield Line("微信账单减手续费", None, net, "账单的收款减退款减手续费：这几天进商户账户的钱")
        yield Line("对账差异", bill.differences, None, f"其中 {bill.open} 处未处理")

    def _parts(self) -> list[tuple[dict[date, Any], Any]]:
        return [(self.orders, OrderSums()), (self.money, MoneyDay()), (self.bills, BillDay())]

    def rows(self) -> Iterator[list[Any]]:
        for day in self.days:
            order, money, bill = (part.get(day, zero) for part, zero in self._parts())
            yield [
                *(day, order.placed, order.amount, order.revenue, order.cancelled, order.closed),
                *(money.paid, fen_to_yuan(money.paid_fen)),
                *(money.refunds + money.offline, fen_to_yuan(money.back_fen), fen_to_yuan(money.net_fen)),
                fen_to_yuan(bill.fee_fen) if bill.compared and not bill.feeless else None,
                *(bill.state, bill.open),
            ]

    def sums(self) -> list[Any]:
        """Return the last line of the table of days: the sum of each column of numbers."""
        columns = [[value for value in column if value is not None] for column in zip(*self.rows(), strict=True)]
        sums = [sum(values[1:], values[0]) if at in _SUMS and values else "" for at, values in enumerate(columns)]
        return ["合计", *sums[1:]]


def days_asked(request: HttpRequest, today: date) -> tuple[date, date]:
    """Return the first and the last day of ``?from=&to=``, today if both are missing.

    The last ``MAX_DAYS`` days of the span count, and no day in the future.
    """
    first = _day(request.GET.get("from", "")) or _day(request.GET.get("to", "")) or today
    last = _day(request.GET.get("to", "")) or first
    first, last = sorted((min(first, today), min(last, today)))
    return max(first, last - timedelta(days=MAX_DAYS - 1)), last


def _day(text: str) -> date | None:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if FIRST_YEAR <= day.year <= LAST_YEAR else None


def daily_page(request: HttpRequest) -> HttpResponse:
    """Show, print or send the sheet.

    :raises PermissionDenied: the user may not see orders, their income, payments, refunds and bills, or may not export.
    """
    if not may_see_daily(request):
        raise PermissionDenied
    may_export = page_of("payments.payment").may_export(request)
    now = local(times.now())
    first, last = days_asked(request, now.date())
    sheet = Sheet(first, last, order_days_between(first, last), money_days(first, last), bill_days(first, last))
    if "xlsx" in request.GET:
        if not may_export:
            raise PermissionDenied
        require_password(request, is_download=True)
        name = f"日报-{sheet.title.replace(' ', '')}.xlsx"
        action_record(request.user, StaffAction.EXPORT, {"文件": name})
        return download(name, _book(sheet))
    query = f"from={sheet.first}&to={sheet.last}"
    context = admin.site.each_context(request) | {
        "title": f"日报 {sheet.title}",
        "sheet": sheet,
        "lines": list(sheet.lines()),
        "days": _table(sheet) if sheet.first != sheet.last else "",
        "may_export": may_export,
        "query": query,
        "back": f"?{query}",
        "made_at": format_office_time(now),
        "is_open": sheet.last == now.date(),
        "max_days": MAX_DAYS,
        "today": now.date(),
        "shortcuts": _shortcuts(sheet, now),
    }
    template = "backoffice/daily_paper.html" if "paper" in request.GET else "backoffice/daily.html"
    return render(request, template, context)


def _table(sheet: Sheet) -> SafeString:
    return table(_DAY_TITLES, [_cells(row) for row in (*sheet.rows(), sheet.sums())])


def _cells(row: list[Any]) -> list[Any]:
    return ["—" if value is None else yuan_text(value) if isinstance(value, Decimal) else str(value) for value in row]


def _compared(there_fen: int, here_fen: int) -> str:
    difference = there_fen - here_fen
    return f"与账单相差 {yuan_text(fen_to_yuan(difference))} 元，见对账差异" if difference else "与账单相同"


def _shortcuts(sheet: Sheet, now: datetime) -> list[tuple[str, str, bool]]:
    today, first, last = now.date(), sheet.first, sheet.last
    days, months = (last - first).days + 1, _months(first, last, today)
    many = f" {months} 个月" if months else f" {days} 天"
    many = {" 1 个月": "一个月", " 1 天": "一天"}.get(many, many)
    month = today.replace(day=1)
    quarter = month_later(month, -((today.month - 1) % 3))
    spans = [(label + many, *_moved(first, last, months or 0, sign)) for label, sign in (("前", -1), ("后", 1))]
    spans += [
        ("今天", today, today),
        ("本月", month, today),
        ("上月", month_later(month, -1), month - timedelta(days=1)),
        ("本季", quarter, today),
        ("今年", today.replace(month=1, day=1), today),
    ]
    page = reverse("daily")
    return [
        (title, f"{page}?from={begins}&to={min(ends, today)}", (begins, min(ends, today)) == (first, last))
        for title, begins, ends in spans
        if begins <= today
    ]


def _months(first: date, last: date, today: date) -> int:
    """Return how many whole months the days are, where this month counts as far as it is; 0 if they are none."""
    is_whole = (last + timedelta(days=1)).day == 1 or (last == today and first != last)
    return (last.year - first.year) * 12 + last.month - first.month + 1 if first.day == 1 and is_whole else 0


def _moved(first: date, last: date, months: int, sign: int) -> tuple[date, date]:
    """Return the days before (``sign`` -1) or after these: as many months, or as many days."""
    if months:
        begins = month_later(first, sign * months)
        return begins, month_later(begins, months) - timedelta(days=1)
    length = sign * (last - first + timedelta(days=1))
    return first + length, last + length


def month_later(first: date, months: int) -> date:
    """Return the first of the month so many months after that of ``first``, which is the first of its month."""
    number = first.year * 12 + first.month - 1 + months
    return first.replace(year=number // 12, month=number % 12 + 1)


def _book(sheet: Sheet) -> bytes:
    head = [f"日报 {sheet.title}", "笔数", "金额（元）", "说明"]
    lines = [["" if value is None else value for value in line] for line in sheet.lines()]
    return book_write(
        Page("汇总", head, lines, [28, 10, 14, 60]),
        Page("逐日", _DAY_TITLES, sheet.rows(), [12, 8, 14, 14, 8, 8, 10, 12, 10, 12, 12, 12, 12, 12], _SUMS),
    )
