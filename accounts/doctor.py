"""What ``manage.py doctor`` says about text messages and the scan login."""

from collections.abc import Iterator

from django.conf import settings

from accounts.services.sms_codes import budget_near, budget_used
from core import times
from core.findings import Finding


def text_messages() -> Iterator[Finding]:
    uses, budget = budget_used(times.now()), settings.SMS_DAILY_BUDGET
    remedy = "" if uses <= budget_near() else "Who sends them? If that is right, raise SMS_DAILY_BUDGET (.env.example)."
    yield Finding(not remedy, f"{uses} of today's {budget} text messages are used", remedy)
    if settings.SMS_ACCESS_KEY_ID and not settings.SMS_NOTICE_TEMPLATE_CODE:
        remedy = "Set SMS_NOTICE_TEMPLATE_CODE: else the user learns by no message that the number was replaced."
        yield Finding(False, "There is no text for the notice to a replaced phone number", remedy)


def scan_login() -> Iterator[Finding]:
    if not (settings.WECHAT_APP_ID and settings.WECHAT_APP_SECRET):
        yield Finding(None, "WeChat login is off", "Set WECHAT_APP_ID and WECHAT_APP_SECRET (.env.example).")
