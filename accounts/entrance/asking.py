"""Asking for something in place of a page, and going on with what the page was asked.

The question is shown at the page's own address, with all that the page was sent as hidden fields. The answer comes to
the same address: a page that was only to be shown is asked for anew, a form goes on as it was sent.
"""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.cache import add_never_cache_headers
from django.utils.http import url_has_allowed_host_and_scheme

_SHOW = "entrance_show"  # the page was only to be shown; "again": it was sent files, which cannot come along
_BACK = "entrance_back"  # where the person came from
_ANSWERS = {"entrance_name", "entrance_password", "entrance_code", "entrance_download", _SHOW, _BACK}


def ask(request: HttpRequest, form: forms.Form, template: str, **context: Any) -> HttpResponse:
    """Show ``form`` in place of the page."""
    comes_along = request.method == "POST" and not request.FILES and _SHOW not in request.POST
    names = [name for name in request.POST if name not in {*_ANSWERS, "csrfmiddlewaretoken"}] if comes_along else []
    posted = [(name, value) for name in names for value in request.POST.getlist(name)]
    if not comes_along:
        posted.append((_SHOW, "again" if request.FILES else request.POST.get(_SHOW, "1")))
    back = back_of(request)
    shown = {"form": form, "posted": [*posted, (_BACK, back)], "address": request.get_full_path(), "back": back}
    answer = render(request, template, admin.site.each_context(request) | shown | context)
    add_never_cache_headers(answer)
    return answer


def back_of(request: HttpRequest) -> str:
    """Where the person came from; the first page where that is unknown or elsewhere."""
    back = request.POST.get(_BACK) or request.META.get("HTTP_REFERER", "")
    is_ours = url_has_allowed_host_and_scheme(back, {request.get_host()}, require_https=request.is_secure())
    return back if is_ours else reverse("admin:index")


def go_on(request: HttpRequest) -> HttpResponse | None:
    """Answer where to go once the question is answered; None: the page goes on with what it was sent."""
    show = request.POST.get(_SHOW)
    if show:
        if show == "again":
            messages.warning(request, "文件没有保留下来,请重新选择并提交")
        return HttpResponseRedirect(request.get_full_path())
    posted = request.POST.copy()
    for name in _ANSWERS:
        posted.pop(name, None)
    request.POST = posted  # type: ignore[assignment]
    return None
