"""Starting a payment at the provider."""

import time
from contextlib import suppress
from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.conf import settings
from django.db import transaction

from core import times
from core.upstreams import UpstreamRefused, time_left
from payments import errors
from payments.errors import GatewayError, ProviderBusy
from payments.gateways.base import PaymentIntent, PaymentTicket
from payments.gateways.wechat import gateway_to_ask, gateway_v2, merchant
from payments.gateways.wechat.shared import UPSTREAM, is_number
from payments.models import Payment, PaymentStatus, TradeType
from payments.services.confirm import payment_mark_closed, payment_record
from payments.services.money_log import log_step, set_state
from payments.services.payee import payee
from payments.services.query_times import check_due

log = structlog.get_logger("payments")
# The live service refuses a time_expire less than 5 minutes ahead, and clocks differ.
MIN_LIFE = timedelta(minutes=6)
CODE_LIFE = timedelta(minutes=110)  # the provider's codes live 2 hours
# While a call places the order it cannot close: longer than all calls of a request may take together, so that the
# claim outlives them. It begins when the row is locked: what the request waited for before does not shorten it.
CLAIM = timedelta(seconds=8)
# Of calls at once none ends the claim when it fails, because another may be at the provider; so it may end later.
SHARED_CLAIM = CLAIM + timedelta(seconds=1)
PAUSE_S = 0.3
SECOND_TRY_S = 2.0  # do not try a second time when less time than this is left
Draft = dict[str, Any]  # the fields of the payment that a call would store
_BUSY = {"FREQUENCY_LIMITED", "RULELIMIT"}  # the provider asks for fewer calls, so do not repeat this one at once


def payment_start(
    *,
    out_trade_no: str,
    amount_fen: int,
    description: str,
    trade_type: str,
    client_ip: str,
    deadline: datetime,
    now: datetime,
    openid: str = "",
    appid: str = "",
) -> Payment:
    """Place an order at the provider and return its payment; a repeated call returns the same payment.

    Not in a transaction: it talks to the provider (at most 6 s in a request). Two calls at once send the same request,
    which the provider answers with one order, and both return the code of the first answer, even if one call fails.
    ``payment.code_url`` (NATIVE) or ``payment_sdk_params`` is what the client needs.

    :param deadline: until when the provider takes money (``payment.time_expire``), or ``MIN_LIFE`` if that is later.
        A repeated call does not change it: an order whose deadline is extended must not outlive it.
    :param openid, appid: JSAPI needs the payer's, and the app that it belongs to; "" for the merchant's own app.
    :raises PaymentAlreadyPaid: the order is paid, and was recorded as paid before this is raised.
    :raises PaymentClosed: the payment was closed at the provider or has expired there: its number cannot be used again.
    :raises WeChatRefused: the provider refused, or a second call had another trade_type or openid (OUT_TRADE_NO_USED).
    :raises ProviderBusy: nothing was sent and nothing was stored.
    :raises ProviderDown, ProviderTimeout: the outcome is unknown; calling again repeats the same request.
    :raises PaymentNotConfigured: merchant values are missing.
    """
    _require_possible(trade_type, openid)
    who = merchant()
    return _start_or_find(
        {
            "out_trade_no": out_trade_no,
            "appid": appid or who.appid,
            "mch_id": who.mch_id,
            "amount_fen": amount_fen,
            "description": description[:127],
            "trade_type": trade_type,
            "client_ip": client_ip or "127.0.0.1",
            "openid": openid if trade_type == TradeType.JSAPI else "",
            "notify_url": settings.PUBLIC_BASE_URL + "/pay/payResult",
            "time_start": now.replace(microsecond=0),
            "time_expire": max(deadline, now + MIN_LIFE).replace(microsecond=0),
        },
        now,
    )


def payment_check_provider() -> None:
    """Refuse early, before the caller writes or locks anything, when no payment can be started now.

    :raises ProviderBusy: the circuit breaker counts WeChat Pay as dead.
    """
    try:
        UPSTREAM.refuse_if_dead()
    except UpstreamRefused as refused:
        raise ProviderBusy(headers=refused.headers) from None


def payment_sdk_params(*, payment: Payment, now: datetime) -> dict[str, str]:
    """Return the signed parameters that the client's SDK needs.

    JSAPI: ``appId timeStamp nonceStr package signType paySign``. APP: ``appid partnerid prepayid package noncestr
    timestamp sign``. NATIVE needs none: ``{}``.
    """
    if payment.trade_type == TradeType.NATIVE:
        return {}
    return gateway_v2(payee(payment)).sdk_params(payment.trade_type, payment.prepay_id, now)


def _require_possible(trade_type: str, openid: str) -> None:
    """Refuse what no provider is asked about, before a row is written."""
    if trade_type not in TradeType.values or (trade_type == TradeType.JSAPI and not is_number(openid, 128)):
        raise errors.WeChatRefused("PARAM_ERROR", "trade_type错误, 或JSAPI支付缺少openid")
    gateway_v2()  # raises when merchant values are missing


def _start_or_find(draft: Draft, now: datetime) -> Payment:
    payment = Payment.objects.filter(out_trade_no=draft["out_trade_no"]).first()
    if payment:
        _check_payable(payment, draft, now)
        if _is_ready(payment, now):
            return payment
    # The slot is taken first, so that no call is refused after the row was written.
    with UPSTREAM.room(ProviderBusy):
        payment, own_claim = _claim(draft, now)
        return _order(payment, own_claim, now)


def _claim(draft: Draft, now: datetime) -> tuple[Payment, datetime]:
    """Store the payment before the provider is called, and keep its order from closing meanwhile.

    Returns also when the claim ends if no other call shares it.
    """
    _number_keep(out_trade_no=draft["out_trade_no"], now=now)
    with transaction.atomic():
        payment, is_new = Payment.objects.select_for_update().get_or_create(
            out_trade_no=draft["out_trade_no"], defaults=draft | {"created_at": now, "calls_open": 0}
        )
        _check_payable(payment, draft, now)
        locked_at = times.now()
        is_shared = payment.claimed_until is not None and payment.claimed_until > locked_at
        fields = dict(draft) if payment.is_refused else {}
        fields["claimed_until"] = locked_at + (SHARED_CLAIM if is_shared else CLAIM)
        fields["next_check_at"] = payment.next_check_at or check_due(payment, now)
        fields["calls_open"] = payment.calls_open + 1
        for name, value in fields.items():
            setattr(payment, name, value)
        payment.save(update_fields=list(fields))
        log_step(payment, "发起支付" if is_new else "重复发起支付", now, to_state=payment.state)
        return payment, locked_at + CLAIM


def _check_payable(payment: Payment, draft: Draft, now: datetime) -> None:
    _check_open(payment)
    if payment.is_refused:
        return
    if now >= payment.time_expire:
        raise errors.PaymentClosed
    for name in ("amount_fen", "trade_type", "openid"):
        if getattr(payment, name) != draft[name]:
            # One number is one order at the provider, with the parameters it was first placed with.
            raise errors.WeChatRefused("OUT_TRADE_NO_USED", f"{name}与首次发起支付时不同")


def _check_open(payment: Payment) -> None:
    if payment.is_paid:
        raise errors.PaymentAlreadyPaid
    if payment.state in (PaymentStatus.CLOSED, PaymentStatus.STRAY):
        raise errors.PaymentClosed


def _is_ready(payment: Payment, now: datetime) -> bool:
    return bool(payment.prepay_id and payment.code_at and now - payment.code_at < CODE_LIFE)


def _order(payment: Payment, own_claim: datetime, now: datetime) -> Payment:
    """Place the claimed order at the provider and store the ticket that it returns."""
    try:
        return _keep_ticket(payment, _ask_twice(payment), now)
    except GatewayError as error:
        is_taken = isinstance(error, errors.AlreadyPaid | errors.NumberUsed | errors.AlreadyClosed)
        Payment.objects.filter(pk=payment.pk).update(last_error=str(error))
        Payment.objects.filter(pk=payment.pk, claimed_until=own_claim).update(claimed_until=None)
        if not (is_taken or error.outcome_unknown):
            _keep_refusal(payment, error, now)
        refusal = _taken_number(payment, error, now) if is_taken else error
        payment.refresh_from_db()
        if payment.state == PaymentStatus.OPEN and _is_ready(payment, now):
            return payment  # another click has got the code meanwhile
        raise refusal from None


def _keep_refusal(payment: Payment, error: GatewayError, now: datetime) -> None:
    """Note that the provider has refused a call; once it has all that were sent, see ``Payment.is_refused``."""
    with transaction.atomic():
        row = Payment.objects.select_for_update().get(pk=payment.pk)
        log_step(row, "微信拒绝下单", now, detail=str(error))
        row.calls_open -= 1
        if row.state == PaymentStatus.STARTING and not row.calls_open:
            row.claimed_until = row.next_check_at = None
        row.save(update_fields=["calls_open", "claimed_until", "next_check_at"])


def _ask_twice(payment: Payment) -> PaymentTicket:
    """Place the order; when the outcome is unknown, repeat the same request once.

    The provider answers an identical request with the order that it has already.
    """
    intent = PaymentIntent(**{field.name: getattr(payment, field.name) for field in fields(PaymentIntent)})
    try:
        return gateway_v2(payee(payment)).create(intent)
    except GatewayError as error:
        if not error.outcome_unknown or error.code in _BUSY or time_left(SECOND_TRY_S) < SECOND_TRY_S:
            raise
    time.sleep(PAUSE_S)
    try:
        return gateway_v2(payee(payment)).create(intent)
    except GatewayError as error:
        error.outcome_unknown = True  # whatever it says: the first request may have been taken
        raise


def _taken_number(payment: Payment, error: GatewayError, now: datetime) -> errors.PaymentError:
    """Return the error for a number that the provider has already: ask for its state there, and record it."""
    if isinstance(error, errors.AlreadyClosed):
        payment_mark_closed(payment, now=now, source="发起支付时查询")
        return errors.PaymentClosed()
    try:
        state = payment_record(
            result=gateway_to_ask(payee(payment)).query(payment.out_trade_no), now=now, source="发起支付时查询"
        )
    except errors.OrderUnknown:
        return error
    except GatewayError as unclear:
        return unclear
    if state == PaymentStatus.PAID:
        return errors.PaymentAlreadyPaid()
    return errors.PaymentClosed() if state in (PaymentStatus.CLOSED, PaymentStatus.STRAY) else error


def _keep_ticket(payment: Payment, ticket: PaymentTicket, now: datetime) -> Payment:
    with transaction.atomic():
        row = Payment.objects.select_for_update().get(pk=payment.pk)
        _check_open(row)
        code: dict[str, Any] = {}
        if not _is_ready(row, now):
            # Two answers may arrive for one order: keep the first, so that both callers get the same code_url.
            code = {"prepay_id": ticket.prepay_id, "code_url": ticket.code_url, "code_at": now}
        code |= {"claimed_until": None, "last_error": ""}
        set_state(row, PaymentStatus.OPEN, "微信已下单", now, detail=ticket.prepay_id, **code)
        return row


# --- The numbers of the payments that were started, in a file that no restore of the database reaches ---
def _number_keep(*, out_trade_no: str, now: datetime) -> None:
    """Append a number. Where that fails the payment goes on: after a restore the provider's bill names it as well."""
    try:
        with settings.PAYMENT_NUMBERS.open("a", encoding="ascii") as file:
            file.write(f"{now.isoformat()} {out_trade_no}\n")  # one write, so lines of several processes do not mix
    except OSError as error:
        log.warning("the number of a payment is not kept", order=out_trade_no, error=str(error))


def numbers_since(moment: datetime) -> set[str]:
    """Return the numbers of the payments that were started on this machine since ``moment``.

    :raises OSError: there is no such file, or it cannot be read.
    """
    numbers = set()
    for line in settings.PAYMENT_NUMBERS.read_text("ascii", errors="replace").splitlines():
        # Of a line a power cut may have kept a part, with the next line behind it.
        with suppress(ValueError):
            at, number = line.split()
            if datetime.fromisoformat(at) >= moment:
                numbers.add(number)
    return numbers
