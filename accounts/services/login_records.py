"""Tell of attempts to log in: refused ones in the log and the metrics, those of staff in the list of what staff did.

The log never has the name that was typed, because people type passwords into that field.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

import redis
import structlog
from django.db import connection
from django.db.models import TextChoices

from accounts import errors
from accounts.captcha import NO_ANSWER, CaptchaAnswer
from accounts.models import LoginMethod, User
from core.audit import DEVICE, StaffAction, action_record
from core.cache import ratelimit
from core.errors import DomainError
from core.observe import metrics

log = structlog.get_logger("accounts")
MAX_REFUSALS_AN_HOUR = 30  # in the name of one member of staff, shown in the list of what staff did
_HOUR_S = 3600
_DEVICE_LENGTH = 200
REFUSED = metrics.Counter("spms_logins_refused_total", "Refused logins", ["method", "outcome"])
# With the others people type a number, or WeChat names them.
_METHODS_WITH_NAMES = {LoginMethod.API, LoginMethod.OFFICE}


class Outcome(TextChoices):
    DONE = "done", "登录成功"
    UNKNOWN = "unknown", "没有这个用户"
    WRONG = "wrong", "密码错误"
    CODE = "code", "验证码错误"
    DISABLED = "disabled", "账号已停用"
    NO_STAFF = "no_staff", "不能进入后台"
    MANY = "many", "次数过多，被挡下"


_OUTCOMES: dict[type[DomainError], Outcome] = {
    errors.TooManyFailures: Outcome.MANY,
    errors.SmsCodeWrong: Outcome.CODE,
    errors.SmsPhoneUnknown: Outcome.UNKNOWN,
    errors.SmsUserDisabled: Outcome.DISABLED,
    errors.WechatCodeSpent: Outcome.CODE,
    errors.UserDisabled: Outcome.DISABLED,
}


@dataclass(frozen=True, kw_only=True)
class LoginContext:
    """How, from where and when a person tries to log in.

    :param device: the ``User-Agent`` that was sent.
    :param devices: the users as whom this device has logged in before, each with the epoch and an id of the device.
    """

    method: LoginMethod
    ip: str
    device: str = ""
    devices: Mapping[str, str] = field(default_factory=dict)
    captcha: CaptchaAnswer = NO_ANSWER
    now: datetime

    @property
    def network(self) -> str:
        return ratelimit.network_of(self.ip)


def attempt_record(context: LoginContext, *, outcome: Outcome, username: str) -> None:
    """Tell of one attempt to log in, with the name as it was typed."""
    if outcome is not Outcome.DONE:
        REFUSED.labels(context.method.value, outcome.value).inc()
        log.info("login refused", method=context.method.value, outcome=outcome.value, ip=context.ip)
    if context.method in _METHODS_WITH_NAMES:
        _record_login(context.method, outcome, username, context.device[:_DEVICE_LENGTH])


@contextmanager
def refusals_recorded(context: LoginContext, username: str = "") -> Iterator[None]:
    """Record an attempt that the block refuses."""
    try:
        yield
    except tuple(_OUTCOMES) as refusal:
        attempt_record(context, outcome=_OUTCOMES[type(refusal)], username=username)
        raise


def _record_login(method: LoginMethod, outcome: Outcome, username: str, agent: str) -> None:
    """Show an attempt in the name of a member of staff in the list of what staff did, whether it succeeded or not."""
    user = User.objects.filter(username=username, is_staff=True).first()
    if user is None:
        return
    is_done = outcome is Outcome.DONE
    # Strangers can cause refusals from any number of addresses, and nothing bounds the list of what staff did but time.
    if not is_done and _is_over(user):
        return
    entry = {"入口": method.label, "结果": "" if is_done else outcome.label, DEVICE: agent}
    # A refused login does not prove who tried it.
    action_record(
        user, StaffAction.LOGIN if is_done else StaffAction.LOGIN_REFUSED, entry, actor_pk=user.pk if is_done else None
    )


def _is_over(user: User) -> bool:
    try:
        return bool(ratelimit.hit(f"attempts:staff:{user.pk}", limit=MAX_REFUSALS_AN_HOUR, window_s=_HOUR_S))
    except redis.RedisError:
        return True


def attempts_empty() -> None:
    """Empty the table in which hosts of 1.1.0 record attempts. Nothing reads it any more."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM accounts_loginattempt")
