"""Give the stand-in for WeChat Pay the payments of the demo orders, so that it agrees with them.

It copies rows and shares no code with what it checks: amounts and states are written down in its own words.
"""

from django.conf import settings

from core import times
from demo.orders import NUMBER
from payments.models import Payment
from payments.models import Refund as OurRefund
from sandbox.models import Refund, RefundState, Trade, TradeState
from sandbox.pay.trades import PAYER

_STATES = {"processing": RefundState.PROCESSING, "abnormal": RefundState.ABNORMAL, "success": RefundState.SUCCESS}


def trades_seed() -> str:
    """Copy the demo payments, unless there is a copy of one."""
    return "已有交易，保持不变" if Trade.objects.filter(out_trade_no__regex=NUMBER).exists() else trades_reset()


def trades_reset() -> str:
    """Copy all demo payments, in place of the copies that are there."""
    Trade.objects.filter(out_trade_no__regex=NUMBER).delete()
    return f"写入交易 {_copy(list(Payment.objects.filter(out_trade_no__regex=NUMBER)))} 笔"


def _copy(payments: list[Payment]) -> int:
    ours = OurRefund.objects.filter(payment__in=payments, state__in=_STATES).select_related("payment").order_by("pk")
    refunds = list(ours)
    payment_pks = {refund.payment_id for refund in refunds}
    trades = {
        payment.pk: Trade(
            out_trade_no=payment.out_trade_no, fingerprint="demo", trade_type="NATIVE", body=payment.description,
            total_fee=payment.amount_fen, notify_url=f"{settings.PUBLIC_BASE_URL}/pay/payResult", openid=PAYER,
            state=TradeState.REFUND if payment.pk in payment_pks else TradeState.SUCCESS,
            transaction_id=payment.transaction_id, expires_at=payment.time_expire, created_at=payment.created_at,
            paid_at=payment.paid_at,
        )
        for payment in payments
    }  # fmt: skip
    Trade.objects.bulk_create(trades.values())
    Refund.objects.bulk_create(
        Refund(
            trade=trades[refund.payment_id], out_refund_no=refund.out_refund_no, refund_id=refund.refund_id,
            refund_fee=refund.amount_fen, reason=refund.reason,
            state=_STATES[refund.state], created_at=refund.created_at,
            # One that is under way arrives when we ask about it next.
            settles_at=refund.next_try_at or refund.created_at,
            settled_at=None if refund.state == "processing" else refund.refunded_at or times.now(),
        )
        for refund in refunds
    )  # fmt: skip
    return len(trades)
