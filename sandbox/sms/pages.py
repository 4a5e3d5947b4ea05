"""The text messages that were sent, as a page and as JSON.

Programs on this machine and root of the back office see all of them. Another machine, as those of a class, sees those
that were asked for from its own address: a code is as good as a password.
"""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.sms import caller_tag
from core.api.request import client_network
from core.times import format_office_time
from sandbox.fault_form import may_turn
from sandbox.models import TextMessage

ROWS = 50


@never_cache
@require_safe
def phone(request: HttpRequest) -> HttpResponse:
    """Show the newest messages, or only those to ``?phone=``."""
    number = request.GET.get("phone", "").strip()
    return render(request, "sandbox/sms.html", {"messages_": _newest(request, number), "phone": number})


@never_cache
@require_safe
def messages(request: HttpRequest) -> JsonResponse:
    """Return the newest messages, newest first: ``[{"phone", "code", "text", "at"}]``."""
    rows = [
        {"phone": message.phone, "code": message.code, "text": message.text, "at": format_office_time(message.at)}
        for message in _newest(request, request.GET.get("phone", "").strip())
    ]
    return JsonResponse(rows, safe=False, json_dumps_params={"ensure_ascii": False})


def _newest(request: HttpRequest, phone: str) -> list[TextMessage]:
    rows = TextMessage.objects.order_by("-pk")
    if not may_turn(request):
        rows = rows.filter(out_id=caller_tag(client_network(request)))
    if phone:
        rows = rows.filter(phone=phone) if phone.isascii() and phone.isdigit() else rows.none()
    return list(rows[:ROWS])
