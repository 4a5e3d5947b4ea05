"""Alibaba Cloud's ``SendSms`` (version 2017-05-25): check the ACS3-HMAC-SHA256 signature, then keep the message.

The check is written from the signature's description and does not use the library that signs, so that the two cannot
share a mistake.
"""

import hashlib
import hmac
import json
import re
import secrets
from urllib.parse import quote

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_POST

from core.times import local
from sandbox.faults import faults_on, provider_endpoint
from sandbox.keys import sandbox_values
from sandbox.models import FaultKind, TextMessage

ALGORITHM = "ACS3-HMAC-SHA256"
DAILY_LIMIT = 10  # for one number
_AUTHORIZATION = re.compile(
    rf"{ALGORITHM} Credential=([^,\s]+), ?SignedHeaders=([a-z0-9;-]+), ?Signature=([0-9a-f]{{64}})"
)
_PHONE = re.compile(r"1[0-9]{10}")


class SmsRefused(Exception):
    def __init__(self, code: str, message: str, http_status: int = 200) -> None:
        self.code, self.message, self.http_status = code, message, http_status


@provider_endpoint("sms")
@require_POST
def send_sms(request: HttpRequest) -> HttpResponse:
    """Answer as the provider does: HTTP 200 with ``Code`` OK or a business refusal, HTTP 4xx for a bad call."""
    request_id = {"RequestId": secrets.token_hex(16).upper()}
    try:
        _check_signature(request)
        message = _keep(request)
    except SmsRefused as refusal:
        body = {"Code": refusal.code, "Message": refusal.message}
        return JsonResponse(body | request_id, status=refusal.http_status)
    return JsonResponse({"Code": "OK", "Message": "OK", "BizId": f"{message.pk}^0"} | request_id)


def _check_signature(request: HttpRequest) -> None:
    match = _AUTHORIZATION.fullmatch(request.headers.get("Authorization", ""))
    if match is None:
        raise SmsRefused("MissingAuthorization", "Authorization is missing or malformed.", 400)
    values = sandbox_values()
    if match[1] != values["SMS_ACCESS_KEY_ID"]:
        raise SmsRefused("InvalidAccessKeyId.NotFound", "Specified access key is not found.", 404)
    signature = _signature(request, match[2].split(";"), values["SMS_ACCESS_KEY_SECRET"])
    if not hmac.compare_digest(match[3], signature):
        raise SmsRefused("SignatureDoesNotMatch", "Specified signature is not matched with our calculation.", 400)


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
    values, query = sandbox_values(), request.GET
    phone = query.get("PhoneNumbers", "")
    if not _PHONE.fullmatch(phone):
        raise SmsRefused("isv.MOBILE_NUMBER_ILLEGAL", f"{phone[:20]}invalid mobile number")
    if query.get("SignName") != values["SMS_SIGN_NAME"]:
        raise SmsRefused("isv.SMS_SIGNATURE_ILLEGAL", "该账号下找不到对应签名")
    if query.get("TemplateCode") == values["SMS_NOTICE_TEMPLATE_CODE"]:
        code, text = "", "您账号的手机号已更换。如果不是您本人操作,请马上联系管理员。"
    elif query.get("TemplateCode") == values["SMS_TEMPLATE_CODE"]:
        code = str(json.loads(query["TemplateParam"])["code"])
        text = f"您的验证码是{code},60分钟内有效,请勿告诉他人。"
    else:
        raise SmsRefused("isv.SMS_TEMPLATE_ILLEGAL", "该账号下找不到对应模板")
    now = timezone.now()
    today = local(now).replace(hour=0, minute=0, second=0, microsecond=0)
    number = TextMessage.objects.filter(phone=phone, at__gte=today).count()
    if number >= DAILY_LIMIT or FaultKind.SMS_QUOTA in faults_on():
        raise SmsRefused("isv.BUSINESS_LIMIT_CONTROL", "触发天级流控Permits:10")
    text = f"【{values['SMS_SIGN_NAME']}】{text}"
    return TextMessage.objects.create(phone=phone, code=code, text=text, at=now, out_id=query.get("OutId", "")[:64])
