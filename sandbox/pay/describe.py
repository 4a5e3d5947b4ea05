"""Describe an order or a refund in the fields of each API, for answers and notifications alike."""

from datetime import datetime
from typing import Any

from core.times import local
from sandbox.keys import sandbox_values
from sandbox.models import Refund, RefundState, Trade

BANK = "OTHERS"


def rfc3339(moment: datetime) -> str:
    """Write a time of v3: ``2018-06-08T10:34:56+08:00``."""
    return local(moment).isoformat(timespec="seconds")


def trade_v2(trade: Trade) -> dict[str, str]:
    fen = str(trade.total_fee)
    fields = {
        "appid": trade.appid,
        "out_trade_no": trade.out_trade_no,
        "total_fee": fen,
        "attach": trade.attach,
    }
    if not trade.paid_at or not trade.transaction_id:
        return fields
    return fields | {
        "openid": trade.openid,
        "is_subscribe": "N",
        "trade_type": trade.trade_type,
        "bank_type": BANK,
        "fee_type": "CNY",
        "cash_fee": fen,
        "cash_fee_type": "CNY",
        "transaction_id": trade.transaction_id,
        "time_end": f"{local(trade.paid_at):%Y%m%d%H%M%S}",
    }


def trade_v3(trade: Trade) -> dict[str, Any]:
    fen = trade.total_fee
    fields: dict[str, Any] = {
        "appid": trade.appid,
        "mchid": sandbox_values()["WECHAT_PAY_MCH_ID"],
        "out_trade_no": trade.out_trade_no,
        "trade_state": trade.state,
        "trade_state_desc": trade.get_state_display(),
        "amount": {"total": fen, "currency": "CNY"},
    }
    if not trade.paid_at:
        return fields
    return fields | {
        "amount": {"total": fen, "payer_total": fen, "currency": "CNY", "payer_currency": "CNY"},
        "transaction_id": trade.transaction_id,
        "trade_type": trade.trade_type,
        "bank_type": BANK,
        "success_time": rfc3339(trade.paid_at),
        "payer": {"openid": trade.openid},
        "attach": trade.attach,
        "promotion_detail": [],
    }


def refund_v3(refund: Refund, state: str) -> dict[str, Any]:
    """Return what answers and notifications say of a refund in a state."""
    fen, total = refund.refund_fee, refund.trade.total_fee
    fields = {
        "refund_id": refund.refund_id,
        "out_refund_no": refund.out_refund_no,
        "transaction_id": refund.trade.transaction_id,
        "out_trade_no": refund.trade.out_trade_no,
        "user_received_account": "支付用户零钱",
        "amount": {"total": total, "refund": fen, "payer_total": total, "payer_refund": fen},
    }
    is_settled = state != RefundState.PROCESSING
    return fields | ({"success_time": rfc3339(refund.settles_at)} if is_settled else {})
