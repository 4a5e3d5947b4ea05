"""The first page of the back office: what is going on, and what waits for somebody to act.

A card is shown to users whose role may see the list behind it. A test pins the number of queries.
"""

import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone

from accounts.models import LoginAttempt
from accounts.selectors import login_failures
from accounts.socketio.sessions import sessions_open
from backoffice.months import month_counts, months_of
from backoffice.parts import TALLEST, Bar, Fact, Panel, Tile, list_url, shares
from core.ops import heartbeat
from core.times import dash, local
from payments.models import InboundEvent
from payments.selectors import differences_open, notices_by_verdict, refunds_waiting
from shop.selectors import DAYS, MOST_SCARCE, SCARCE, Day, order_days, orders_to_do, products_scarce
from shop.states import EARNING, State
from students.counts import class_counts, student_count
from weather.models import SLOT_HOURS
from weather.selectors import record_newest
from weather.services.account import account_get

CLASSES_SHOWN, SCARCE_SHOWN = 12, 8
QUEUE_NAMES = {"money": "订单与资金", "now": "即时任务", "bulk": "批量任务"}
CROWDED = 1000  # with so many waiting tasks a queue is shown in red
NOTICES_OF = timedelta(hours=24)
ATTEMPTS_OF, MANY_ATTEMPTS = timedelta(hours=1), 100  # a class of 40 that mistypes passwords stays below this
REFUSALS = [outcome.value for outcome in LoginAttempt.Outcome if outcome is not LoginAttempt.Outcome.DONE]
Card = Callable[[datetime], Iterator[Tile | Panel]]


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Fill the context of ``templates/admin/index.html``."""
    now = local(timezone.now())
    parts = [part for label, card in CARDS if _may_see(request, label) for part in card(now)]
    if request.user.is_superuser:
        parts.append(_system(now))
    tiles = [part for part in parts if isinstance(part, Tile)]
    # Wide panels (charts) come first, then those of which three stand in a row.
    panels = sorted((part for part in parts if isinstance(part, Panel)), key=lambda panel: panel.width)
    return context | {"title": "首页", "tiles": tiles, "panels": panels}


def _may_see(request: HttpRequest, label: str) -> bool:
    return admin.site._registry[apps.get_model(label)].has_view_permission(request)


def _students(now: datetime) -> Iterator[Tile | Panel]:
    yield Tile("学员", student_count(), list_url("students.student"))
    classes = sorted(class_counts(), key=lambda row: -row[1])[:CLASSES_SHOWN]
    lengths = shares(count for _, count in classes)
    yield Panel(
        "各班学员",
        "backoffice/rows.html",
        hint=f"人数最多的 {CLASSES_SHOWN} 个班" if len(classes) == CLASSES_SHOWN else "",
        link=list_url("students.student"),
        empty="还没有学员",
        bars=[
            Bar(name, count, list_url("students.student", **{"class": name}), share)
            for (name, count), share in zip(classes, lengths, strict=True)
        ],
    )
    yield Panel("每月新增学员", "backoffice/columns.html", bars=_month_bars(now), are_numbered=True)


def _month_bars(now: datetime) -> list[Bar] | None:
    counts = month_counts(now)
    if counts is None:
        return None
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


def _orders(now: datetime) -> Iterator[Tile | Panel]:
    to_do = orders_to_do()
    to_ship = to_do[State.PAID] + to_do[State.PREPARING]
    returns = to_do[State.RETURN_ASKED] + to_do[State.RETURN_ASKED_LATER]
    failed = to_do[State.REFUND_FAILED]
    yield _count("待付款订单", to_do[State.OPEN], "", state__exact="open", sweep_at__isnull="False")
    yield _count("待发货订单", to_ship, "warning", work="ship")
    yield _count("待处理退货", returns, "warning", work="returns")
    yield _count("退款异常订单", failed, "danger", work="refunds", state__exact="refund_failed")
    days = order_days(now)
    span = {"created_at_from": days[0].day, "created_at_to": days[-1].day}
    everything = list_url("shop.order", **span)
    revenue = sum(day.revenue for day in days)
    yield Tile("30 天订单", sum(day.orders for day in days), everything)
    earning = list_url("shop.order", state__in=",".join(state.value for state in EARNING), **span)
    yield Tile("30 天收入(元)", f"{revenue:.2f}", earning, hint="按下单日,不含已退款")
    yield _day_panel("每日订单", days, [day.orders for day in days], "{}")
    yield _day_panel("每日收入(元)", days, [day.revenue for day in days], "{:.2f}")


def _count(label: str, number: int, tone: str, **query: str) -> Tile:
    return Tile(label, number, list_url("shop.order", **query), tone if number else "")


def _day_panel(title: str, days: list[Day], numbers: list[Any], form: str) -> Panel:
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
    return Panel(title, "backoffice/columns.html", hint=f"最近 {DAYS} 天,最多一天 {most}", bars=bars)


def _refunds(now: datetime) -> Iterator[Tile | Panel]:
    number = refunds_waiting()
    link = list_url("payments.refund", next_try_at__isnull="False")
    yield Tile("处理中的退款", number, link, "warning" if number else "")


def _differences(now: datetime) -> Iterator[Tile | Panel]:
    number = differences_open()
    yield Tile("对账差异", number, list_url("payments.difference"), "danger" if number else "")


def _notices(now: datetime) -> Iterator[Tile | Panel]:
    since = (now - NOTICES_OF).replace(microsecond=0)
    counts = notices_by_verdict(since=since)
    bad = (InboundEvent.Verdict.REFUSED.value, InboundEvent.Verdict.FAILED.value)
    number = sum(counts.get(verdict, 0) for verdict in bad)
    link = list_url("payments.inboundevent", verdict__in=",".join(bad), received_at__gte=since.isoformat())
    yield Tile("失败的支付通知", number, link, "danger" if number else "", hint="24 小时内")


def _products(now: datetime) -> Iterator[Tile | Panel]:
    scarce = products_scarce()
    link = list_url("shop.product", removed="no", stock__lte=SCARCE)
    many = f"{MOST_SCARCE}+" if len(scarce) == MOST_SCARCE else len(scarce)
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


def _weather(now: datetime) -> Iterator[Tile | Panel]:
    account = account_get()
    record = record_newest(account.city_name)
    done = account.last_success_at
    is_fresh = done is not None and now - done < timedelta(hours=SLOT_HOURS + 1)
    link = list_url("weather.weatherrecord", city=account.city_name)
    facts = [
        Fact("上次同步", dash(done) or "从未", is_ok=is_fresh and not account.failures),
        *([Fact("最近错误", account.last_error, is_ok=False)] if account.failures else []),
    ]
    if record:
        facts = [
            Fact("今日", f"{record.tem2} ~ {record.tem1} ℃"),
            Fact("风", f"{record.win} {record.win_speed}"),
            Fact("空气", record.air_level or "—"),
            Fact("观测时间", dash(record.observed_at)),
            *facts,
        ]
    head = f"{record.city} {record.wea} {record.tem}℃" if record else f"{account.city_name}: 还没有记录"
    yield Panel("现在的天气", "backoffice/facts.html", width="bo-third", link=link, head=head, facts=facts)


def _system(now: datetime) -> Panel:
    try:
        ages, depths, sockets = heartbeat.ages_s(time.time()), heartbeat.queue_depths(), sessions_open()
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
    text = f"{'正常' if is_alive else '没有运行'},心跳 {seen},排队 {waiting}"
    return Fact(name, text, is_ok=is_alive and waiting < CROWDED)


def _attempts(now: datetime) -> Iterator[Tile | Panel]:
    since = (now - ATTEMPTS_OF).replace(second=0, microsecond=0)
    times, addresses = login_failures(since)
    if times < MANY_ATTEMPTS:
        return
    link = list_url("accounts.loginattempt", at__gte=since.isoformat(), outcome__in=",".join(REFUSALS))
    yield Tile("被拒绝的登录", times, link, "danger", hint=f"1 小时内,来自 {addresses} 个地址")


CARDS: tuple[tuple[str, Card], ...] = (
    ("accounts.loginattempt", _attempts),
    ("shop.order", _orders),
    ("payments.refund", _refunds),
    ("payments.difference", _differences),
    ("payments.inboundevent", _notices),
    ("shop.product", _products),
    ("students.student", _students),
    ("weather.weatherrecord", _weather),
)
