"""Pages of the second factor: staff manage their own, and root removes a colleague's."""

from base64 import b32encode
from typing import Any

import segno
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django_otp.plugins.otp_totp.models import TOTPDevice

from accounts.entrance.forms import EnrolForm
from accounts.models import User
from accounts.services.second_factor import (
    enrolment_begin,
    is_demanded,
    is_offered,
    passed_remember,
    phone_device_of,
    recovery_codes_left,
    recovery_codes_renew,
    second_factor_remove,
)
from core import times
from core.admin.password import require_password

_TITLE = "动态验证码"


def account_links(request: HttpRequest) -> list[dict[str, str]]:
    """Return the links of the theme's account menu."""
    links = [{"title": "修改密码", "link": reverse("admin:password_change")}]
    return [*links, {"title": _TITLE, "link": reverse("admin:second_factor")}] if is_offered() else links


@never_cache
def second_factor_page(request: HttpRequest) -> HttpResponse:
    """Set up the user's own second factor, renew its recovery codes, remove it."""
    if not is_offered():
        raise Http404
    require_password(request)
    user: Any = request.user
    if (phone := phone_device_of(user)) is None:
        return _enrol(request, user)
    match request.POST.get("do"):
        case "codes":
            return _page(request, codes=recovery_codes_renew(user=user))
        case "remove" if "sure" in request.POST:
            second_factor_remove(user=user)
            messages.success(request, "已解除动态验证码")
            return HttpResponseRedirect(request.path)
        case "remove":
            return _page(request, asks_remove=True, is_demanded=is_demanded(user))
    return _page(request, phone=phone, codes_left=recovery_codes_left(user), is_demanded=is_demanded(user))


def _enrol(request: HttpRequest, user: User) -> HttpResponse:
    try:
        pending = enrolment_begin(user=user, now=times.now())
    except ValidationError as refusal:
        return _page(request, refusal=refusal.message)
    form = EnrolForm(request, request.POST if "code" in request.POST else None)
    if form.is_valid():
        passed_remember(request.session, form.phone)
        return _page(request, codes=form.codes, is_new=True)
    return _page(request, form=form, qr=_qr(pending), key=_key(pending), is_demanded=is_demanded(user))


@never_cache
def remove_page(request: HttpRequest, pk: int) -> HttpResponse:
    """Let root remove a colleague's second factor, for a colleague who has lost phone and recovery codes."""
    if not (request.user.is_superuser and is_offered()):
        raise PermissionDenied
    require_password(request)
    user = get_object_or_404(User.objects.select_related("role"), pk=pk)
    record = reverse("admin:accounts_user_change", args=[pk])
    if request.method == "POST":
        is_done = second_factor_remove(user=user)
        text = f"{user.username}: " + ("已解除动态验证码" if is_done else "没有绑定动态验证码")
        messages.add_message(request, messages.SUCCESS if is_done else messages.WARNING, text)
        return HttpResponseRedirect(record)
    context = admin.site.each_context(request) | {"title": "解除动态验证码", "colleague": user, "record": record}
    return render(request, "entrance/remove.html", context)


def _page(request: HttpRequest, **context: Any) -> HttpResponse:
    site_context = admin.site.each_context(request)
    layout = "admin/base_site.html" if site_context["has_permission"] else "entrance/base.html"
    return render(request, "entrance/second_factor.html", site_context | {"title": _TITLE, "layout": layout} | context)


def _qr(phone: TOTPDevice) -> str:
    return segno.make_qr(phone.config_url).svg_data_uri(omitsize=True, light="#fff")


def _key(phone: TOTPDevice) -> str:
    """Return the key in groups of four letters, for people who must type it because they cannot scan the QR code."""
    text = b32encode(phone.bin_key).decode()
    return " ".join(text[at : at + 4] for at in range(0, len(text), 4))
