"""Ask for a password or a code in place of a page, and then go on with the original request.

The question is shown at the page's own address, and what the page was sent travels along in hidden fields. The person's
input goes to the same address. Then a page that was only opened is opened again, and a form that was sent is processed.
"""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.cache import add_never_cache_headers
from django.utils.http import url_has_allowed_host_and_scheme

_SHOW = "entrance_show"  # "1": the page was opened, no form was sent; "again": the form had files, which are lost
_BACK = "entrance_back"  # the page from which the person came
_OWN_FIELDS = {"entrance_name", "entrance_password", "entrance_code", "entrance_download", _SHOW, _BACK}


def ask(request: HttpRequest, form: forms.Form, template: str, **context: Any) -> HttpResponse:
    """Return a response that shows ``form`` in place of the page."""
    keeps_post = request.method == "POST" and not request.FILES and _SHOW not in request.POST
    names = [name for name in request.POST if name not in {*_OWN_FIELDS, "csrfmiddlewaretoken"}] if keeps_post else []
    posted = [(name, value) for name in names for value in request.POST.getlist(name)]
    if not keeps_post:
        posted.append((_SHOW, "again" if request.FILES else request.POST.get(_SHOW, "1")))
    back = back_of(request)
    page_context = {"form": form, "posted": [*posted, (_BACK, back)], "address": request.get_full_path(), "back": back}
    response = render(request, template, admin.site.each_context(request) | page_context | context)
    add_never_cache_headers(response)
    return response


def back_of(request: HttpRequest) -> str:
    """Return the page from which the person came; if unknown or on another site, the first page of the back office."""
    back = request.POST.get(_BACK) or request.META.get("HTTP_REFERER", "")
    is_ours = url_has_allowed_host_and_scheme(back, {request.get_host()}, require_https=request.is_secure())
    return back if is_ours else reverse("admin:index")


def resume_request(request: HttpRequest) -> HttpResponse | None:
    """Go on after the right input: return a redirect to open the page again.

    Return None if a form was sent; ``request.POST`` is then the original one, and the page must process it.
    """
    show = request.POST.get(_SHOW)
    if show:
        if show == "again":
            messages.warning(request, "文件没有保留下来，请重新选择并提交")
        return HttpResponseRedirect(request.get_full_path())
    posted = request.POST.copy()
    for name in _OWN_FIELDS:
        posted.pop(name, None)
    request.POST = posted  # type: ignore[assignment]
    return None
