"""The control page as JSON, for tests and scripts.

These calls use no session, so a CSRF token would protect nothing. But a foreign web page could send a request from the
developer's browser. So a request with a foreign Origin is refused, and a body must be declared as JSON.
"""

from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime, timedelta
from functools import wraps
from typing import Any
from urllib.parse import urlsplit

import orjson
from django.db.models import QuerySet
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt

from accounts.authentication import principal_of
from accounts.demo_users import is_demo_account
from accounts.models import User
from core import times
from core.api.request import token_of_head
from core.ids import storable
from sandbox.callers import Caller, caller_of, trainees
from sandbox.faults import faults_set, faults_shown
from sandbox.models import Delivery, Refund, Trade
from sandbox.pay.errors import Refused
from sandbox.pay.notices import deliveries_send
from sandbox.pay.trades import trade_pay, trade_scanned
from sandbox.switches import own_jti, switch_at, switch_clear, switch_set, switches_on

Body = dict[str, Any]
MAX_ROWS = 1000
LOGIN = "send a token in the header authorization, or log in at /sandbox/phone/"


class Refusal(Exception):
    """The answer to a request that is refused: a text, an HTTP status, and a code if there is one."""

    def __init__(self, text: str, status: int, **more: str) -> None:
        super().__init__(text)
        self.text, self.status, self.more = text, status, more


def control_endpoint(view: Callable[[HttpRequest, Body], JsonResponse]) -> Callable[[HttpRequest], JsonResponse]:
    @never_cache
    @csrf_exempt
    @wraps(view)
    def checked(request: HttpRequest) -> JsonResponse:
        origin = request.headers.get("Origin")
        try:
            if origin and urlsplit(origin).netloc != request.get_host():
                raise Refusal("cross-site requests are refused", 403)
            return view(request, _body(request))
        except Refusal as refusal:
            return JsonResponse({"error": refusal.text, **refusal.more}, status=refusal.status)
        except ValueError as error:
            return JsonResponse({"error": str(error)}, status=400)

    return checked


def _body(request: HttpRequest) -> Body:
    if request.method != "POST":
        return {}
    if request.content_type != "application/json":
        raise ValueError("a JSON body is needed")
    body = orjson.loads(request.body or b"{}")  # refuses what is nested deeper than Python counts, and lone surrogates
    if not isinstance(body, dict):
        raise ValueError("a JSON object is needed")
    return body


def account_of(request: HttpRequest) -> User:
    """Return the account of the token or of the phone; refuse where there is none."""
    user = caller_of(request).user
    if user is None:
        raise Refusal(LOGIN, 403)
    return user


def others_named(me: User, names: Any) -> list[User] | None:
    """Return the accounts that a caller names by ``unid`` or ``class_name``; None if that is the caller.

    :raises Refusal: the caller teaches nobody, or has no such account or class.
    """
    unid, class_name = (str(names.get(name) or "") for name in ("unid", "class_name"))
    if not class_name and unid in ("", me.unid):
        return None
    users = trainees()(me, storable(unid), storable(class_name))
    if users is None:
        raise Refusal("only the class's teacher and root see and switch others", 403)
    if not users:
        raise Refusal("no such account or class", 404)
    return users


@control_endpoint
def faults(request: HttpRequest, body: Body) -> JsonResponse:
    """GET returns the faults. POST sets them: ``{"notify_twice": true, "provider_slow": 3, "reset": true}``.

    With ``code_url`` or ``prepay_id`` it sets the faults of that order alone.
    """
    caller = caller_of(request)
    names: Body = {name: body.pop(name) for name in ("code_url", "prepay_id") if name in body}
    trade = _trade_named(names) if names else None
    if trade and not caller.is_buyer(trade):
        raise Refusal(f"only its buyer sets the faults of an order: {LOGIN}", 403)
    if request.method == "POST":
        if not (trade or caller.sees_all):
            raise Refusal("from another machine only root sets faults for all", 403)
        faults_set(reset=body.pop("reset", False) is True, changes=body, trade=trade)
    return JsonResponse({"faults": faults_shown(trade)})


@control_endpoint
def pay(request: HttpRequest, body: Body) -> JsonResponse:
    """POST with ``code_url``, ``prepay_id`` or ``out_trade_no`` pays; ``"deliver": true`` also notifies at once.

    Who holds a code may pay it. A number is no secret, so it pays the caller's own orders only.
    """
    names = {name: body[name] for name in ("code_url", "prepay_id", "out_trade_no") if body.get(name)}
    caller, trade, now = caller_of(request), _trade_named(names), timezone.now()
    if "out_trade_no" in names and not caller.is_buyer(trade):
        raise Refusal("no such code", 404)
    try:
        trade = trade_pay(trade, payer=caller.pays_as(trade), now=now)
    except Refused as refusal:
        raise Refusal(refusal.text, 409, code=refusal.reason.v3_code) from None
    deliveries = _send(trade.deliveries.all(), now) if body.get("deliver") is True else []
    return JsonResponse(_trade(trade) | {"deliveries": deliveries})


def _trade_named(names: Body) -> Trade:
    trade = trade_scanned(**{name: str(text) for name, text in names.items()})
    if trade is None:
        raise Refusal("no such code", 404)
    return trade


@control_endpoint
def deliver(request: HttpRequest, body: Body) -> JsonResponse:
    """POST settles refunds and sends notifications that are due, or will be in ``ahead_s`` seconds, then answers.

    Those of the caller's own orders; this machine and root do it for all.
    """
    if request.method != "POST":
        raise Refusal("POST is needed", 405)
    own, ahead_s = _known(request).orders("trade__"), body.get("ahead_s", 0)
    if isinstance(ahead_s, bool) or not isinstance(ahead_s, int | float) or not 0 <= ahead_s <= 86400:
        raise ValueError("ahead_s: seconds from 0 to 86400")
    now = timezone.now()
    until = now + timedelta(seconds=ahead_s)
    number = Refund.objects.filter(own, settles_at__gt=now, settles_at__lte=until).update(settles_at=now)
    return JsonResponse({"refunds_settled": number, "deliveries": _send(Delivery.objects.filter(own), until)})


def _send(deliveries: QuerySet[Delivery], now: datetime) -> list[Body]:
    """Send those that are due, and return them as they are then."""
    sent = Delivery.objects.filter(pk__in=deliveries_send(deliveries, now=now))
    return [_delivery(row) for row in sent.order_by("pk")]


@control_endpoint
def trades(request: HttpRequest, body: Body) -> JsonResponse:
    """GET returns the newest of the caller's orders, or those that ``out_trade_no`` names (repeatable).

    This machine and root see the orders of all.
    """
    rows = Trade.objects.filter(_known(request).orders()).prefetch_related("deliveries", "refunds")
    if numbers := [storable(number) for number in request.GET.getlist("out_trade_no")]:
        rows = rows.filter(out_trade_no__in=numbers)
    return JsonResponse({"trades": [_trade(trade) for trade in rows[:MAX_ROWS]]})


def _known(request: HttpRequest) -> Caller:
    caller = caller_of(request)
    if not caller.sees_all and caller.user is None:
        raise Refusal(LOGIN, 403)
    return caller


def _trade(trade: Trade) -> Body:
    return _fields(trade, "out_trade_no", "total_fee", "transaction_id", "paid_at") | {
        "trade_state": trade.state,
        "codes": [_fields(trade, "code_url", "prepay_id", "pay_page")],
        "refunds": [_fields(refund, "out_refund_no", "refund_fee", "state") for refund in trade.refunds.all()],
        "deliveries": [_delivery(row) for row in trade.deliveries.all()],
    }


def _delivery(row: Delivery) -> Body:
    kind = "refund" if row.refund_id else "payment"
    fields = _fields(row, "api", "url", "state", "attempts", "last_status", "last_answer")
    return {"id": row.pk, "kind": kind} | fields


def _fields(row: Any, *names: str) -> Body:
    return {name: getattr(row, name) for name in names}


@control_endpoint
def call_switches(request: HttpRequest, body: Body) -> JsonResponse:
    """GET tells which switches are on: the caller's own, and root all. POST sets one, ``{"off": true}`` ends it.

    The caller's token or phone says whose calls change. Root may name others: ``unid``, or ``class_name`` for a whole
    class; a teacher those of the own classes.
    """
    principal, me = principal_of(token_of_head(request) or ""), account_of(request)
    if principal is None and is_demo_account(me.username):
        raise Refusal("a valid token is needed, in the header authorization", 403)
    is_root = me.role.is_root
    jti = own_jti(principal.claims) if principal else ""
    if request.method == "POST":
        others = others_named(me, body)
        of = "" if others else jti
        for unid in [user.unid for user in others or [me]]:
            before = switch_at(unid, of)
            if before and before.is_of_teacher and not (is_root or others):
                raise Refusal("this switch was set by the teacher", 403)
            if body.get("off") is True:
                switch_clear(unid, of)
            else:
                switch_set(body, unid=unid, jti=of, is_of_teacher=bool(others), now=times.now())
    if is_root:
        on = switches_on()
    else:
        own = switch_at(me.unid, jti)
        on = [own] if own else []
    return JsonResponse({"switches": [asdict(switch) for switch in on]})
