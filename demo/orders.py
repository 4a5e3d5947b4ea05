"""Demo orders of the last month in every state that lasts, with their money, their log and who dealt with them.

Their numbers end with ``demo`` and nine digits. They exist only where the sandbox plays WeChat Pay: ``demo.trades``
writes the same payments and refunds into its books, so asking about them and comparing bills find no difference.
No order waits for its payment, because such an order lasts 2 minutes.
"""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from auditlog.models import LogEntry
from django.conf import settings
from django.db.models import Model, ProtectedError, QuerySet

from accounts.models import User
from backoffice.audit import money_action, order_action
from core.audit import action_record
from core.ids import time17
from core.money import fen_text
from core.times import SHANGHAI, local
from demo.products import PRODUCT_IDS, PRODUCTS
from demo.products import VIP_CATEGORY as VIP
from payments.models import BillRun, Difference, Payment, PaymentLog, PaymentStatus, Refund, RefundStatus
from shop.models import Order, OrderLine, OrderLog, Product
from shop.order_states import API_STATUSES, TABLE, Event, Note, OrderStatus, ShippingStatus, State
from shop.services.order_create import order_deadline
from shop.services.order_move import SYSTEM, WECHAT

NUMBER = r"^\d{17}demo\d{9}$"
COUNT, DAYS, TODAY = 150, 30, 8  # orders, days, and how many of the orders are of the last hours
STAFF, MARK = "lbw", "demo"
BUYERS = ["谭鹏", "王欣怡", "李子轩", "张雨桐", "刘浩然", "陈思远", "杨佳琪", "赵梓涵", "黄俊杰", "徐婷婷"]
STREETS = [
    "重庆市渝中区解放碑步行街",
    "南京市玄武区中山路",
    "成都市锦江区春熙路",
    "武汉市江汉区江汉路",
    "西安市雁塔区小寨东路",
]
COURIERS = [("顺丰速运", "SF"), ("中通快递", "78"), ("圆通速递", "YT"), ("韵达快递", "46")]  # and their numbers
REASONS = ["尺寸不合适", "颜色与图片不符", "拍错了", "质量问题"]
# What happened to an order in each state, after it was placed.
_SENT = (Event.PAY, Event.PREPARE, Event.SHIP)
_BACK = (*_SENT, Event.ASK_RETURN, Event.APPROVE_RETURN)
STEPS: dict[State, tuple[Event, ...]] = {
    State.PAID: (Event.PAY,),
    State.PREPARING: (Event.PAY, Event.PREPARE),
    State.SHIPPED: _SENT,
    State.RECEIVED: (*_SENT, Event.RECEIVE),
    State.CANCELLED: (Event.CANCEL,),
    State.CLOSED: (Event.EXPIRE,),
    State.INVALID: (Event.INVALIDATE,),
    State.RETURN_ASKED: (*_SENT, Event.ASK_RETURN),
    State.RETURN_ASKED_LATER: (*_SENT, Event.RECEIVE, Event.ASK_RETURN),
    State.REFUNDING: _BACK,
    State.REFUND_FAILED: (*_BACK, Event.REFUND_FAIL),
    State.REFUNDED: (*_BACK, Event.REFUND_DONE),
}
# Who causes an event; the others are the buyer's.
ACTORS = {
    **dict.fromkeys((Event.PAY, Event.REFUND_FAIL, Event.REFUND_DONE), WECHAT),
    **dict.fromkeys((Event.PREPARE, Event.SHIP, Event.INVALIDATE, Event.APPROVE_RETURN), STAFF),
    Event.EXPIRE: SYSTEM,
}
# The newest orders, newest last; the others are of these kinds, in this proportion.
RECENT = [State.REFUNDED, State.SHIPPED, State.CANCELLED, State.PREPARING, State.PAID, State.PAID, State.PREPARING]
RARE = [
    *(State.INVALID, State.RETURN_ASKED, State.RETURN_ASKED, State.RETURN_ASKED_LATER, State.REFUNDING),
    *(State.REFUND_FAILED, State.SHIPPED, State.SHIPPED, State.SHIPPED, State.PAID, State.PAID, State.PREPARING),
]
USUAL = {State.RECEIVED: 70, State.CLOSED: 14, State.CANCELLED: 7, State.REFUNDED: 9}
_REFUNDS = {
    State.REFUNDING: RefundStatus.PROCESSING,
    State.REFUND_FAILED: RefundStatus.ABNORMAL,
    State.REFUNDED: RefundStatus.SUCCESS,
}


def orders_seed(*, now: datetime) -> str:
    """Make the demo orders, unless there is any order."""
    return "已有订单，保持不变" if Order.objects.exists() else orders_reset(now=now)


def orders_reset(*, now: datetime) -> str:
    """Put the demo orders back as they were, with their payments and refunds."""
    LogEntry.objects.filter(cid=MARK, content_type__app_label__in=["shop", "payments"]).delete()
    Difference.objects.filter(out_trade_no__regex=NUMBER).delete()
    _delete(Payment.objects.filter(out_trade_no__regex=NUMBER))
    _delete(Order.objects.filter(order_id__regex=NUMBER))
    goods = [product_id for product, product_id in zip(PRODUCTS, PRODUCT_IDS, strict=True) if product.category != VIP]
    products = list(Product.objects.filter(product_id__in=goods).order_by("pk"))
    random = Random(COUNT)  # noqa: S311  (always the same orders)
    rows: list[Any] = []
    for number, (state, at) in enumerate(_plan(random, now), 1):
        rows += _rows(number, state, at, products, random, now)
    models: list[Any] = [Order, OrderLine, OrderLog, Payment, Refund, PaymentLog]
    for model in models:
        model.objects.bulk_create(row for row in rows if isinstance(row, model))
    _record_bills(rows, now)
    _record_staff_actions(rows)
    return f"写入订单 {COUNT} 张"


def _delete(rows: QuerySet[Any]) -> None:
    """Delete rows together with the rows that protect them, such as logs: those are demo data as well."""
    while True:
        try:
            rows.delete()
            return
        except ProtectedError as error:
            protecting: set[Model] = error.protected_objects
            for model in {type(row) for row in protecting}:
                pks = [row.pk for row in protecting if type(row) is model]
                _delete(model._default_manager.filter(pk__in=pks))


def _plan(random: Random, now: datetime) -> Iterator[tuple[State, datetime]]:
    """Yield state and time of each order, oldest first."""
    midnight = local(now).replace(hour=0, minute=0, second=0, microsecond=0)
    recent = sorted(now - timedelta(minutes=random.randint(20, 300)) for _ in range(TODAY))
    older = sorted(
        midnight - timedelta(days=int(DAYS * random.random() ** 1.3)) - timedelta(minutes=random.randint(60, 900))
        for _ in range(COUNT - TODAY)
    )
    usual = random.choices(list(USUAL), weights=list(USUAL.values()), k=COUNT - TODAY - len(RARE))
    yield from zip([*usual, *RARE], older, strict=True)
    yield from zip([State.RECEIVED, *RECENT], recent, strict=True)


def _rows(
    number: int, state: State, created_at: datetime, products: list[Product], random: Random, now: datetime
) -> Iterator[Model]:
    """Yield an order with everything that belongs to it."""
    buyer, selection = random.choice(BUYERS), random.sample(products, random.choice([1, 1, 1, 2]))
    pieces = [(product, random.choice([1, 1, 1, 2, 3]) if product.price < 1000 else 1) for product in selection]
    numbers = {name: value for name, value in API_STATUSES[state]._asdict().items() if value is not None}
    if state in _REFUNDS:
        numbers |= {"order_status": OrderStatus.RETURNED, "shiping_status": ShippingStatus.SHIPPED}
    order = Order(
        order_id=f"{time17(created_at)}demo{number:09d}", username=buyer, recipient=buyer, phone=f"138000{number:05d}",
        total=sum((product.price * quantity for product, quantity in pieces), Decimal()),
        address=f"{random.choice(STREETS)}{random.randint(1, 199)}号", state=state, created_at=created_at,
        expires_at=order_deadline(created_at),
        holds_stock=state not in {State.CANCELLED, State.CLOSED, State.INVALID}, **numbers,
    )  # fmt: skip
    lines = [
        OrderLine(
            order=order, product=product, product_code=product.product_id, title=product.name, price=product.price,
            quantity=quantity, description=product.description, image_url=product.image_url,
        )
        for product, quantity in pieces
    ]  # fmt: skip
    reason = random.choice(REASONS)
    if state in (State.RETURN_ASKED, State.RETURN_ASKED_LATER):
        order.note = reason
    if Event.SHIP in STEPS[state]:
        order.express_company, begin = random.choice(COURIERS)
        order.express_no = f"{begin}{random.randint(10**11, 10**12 - 1)}"
    logs = list(_logs(order, reason, now))
    yield from (order, *lines, *logs)
    if Event.PAY in STEPS[state]:
        yield from _money(order, lines[0].title, {log.code: log.at for log in logs}, number, now)


def _logs(order: Order, reason: str, now: datetime) -> Iterator[OrderLog]:
    """Yield the order's log: payment after half a minute, then a step every 9 hours, or less if there is no time."""
    yield OrderLog(
        order=order,
        at=order.created_at,
        actor=order.username,
        code=Note.PLACED,
        event=Note.PLACED.label,
        to_state=State.OPEN,
    )
    steps, state, at = STEPS[State(order.state)], State.OPEN, order.created_at + timedelta(seconds=30)
    for event in steps:
        before, state = state, TABLE[state, event].to
        yield OrderLog(
            order=order, at=at, actor=ACTORS.get(event, order.username), code=event, event=event.label,
            from_state=before, to_state=state, detail=reason if event == Event.ASK_RETURN else "",
        )  # fmt: skip
        at += min(timedelta(hours=9), (now - order.created_at) / (len(steps) + 2))


def _money(order: Order, title: str, times: dict[str, datetime], number: int, now: datetime) -> Iterator[Model]:
    """Yield the order's payment, its refund, and their log. ``times``: when each event of the order was."""
    order.paid_at = paid_at = times[Event.PAY]
    order.payment_started_at, order.transaction_id = order.created_at, f"4200009000{local(paid_at):%Y%m%d}{number:010d}"
    payment = Payment(
        out_trade_no=order.order_id, appid=settings.WECHAT_APP_ID, mch_id=settings.WECHAT_PAY_MCH_ID,
        amount_fen=order.total_fen, state=PaymentStatus.PAID, description=title, time_start=order.created_at,
        time_expire=order.expires_at, transaction_id=order.transaction_id, paid_at=paid_at,
        billed_on=_billed_on(paid_at, now), created_at=order.created_at,
    )  # fmt: skip
    yield payment

    def log(at: datetime, actor: str, event: str, after: str, before: str = "", **fields: Any) -> PaymentLog:
        return PaymentLog(payment=payment, at=at, actor=actor, event=event, from_state=before, to_state=after, **fields)

    yield log(order.created_at, SYSTEM, "发起支付", PaymentStatus.STARTING)
    yield log(paid_at, WECHAT, "支付成功", PaymentStatus.PAID, PaymentStatus.OPEN)
    status = _REFUNDS.get(State(order.state))
    if status is None:
        return
    order.refunded = order.total
    asked_at, ended_at = times[Event.APPROVE_RETURN], max(times.values())
    refund = Refund(
        payment=payment, out_refund_no=f"{order.order_id}R01", amount_fen=order.total_fen, state=status,
        reason=Event.APPROVE_RETURN.label, requested_by=STAFF, attempts=1, sent_at=asked_at,
        refund_id=f"50300009000{local(asked_at):%Y%m%d}{number:010d}", received_by="支付用户零钱",
        accepted_at=asked_at, billed_on=_billed_on(asked_at, now), created_at=asked_at,
        refunded_at=ended_at if status == RefundStatus.SUCCESS else None,
        next_try_at=now + timedelta(days=1) if status == RefundStatus.PROCESSING else None,
    )  # fmt: skip
    yield refund
    detail = f"{fen_text(refund.amount_fen)} {refund.reason}"
    yield log(asked_at, STAFF, "申请退款", RefundStatus.PENDING, refund=refund, detail=detail)
    yield log(ended_at, WECHAT, status.label, status, RefundStatus.PENDING, refund=refund)


def _billed_on(moment: datetime, now: datetime) -> date | None:
    """Return the day whose bill has the payment. The bills of yesterday and today are compared as those of others."""
    day = local(moment).date()
    return day if day < local(now).date() - timedelta(days=1) else None


def _record_bills(rows: list[Any], now: datetime) -> None:
    """Write down that the bills of the past days were compared and agreed."""
    from sandbox.pay.bills import FEE_RATE, fee_of  # here, because it loads the sandbox's models

    last = local(now).date() - timedelta(days=2)
    runs = []
    for day in (last - timedelta(days=ago) for ago in range(DAYS)):
        day_rows = [row for row in rows if isinstance(row, Payment | Refund) and row.billed_on == day]
        ran_at = datetime.combine(day + timedelta(days=1), time(10, 5), SHANGHAI)
        run = BillRun(mch_id=settings.WECHAT_PAY_MCH_ID, day=day, state=BillRun.State.DONE, ran_at=ran_at)
        run.rows = len(day_rows)
        paid, refunded = ([row.amount_fen for row in day_rows if isinstance(row, kind)] for kind in (Payment, Refund))
        run.paid_fen, run.refunded_fen = sum(paid), sum(refunded)
        run.fee_fen = sum(map(fee_of, paid)) - sum(map(fee_of, refunded))
        run.fee_rates = FEE_RATE if any(map(fee_of, paid + refunded)) else ""
        runs.append(run)
    BillRun.objects.bulk_create(runs, ignore_conflicts=True)


def _record_staff_actions(rows: list[Any]) -> None:
    """Record what staff did, as ``backoffice.audit`` does when they do it."""
    actor_pk = User.objects.filter(username=STAFF).values_list("pk", flat=True).first()
    for row in rows:
        if isinstance(row, OrderLog | PaymentLog) and row.actor == STAFF:
            record = order_action(row) if isinstance(row, OrderLog) else money_action(row)
            action_record(*record, actor_pk=actor_pk, cid=MARK, timestamp=row.at)
