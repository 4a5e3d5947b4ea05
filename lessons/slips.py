"""The slips of new accounts: pages to print and cut up, which a reload shows again for ten minutes.

They are kept encrypted in Valkey; only a cookie of this browser has the key.
"""

import base64
from typing import Any

import orjson
import redis
import segno
from cryptography.fernet import Fernet, InvalidToken
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse

from accounts.services.class_accounts import Slip
from core import times
from core.admin.password import require_password
from core.api.request import absolute_url
from core.cache import valkey
from core.errors import DomainError
from core.sheets.write import sheet_write
from permissions.scope import scope_of
from students.accounts import account_slip
from students.models import Student

SLIPS_S, SLIPS_COOKIE, _SLIPS = 600, "slips", "spms:slips:"


def slips_page(request: HttpRequest, class_name: str, slips: list[Slip], back: str = "") -> HttpResponse:
    """Go to the page of the slips, so that a reload makes no new passwords."""
    content: list[Any] = [class_name, [*map(list, slips)], back or request.path]
    key = Fernet.generate_key()
    try:
        valkey.client().set(f"{_SLIPS}{request.user.pk}", Fernet(key).encrypt(orjson.dumps(content)), ex=SLIPS_S)
    except redis.RedisError:  # the passwords are set: better once than never
        return _shown(request, *content)
    response, page = HttpResponseRedirect(reverse("slips")), reverse("slips")
    lasting: dict[str, Any] = {"max_age": SLIPS_S, "path": page, "httponly": True, "samesite": "Strict"}
    response.set_cookie(SLIPS_COOKIE, key.decode(), secure=request.is_secure(), **lasting)
    return response


def slips_again(request: HttpRequest) -> HttpResponse:
    """Show the slips that this browser has made within the last ten minutes."""
    try:
        texts = valkey.client().get(f"{_SLIPS}{request.user.pk}") or b""
        content = orjson.loads(Fernet(request.COOKIES[SLIPS_COOKIE]).decrypt(texts))
    except (KeyError, ValueError, InvalidToken):
        messages.warning(request, "账号条已经过期：密码只保留 10 分钟")
        return HttpResponseRedirect(reverse("admin:index"))
    return _shown(request, *content)


def _shown(request: HttpRequest, class_name: str, rows: list[list[str]], back: str) -> HttpResponse:
    docs, slips = absolute_url(request, "/docs/"), [Slip(*row) for row in rows]
    table = [(slip.name, slip.number, slip.username, slip.password) for slip in slips]
    # Trainees choose names themselves: no formulas.
    file = sheet_write("csv", ["姓名", "学号", "用户名", "密码"], table)
    context = {
        "class_name": class_name,
        "slips": slips,
        "docs": docs,
        "qr": segno.make_qr(docs, error="m").svg_data_uri(omitsize=True, border=1),
        "file": "data:text/csv;base64," + base64.b64encode(file).decode(),
        "made_at": times.now(),
        "back": back,
    }
    response = render(request, "lessons/slips.html", context)
    response.headers["Cache-Control"] = "no-store"
    return response


def student_slip(request: HttpRequest, pk: int) -> HttpResponse:
    """Give a student's account a new password, and show its slip."""
    if request.method != "POST" or not request.user.has_perm("students.account_student"):
        raise PermissionDenied
    scope = scope_of(request.user)
    student = get_object_or_404(Student.objects.filter(scope.visible(of=Student)), pk=pk)
    if not scope.may_change(student):
        raise PermissionDenied
    require_password(request)
    back = reverse("admin:students_student_change", args=[pk])
    try:
        return slips_page(request, student.class_name, [account_slip(student=student, by=request.user)], back=back)
    except DomainError as refusal:
        messages.error(request, refusal.msg)
        return HttpResponseRedirect(back)
