"""Steps of staff for a refund that did not arrive: again, under a new number, to another account, or by other means.

Money must never go out twice. So each step asks the provider whether the earlier attempt can still succeed, and is
refused for two minutes after a call. When two members of staff press at once, the row lock lets one of them through.
"""

from datetime import datetime, timedelta

from django.db import transaction

from payments.errors import PaymentError, RefundNotPossible
from payments.gateways.base import BankCard, Gateway, GatewayError, OrderUnknown, RefundResult
from payments.gateways.wechat import gateway_v3
from payments.models import OfflineWay, Payment, Refund, RefundStatus, RefundWay
from payments.services.common import limit_lock_wait, log_step, payee
from payments.services.refund import (
    STATE_OF,
    note_error,
    refund_create,
    refund_move,
    refund_record,
    refund_send,
    require_room,
)
from payments.services.telling import order_total, tell_refund

# No call takes this long: after it, an earlier call has either arrived at the provider or failed.
QUIET = timedelta(minutes=2)
_S = RefundStatus
_DEAD_STATES = {"CLOSED", "ABNORMAL"}
_HINT: dict[str, str] = {
    _S.ABNORMAL: "微信退不到原账户：请在退款单上选择退至商户账户、退至买家银行卡，或登记线下退款",
    _S.OWED: "款项已退回商户账户：请线下退给买家，并在退款单上登记",
}


def refund_again(*, refund_id: int, actor: str, now: datetime) -> Refund:
    """Repeat a failed refund: under its own number if it was refused, under a new one if it was closed.

    Not in a transaction: for a closed refund it asks the provider.

    :raises RefundNotPossible: the refund needs another step, is under way, or is done; ``msg`` says which.
    """
    refund = Refund.objects.get(pk=refund_id)
    if refund.state == _S.FAILED:
        return refund_retry(refund_id=refund_id, actor=actor, now=now)
    if refund.state == _S.CLOSED:
        return refund_renew(refund_id=refund_id, actor=actor, now=now)
    raise RefundNotPossible(_HINT.get(refund.state, f"这笔退款{refund.get_state_display()}，不能重新提交"))


def refund_retry(*, refund_id: int, actor: str, now: datetime) -> Refund:
    """Try a refused refund again, under its old number: the provider moves the money of a number once.

    :raises RefundNotPossible: the refund was not refused, or its merchant has no values for refunds.
    """
    refund = _refund(refund_id, {_S.FAILED}, "只有被拒绝的退款可以用原单号重新提交")
    _require_gateway(refund)
    moved = refund_move(refund.pk, _S.PENDING, now, actor=actor, staff=actor, last_error="")
    if moved.state != _S.PENDING:
        raise RefundNotPossible(f"这笔退款现在是“{moved.get_state_display()}”")
    refund_send(moved)
    return moved


def refund_renew(*, refund_id: int, actor: str, now: datetime) -> Refund:
    """Replace a closed refund by one with a new number; return it. Not in a transaction: it asks the provider.

    :raises RefundNotPossible: the old refund is not closed at the provider, or another refund uses the money by now.
    """
    old = _refund(refund_id, {_S.CLOSED}, "只有已关闭的退款可以换新单号")
    result = _provider_state(old)
    if result and result.status != "CLOSED":
        _record_and_refuse(result, now)
    with transaction.atomic():
        payment, old = _lock(old)
        if old.replaced_by_id:
            raise RefundNotPossible("这笔退款已换新单号，请处理新的退款单")
        if old.state != _S.CLOSED:
            raise RefundNotPossible(f"这笔退款现在是“{old.get_state_display()}”")
        require_room(payment, old.amount_fen)
        new = refund_create(payment, old.amount_fen, reason=old.reason, requested_by=actor, now=now)
        old.replaced_by = new
        old.save(update_fields=["replaced_by"])
        log_step(payment, "换新单号", now, actor=actor, refund=old, detail=f"新单号 {new.out_refund_no}")
        tell_refund(payment, new, now, staff=actor)
        return new


def refund_ask(*, refund_id: int, now: datetime) -> Refund:
    """Ask the provider for the state of a refund and record it. Not in a transaction.

    :raises RefundNotPossible: the provider does not know the refund, or cannot be asked.
    """
    refund = Refund.objects.select_related("payment").get(pk=refund_id)
    result = _provider_state(refund)
    if result is None:
        raise RefundNotPossible("微信没有这笔退款的记录")
    return refund_record(result=result, now=now, source="人工查询")


def refund_divert(*, refund_id: int, card: BankCard | None = None, actor: str, now: datetime) -> Refund:
    """Have the provider send an abnormal refund to a card of the buyer's, or without one back to the merchant.

    Not in a transaction. Money that is back at the merchant is still owed to the buyer; ``refund_offline`` records
    that staff paid it.

    :raises RefundNotPossible: the refund is not abnormal, was sent less than two minutes ago, or the provider
        refuses; ``msg`` says why.
    """
    refund = _refund(refund_id, {_S.ABNORMAL}, "只有异常的退款可以改退其他账户")
    gateway = _require_gateway(refund)
    _note_diversion(refund, card, actor, now)
    try:
        result = gateway.refund_abnormal(refund.refund_id, refund.out_refund_no, card)
    except GatewayError as error:
        if error.outcome_unknown:
            note_error(refund, f"{error.code} {error.message}".strip())
            raise RefundNotPossible("微信没有答复，结果不明：请两分钟后点“查询进度”") from None
        # The provider refused, so no money moves: let staff correct a mistyped card number at once.
        same = Refund.objects.filter(pk=refund.pk, state=_S.ABNORMAL, sent_at=now)
        same.update(way=RefundWay.ORIGINAL, sent_at=refund.sent_at, last_error=error.message[:255])
        raise RefundNotPossible(f"微信拒绝：{error.message or error.code}") from None
    return refund_record(result=result, now=now, source="微信应答")


def _note_diversion(refund: Refund, card: BankCard | None, actor: str, now: datetime) -> None:
    with transaction.atomic():
        payment, locked = _lock(refund)
        if locked.state != _S.ABNORMAL:
            raise RefundNotPossible(f"这笔退款现在是“{locked.get_state_display()}”")
        _require_quiet(locked, now)
        locked.way = RefundWay.CARD if card else RefundWay.MERCHANT
        locked.sent_at = now
        locked.save(update_fields=["way", "sent_at"])
        where = f"{card.bank} 尾号{card.number[-4:]}" if card else ""
        log_step(payment, f"改退{locked.get_way_display()}", now, actor=actor, refund=locked, detail=where)


def refund_offline(*, refund_id: int, way: str, voucher: str, actor: str, now: datetime) -> Refund:
    """Record that staff paid the buyer by other means, which ends the refund. Not in a transaction.

    :param way: a value of ``OfflineWay``.
    :param voucher: the number of the transfer or receipt.
    :raises RefundNotPossible: the provider has paid the refund or still may: it is under way there, was sent less than
        two minutes ago, or the provider cannot be asked.
    """
    voucher = voucher.strip()[:64]
    if way not in OfflineWay.values or not voucher:
        raise RefundNotPossible("请填写线下退款的方式和凭证号")
    refund = Refund.objects.select_related("payment").get(pk=refund_id)
    _require_dead_here(refund, now)
    if refund.state != _S.OWED and refund.sent_at is not None:
        result = _provider_state(refund)
        if result and result.status not in _DEAD_STATES:
            _record_and_refuse(result, now)
    with transaction.atomic():
        _, locked = _lock(refund)
        _require_dead_here(locked, now)
        label = OfflineWay(way).label
        return refund_move(
            locked.pk,
            _S.OFFLINE,
            now,
            actor=actor,
            staff=actor,
            detail=f"{label} 凭证号 {voucher}",
            offline_way=way,
            offline_voucher=voucher,
            offline_by=actor[:64],
            offline_at=now,
            last_error="",
        )


def _require_dead_here(refund: Refund, now: datetime) -> None:
    """Check that, as far as our own rows say, the provider will not pay the refund any more.

    :raises RefundNotPossible: it may still pay it.
    """
    never_sent = refund.state == _S.PENDING and refund.sent_at is None
    if not never_sent and refund.state not in (_S.FAILED, _S.CLOSED, _S.ABNORMAL, _S.OWED):
        raise RefundNotPossible(f"这笔退款{refund.get_state_display()}，微信可能已经或即将退款，不能登记线下退款")
    if refund.state == _S.CLOSED and _is_replaced(refund):
        raise RefundNotPossible("这笔退款已换新单号，请处理新的退款单")
    if refund.state != _S.OWED:  # an owed refund has arrived at the merchant: no call can be under way
        _require_quiet(refund, now)


def _is_replaced(refund: Refund) -> bool:
    """Tell whether other refunds of the payment use the money of a closed one by now."""
    if refund.replaced_by_id:
        return True
    try:
        require_room(refund.payment, refund.amount_fen)
    except RefundNotPossible:
        return True
    return False


def _require_quiet(refund: Refund, now: datetime) -> None:
    if refund.sent_at and now - refund.sent_at < QUIET:
        raise RefundNotPossible("刚刚向微信提交过，请两分钟后再试")


def _refund(refund_id: int, states: set[str], otherwise: str) -> Refund:
    refund = Refund.objects.select_related("payment").get(pk=refund_id)
    if refund.state not in states:
        raise RefundNotPossible(otherwise)
    return refund


def _lock(refund: Refund) -> tuple[Payment, Refund]:
    """Lock order, payment and refund, in the order in which every service locks them."""
    limit_lock_wait()
    order_total(refund.payment.out_trade_no, 0)
    payment = Payment.objects.select_for_update().get(pk=refund.payment_id)
    locked = Refund.objects.select_for_update().get(pk=refund.pk)
    locked.payment = payment
    return payment, locked


def _require_gateway(refund: Refund) -> Gateway:
    try:
        return gateway_v3(payee(refund.payment))
    except GatewayError as error:
        raise RefundNotPossible(f"商户没有配好微信支付退款（APIv3）：{error.message}") from None


def _provider_state(refund: Refund) -> RefundResult | None:
    """Return the provider's state of a refund; None if it does not know the number.

    :raises RefundNotPossible: the provider cannot be asked.
    """
    gateway = _require_gateway(refund)
    try:
        return gateway.refund_query(refund.out_refund_no)
    except OrderUnknown:
        return None
    except GatewayError as error:
        raise RefundNotPossible(f"暂时无法向微信确认，请稍后再试（{error.code or type(error).__name__}）") from None


def _record_and_refuse(result: RefundResult, now: datetime) -> None:
    """Record the provider's state and refuse the step, since the provider has paid the refund or still may.

    :raises RefundNotPossible: always.
    """
    try:
        refund_record(result=result, now=now, source="人工查询")
    except PaymentError as error:
        raise RefundNotPossible(error.msg) from None
    raise RefundNotPossible(f"微信侧这笔退款是“{STATE_OF[result.status].label}”，已记录，不能再退")
