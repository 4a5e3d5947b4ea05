"""The text messages that were sent, as a page and as JSON. ``Caller.messages`` says who reads which."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from core.times import format_office_time
from sandbox.callers import Caller, caller_of
from sandbox.models import TextMessage

ROWS = 50


@never_cache
@require_safe
def phone(request: HttpRequest) -> HttpResponse:
    """Show the newest messages, or only those to ``?phone=``."""
    number, caller = request.GET.get("phone", "").strip(), caller_of(request)
    context = {"messages_": messages_newest(caller, number), "phone": number, "caller": caller}
    return render(request, "sandbox/sms.html", context)


@never_cache
@require_safe
def messages(request: HttpRequest) -> JsonResponse:
    """Return the newest messages, newest first: ``[{"phone", "code", "text", "at"}]``."""
    rows = [
        {"phone": message.phone, "code": message.code, "text": message.text, "at": format_office_time(message.at)}
        for message in messages_newest(caller_of(request), request.GET.get("phone", "").strip())
    ]
    return JsonResponse(rows, safe=False, json_dumps_params={"ensure_ascii": False})


def messages_newest(caller: Caller, phone: str = "", rows: int = ROWS) -> list[TextMessage]:
    """Return the newest messages that the caller may read, to ``phone`` alone if it is given."""
    messages = TextMessage.objects.filter(caller.messages()).order_by("-pk")
    if phone:
        messages = messages.filter(phone=phone) if phone.isascii() and phone.isdigit() else messages.none()
    return list(messages[:rows])
