"""Who asks for what the stand-ins keep: this machine, root, or one account, known by its token or by its phone.

A phone is a browser that has logged in at ``/sandbox/phone/`` as an account. What is one account's (messages, orders,
its own switches) is shown to that account alone; this machine and root see everything.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib import admin
from django.core import signing
from django.db.models import Exists, OuterRef, Q
from django.http import HttpRequest, HttpResponse

from accounts.authentication import principal_of
from accounts.models import User
from accounts.selectors import phone_logins
from accounts.sms import asker_tag
from core.api.envelope import error_response
from core.api.request import client_network, is_from_here, token_of_head
from core.cache import ratelimit
from core.errors import Throttled
from core.registers import Register
from sandbox.models import Trade
from sandbox.wechat import openid_of

PHONE_COOKIE = "sandbox_phone"
PHONE_FOR_S = 30 * 24 * 3600
PROVIDERS = {"wxpay", "wxapi", "tianqi", "aliyun-sms"}
_PACE_S = 1.0

order_numbers = Register[Callable[[int], Iterable[Any]]]("whose the orders are, by the buyer's key")
# The accounts that a user manages, by the number of one or by the class; None to no teacher.
trainees = Register[Callable[[User, str, str], list[User] | None]]("who teaches whom")


@dataclass(frozen=True)
class Caller:
    """Whoever sends a request. ``user`` is the account of the token or of the phone, None without either."""

    sees_all: bool
    user: User | None

    def orders(self, prefix: str = "") -> Q:
        """Match the trades that the caller sees. ``prefix`` leads to them, for example ``trade__``."""
        if self.sees_all:
            return Q()
        if self.user is None:
            return Q(pk=None)
        return Q(**{f"{prefix}out_trade_no__in": order_numbers()(self.user.pk)})

    def is_buyer(self, trade: Trade) -> bool:
        """Tell whether a trade is the caller's own; this machine and root count as everybody's."""
        return Trade.objects.filter(self.orders(), pk=trade.pk).exists()

    def pays_as(self, trade: Trade) -> str:
        """Return by which openid the caller pays a trade; "" without an account."""
        return openid_of(self.user, trade.appid) if self.user else ""

    def messages(self) -> Q:
        """Match the text messages that the caller may read.

        A code is as good as a password, so the number decides: its owner alone reads it, whoever asked for it.
        """
        if self.sees_all:
            return Q()
        if self.user is None:
            return Q(pk=None)
        mine = Q(out_id=asker_tag(self.user.unid))
        if phone := self.user.phone:
            mine |= Q(phone=phone) if self.user.is_phone_bound else Q(phone=phone, out_id="")
        return mine & ~Q(Exists(phone_logins().filter(phone=OuterRef("phone")).exclude(pk=self.user.pk)))


def is_this_machine(request: HttpRequest) -> bool:
    """Tell whether a program on this machine asks, under a name of this machine.

    The name counts too: a web page of a stranger reaches 127.0.0.1 through its own name (DNS rebinding), and its
    browser then sends that name. ``SANDBOX_LOCAL_HOSTS`` lists the names; with an empty list no caller counts.
    """
    host = urlsplit(f"//{request.get_host()}").hostname
    return host in settings.SANDBOX_LOCAL_HOSTS and is_from_here(request)


def caller_of(request: HttpRequest) -> Caller:
    user = _user_of_token(request) or phone_of(request)
    is_root = user is not None and user.role.is_root
    in_office = admin.site.has_permission(request) and request.user.is_superuser
    return Caller(is_root or in_office or is_this_machine(request), user)


def _user_of_token(request: HttpRequest) -> User | None:
    principal = principal_of(token_of_head(request) or "")
    return User.objects.select_related("role").filter(pk=principal.pk).first() if principal else None


def phone_of(request: HttpRequest) -> User | None:
    """Return the account that is logged in on the phone. What ends the account's tokens logs the phone out as well."""
    try:
        unid, epoch = signing.loads(request.COOKIES.get(PHONE_COOKIE, ""), salt=PHONE_COOKIE, max_age=PHONE_FOR_S)
    except signing.BadSignature:
        return None
    return User.objects.select_related("role").filter(unid=unid, epoch=epoch, is_active=True).first()


def phone_cookie(user: User) -> str:
    return signing.dumps([user.unid, user.epoch], salt=PHONE_COOKIE)


class PaceMiddleware:
    """Bound how often a network asks the stand-ins of a practice server: their few threads also serve our own calls.

    Our processes ask without the proxy and are not counted. A class is one network, and its pages ask often, so they
    get ten times the calls of one account; nobody but us has business with the providers' own paths.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if settings.PRACTICE and request.path_info.startswith("/sandbox/") and "HTTP_X_FORWARDED_FOR" in request.META:
            is_provider = request.path_info.split("/")[2] in PROVIDERS
            key = f"sandbox:{is_provider}:{client_network(request)}"
            limit = settings.PRACTICE_CALLS * (1 if is_provider else 10)
            if wait_s := ratelimit.hit(key, limit=limit, window_s=_PACE_S):
                return error_response(Throttled(wait_s))
        return self.get_response(request)
