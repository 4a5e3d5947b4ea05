"""Where WeChat Pay reports. Its answers are in WeChat's own format, never in the envelope."""

from typing import Any

import structlog
from django.http import HttpResponse, JsonResponse
from rest_framework.request import Request

from core import times
from core.api.access import Access
from core.api.endpoint import ApiViewSet, Doc, Endpoint
from core.api.request import client_ip
from payments.models import InboundEvent
from payments.services.notices import notice_take

log = structlog.get_logger("payments")
_ACK = "<xml><return_code><![CDATA[{}]]></return_code><return_msg><![CDATA[{}]]></return_msg></xml>"


def _texts(**fields: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of an object whose fields are all texts."""
    properties = {name: {"type": "string"} | more for name, more in fields.items()}
    return {"type": "object", "properties": properties, "required": list(fields)}


def _v3_answer(code: str, message: str) -> dict[str, Any]:
    return _texts(code={"enum": [code]}, message={"example": message})


_XML = _texts(return_code={"enum": ["SUCCESS", "FAIL"]}, return_msg={"example": "OK"}) | {"xml": {"name": "xml"}}
V2_DOC = Doc(
    raw={(200, "text/xml"): _XML},
    about="由微信支付 v2 调用(XML),前端不调用。处理成功返回 SUCCESS,否则返回 FAIL 和原因,微信会重发。",
)
V3_DOC = Doc(
    raw={
        (200, "application/json"): _v3_answer("SUCCESS", "成功"),
        **{(status, "application/json"): _v3_answer("FAIL", "原因") for status in (400, 401, 413, 500)},
    },
    about="由微信支付 v3 调用(JSON),前端不调用。处理成功返回 200,签名不对返回 401,其余失败 400 或 500,微信会重发。",
)


class NoticeViewSet(ApiViewSet):
    tag = "支付"
    # No token, no body parsing: the signature over the raw bytes is what counts.
    authentication_classes = ()

    @Endpoint("POST", "/pay/payResult", "微信支付结果通知(v2)", Access.OPEN, docs=V2_DOC)
    def pay_result(self, request: Request) -> HttpResponse:
        event = _take(request, InboundEvent.Channel.V2)
        word, text = ("SUCCESS", "OK") if event.verdict == InboundEvent.Verdict.ACCEPTED else ("FAIL", event.result)
        return HttpResponse(_ACK.format(word, text), content_type="text/xml; charset=utf-8")

    @Endpoint("POST", "/pay/notify", "微信支付结果通知(v3)", Access.OPEN, docs=V3_DOC)
    def notify(self, request: Request) -> HttpResponse:
        event = _take(request, InboundEvent.Channel.V3)
        if event.verdict == InboundEvent.Verdict.ACCEPTED:
            return JsonResponse({"code": "SUCCESS", "message": "成功"})
        text = {"code": "FAIL", "message": event.result}
        return JsonResponse(text, status=event.http_status, json_dumps_params={"ensure_ascii": False})


def _take(request: Request, channel: str) -> InboundEvent:
    try:
        address = client_ip(request)
        return notice_take(
            channel=channel, headers=request.headers, body=request.body, remote_ip=address, now=times.now()
        )
    except Exception:
        # Not even written down (no database?): WeChat must hear a failure it understands, and send it again.
        log.exception("notification not taken", channel=channel)
        return InboundEvent(verdict=InboundEvent.Verdict.FAILED, result="处理失败", http_status=500)
