"""Where WeChat Pay reports. Its answers are in WeChat's own format, never in the envelope, and no client calls it."""

import structlog
from django.http import HttpResponse, JsonResponse
from rest_framework.request import Request

from core import times
from core.api.access import Access
from core.api.endpoint import ApiViewSet, Endpoint
from core.api.request import client_ip
from payments.models import InboundEvent
from payments.services.notices import notice_take

log = structlog.get_logger("payments")
_ACK = "<xml><return_code><![CDATA[{}]]></return_code><return_msg><![CDATA[{}]]></return_msg></xml>"


class NoticeViewSet(ApiViewSet):
    tag = "支付"
    # No token, no body parsing: the signature over the raw bytes is what counts.
    authentication_classes = ()

    @Endpoint("POST", "/pay/payResult", "微信支付结果通知(v2)", Access.OPEN)
    def pay_result(self, request: Request) -> HttpResponse:
        event = _take(request, InboundEvent.Channel.V2)
        word, text = ("SUCCESS", "OK") if event.verdict == InboundEvent.Verdict.ACCEPTED else ("FAIL", event.result)
        return HttpResponse(_ACK.format(word, text), content_type="text/xml; charset=utf-8")

    @Endpoint("POST", "/pay/notify", "微信支付结果通知(v3)", Access.OPEN)
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
