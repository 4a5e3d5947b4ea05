"""The first page of the back office: what is going on, and what waits for staff; and the bell of every page.

A card is shown to users whose role may see the list behind it. A test pins the number of queries.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from django.conf import settings
from django.http import HttpRequest, JsonResponse

from backoffice.navigation import list_url, may_see, may_see_income
from backoffice.periods import PERIODS, Period, change_text, period_of
from core import times
from core.admin.listing import admin_of
from core.money import fen_to_yuan
from core.times import local
from payments.figures import refund_sums, refunded
from payments.selectors import differences_open, events_to_do, orders_untold, refunds_waiting
from permissions.scope import Scope, scope_of
from runs.models import Export
from shop.order_states import EARNING, State
from shop.revenue import days_until, order_days, order_sums
from shop.selectors import MAX_SCARCE, SCARCE, orders_to_do, products_scarce
from students.classes import class_capacities
from students.figures import entries
from students.filters import PRESENT, SCHOOL
from students.selectors import classes_present, students_total

CLASSES_SHOWN = SCARCE_SHOWN = 8
EXPORTS_OF = timedelta(hours=1)


# --- The pieces of the page, which ``templates/admin/index.html`` draws ---
@dataclass(frozen=True)
class Tile:
    """One number; ``tone`` is "warning" or "danger" where staff should act.

    :param right: ``model:verb``, the right to act; others do not see the tile.
    :param spark: the points of the line of its last days.
    """

    label: str
    value: str | int
    link: str
    tone: str = ""
    hint: str = ""
    is_income: bool = False
    right: str = ""
    spark: str = ""


class Row(NamedTuple):
    """One bar of a panel; ``mark`` stands behind its number."""

    label: str
    number: int
    link: str
    mark: str = ""


@dataclass(frozen=True)
class Panel:
    """Bars below each other, of which one with the number ``full`` takes the whole width."""

    title: str
    rows: list[Row]
    full: int
    empty: str
    hint: str = ""
    link: str = ""


def polyline(values: Sequence[float]) -> str:
    """Return the points of an SVG line from 0 upwards, in a field of 100 by 30 that the page stretches."""
    across, up = 100 / (len(values) - 1), 30 / (max(values) or 1)
    return " ".join(f"{x * across:.1f},{30 - y * up:.1f}" for x, y in enumerate(values))


class Work(NamedTuple):
    """Orders in some states, which wait for staff with a right of orders; ``query`` filters the list by them."""

    right: str
    label: str
    states: tuple[State, ...]
    query: dict[str, str]
    tone: str = "warning"
    hint: str = ""


ORDERS = (
    Work("ship", "待发货", (State.PAID, State.PREPARING), {"work": "ship"}),
    Work("decide", "待处理退货", (State.RETURN_ASKED, State.RETURN_ASKED_LATER), {"work": "returns"}),
    Work(
        "refund", "退款异常", (State.REFUND_FAILED,), {"work": "refunds", "state__exact": "refund_failed"},
        tone="danger", hint="打开订单里的退款单，处理后消失",
    ),
)  # fmt: skip
Card = Callable[[datetime, Period, Scope], Iterator[Tile | Panel]]


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Fill the context of ``templates/admin/index.html``."""
    now = local(times.now())
    period = period_of(request.GET.get("period", ""), now)
    parts = [
        part for label, card in CARDS if may_see(request, label) for part in card(now, period, scope_of(request.user))
    ]
    tiles = [part for part in parts if isinstance(part, Tile) and _is_for(part, request)]
    return context | {
        "title": "首页",
        "tiles": tiles,
        "waits": [tile for tile in tiles if tile.tone],
        "figures": [tile for tile in tiles if tile.spark],
        "others": [tile for tile in tiles if not tile.tone and not tile.spark],
        "panels": [part for part in parts if isinstance(part, Panel)],
        "period": period,
        "shortcuts": [(label, f"?period={name}", name == period.name) for name, (label, _) in PERIODS.items()],
    }


def _is_for(tile: Tile, request: HttpRequest) -> bool:
    """Tell whether the user may see the tile: what waits is shown to those who may deal with it."""
    if tile.is_income and not may_see_income(request):
        return False
    label, _, verb = tile.right.partition(":")
    return not tile.right or admin_of(label).has_right(request, verb)


def _figure(
    label: str, number: Any, before: Any, period: Period, link: str, days: Iterable[Any], *, is_income: bool = False
) -> Tile:
    """Return the tile of a number that is compared with the period before, with the line of the last ``days``."""
    form = "{:,.2f}" if isinstance(number, Decimal) else "{}"
    hint = f"{period.last_label} {form.format(before)} {change_text(number, before)}".rstrip()
    spark = polyline([float(value) for value in days])
    return Tile(f"{period.label}{label}", form.format(number), link, hint=hint, is_income=is_income, spark=spark)


def _students(now: datetime, period: Period, scope: Scope) -> Iterator[Tile | Panel]:
    everybody, scope = students_total(scope=scope), scope.school
    total = students_total(scope=scope)
    # Only where there are such students: the list then has more to filter.
    school = {"entered": SCHOOL} if total < everybody else {}
    hint = f"不含学员账号练习录入的 {everybody - total} 名" if school else ""
    yield Tile("学员", str(total), list_url("students.student", **school), hint=hint)
    yield _new_students(now, period, scope, school)
    yield _classes(scope, school)


def _new_students(now: datetime, period: Period, scope: Scope, school: dict[str, str]) -> Tile:
    lately = days_until(now)
    days = entries("day", min(lately[0], period.last_begins.date()), now.date(), scope)
    new, before = (
        sum(number for day, number in days.items() if first.date() <= day <= last.date())
        for first, last in period.spans
    )
    link = list_url("students.student", created_at__gte=period.begins.isoformat(), **school)
    return _figure("新增学员", new, before, period, link, [days.get(day, 0) for day in lately])


def _classes(scope: Scope, school: dict[str, str]) -> Panel:
    """Return the largest classes, each with its room."""
    sizes = [(name, number) for name, number in classes_present(scope).items() if number]
    present = sorted(sizes, key=lambda row: -row[1])[:CLASSES_SHOWN]
    usual, own = settings.CLASS_CAPACITY, class_capacities(name for name, _ in present)
    rooms = {name: own.get(name, usual) for name, _ in present}
    links = {name: list_url("students.student", **{"class": name, "state": PRESENT}, **school) for name, _ in present}
    rows = [Row(name, number, links[name], f"/{rooms[name]}") for name, number in present]
    full = max([*rooms.values(), *(row.number for row in rows)], default=usual)
    hint, page = f"在册 / 容量，没填的按 {usual}", list_url("students.student", **school)
    return Panel("各班学员", rows, full, hint=hint, link=page, empty="还没有学员")


def _orders(now: datetime, period: Period, scope: Scope) -> Iterator[Tile | Panel]:
    if scope.is_narrow:  # the numbers are those of all buyers
        return
    sums, before = order_sums(period.spans)
    placed = {"created_at_from": period.begins.date(), "created_at_to": now.date()}
    earning = ",".join(state.value for state in EARNING)
    days = order_days(now)
    link = list_url("shop.order", **placed)
    yield _figure("订单", sums.placed, before.placed, period, link, [day.placed for day in days.values()])
    link, lately = list_url("shop.order", state__in=earning, **placed), [day.revenue for day in days.values()]
    yield _figure("收入（元）", sums.revenue, before.revenue, period, link, lately, is_income=True)
    to_do = orders_to_do()
    for work in ORDERS:
        number, link = sum(to_do[state] for state in work.states), list_url("shop.order", **work.query)
        yield _waits(work.label, number, work.tone, link, f"shop.order:{work.right}", work.hint)
    yield Tile("待付款", to_do[State.OPEN], list_url("shop.order", state__exact="open", sweep_at__isnull="False"))
    if untold := orders_untold().count():
        link, hint = list_url("shop.order", work="trouble"), "收到的钱或退款，订单没有记上"
        yield _waits("款项未入账", untold, "danger", link, "payments.payment:change", hint)


def _waits(label: str, number: int | str, tone: str, link: str, right: str, hint: str = "") -> Tile:
    """Return the tile of what staff with the right should deal with; it has its ``tone`` as long as there is any."""
    return Tile(label, number, link, tone if number else "", hint if number else "", right=right)


def _refunds(now: datetime, period: Period, _scope: Scope) -> Iterator[Tile | Panel]:
    (number, fen), (_, fen_before) = refund_sums(period.spans)
    since = list_url("payments.refund", created_at__gte=period.begins.isoformat())
    days = days_until(now)
    back = refunded("day", days[0], days[-1])
    sums = (fen_to_yuan(fen), fen_to_yuan(fen_before))
    yield _figure(f"退款（元，{number} 笔）", *sums, period, since, [back.get(day, 0) for day in days])
    link = list_url("payments.refund", next_try_at__isnull="False")
    yield _waits("处理中的退款", refunds_waiting(), "warning", link, "payments.refund:change")


def _differences(now: datetime, period: Period, _scope: Scope) -> Iterator[Tile | Panel]:
    link, right = list_url("payments.difference"), "payments.difference:change"
    yield _waits("对账差异", differences_open().count(), "danger", link, right, "逐条核对后消失")


def _notices(now: datetime, period: Period, _scope: Scope) -> Iterator[Tile | Panel]:
    link, right = list_url("payments.inboundevent", todo="1"), "payments.inboundevent:change"
    yield _waits("失败的支付通知", events_to_do(now=now).count(), "danger", link, right, "查清后点“知道了”")


def _products(now: datetime, period: Period, scope: Scope) -> Iterator[Tile | Panel]:
    scarce, page = products_scarce(scope), list_url("shop.product")
    link = list_url("shop.product", removed="no", stock__lte=SCARCE)
    many = f"{MAX_SCARCE}+" if len(scarce) == MAX_SCARCE else len(scarce)
    yield _waits("库存不足的商品", many, "warning", link, "shop.product:change", f"不多于 {SCARCE} 件")
    rows = [Row(product.name, product.stock, f"{page}{product.pk}/change/") for product in scarce[:SCARCE_SHOWN]]
    yield Panel("库存最少的商品", rows, SCARCE, link=link, empty="没有库存不足的商品")


CARDS: tuple[tuple[str, Card], ...] = (
    ("shop.order", _orders),
    ("payments.refund", _refunds),
    ("payments.difference", _differences),
    ("payments.inboundevent", _notices),
    ("shop.product", _products),
    ("students.student", _students),
)


# --- The bell in the header of every page ---
def waiting_page(request: HttpRequest) -> JsonResponse:
    """Answer with what waits for this user: label, number and address of each list that is not empty."""
    rows = [{"label": label, "number": number, "link": link} for label, number, link in _waiting(request) if number]
    return JsonResponse({"rows": rows})


def _waiting(request: HttpRequest) -> Iterator[tuple[str, int, str]]:
    works = [work for work in ORDERS if admin_of("shop.order").has_right(request, work.right)]
    if works and not scope_of(request.user).is_narrow:  # the numbers are those of all buyers
        to_do = orders_to_do()
        for work in works:
            yield work.label, sum(to_do[state] for state in work.states), list_url("shop.order", **work.query)
    if may_see(request, "payments.difference"):
        yield "对账差异", differences_open().count(), list_url("payments.difference")
    since = times.now() - EXPORTS_OF
    exports = Export.objects.filter(created_by=request.user.pk, state=Export.State.DONE, phase_at__gte=since)
    yield "导出完成", exports.count(), list_url("core.export")
