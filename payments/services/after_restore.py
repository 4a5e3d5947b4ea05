"""After a backup was restored: the provider is asked what happened to payments and refunds since the backup."""

from collections.abc import Iterator
from datetime import datetime

from django.conf import settings

from core.models import Restoration
from core.times import format_office_time, local
from payments.errors import OrderUnknown
from payments.gateways.wechat import gateway_to_ask, merchant
from payments.models import Payment, PaymentStatus, Refund
from payments.selectors import UNDER_WAY
from payments.services.bills import bill_days_missing, bill_made_at
from payments.services.differences import RESTORE, payment_return_stray
from payments.services.money_log import log_step
from payments.services.start import MIN_LIFE


def payment_assume_started(*, out_trade_no: str, amount_fen: int, deadline: datetime, now: datetime) -> bool:
    """Store a payment for an order, so that the provider is asked before the order closes; tell if one was added.

    The buyer may have started a payment after the backup. Nothing is added without a merchant, or where the payment
    is stored already.

    :param deadline: until when the buyer may still pay.
    """
    who = merchant()
    if not who.mch_id:
        return False
    payment, is_new = Payment.objects.get_or_create(
        out_trade_no=out_trade_no,
        defaults={
            # Not the appid: the buyer may have paid in the mini program. The provider's answer names it.
            "mch_id": who.mch_id,
            "amount_fen": amount_fen,
            "notify_url": settings.PUBLIC_BASE_URL + "/pay/payResult",
            "time_start": now,
            "time_expire": max(deadline, now + MIN_LIFE),
            "next_check_at": now,
            "created_at": now,
        },
    )
    if is_new:
        log_step(payment, "恢复备份之后询问", now, to_state=payment.state)
    return is_new


def payment_recall(*, out_trade_no: str, now: datetime) -> str:
    """Ask the provider about an order number that the database does not know; refund its money if no order has it here.

    Not in a transaction. Return what was found, for the engineer.

    :raises PaymentError: the provider does not answer, or the money belongs to an order.
    """
    if Payment.objects.filter(out_trade_no=out_trade_no).exists():
        return "known here"
    try:
        result = gateway_to_ask().query(out_trade_no)
    except OrderUnknown:
        return "没有付过款"
    if result.trade_state not in ("SUCCESS", "REFUND"):
        return "没有付过款"
    payment_return_stray(result=result, actor=RESTORE, now=now)
    return "付过款，正在退回" if result.trade_state == "SUCCESS" else "付过款，已经退过"


def payments_after_restore(restoration: Restoration) -> Iterator[str]:
    """Make every unfinished payment and refund due now; the comparison with the bills finds the rest."""
    now = restoration.restored_at
    payments = Payment.objects.filter(next_check_at__isnull=False).exclude(state=PaymentStatus.PAID)
    refunds = Refund.objects.filter(state__in=UNDER_WAY)
    numbers = payments.update(next_check_at=now, claimed_until=None), refunds.update(next_try_at=now)
    yield f"worker 启动后马上去微信询问 {numbers[0]} 笔支付和 {numbers[1]} 笔退款。"
    if not merchant().has_v3:
        yield "没有微信支付 v3 就没有账单：请在商户平台核对备份之后的支付。"
        return
    first, today = local(restoration.written_at).date(), local(now).date()
    number = len(bill_days_missing(merchant().mch_id, now=now))
    yield (
        f"这里已经没有订单的款项，由 {first} 到 {today} 的账单找出来退回：其中 {number} 天在一小时之内核对，"
        f"最后一天在 {format_office_time(bill_made_at(today))} 之后。"
        "要马上退：在每台机器上运行 `manage.py payments_recall`。"
    )
