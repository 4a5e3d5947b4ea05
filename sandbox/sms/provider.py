"""Alibaba Cloud's ``SendSms`` (version 2017-05-25): check the ACS3-HMAC-SHA256 signature, then keep the message.

The check is written from the signature's description and does not use the library that signs, so that the two cannot
share a mistake.
"""

import hashlib
import hmac
import json
import re
import secrets
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_POST

from core.times import SHANGHAI
from sandbox.endpoint import provider_endpoint
from sandbox.faults import faults_on
from sandbox.keys import sandbox_settings
from sandbox.models import FaultKind, TextMessage

ALGORITHM = "ACS3-HMAC-SHA256"
CLOCK_SKEW = timedelta(minutes=15)
DAILY_LIMIT = 10  # for one number
MUST_BE_SIGNED = (
    "host",
    "x-acs-action",
    "x-acs-content-sha256",
    "x-acs-date",
    "x-acs-signature-nonce",
    "x-acs-version",
)
_AUTHORIZATION = re.compile(
    rf"{ALGORITHM} Credential=([^,\s]+), ?SignedHeaders=([a-z0-9;-]+), ?Signature=([0-9a-f]{{64}})"
)
_PHONE = re.compile(r"1[0-9]{10}")


class SmsRefused(Exception):
    def __init__(self, code: str, message: str, http_status: int = 200) -> None:
        self.code, self.message, self.http_status = code, message, http_status


@require_POST
@provider_endpoint(slow=FaultKind.SMS_SLOW, down=FaultKind.SMS_DOWN)
def send_sms(request: HttpRequest) -> HttpResponse:
    """Answer as the provider does: HTTP 200 with ``Code`` OK or a business refusal, HTTP 4xx for a bad call."""
    try:
        _check_signature(request)
        message = _keep(request)
    except SmsRefused as refusal:
        body = {"Code": refusal.code, "Message": refusal.message, "RequestId": _request_id()}
        return JsonResponse(body, status=refusal.http_status)
    return JsonResponse({"Code": "OK", "Message": "OK", "BizId": f"{message.pk}^0", "RequestId": _request_id()})


def _check_signature(request: HttpRequest) -> None:
    found = _AUTHORIZATION.fullmatch(request.headers.get("Authorization", ""))
    if found is None:
        raise SmsRefused("MissingAuthorization", "Authorization is missing or malformed.", 400)
    key_id, names, signature = found[1], found[2].split(";"), found[3]
    known = sandbox_settings(Path(settings.STATE_DIR) / "sandbox")
    if key_id != known["SMS_ACCESS_KEY_ID"]:
        raise SmsRefused("InvalidAccessKeyId.NotFound", "Specified access key is not found.", 404)
    if missing := [name for name in MUST_BE_SIGNED if name not in names]:
        raise SmsRefused("SignatureDoesNotMatch", f"not signed: {', '.join(missing)}", 400)
    _check_freshness(request)
    if request.headers.get("x-acs-content-sha256") != hashlib.sha256(request.body).hexdigest():
        raise SmsRefused("SignatureDoesNotMatch", "x-acs-content-sha256 is not the body's.", 400)
    expected = _signature(request, names, known["SMS_ACCESS_KEY_SECRET"])
    if not hmac.compare_digest(signature, expected):
        raise SmsRefused("SignatureDoesNotMatch", "Specified signature is not matched with our calculation.", 400)


def _check_freshness(request: HttpRequest) -> None:
    try:
        sent_at = datetime.fromisoformat(request.headers.get("x-acs-date", ""))
    except ValueError:
        raise SmsRefused("InvalidTimeStamp.Format", "Specified time stamp is not well formatted.", 400) from None
    if sent_at.tzinfo is None or abs(timezone.now() - sent_at) > CLOCK_SKEW:
        raise SmsRefused("InvalidTimeStamp.Expired", "Specified time stamp is expired.", 400)


def _signature(request: HttpRequest, names: list[str], secret: str) -> str:
    query = sorted((_encoded(name), _encoded(value)) for name, values in request.GET.lists() for value in values)
    canonical = "\n".join(
        [
            request.method or "",
            request.path,
            "&".join(f"{name}={value}" for name, value in query),
            *(f"{name}:{request.headers.get(name, '').strip()}" for name in names),
            "",
            ";".join(names),
            hashlib.sha256(request.body).hexdigest(),
        ]
    )
    text = f"{ALGORITHM}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def _encoded(text: str) -> str:
    return quote(text, safe="~")


def _keep(request: HttpRequest) -> TextMessage:
    known = sandbox_settings(Path(settings.STATE_DIR) / "sandbox")
    call = (request.headers.get("x-acs-action"), request.headers.get("x-acs-version"))
    if call != ("SendSms", "2017-05-25"):
        raise SmsRefused("InvalidAction.NotFound", "Specified api is not found.", 404)
    phone = request.GET.get("PhoneNumbers", "")
    if not _PHONE.fullmatch(phone):
        raise SmsRefused("isv.MOBILE_NUMBER_ILLEGAL", f"{phone[:20]}invalid mobile number")
    if request.GET.get("SignName") != known["SMS_SIGN_NAME"]:
        raise SmsRefused("isv.SMS_SIGNATURE_ILLEGAL", "该账号下找不到对应签名")
    text, code = _text(request, known)
    now = timezone.now()
    today = now.astimezone(SHANGHAI).replace(hour=0, minute=0, second=0, microsecond=0)
    if (
        FaultKind.SMS_QUOTA in faults_on()
        or TextMessage.objects.filter(phone=phone, at__gte=today).count() >= DAILY_LIMIT
    ):
        raise SmsRefused("isv.BUSINESS_LIMIT_CONTROL", "触发天级流控Permits:10")
    return TextMessage.objects.create(
        phone=phone,
        code=code,
        text=f"【{known['SMS_SIGN_NAME']}】{text}",
        at=now,
        out_id=request.GET.get("OutId", "")[:64],
    )


def _text(request: HttpRequest, known: dict[str, str]) -> tuple[str, str]:
    """Return the text of a message, and the code in it or ""."""
    template = request.GET.get("TemplateCode")
    if template == known["SMS_NOTICE_TEMPLATE_CODE"]:
        return "您账号的手机号已更换。如果不是您本人操作,请马上联系管理员。", ""
    if template != known["SMS_TEMPLATE_CODE"]:
        raise SmsRefused("isv.SMS_TEMPLATE_ILLEGAL", "该账号下找不到对应模板")
    code = _template_code(request.GET.get("TemplateParam", ""))
    return f"您的验证码是{code},60分钟内有效,请勿告诉他人。", code


def _template_code(text: str) -> str:
    try:
        values: Any = json.loads(text)
        code = values["code"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise SmsRefused("isv.TEMPLATE_MISSING_PARAMETERS", "模板缺少变量") from None
    if not isinstance(code, str) or not re.fullmatch(r"[0-9A-Za-z]{1,10}", code):
        raise SmsRefused("isv.INVALID_PARAMETERS", "参数异常")
    return code


def _request_id() -> str:
    return secrets.token_hex(16).upper()
