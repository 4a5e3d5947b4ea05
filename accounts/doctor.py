"""What ``manage.py doctor`` says about text messages and the scan login."""

from collections.abc import Iterator

from django.conf import settings

from accounts.services.sms_codes import budget_near, budget_used
from core import times
from core.findings import Finding


def text_messages() -> Iterator[Finding]:
    uses, budget = budget_used(times.now()), settings.SMS_DAILY_BUDGET
    do = "是谁在发？没有问题的话，调大 SMS_DAILY_BUDGET（.env.example）。"
    yield Finding("text messages", uses <= budget_near(), f"今天的 {budget} 条短信用了 {uses} 条", do)
    if settings.SMS_ACCESS_KEY_ID and not settings.SMS_NOTICE_TEMPLATE_CODE:
        do = "设 SMS_NOTICE_TEMPLATE_CODE：否则换了手机号，本人收不到通知。"
        yield Finding("text of the notice", False, "没有“手机号已更换”的短信模板", do)


def scan_login() -> Iterator[Finding]:
    if not (settings.WECHAT_APP_ID and settings.WECHAT_APP_SECRET):
        yield Finding("scan login", None, "微信登录没有打开", "设 WECHAT_APP_ID 和 WECHAT_APP_SECRET（.env.example）。")
