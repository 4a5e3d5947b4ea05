"""Notifications: what they say, and what the fault dial makes of them."""

import base64
import hashlib
import json
import secrets
import uuid
from datetime import datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from core.db.after_commit import task_send
from sandbox.faults import faults_on
from sandbox.models import Api, Delivery, DeliveryState, FaultKind, Refund, Trade
from sandbox.pay import xml
from sandbox.pay.describe import refund_amount, refund_v2, trade_v2, trade_v3
from sandbox.pay.merchant import merchant
from sandbox.pay.numbers import BEIJING, rfc3339
from sandbox.pay.rsa import encrypt

OVERTAKEN_BY = timedelta(seconds=1)  # how far a held notification comes after the one it waited for


def payment_notices_create(*, trade: Trade, now: datetime) -> None:
    """Queue the notification of a payment, in the format of the API that created the order."""
    faults = faults_on(trade)
    fen = _false_fee(trade.total_fee) if FaultKind.WRONG_AMOUNT in faults else None
    if trade.api == Api.V2:
        body = _payment_v2(trade, fen, is_forged=FaultKind.WRONG_SIGNATURE in faults)
    else:
        body = _envelope_v3("transaction", "TRANSACTION.SUCCESS", "支付成功", trade_v3(trade, total_fee=fen), now)
    draft = Delivery(trade=trade, api=trade.api, signed_by=trade.signed_by, url=trade.notify_url, body=body)
    _queue(draft, faults, now)


def refund_notices_create(*, refund: Refund, now: datetime) -> None:
    """Queue the notification of a settled refund, if the merchant asked for one."""
    if not refund.notify_url:
        return
    faults = faults_on(refund.trade)
    fen = _false_fee(refund.refund_fee) if FaultKind.WRONG_AMOUNT in faults else None
    if refund.api == Api.V2:
        body = _refund_body_v2(refund, fen, is_forged=FaultKind.WRONG_SIGNATURE in faults)
    else:
        summary = refund.get_state_display()
        body = _envelope_v3("refund", f"REFUND.{refund.state}", summary, _refund_plain_v3(refund, fen), now)
    draft = Delivery(
        trade=refund.trade, refund=refund, api=refund.api, signed_by=refund.signed_by, url=refund.notify_url, body=body
    )
    _queue(draft, faults, now)


def _queue(draft: Delivery, faults: dict[FaultKind, float], now: datetime) -> None:
    draft.created_at = now
    draft.is_forged = FaultKind.WRONG_SIGNATURE in faults
    draft.next_try_at = now + timedelta(seconds=faults.get(FaultKind.NOTIFY_LATE, 0))
    if FaultKind.NOTIFY_NEVER in faults:
        draft.state = DeliveryState.SUPPRESSED
    else:
        _shuffle(draft, faults)
    for _ in range(2 if FaultKind.NOTIFY_TWICE in faults else 1):
        draft.pk = None
        draft.save(force_insert=True)
        if draft.next_try_at <= now:
            task_send("sandbox.deliver", draft.pk)


def _shuffle(draft: Delivery, faults: dict[FaultKind, float]) -> None:
    """Let a waiting notification follow this one; with none waiting and the fault on, let this one wait."""
    waiting = Delivery.objects.filter(is_held=True, state=DeliveryState.DUE, attempts=0)
    overtaken = waiting.update(is_held=False, next_try_at=draft.next_try_at + OVERTAKEN_BY)
    if not overtaken and FaultKind.NOTIFY_OUT_OF_ORDER in faults:
        draft.is_held = True
        draft.next_try_at += timedelta(seconds=faults[FaultKind.NOTIFY_OUT_OF_ORDER])


def _false_fee(fen: int) -> int:
    return 1 if fen > 1 else 2


def _payment_v2(trade: Trade, fen: int | None, *, is_forged: bool) -> str:
    fields = _head_v2() | {"result_code": "SUCCESS"} | trade_v2(trade, total_fee=fen)
    if trade.sign_type != "MD5":
        fields["sign_type"] = trade.sign_type
    key = secrets.token_hex(16) if is_forged else merchant().api_key
    return xml.render(fields | {"sign": xml.sign(fields, key=key, sign_type=trade.sign_type)})


def _refund_body_v2(refund: Refund, fen: int | None, *, is_forged: bool) -> str:
    trade = refund.trade
    assert trade.transaction_id and refund.settled_at
    fields = refund_v2(refund) | {
        "out_trade_no": trade.out_trade_no,
        "transaction_id": trade.transaction_id,
        "total_fee": str(trade.total_fee),
        "settlement_total_fee": str(trade.total_fee),
        "refund_request_source": "API",
        "success_time": f"{refund.settled_at.astimezone(BEIJING):%Y-%m-%d %H:%M:%S}",
    }
    fields["refund_fee"] = fields["settlement_refund_fee"] = str(fen or refund.refund_fee)
    key = secrets.token_hex(16) if is_forged else merchant().api_key
    return xml.render(_head_v2() | {"req_info": _seal_v2(xml.render(fields, root="root"), key)})


def _seal_v2(text: str, key: str) -> str:
    """AES-256-ECB with PKCS7 under md5(key): the provider's choice, not ours."""
    secret = hashlib.md5(key.encode(), usedforsecurity=False).hexdigest().encode()
    padder, sealer = PKCS7(128).padder(), Cipher(algorithms.AES(secret), modes.ECB()).encryptor()  # noqa: S305
    return base64.b64encode(
        sealer.update(padder.update(text.encode()) + padder.finalize()) + sealer.finalize()
    ).decode()


def _head_v2() -> dict[str, str]:
    known = merchant()
    return {
        "return_code": "SUCCESS",
        "appid": known.appid,
        "mch_id": known.mch_id,
        "nonce_str": secrets.token_hex(16),
    }


def _refund_plain_v3(refund: Refund, fen: int | None) -> dict[str, Any]:
    assert refund.settled_at
    return {
        "mchid": merchant().mch_id,
        "transaction_id": refund.trade.transaction_id,
        "out_trade_no": refund.trade.out_trade_no,
        "refund_id": refund.refund_id,
        "out_refund_no": refund.out_refund_no,
        "refund_status": refund.state,
        "success_time": rfc3339(refund.settled_at),
        "user_received_account": refund.receiver,
        "amount": refund_amount(refund, refund_fee=fen),
    }


def _envelope_v3(kind: str, event: str, summary: str, plain: dict[str, Any], now: datetime) -> str:
    sealed = encrypt(json.dumps(plain, ensure_ascii=False).encode(), associated_data=kind)
    event_row = {
        "id": str(uuid.uuid4()),
        "create_time": rfc3339(now),
        "resource_type": "encrypt-resource",
        "event_type": event,
        "summary": summary,
        "resource": sealed | {"original_type": kind},
    }
    return json.dumps(event_row, ensure_ascii=False)
