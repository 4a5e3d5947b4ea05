"""The first page of the back office: what is going on, and what waits for somebody to act.

A card is shown to users whose role may see the list behind it. A test pins the number of queries.
"""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest

from accounts.models import LoginAttempt
from accounts.selectors import login_failures
from backoffice.activity import Activity, staff_activity
from backoffice.months import day_counts, days_sum, month_counts, months_of
from backoffice.navigation import may_see_income
from backoffice.parts import TALLEST, Bar, Fact, Panel, Tile, list_url, shares
from backoffice.periods import NAMES, Period, period_of
from core import times
from core.money import fen_to_yuan
from core.ops import heartbeat
from core.times import format_office_time, local
from payments.figures import refund_sums
from payments.selectors import differences_open, events_to_do, orders_untold, refunds_waiting
from permissions.scope import Scope, scope_of
from shop.revenue import DAYS, Day, order_days, order_sums, products_best
from shop.selectors import MAX_SCARCE, SCARCE, orders_to_do, products_scarce
from shop.states import EARNING, State
from sockets.sessions import sessions_open
from students.selectors import classes_counted, students_total
from weather.models import SLOT_HOURS
from weather.selectors import record_newest
from weather.services.account import account_get

CLASSES_SHOWN, SCARCE_SHOWN = 12, 8
QUEUE_NAMES = {"money": "订单与资金", "now": "即时任务", "bulk": "批量任务"}
CROWDED = 1000  # with so many waiting tasks a queue is shown in red
BEST_SHOWN, STAFF_SHOWN = 8, 8
ATTEMPTS_OF, MANY_ATTEMPTS = timedelta(hours=1), 100  # a class of 40 that mistypes passwords stays below this
REFUSALS = [outcome.value for outcome in LoginAttempt.Outcome if outcome is not LoginAttempt.Outcome.DONE]
Card = Callable[[datetime, Period, Scope], Iterator[Tile | Panel]]


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Fill the context of ``templates/admin/index.html``."""
    now = local(times.now())
    period = period_of(request.GET.get("period", ""), now)
    parts = [
        part for label, card in CARDS if _may_see(request, label) for part in card(now, period, scope_of(request.user))
    ]
    if not may_see_income(request):
        parts = [part for part in parts if not part.is_income]
    if request.user.is_superuser:
        parts.append(_system(now))
    tiles = [part for part in parts if isinstance(part, Tile)]
    # Wide panels (charts) come first, then those of which three stand in a row.
    panels = sorted((part for part in parts if isinstance(part, Panel)), key=lambda panel: panel.width)
    switch = [(label, f"?period={name}", name == period.name) for name, (label, _) in NAMES.items()]
    waits = [tile for tile in tiles if tile.tone]
    facts = {"tiles": tiles, "waits": waits, "panels": panels, "period": period, "shortcuts": switch}
    return context | {"title": "首页"} | facts


def _may_see(request: HttpRequest, label: str) -> bool:
    return admin.site._registry[apps.get_model(label)].has_view_permission(request)


def _compared(
    label: str, number: Any, before: Any, period: Period, link: str, form: str = "{}", *, is_income: bool = False
) -> Tile:
    """Return the tile of a number that is compared with the period before."""
    hint = f"{period.last_label} {form.format(before)}"
    return Tile(f"{period.label}{label}", form.format(number), link, hint=hint, is_income=is_income)


def _students(now: datetime, period: Period, scope: Scope) -> Iterator[Tile | Panel]:
    yield Tile("学员", students_total(scope=scope), list_url("students.student"))
    days, room = day_counts(now, scope), settings.CLASS_CAPACITY
    if days is not None:
        new, before = (days_sum(days, begins.date(), ends.date()) for begins, ends in period.spans)
        link = list_url("students.student", created_at__gte=period.begins.isoformat())
        yield _compared("新增学员", new, before, period, link)
    classes = sorted(classes_counted(scope), key=lambda row: -row[1])[:CLASSES_SHOWN]
    most = max([room, *(count for _, count in classes)])
    yield Panel(
        "各班学员",
        "backoffice/rows.html",
        hint=f"每班 {room} 人" + (f"，人数最多的 {CLASSES_SHOWN} 个班" if len(classes) == CLASSES_SHOWN else ""),
        link=list_url("students.student"),
        empty="还没有学员",
        bars=[
            Bar(name, count, list_url("students.student", **{"class": name}), count * 100 / most, f"/{room}")
            for name, count in classes
        ],
    )
    yield Panel("每月新增学员", "backoffice/columns.html", bars=_month_bars(days, now), are_numbered=True)


def _month_bars(days: dict[str, int] | None, now: datetime) -> list[Bar] | None:
    if days is None:
        return None
    counts = month_counts(days)
    months = months_of(now)
    numbers = [counts.get(f"{month:%Y-%m}", 0) for month in months]
    ends = [*months[1:], now.replace(day=28) + timedelta(days=4)]
    ends[-1] = ends[-1].replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return [
        Bar(
            f"{month:%Y年%m月}",
            number,
            list_url("students.student", created_at__gte=month.isoformat(), created_at__lt=end.isoformat()),
            share,
            f"{month.month}月",
        )
        for month, end, number, share in zip(months, ends, numbers, shares(numbers, TALLEST), strict=True)
    ]


def _orders(now: datetime, period: Period, _scope: Scope) -> Iterator[Tile | Panel]:
    sums, before = order_sums(period.spans)
    placed = {"created_at_from": period.begins.date(), "created_at_to": now.date()}
    earning = ",".join(state.value for state in EARNING)
    yield _compared("订单", sums.orders, before.orders, period, list_url("shop.order", **placed))
    earned = list_url("shop.order", state__in=earning, **placed)
    yield _compared("收入（元）", sums.revenue, before.revenue, period, earned, "{:.2f}", is_income=True)
    to_do = orders_to_do()
    to_ship = to_do[State.PAID] + to_do[State.PREPARING]
    returns = to_do[State.RETURN_ASKED] + to_do[State.RETURN_ASKED_LATER]
    failed = to_do[State.REFUND_FAILED]
    yield _count("待付款订单", to_do[State.OPEN], "", "", state__exact="open", sweep_at__isnull="False")
    yield _count("待发货订单", to_ship, "warning", "", work="ship")
    yield _count("待处理退货", returns, "warning", "", work="returns")
    how = "打开订单，换一种方式退款后消失" if failed else ""
    yield _count("退款异常订单", failed, "danger", how, work="refunds", state__exact="refund_failed")
    if untold := orders_untold().count():
        yield _count("款项未入账", untold, "danger", "收到的钱或退款，订单没有记上", work="trouble")
    days = order_days(now)
    span = {"created_at_from": days[0].day, "created_at_to": days[-1].day}
    everything = list_url("shop.order", **span)
    revenue = sum(day.revenue for day in days)
    yield Tile("30 天订单", sum(day.orders for day in days), everything)
    hint = "近 30 天下单、已付款且没有退款的订单金额之和"
    earned = list_url("shop.order", state__in=earning, **span)
    yield Tile("30 天收入（元）", f"{revenue:.2f}", earned, hint=hint, is_income=True)
    yield _day_panel("每日订单", days, [day.orders for day in days], "{}")
    yield _day_panel("每日收入（元）", days, [day.revenue for day in days], "{:.2f}", is_income=True)


def _best(now: datetime, period: Period, _scope: Scope) -> Iterator[Tile | Panel]:
    best = products_best((period.begins, period.ends), most=BEST_SHOWN)
    lengths = shares(pieces for _, _, pieces in best)
    yield Panel(
        f"{period.label}卖得最好的商品",
        "backoffice/rows.html",
        width="bo-third",
        hint="件数，不含已退款",
        empty=f"{period.label}还没有卖出商品",
        bars=[
            Bar(name, pieces, list_url("shop.product") + f"{pk}/change/", share)
            for (pk, name, pieces), share in zip(best, lengths, strict=True)
        ],
    )


def _activity(now: datetime, period: Period, _scope: Scope) -> Iterator[Tile | Panel]:
    rows = staff_activity(period.begins, period.ends, most=STAFF_SHOWN)
    lengths = shares(row.entries for row in rows)
    yield Panel(
        f"{period.label}员工操作",
        "backoffice/rows.html",
        width="bo-third",
        hint="修改记录的条数",
        link=list_url("auditlog.logentry", day=period.name),
        empty=f"{period.label}还没有操作",
        bars=[
            Bar(
                row.username + _of_these(row),
                row.entries,
                list_url("auditlog.logentry", person=row.user_pk, day=period.name),
                share,
            )
            for row, share in zip(rows, lengths, strict=True)
        ],
    )


def _of_these(row: Activity) -> str:
    parts = [f"{name} {number}" for name, number in (("发货", row.parcels), ("退款", row.refunds)) if number]
    return f"（{'，'.join(parts)}）" if parts else ""


def _count(label: str, number: int, tone: str, hint: str, **query: str) -> Tile:
    return Tile(label, number, list_url("shop.order", **query), tone if number else "", hint)


def _day_panel(title: str, days: list[Day], numbers: list[Any], form: str, *, is_income: bool = False) -> Panel:
    bars = [
        Bar(
            f"{day.day:%m月%d日}",
            form.format(number),
            list_url("shop.order", created_at_from=day.day, created_at_to=day.day),
            share,
            f"{day.day.month}/{day.day.day}" if at % 7 == 1 else "",
        )
        for at, (day, number, share) in enumerate(zip(days, numbers, shares(numbers, TALLEST), strict=True))
    ]
    most = form.format(max(numbers))
    hint = f"最近 {DAYS} 天，最多一天 {most}"
    return Panel(title, "backoffice/columns.html", hint=hint, bars=bars, is_income=is_income)


def _refunds(now: datetime, period: Period, _scope: Scope) -> Iterator[Tile | Panel]:
    (made, fen), (before, fen_before) = refund_sums(period.spans)
    since = list_url("payments.refund", created_at__gte=period.begins.isoformat())
    yield Tile(
        f"{period.label}退款（元）",
        f"{fen_to_yuan(fen):.2f}",
        since,
        hint=f"{made} 笔；{period.last_label} {fen_to_yuan(fen_before):.2f}，{before} 笔",
    )
    number = refunds_waiting()
    link = list_url("payments.refund", next_try_at__isnull="False")
    yield Tile("处理中的退款", number, link, "warning" if number else "")


def _differences(now: datetime, period: Period, _scope: Scope) -> Iterator[Tile | Panel]:
    number = differences_open()
    hint = "逐条核对后消失" if number else ""
    yield Tile("对账差异", number, list_url("payments.difference"), "danger" if number else "", hint)


def _notices(now: datetime, period: Period, _scope: Scope) -> Iterator[Tile | Panel]:
    number = events_to_do(now=now).count()
    hint = "重新处理，或点“知道了”后消失" if number else "7 天内；伪造的不算"
    yield Tile("失败的支付通知", number, list_url("payments.inboundevent", todo="1"), "danger" if number else "", hint)


def _products(now: datetime, period: Period, scope: Scope) -> Iterator[Tile | Panel]:
    scarce = products_scarce(scope)
    link = list_url("shop.product", removed="no", stock__lte=SCARCE)
    many = f"{MAX_SCARCE}+" if len(scarce) == MAX_SCARCE else len(scarce)
    yield Tile("库存不足的商品", many, link, "warning" if scarce else "", hint=f"不多于 {SCARCE} 件")
    lengths = shares([product.stock for product in scarce[:SCARCE_SHOWN]] + [SCARCE])
    yield Panel(
        "库存最少的商品",
        "backoffice/rows.html",
        width="bo-third",
        link=link,
        empty="没有库存不足的商品",
        bars=[
            Bar(product.name, product.stock, list_url("shop.product") + f"{product.pk}/change/", share)
            for product, share in zip(scarce[:SCARCE_SHOWN], lengths, strict=False)
        ],
    )


def _weather(now: datetime, period: Period, _scope: Scope) -> Iterator[Tile | Panel]:
    account = account_get()
    record = record_newest(account.city_name)
    done = account.last_success_at
    is_fresh = done is not None and now - done < timedelta(hours=SLOT_HOURS + 1)
    link = list_url("weather.weatherrecord", city=account.city_name)
    facts = [
        Fact("上次同步", format_office_time(done) or "从未", is_ok=is_fresh and not account.failures),
        *([Fact("最近错误", account.last_error, is_ok=False)] if account.failures else []),
    ]
    if record:
        facts = [
            Fact("今日", f"{record.tem2} ~ {record.tem1} ℃"),
            Fact("风", f"{record.win} {record.win_speed}"),
            Fact("空气", record.air_level or "—"),
            Fact("观测时间", format_office_time(record.observed_at)),
            *facts,
        ]
    head = f"{record.city} {record.wea} {record.tem}℃" if record else f"{account.city_name}：还没有记录"
    yield Panel("现在的天气", "backoffice/facts.html", width="bo-third", link=link, head=head, facts=facts)


def _system(now: datetime) -> Panel:
    try:
        ages, depths, sockets = heartbeat.ages_s(times.now().timestamp()), heartbeat.queue_depths(), sessions_open()
    except heartbeat.BrokerDown:
        facts = [Fact("Valkey", "没有应答", is_ok=False)]
    else:
        facts = [
            *(_worker(QUEUE_NAMES[queue], age_s, depths[queue]) for queue, age_s in ages.items()),
            Fact("扫码登录连接", str(sockets)),
            Fact("修改记录", "查看", link=list_url("auditlog.logentry")),
        ]
    return Panel("运行状况", "backoffice/facts.html", width="bo-third", facts=facts)


def _worker(name: str, age_s: float | None, waiting: int) -> Fact:
    is_alive = heartbeat.is_alive(age_s)
    seen = "从未" if age_s is None else f"{age_s:.0f} 秒前"
    text = f"{'正常' if is_alive else '没有运行'}，心跳 {seen}，排队 {waiting}"
    return Fact(name, text, is_ok=is_alive and waiting < CROWDED)


def _attempts(now: datetime, period: Period, _scope: Scope) -> Iterator[Tile | Panel]:
    since = (now - ATTEMPTS_OF).replace(second=0, microsecond=0)
    times, addresses = login_failures(since)
    if times < MANY_ATTEMPTS:
        return
    link = list_url("accounts.loginattempt", at__gte=since.isoformat(), outcome__in=",".join(REFUSALS))
    hint = f"1 小时内，来自 {addresses} 个地址；停下一小时后消失"
    yield Tile("被拒绝的登录", times, link, "danger", hint=hint)


CARDS: tuple[tuple[str, Card], ...] = (
    ("accounts.loginattempt", _attempts),
    ("shop.order", _orders),
    ("payments.refund", _refunds),
    ("payments.difference", _differences),
    ("payments.inboundevent", _notices),
    ("shop.product", _best),
    ("shop.product", _products),
    ("students.student", _students),
    ("auditlog.logentry", _activity),
    ("weather.weatherrecord", _weather),
)
