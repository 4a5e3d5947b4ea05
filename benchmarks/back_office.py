"""How long the server takes for every page of the back office, and how many queries, at a small and at a large size.

    python -m benchmarks.back_office                          # 1,000,000 students, 100,000 orders: 10 to 20 minutes
    python -m benchmarks.back_office --students 100000 --orders 20000 --all

Runs on throw-away engines, or on DATABASE_URL's server in a database of its own. Pages are asked for in this process,
through all middleware, as root: the time is that of the whole request (the least of several), without the network and
without what this process waited for a CPU (Linux counts it), because a busy machine adds that.
Lists are asked for with each filter, each order and each of ``TERMS`` as search; which pages, filters and columns there
are is read off the back office itself. A line of the table is the slowest address of its kind; ``--all`` prints all.
The orders are the demo's, which are in every state, again and again: ``COPIES_A_DAY`` for each day further back.
"""

import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

from benchmarks import kit

SMALL = (1_000, 150, 2_000)
MAX_MS, MAX_FIND_MS = 300, 200
ROUNDS = 5
QUICK_MS = 100  # a page below this need not be asked again
CITIES = ["重庆", "南京", "成都", "武汉", "西安", "北京", "上海", "广州", "杭州", "长沙"]
DEGREES = ["专科", "本科", "高中", "硕士"]
# Searched in every list: a surname, a name, a product, digits, letters, a number's head and tail, text that no row has.
TERMS = ["王", "谭鹏", "自行车", "vip", "1380", "0001", "20", "42000", "h51", "H51901", "无此人", "zzzz"]
TERMS += ["BNCH00012345"]
PERIODS = ["today", "week", "month", "year"]
FINISHED = ["received", "closed", "cancelled", "refunded", "invalid"]
LIST = 40  # students of a session
STEP = 10_000  # added to the keys of one copy of the demo's orders; the demo has fewer rows in each table
COPIES_A_DAY = 5


# --- Rows ----------------------------------------------------------------------------------------
# Numbers begin with a day, after a prefix of WeChat Pay's: the copy's number has the copy's day, and behind it three
# digits that tell the copies of a day apart.
_MOVED = """
CREATE FUNCTION pg_temp.moved(number text, days int, copy bigint) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT overlay(number PLACING to_char(to_date(substr(number, at, 8), 'YYYYMMDD') - days, 'YYYYMMDD')
                   || lpad((copy % 1000)::text, 3, '0') FROM at)
    FROM (SELECT CASE left(number, 4) WHEN '4200' THEN 11 WHEN '5030' THEN 12 ELSE 1 END AS at) AS place
    WHERE number <> '' UNION ALL SELECT '' WHERE number = ''
$$
"""


def fill_orders(count: int) -> None:
    """Copy the demo's orders with their lines, logs, payments, refunds and audit entries until there are ``count``."""
    from django.db import connection

    from shop.models import Order

    demo, finished = Order.objects.count(), Order.objects.filter(state__in=FINISHED).count()
    copies = max(count // demo - 1, 0) * demo // finished
    source, days = f"generate_series(1, {copies}) AS k", f"(({copies} - k) / {COPIES_A_DAY} + 1)"
    key = f"+ k * {STEP}"

    def at(*names: str) -> dict[str, str]:
        return {name: f"t.{name} - make_interval(days => {days}::int)" for name in names}

    def moved(*names: str) -> dict[str, str]:
        return {name: f"pg_temp.moved(t.{name}, {days}::int, k)" for name in names}

    def keys(*names: str) -> dict[str, str]:
        return {name: f"t.{name} {key}" for name in names}

    day = {"billed_on": f"t.billed_on - {days}::int"}
    mixed = "(t.id * 7919 + k * 104729)"
    parcel = f"CASE WHEN t.express_no = '' THEN '' ELSE 'SF' || lpad(({mixed} % 1000000000000)::text, 12, '0') END"
    buyer = "(t.id * 31 + k * 7) % (SELECT count(*) FROM accounts_user WHERE NOT is_staff)"
    with connection.cursor() as cursor:
        cursor.execute(_MOVED)
    kit.multiply(
        "shop_order",
        source,
        keys("id")
        | moved("order_id", "transaction_id")
        | at("created_at", "expires_at", "payment_started_at", "paid_at", "hidden_at")
        | {"phone": f"'138' || lpad(({mixed} % 100000000)::text, 8, '0')"}
        | {"express_no": parcel, "username": f"'h51' || lpad(({buyer})::text, 6, '0')"},
        # Few orders wait for staff, however many there are.
        f"t.state = ANY(ARRAY{FINISHED}) OR k > {copies - 15}",
    )
    # What belongs to an order is copied with it.
    copied = f"EXISTS (SELECT FROM shop_order o WHERE o.id = t.order_id {key})"
    kit.multiply("shop_orderline", source, keys("id", "order_id"), copied)
    kit.multiply("shop_orderlog", source, keys("id", "order_id") | at("at"), copied)
    paid = f"EXISTS (SELECT FROM shop_order o WHERE o.order_id = pg_temp.moved(t.out_trade_no, {days}::int, k))"
    times = ("time_start", "time_expire", "paid_at", "created_at")
    kit.multiply(
        "payments_payment", source, keys("id") | moved("out_trade_no", "transaction_id") | at(*times) | day, paid
    )
    of_payment = f"EXISTS (SELECT FROM payments_payment p WHERE p.id = t.payment_id {key})"
    kit.multiply(
        "payments_refund",
        source,
        keys("id", "payment_id")
        | moved("out_refund_no", "refund_id")
        | at("created_at", "sent_at", "accepted_at", "refunded_at")
        | day,
        of_payment,
    )
    kit.multiply("payments_paymentlog", source, keys("id", "payment_id", "refund_id") | at("at"), of_payment)
    kit.multiply(
        "auditlog_logentry",
        source,
        keys("id", "object_id") | moved("object_repr") | at("timestamp") | {"object_pk": f"(t.object_id {key})::text"},
        "t.cid = 'demo'",
    )
    event = {"id": "t.id + p.id", "out_trade_no": "p.out_trade_no", "received_at": "p.created_at"}
    kit.multiply("payments_inboundevent", "payments_payment AS p", event)


def fill_others(rows: int) -> None:
    """Make ``rows`` users, and as many of what grows with them: logins, pictures."""
    from django.utils import timezone

    from accounts.models import LoginLog, RevokedToken, User
    from core.audit import StaffAction, action_record
    from payments.models import InboundEvent
    from permissions.models import Role
    from students.models import Student
    from uploads.models import Upload

    now = timezone.now()
    source, minutes = f"generate_series(1, {rows}) AS k", "{} - make_interval(mins => 10 * k)"
    user = User.objects.create_user("buyer", role=Role.objects.get(roleid="200"), nickname="买家")
    number = "lpad(k::text, 6, '0')"
    names = {"username": f"'h51' || {number}", "unid": f"'u' || {number}", "nickname": f"'学员' || {number}"}
    kit.multiply(
        "accounts_user", source, {"id": f"{STEP} + k"} | names | {"phone": f"'139000' || {number}"}, f"t.id = {user.pk}"
    )
    login = LoginLog.objects.create(user=user, username="buyer", ip="10.0.0.1", logged_in_at=now)
    who = {"user_id": f"{STEP} + k", "username": f"'h51' || {number}"}
    kit.multiply(
        "accounts_loginlog",
        source,
        who | {"id": "t.id + k", "logged_in_at": minutes.format("t.logged_in_at")},
        f"t.id = {login.pk}",
    )
    RevokedToken.objects.bulk_create(RevokedToken(jti=f"{n:032x}", expires_at=now) for n in range(min(rows, 5_000)))
    picture = {"content_type": "image/png", "size_bytes": 1_000, "width": 100, "height": 100}
    Upload.objects.create(name="bench.png", created_at=now, **picture)
    kit.multiply(
        "uploads_upload", source, {"id": "t.id + k", "name": f"'bench' || {number} || '.png'"}, "t.name = 'bench.png'"
    )
    action_record(Student.objects.all()[0], StaffAction.BULK, {"说明": "换班"})
    InboundEvent.objects.create(
        channel="v3", received_at=now, body=b"{}", verdict="accepted", kind="TRANSACTION.SUCCESS"
    )


# Each class has ``LIST`` students on the list of a session on every second day of the last year.
_SESSIONS = """
INSERT INTO attendance_session (class_name, date, period, opened_at, late_at, closes_at, closed_at, is_private)
SELECT class_name, day, 1, day + time '08:30', day + time '08:40', day + time '09:00', day + time '09:00', false
FROM (SELECT 'H51' || lpad((n %% 1000)::text, 3, '0') AS class_name FROM generate_series(0, 999) AS n) AS c,
     (SELECT current_date - n AS day FROM generate_series(1, 365, 2) AS n) AS d
ORDER BY class_name, day LIMIT %s
"""
_RECORDS = f"""
INSERT INTO attendance_record (session_id, student_id, sid, name, status, way, remark, device, is_same_device)
SELECT s.id, p.id, p.sid, p.name, (ARRAY[1, 1, 1, 1, 1, 1, 2, 3, 4, 5])[1 + (s.id + p.id) % 10], 1, '', '', false
FROM attendance_session AS s JOIN LATERAL
     (SELECT * FROM students_student WHERE class_name = s.class_name ORDER BY id LIMIT {LIST}) AS p ON true
"""


def fill_attendance(records: int) -> None:
    """Make about ``records`` records, of a year in which so many classes as it takes have met every second day."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(_SESSIONS, [records // LIST])
        cursor.execute(_RECORDS)


def fill(students: int, orders: int, records: int) -> float:
    from django.core.management import call_command

    start, now = time.monotonic(), datetime.now(UTC)

    def others(number: int) -> tuple[Any, ...]:
        where = (CITIES[number % len(CITIES)], DEGREES[number % 7 % len(DEGREES)], f"https://example.com/{number}")
        return (f"H51{number * 1000 // students:03d}", *where, now - timedelta(minutes=2 * (students - number)))

    call_command("prepare", verbosity=0)
    with kit.without_limits():
        kit.fill_students(students, others)
        fill_others(max(orders // 2, 100))
        fill_orders(orders)
        fill_attendance(records)
    return time.monotonic() - start


# --- Pages ---------------------------------------------------------------------------------------
class Page(NamedTuple):
    kind: str  # a line of the table
    address: str
    max_ms: int = MAX_MS


class Cost(NamedTuple):
    ms: float
    queries: int
    status: int


def pages(browser: Any) -> Iterator[Page]:
    """Yield every page: those of each list, then those that belong to no list."""
    from django.contrib import admin
    from django.urls import reverse

    from accounts.models import User
    from accounts.tokens import token_issue

    yield from (Page("首页", f"/admin/?period={period}") for period in PERIODS)
    yield from (
        Page("Ctrl+K", f"/admin/search/?{urlencode({'s': term, 'extended': 1})}", MAX_FIND_MS) for term in finds()
    )
    for days in (1, 31):
        yield from (Page("日报", f"/admin/daily/?{_days(days)}{more}") for more in ("", "&paper", "&xlsx"))
    for name in ("classroom", "admin:students_import", "admin:students_photos"):
        yield Page("其他", reverse(name))
    for query in ("attendance/session/month/?class=H51100&month={:%Y-%m}", "dormitory/room/beds/"):
        yield Page("考勤表、床位图", f"/admin/{query.format(datetime.now(UTC))}")
    token, year = token_issue(User.objects.get(username="root")), f"from={_day(365)}&unit=month"
    yield from (Page("考勤和统计的接口", f"{call}token={token}") for call in (
        "/attendance/getList?", "/attendance/getList?class=H51100&", "/attendance/getSummary?class=H51100&",
        f"/attendance/getSummary?from={_day(60)}&", f"/statistics/trend?of=attendance&from={_day(365)}&",
        *(f"/statistics/trend?of={of}&{year}&" for of in ("students", "leavers", "logins", "income", "attendance")),
        *(f"/statistics/students?by={by}&" for by in ("city", "class", "age", "month")),
        "/statistics/products?", "/statistics/overview?",
    ))  # fmt: skip
    for page in admin.site._registry.values():
        yield from pages_of_list(browser, page)


def numbers() -> list[str]:
    """Return the number and the phone of an order, whole, their beginnings and their ends."""
    from shop.models import Order

    order = Order.objects.order_by("pk")[100]
    return [order.order_id, order.order_id[-4:], order.order_id[:14], order.phone, order.phone[-4:]]


def finds() -> list[str]:
    """Return what is typed into Ctrl+K: ``TERMS``, and each of them as a clerk types it."""
    return [*dict.fromkeys(start for term in [*TERMS, *numbers()] for start in (term[:2], term[:3], term))]


def pages_of_list(browser: Any, page: Any) -> Iterator[Page]:
    from django.contrib.admin.templatetags.admin_list import result_headers
    from django.urls import reverse

    from runs.exports import ExportableAdmin

    model = f"{page.opts.app_label}_{page.opts.model_name}"
    title, base = str(page.opts.verbose_name), reverse(f"admin:{model}_changelist")
    answer = browser.get(base)
    if answer.status_code == 302:  # the list of one
        answer = browser.get(base := answer.headers["Location"])
    yield Page(title, base)
    shown = (answer.context_data or {}).get("cl") if hasattr(answer, "context_data") else None
    if shown is None:
        return
    yield from (Page(title, f"{base}?p={number}") for number in {2, shown.paginator.num_pages})
    queries = list(filters_of(shown, page))
    yield from (Page(title, base + query) for query in queries)
    if page.search_fields:
        for number, query in enumerate(queries):
            term = TERMS[number % len(TERMS)]
            yield Page(title, f"{base}{query}&{urlencode({'q': term})}")
        yield from (Page(title, f"{base}?{urlencode({'q': term})}") for term in [*TERMS, *numbers()])
    for number, head in enumerate(result_headers(shown)):
        if head["sortable"]:
            yield from (Page(title, f"{base}?o={way}{number}") for way in ("", "-"))
    for row in [*shown.result_list[:2], *page.model.objects.order_by("pk")[:2]]:
        yield Page(title, reverse(f"admin:{model}_change", args=[row.pk]))
        yield Page(title, reverse(f"admin:{model}_history", args=[row.pk]))
        yield Page(title, reverse(f"admin:{model}_delete", args=[row.pk]))
    yield Page(title, reverse(f"admin:{model}_add"))
    if isinstance(page, ExportableAdmin):
        since = {"student": "since", "order": "created_at_from"}.get(page.opts.model_name, "created_at__gte")
        queries = ["", *(f"?{since}={_day(ago)}" for ago in (0, 1, 2, 3, 5, 10, 20, 40))]
        yield from (Page("导出的第一个回应", f"{base}export/{query}") for query in queries)


def filters_of(shown: Any, page: Any) -> Iterator[str]:
    """Return the query string of each choice of each filter; of a range, the last month and a day of it."""
    from students.models import Student

    if page.model is Student:
        yield from ("?class=H51100", "?city=重庆", "?degree=本科", "?age_from=20&age_to=22", f"?since={_day(30)}")
        yield f"?class=H51100&city=重庆&degree=本科&age_from=20&since={_day(30)}&until={_day(0)}"
    for filter_ in shown.filter_specs:
        names = [name for name in filter_.expected_parameters() if name]
        if any("_from" in name for name in names):
            values = {name: "00:00:00" if name.endswith("_1") else _day(30 if "_from" in name else 1) for name in names}
            yield "?" + urlencode(values)
        for choice in filter_.choices(shown):
            if (query := choice.get("query_string", "")) not in ("", "?"):
                yield query


def _day(ago: int) -> str:
    from django.utils import timezone

    return str(timezone.localdate() - timedelta(days=ago))


def _days(count: int) -> str:
    return f"from={_day(count)}&to={_day(1)}"


def cost_of(browser: Any, page: Page) -> Cost:
    """Ask for the page: once to warm up and to count the queries, then until the least time is known."""
    from django.db import connection

    queries: list[str] = []

    def listen(execute: Any, sql: str, *others: Any) -> Any:
        queries.append(sql)
        return execute(sql, *others)

    with connection.execute_wrapper(listen):
        status = browser.get(page.address).status_code
    least = float("inf")
    for _ in range(ROUNDS):
        start, waited = time.perf_counter(), waited_s()
        browser.get(page.address)
        least = min(least, 1000 * (time.perf_counter() - start - (waited_s() - waited)))
        if least < QUICK_MS:
            break
    return Cost(least, len(queries), status)


def waited_s() -> float:
    """Return for how long this thread has waited for a CPU so far; 0 where the system does not say."""
    file = Path("/proc/self/schedstat")
    return int(file.read_text().split()[1]) / 1e9 if file.exists() else 0.0


def root_browser() -> Any:
    from django.test import Client
    from django.utils import timezone

    from accounts.models import User
    from core.admin.password import _GIVEN_AT

    browser = Client(headers={"host": "127.0.0.1"})
    browser.force_login(User.objects.get(username="root"))
    session = browser.session
    session[_GIVEN_AT] = timezone.now().timestamp() + 86400
    session.save()
    return browser


def measure() -> dict[Page, Cost]:
    browser, costs = root_browser(), {}
    for page in pages(browser):
        if page not in costs:
            costs[page] = cost_of(browser, page)
            if sys.stderr.isatty():
                print(f"\r{len(costs):5} {page.address[:100]:100}", end="", file=sys.stderr, flush=True)
    return costs


def print_table(small: dict[Page, Cost], large: dict[Page, Cost], *, every: bool) -> int:
    """Print the slowest address of each kind; return how many addresses are too slow."""
    kinds: dict[str, list[Page]] = {}
    for page in large:
        kinds.setdefault(page.address if every else page.kind, []).append(page)
    slow = [page for page in large if large[page].ms > page.max_ms]
    errors = [page for page in large if large[page].status >= 500]
    print("| page | addresses | small ms | large ms | ratio | queries | slowest |\n" + "| --- " * 7 + "|")
    for kind, same in kinds.items():
        worst = max(same, key=lambda page: large[page].ms)
        before = max((small[page].ms for page in same if page in small), default=0.0)
        queries, ms = max(large[page].queries for page in same), large[worst].ms
        ratio = f"{ms / before:.1f}" if before else ""
        print(f"| {kind} | {len(same)} | {before:.0f} | {ms:.0f} | {ratio} | {queries} | `{worst.address}` |")
    print(f"\n{len(large)} addresses, {len(slow)} too slow, {len(errors)} errors")
    for page in dict.fromkeys([*slow, *errors]):
        print(f"too slow or wrong: {large[page].ms:.0f} ms, status {large[page].status}: {page.address}")
    return len(slow) + len(errors)


# --- Start ---------------------------------------------------------------------------------------
def main() -> int:
    parser = kit.parser(__doc__)
    parser.add_argument("--students", type=int, default=1_000_000, help="default: 1,000,000")
    parser.add_argument("--orders", type=int, default=100_000, help="default: 100,000")
    parser.add_argument("--records", type=int, default=1_000_000, help="of attendance; default: 1,000,000")
    parser.add_argument("--all", action="store_true", help="print every address")
    options = parser.parse_args()
    with kit.prepared():
        fill(*SMALL)
        small = measure()
        kit.make_empty()
        seconds = fill(options.students, options.orders, options.records)
        size = f"{options.students:,} students, {options.orders:,} orders, {options.records:,} records"
        print(f"{size} in {seconds:.0f} s")
        return bool(print_table(small, measure(), every=options.all))


if __name__ == "__main__":
    sys.exit(main())
