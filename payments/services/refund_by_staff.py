"""Steps of staff for a refund that did not arrive: again, or by other means.

Money must never go out twice. So each step asks the provider whether the earlier attempt can still succeed, and is
refused for two minutes after a call. When two members of staff press at once, the row lock lets one of them through.
"""

from datetime import datetime, timedelta

from django.db import transaction

from core.queues import task_send
from payments.errors import OrderUnknown, RefundNotPossible
from payments.gateways.wechat import gateway_v3
from payments.gateways.wechat.v3 import WeChatV3
from payments.models import OfflineWay, Payment, Refund, RefundStatus
from payments.services.listener_call import lock_payment, tell_refund
from payments.services.money_log import log_step
from payments.services.payee import payee
from payments.services.refund import STATE_OF, refund_create, refund_move, refund_record, require_room

# No call takes this long: after it, an earlier call has either arrived at the provider or failed.
QUIET = timedelta(minutes=2)
_S = RefundStatus
_HINT: dict[str, str] = {
    _S.ABNORMAL: "微信退不到原账户：请用别的办法退给买家，再在退款单上登记线下退款",
    _S.OWED: "款项已退回商户账户：请线下退给买家，并在退款单上登记",
}
_REPLACED = "这笔退款已换新单号，请处理新的退款单"


def refund_again(*, refund_id: int, actor: str, now: datetime) -> Refund:
    """Repeat a refund: under its own number if it was refused, under a new one if it was closed. Return the repeat.

    The provider moves the money of a number once, and a closed number never. Not in a transaction: for a closed refund
    it asks the provider.

    :raises RefundNotPossible: the refund needs another step, is under way, or is done; ``msg`` says which.
    :raises GatewayError: the provider cannot be asked.
    """
    refund = _refund(refund_id)
    if refund.state == _S.CLOSED:
        return _replace(refund, actor, now)
    if refund.state != _S.FAILED:
        raise RefundNotPossible(_HINT.get(refund.state, f"这笔退款{refund.get_state_display()}，不能重新提交"))
    _gateway(refund)
    refund = refund_move(refund.pk, _S.PENDING, now, actor=actor, staff=actor, last_error="")
    _require_state(refund, _S.PENDING)
    task_send("payments.run_refund", refund.pk)
    return refund


def _replace(old: Refund, actor: str, now: datetime) -> Refund:
    """Replace a closed refund by one with a new number.

    :raises RefundNotPossible: the old refund is not closed at the provider, or another refund uses the money by now.
    """
    _require_dead_there(old, {"CLOSED"}, now)
    with transaction.atomic():
        payment, old = _lock(old)
        if old.replaced_by_id:
            raise RefundNotPossible(_REPLACED)
        _require_state(old, _S.CLOSED)
        require_room(payment, old.amount_fen)
        new = refund_create(payment, old.amount_fen, reason=old.reason, requested_by=actor, now=now)
        old.replaced_by = new
        old.save(update_fields=["replaced_by"])
        log_step(payment, "换新单号", now, actor=actor, refund=old, detail=f"新单号 {new.out_refund_no}")
        tell_refund(payment, new, now, staff=actor)
        return new


def refund_ask(*, refund_id: int, now: datetime) -> Refund:
    """Ask the provider for the state of a refund and record it. Not in a transaction.

    :raises RefundNotPossible: the provider does not know the refund.
    :raises GatewayError: it cannot be asked.
    """
    refund = _refund(refund_id)
    try:
        result = _gateway(refund).refund_query(refund.out_refund_no)
    except OrderUnknown:
        raise RefundNotPossible("微信没有这笔退款的记录") from None
    return refund_record(result=result, now=now, source="人工查询")


def refund_offline(*, refund_id: int, way: str, voucher: str, actor: str, now: datetime) -> Refund:
    """Record that staff paid the buyer by other means, which ends the refund. Not in a transaction.

    :param way: a value of ``OfflineWay``.
    :param voucher: the number of the transfer or receipt.
    :raises RefundNotPossible: the provider has paid the refund or still may: it is under way there, or was sent less
        than two minutes ago.
    :raises GatewayError: the provider cannot be asked.
    """
    voucher = voucher.strip()[:64]
    if way not in OfflineWay.values or not voucher:
        raise RefundNotPossible("请填写线下退款的方式和凭证号")
    refund = _refund(refund_id)
    _require_dead_here(refund, now)
    if refund.state != _S.OWED and refund.sent_at is not None:
        _require_dead_there(refund, {"CLOSED", "ABNORMAL"}, now)
    with transaction.atomic():
        _, row = _lock(refund)
        _require_dead_here(row, now)
        proof = {"offline_way": way, "offline_voucher": voucher, "offline_by": actor[:64], "offline_at": now}
        detail = f"{OfflineWay(way).label} 凭证号 {voucher}"
        return refund_move(row.pk, _S.OFFLINE, now, actor=actor, staff=actor, detail=detail, last_error="", **proof)


def _require_dead_here(refund: Refund, now: datetime) -> None:
    """Check that, as far as our own rows say, the provider will not pay the refund any more.

    :raises RefundNotPossible: it may still pay it.
    """
    never_sent = refund.state == _S.PENDING and refund.sent_at is None
    if not never_sent and refund.state not in (_S.FAILED, _S.CLOSED, _S.ABNORMAL, _S.OWED):
        raise RefundNotPossible(f"这笔退款{refund.get_state_display()}，微信可能已经或即将退款，不能登记线下退款")
    if refund.state == _S.CLOSED:
        if refund.replaced_by_id:
            raise RefundNotPossible(_REPLACED)
        require_room(refund.payment, refund.amount_fen)
    # An owed refund has arrived at the merchant: no call can be under way.
    if refund.state != _S.OWED and refund.sent_at and now - refund.sent_at < QUIET:
        raise RefundNotPossible("刚刚向微信提交过，请两分钟后再试")


def _require_dead_there(refund: Refund, dead: set[str], now: datetime) -> None:
    """Ask the provider, and check that it will not pay the refund: it does not know it, or calls its state ``dead``.

    :raises RefundNotPossible: the provider has paid it or still may, which is then recorded.
    :raises GatewayError: the provider cannot be asked.
    """
    try:
        result = _gateway(refund).refund_query(refund.out_refund_no)
    except OrderUnknown:
        return
    if result.status not in dead:
        refund_record(result=result, now=now, source="人工查询")
        raise RefundNotPossible(f"微信侧这笔退款是“{STATE_OF[result.status].label}”，已记录，不能再退")


def _gateway(refund: Refund) -> WeChatV3:
    return gateway_v3(payee(refund.payment))


def _require_state(refund: Refund, state: RefundStatus) -> None:
    if refund.state != state:
        raise RefundNotPossible(f"这笔退款现在是“{refund.get_state_display()}”")


def _refund(refund_id: int) -> Refund:
    return Refund.objects.select_related("payment").get(pk=refund_id)


def _lock(refund: Refund) -> tuple[Payment, Refund]:
    """Lock order, payment and refund."""
    payment = lock_payment(refund.payment.out_trade_no)
    row = Refund.objects.select_for_update().get(pk=refund.pk)
    row.payment = payment
    return payment, row
