"""Demo orders of the last month in every state that lasts, made by the shop's services as on the days before.

Their numbers end with ``demo`` and nine digits, by which a reset finds them. They exist only where the sandbox plays
WeChat Pay: its books get the same payments and refunds, so asking about them and comparing bills find no difference.
No order waits for its payment, because such an order lasts 2 minutes.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import ProtectedError, QuerySet

from accounts.models import User
from core.audit import Actor
from core.ids import time17
from core.queues import task_send
from core.times import local
from demo.products import PRODUCT_IDS
from payments.gateways.base import PaymentResult, RefundResult
from payments.models import Difference, Payment, Refund
from payments.services.bills import bill_days_missing
from payments.services.confirm import payment_confirm
from payments.services.refund import refund_record
from sandbox.models import Refund as TheirRefund
from sandbox.models import RefundState, Trade, TradeState
from sandbox.pay.trades import PAYER
from shop.models import Order
from shop.order_states import Event
from shop.services import order_refund as refunds
from shop.services.order_close import order_close, order_try_close
from shop.services.order_create import order_create
from shop.services.order_step import order_step

NUMBER = r"^\d{17}demo\d{9}$"
BUYER, STAFF, MARK = "yuangong", "lbw", "demo"
PEOPLE = ["谭鹏", "王欣怡", "李子轩", "张雨桐", "刘浩然", "陈思远", "杨佳琪", "赵梓涵", "黄俊杰", "徐婷婷"]
STREETS = ["重庆市渝中区解放碑步行街", "南京市玄武区中山路", "成都市锦江区春熙路", "武汉市江汉区江汉路"]
COURIERS = [("顺丰速运", "SF{:012}"), ("中通快递", "78{:012}"), ("圆通速递", "YT{:013}"), ("韵达快递", "46{:011}")]
REASONS = ["尺寸不合适", "颜色与图片不符", "拍错了", "质量问题"]
COMPARED_AT_ONCE = 2  # days
PAID_AFTER, PAUSE = timedelta(seconds=30), timedelta(hours=9)
_BOUGHT, _BACK = "pay ship receive", "pay ship ask approve"
# Oldest first: hours ago, the place in PRODUCTS, pieces, and the steps that follow.
STORIES = [
    (700, 0, 1, _BOUGHT), (660, 3, 2, _BOUGHT), (610, 1, 1, "expire"), (560, 4, 3, _BOUGHT),
    (520, 3, 1, f"{_BACK} back"), (470, 1, 1, _BOUGHT), (430, 0, 1, "cancel"), (390, 3, 1, _BOUGHT),
    (350, 3, 3, f"{_BOUGHT} part back"), (310, 0, 1, _BOUGHT), (270, 4, 1, "invalidate"), (240, 3, 2, _BOUGHT),
    (210, 1, 1, _BOUGHT), (180, 0, 2, f"{_BOUGHT} ask agree arrive approve back"), (150, 3, 1, f"{_BOUGHT} ask agree"),
    (120, 1, 1, f"{_BOUGHT} ask"), (100, 4, 2, f"{_BACK} stuck"), (90, 0, 1, _BOUGHT),
    (70, 3, 2, f"{_BOUGHT} ask agree arrive"), (60, 1, 1, "pay ship"), (50, 3, 1, "pay ship ask"),
    (45, 0, 1, f"{_BACK} waits"), (30, 3, 2, "pay prepare ship"), (26, 0, 1, "pay"), (20, 4, 1, "pay prepare"),
    (5, 3, 1, f"{_BACK} back"), (4, 3, 1, "pay ask back"), (3, 1, 1, "pay ship"), (2, 0, 1, "pay prepare"),
    (1, 3, 2, "pay"),
]  # fmt: skip


@transaction.atomic
def orders_reset(*, now: datetime) -> str:
    """Put the demo orders back as they were, with their payments and refunds."""
    for table in (Difference, Trade, Payment):
        _delete(table._default_manager.filter(out_trade_no__regex=NUMBER))
    _delete(Order.objects.filter(order_id__regex=NUMBER))
    users = {user.username: user for user in User.objects.filter(username__in=[BUYER, STAFF])}
    for number, (hours, product, pieces, steps) in enumerate(STORIES, 1):
        at = now - timedelta(hours=hours)
        order = _place(number, users[BUYER], PRODUCT_IDS[product], pieces, at)
        services = _services(number, order, users[BUYER].pk, Actor.of(users[STAFF]))
        at += min(PAID_AFTER, settings.ORDER_TTL / 2)  # before it expires
        pause = min(PAUSE, timedelta(hours=hours) / (len(steps.split()) + 1))
        for step in steps.split():
            services[step](order_id=order.order_id, now=at)
            at += pause
    # The dashboard shows these. Each day is several lines of the log, which would push the addresses that a first start
    # prints off the screen: the other days are compared at the next quarter past.
    for day in bill_days_missing(settings.WECHAT_PAY_MCH_ID, now=now)[-COMPARED_AT_ONCE:]:
        task_send("payments.reconcile_bill", day.isoformat())
    return f"写入订单 {len(STORIES)} 张"


def _delete(rows: QuerySet[Any]) -> None:
    """Delete rows together with the rows that protect them, such as logs: those are demo data as well."""
    try:
        rows.delete()
    except ProtectedError as error:
        for row in error.protected_objects:
            _delete(type(row)._default_manager.filter(pk=row.pk))
        _delete(rows)


def _place(number: int, buyer: User, product_id: str, pieces: int, at: datetime) -> Order:
    order = order_create(
        buyer_pk=buyer.pk, username=BUYER, product_id=product_id, quantity=pieces, now=at,
        phone=f"138000{number:05d}", recipient=PEOPLE[number % len(PEOPLE)],
        address=f"{STREETS[number % len(STREETS)]}{number}号",
    )  # fmt: skip
    order.order_id = f"{time17(at)}demo{number:09d}"
    order.save(update_fields=["order_id"])
    return order


def _services(number: int, order: Order, buyer_pk: int, staff: Actor) -> dict[str, Callable[..., Any]]:
    """Return what takes each step."""
    line = order.lines.get()
    buyer: dict[str, Any] = {"actor": BUYER, "buyer_pk": buyer_pk}
    by_staff: dict[str, Any] = {"actor": staff}
    part: dict[str, Any] = {"amount": line.price, "quantities": {line.pk: 1}, "is_restocked": False, "refunds_seen": 0}
    reason, (courier, form) = REASONS[number % len(REASONS)], COURIERS[number % len(COURIERS)]
    parcel: dict[str, Any] = {"express_company": courier, "express_no": form.format(number * 7919)}
    parcel["courier_fee"] = Decimal(8 + number % 5) if number % 7 else None
    return {
        "pay": partial(_pay, number),
        "cancel": partial(order_close, event=Event.CANCEL, **buyer),
        "expire": lambda **_: order_try_close(order_pk=order.pk, now=order.expires_at),
        "invalidate": partial(order_close, event=Event.INVALIDATE, reason="买家下错了单", **by_staff),
        "prepare": partial(order_step, event=Event.PREPARE, **by_staff),
        "ship": partial(order_step, event=Event.SHIP, **parcel, **by_staff),
        "receive": partial(order_step, event=Event.RECEIVE, **buyer),
        "ask": partial(refunds.order_return, reason=reason, **buyer),
        "agree": partial(order_step, event=Event.AGREE_RETURN, **by_staff),
        "arrive": partial(
            refunds.order_return_receive, quantities={line.pk: line.quantity}, is_restocked=True, **by_staff
        ),
        "approve": partial(order_step, event=Event.APPROVE_RETURN, **by_staff),
        "part": partial(refunds.order_refund_part, reason=reason, **part, **by_staff),
        "back": partial(_answer_refund, number, RefundState.SUCCESS),
        "stuck": partial(_answer_refund, number, RefundState.ABNORMAL),
        "waits": partial(_answer_refund, number, RefundState.PROCESSING),
    }


def _pay(number: int, *, order_id: str, now: datetime) -> None:
    """Let the provider take the money of an order, and tell of it."""
    order = Order.objects.get(order_id=order_id)
    trade = Trade.objects.create(
        out_trade_no=order_id, fingerprint=MARK, trade_type="NATIVE", body=str(order.lines.get()),
        total_fee=order.total_fen, notify_url=f"{settings.PUBLIC_BASE_URL}/pay/payResult", openid=PAYER,
        state=TradeState.SUCCESS, transaction_id=f"4200009000{local(now):%Y%m%d}{number:010d}",
        appid=settings.WECHAT_APP_ID,
        created_at=order.created_at, expires_at=order.expires_at, paid_at=now,
    )  # fmt: skip
    result = PaymentResult(
        out_trade_no=order_id, trade_state="SUCCESS", appid=settings.WECHAT_APP_ID,
        mch_id=settings.WECHAT_PAY_MCH_ID, paid_fen=trade.total_fee, transaction_id=trade.transaction_id or "",
        paid_at=now, trade_type="NATIVE",
    )  # fmt: skip
    payment_confirm(result=result, now=now, source="微信通知")


def _answer_refund(number: int, state: RefundState, *, order_id: str, now: datetime) -> None:
    """Let the provider take a refund, and tell what became of it. One that is under way takes a week."""
    ours, trade = Refund.objects.get(payment__out_trade_no=order_id), Trade.objects.get(out_trade_no=order_id)
    settled_at = None if state == RefundState.PROCESSING else now
    outcome = RefundState.SUCCESS if settled_at is None else state
    theirs = TheirRefund.objects.create(
        trade=trade, out_refund_no=ours.out_refund_no, refund_fee=ours.amount_fen, reason=ours.reason, outcome=outcome,
        refund_id=f"50300009000{local(ours.created_at):%Y%m%d}{number:010d}", created_at=ours.created_at,
        settles_at=settled_at or now + timedelta(days=7),
    )  # fmt: skip
    Trade.objects.filter(pk=trade.pk).update(state=TradeState.REFUND)
    Refund.objects.filter(pk=ours.pk).update(attempts=1, sent_at=ours.created_at)
    result = RefundResult(
        out_trade_no=order_id, out_refund_no=ours.out_refund_no, status=state, refund_fen=ours.amount_fen,
        total_fen=trade.total_fee, refund_id=theirs.refund_id, received_by="支付用户零钱",
        accepted_at=ours.created_at, refunded_at=settled_at,
    )  # fmt: skip
    refund_record(result=result, now=now, source="微信通知")
