"""What a request tells about who logs in, and the cookies with which a browser is known again."""

from django.conf import settings
from django.core import signing
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.crypto import get_random_string

from accounts.captcha import NO_ANSWER, CaptchaAnswer
from accounts.models import LoginMethod, User
from accounts.services.login_records import LoginContext
from core import times
from core.api.request import absolute_url, client_ip, user_agent

DEVICE_COOKIE = "device"
DEVICE_FOR_S = 180 * 24 * 3600
MAX_USERS = 5  # of one device, the newest ones
_DEVICE = ""  # stands in the cookie where others have a user name, which is never empty


def login_context(request: HttpRequest, method: LoginMethod, captcha: CaptchaAnswer = NO_ANSWER) -> LoginContext:
    return LoginContext(
        method=method,
        ip=client_ip(request),
        device=user_agent(request),
        devices=_devices(request),
        captcha=captcha,
        now=times.now(),
    )


def device_remember(request: HttpRequest, response: HttpResponseBase, user: User | None = None) -> None:
    """Set the cookie that says, signed, that this device has logged in as ``user``. It is no login.

    Without a user it keeps those that it has; the device has an id from now on (:func:`device_of`).
    """
    devices = {name: device for name, device in _cookie(request).items() if name != _DEVICE}
    if user is not None:
        devices.pop(user.username, None)
        devices[user.username] = f"{user.epoch}.{get_random_string(16)}"
    newest = dict(list(devices.items())[-MAX_USERS:])
    newest[_DEVICE] = device_of(request) or get_random_string(16)
    cookie_set(request, response, DEVICE_COOKIE, signing.dumps(newest, salt=DEVICE_COOKIE), max_age_s=DEVICE_FOR_S)


def wechat_addresses(request: HttpRequest, callback: str) -> dict[str, str]:
    """Return the addresses that ``consent_url`` needs, for a phone that comes back to the path ``callback``."""
    base, own = settings.WECHAT_OAUTH_BASE_URL, settings.PUBLIC_BASE_URL
    # The sandbox's pages begin with the address by which the client reached us, so that a phone can open them too.
    if base.startswith(f"{own}/"):
        base = absolute_url(request, base.removeprefix(own))
    return {"callback_url": absolute_url(request, callback), "oauth_base_url": base}


def device_of(request: HttpRequest) -> str:
    """Return the id of the device that the cookie of a login says, "" without one."""
    return _cookie(request).get(_DEVICE, "")


def cookie_set(request: HttpRequest, response: HttpResponseBase, name: str, value: str, *, max_age_s: int) -> None:
    """Set a cookie that pages of other sites send too, over HTTPS only (SameSite=None requires it).

    None of our cookies authenticates a call of the API. A captcha's and a message's only names it, for clients that do
    not send its key back themselves.
    """
    is_https = request.is_secure()
    response.set_cookie(
        name, value, max_age=max_age_s, httponly=True, secure=is_https, samesite="None" if is_https else "Lax"
    )


def _devices(request: HttpRequest) -> dict[str, str]:
    # A client without cookies is known by the token that it still has.
    claims = getattr(request.user, "claims", None)
    return _cookie(request) | ({claims["username"]: f"{claims['epoch']}.{claims['jti']}"} if claims else {})


def _cookie(request: HttpRequest) -> dict[str, str]:
    try:
        return signing.loads(request.COOKIES.get(DEVICE_COOKIE, ""), salt=DEVICE_COOKIE, max_age=DEVICE_FOR_S)
    except signing.BadSignature:
        return {}
