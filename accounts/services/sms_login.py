"""Log in by a code in a text message. Only a caller with the right code learns whether the number is a login."""

from accounts.errors import SmsCodeWrong, SmsPhoneUnknown, SmsUserDisabled
from accounts.models import User
from accounts.services.attempts import LoginContext, Outcome, attempt_record
from accounts.services.login import login_complete
from accounts.services.sms_codes import sms_code_phone, sms_code_spend
from core.errors import DomainError
from permissions.models import ROOT_ROLEID

_OUTCOMES: dict[type[DomainError], Outcome] = {
    SmsCodeWrong: Outcome.CODE,
    SmsPhoneUnknown: Outcome.UNKNOWN,
    SmsUserDisabled: Outcome.DISABLED,
}


def sms_login(*, key: str, code: str, context: LoginContext) -> User:
    """Log in by the code that was sent for ``key``; return the user (with its role).

    :raises SmsCodeNotAsked, SmsCodeIncomplete, SmsCodeWrong: see ``sms_code_spend``.
    :raises SmsPhoneUnknown: the number is nobody's login, or root's, who never logs in by message.
    :raises SmsUserDisabled: nothing has changed.
    """
    phone = sms_code_phone(key)
    try:
        sms_code_spend(key=key, code=code, now=context.now)
        user = _user_of(phone)
    except (SmsCodeWrong, SmsPhoneUnknown, SmsUserDisabled) as refusal:
        attempt_record(context, outcome=_OUTCOMES[type(refusal)], username=phone)
        raise
    login_complete(user=user, context=context)
    return user


def _user_of(phone: str) -> User:
    logins = User.objects.filter(phone=phone, is_phone_bound=True).exclude(role__roleid=ROOT_ROLEID)
    user = logins.select_related("role").first()
    if user is None:
        raise SmsPhoneUnknown
    if not user.is_active:
        raise SmsUserDisabled
    return user
