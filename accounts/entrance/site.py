"""The entrance of the back office: the checks before every page of every app.

A user must have logged in with name and password within SESSION_COOKIE_AGE, and must have shown a code if there is a
second factor. A page may ask for the password again (``core.admin.password``).

Such a question is shown at the page's own address, and what the page was sent travels along in hidden fields. The
person's input goes to the same address. Then a page that was only opened is opened again, and a form that was sent is
processed.
"""

import time
from collections.abc import Callable
from functools import update_wrapper
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.contrib.auth.signals import user_logged_in
from django.contrib.auth.views import PasswordChangeView
from django.core.paginator import Paginator
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.cache import add_never_cache_headers
from django.utils.http import url_has_allowed_host_and_scheme
from unfold.sites import UnfoldAdminSite

from accounts.entrance import pages
from accounts.entrance.forms import CodeForm, LoginForm, OwnPasswordForm, PasswordForm, office_attempt_record
from accounts.login_request import device_remember
from accounts.services.login_records import Outcome
from accounts.services.second_factor import LoginStage, login_stage, passed_forget, passed_remember
from core import times
from core.admin.base import delete_selected
from core.admin.password import PasswordNeeded, password_given
from core.observe.tracing import about

PageView = Callable[..., Any]
_SINCE = "logged_in_at"
_SHOW = "entrance_show"  # "1": the page was opened, no form was sent; "again": the form had files, which are lost
_BACK = "entrance_back"  # the page from which the person came
_OWN_FIELDS = {"entrance_name", "entrance_password", "entrance_code", "entrance_download", _SHOW, _BACK}


@receiver(user_logged_in)
def _begin_session(request: HttpRequest, **_: Any) -> None:
    """Start the session's time and reset its second factor, also if the user logs in again in an open session."""
    now = times.now()
    request.session.cycle_key()
    request.session[_SINCE] = now.timestamp()
    passed_forget(request.session)
    password_given(request, now=now)


class BackOfficeSite(UnfoldAdminSite):
    login_form = LoginForm
    login_template = "entrance/login.html"
    empty_value_display = "—"

    def __init__(self, name: str = "admin") -> None:
        super().__init__(name)
        self.add_action(delete_selected)  # replaces Django's own action in every list

    def extra_urls(self) -> list[URLPattern]:
        return [
            path("second-factor/", self.admin_view(pages.second_factor_page), name="second_factor"),
            path("second-factor/<int:pk>/remove/", self.admin_view(pages.remove_page), name="second_factor_remove"),
        ]

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """Return the models of one app for its own page, and nothing where Django asks for all apps.

        It asks on every page, for a menu that no template shows: a seventh of the page's time went into the rights and
        addresses of forty models.
        """
        return super().get_app_list(request, app_label) if app_label else []

    def has_permission(self, request: HttpRequest) -> bool:
        return self._has_logged_in(request) and _login_stage(request) is LoginStage.INSIDE

    def _has_logged_in(self, request: HttpRequest) -> bool:
        """Tell whether a member of staff has logged in within SESSION_COOKIE_AGE."""
        age_s = times.now().timestamp() - request.session.get(_SINCE, 0)
        if not super().has_permission(request) or age_s >= settings.SESSION_COOKIE_AGE:
            return False
        about(caller=request.user.unid)  # type: ignore[union-attr]  # superusers and staff are users of ours
        return True

    def admin_view(self, view: PageView, cacheable: bool = False) -> PageView:
        inside = super().admin_view(view, cacheable)

        def entrance(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if not self._has_logged_in(request):
                return inside(request, *args, **kwargs)  # it redirects to the login
            if view == self.logout:
                return view(request, *args, **kwargs)  # a user who has not given the code can log out too
            if (stop := _stop(request, is_enrolment=view is pages.second_factor_page)) is not None:
                return stop
            # A user who must set up a second factor has no permission yet, and may open only the page that does it.
            page = inside if self.has_permission(request) else view
            try:
                return page(request, *args, **kwargs)
            except PasswordNeeded as needed:
                return _ask_password(request, PasswordForm(request), is_download=needed.is_download)

        return update_wrapper(entrance, inside)

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if request.method == "GET" and _has_ended(request):
            messages.warning(request, "登录已过期或已退出，请重新登录，之后会回到刚才的页面。")
        response = super().login(request, extra_context)
        is_done = request.method == "POST" and response.status_code == HttpResponseRedirect.status_code
        if is_done:
            device_remember(request, response, request.user)  # type: ignore[arg-type]  # a user of ours
        if is_done and _login_stage(request) is not LoginStage.CODE:
            office_attempt_record(request, request.user.get_username(), Outcome.DONE)
        return response

    def search(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Answer the search of Ctrl+K. Unfold's own keeps results for 5 minutes, and rights may change meanwhile."""
        begins, find = time.monotonic(), self._get_config("COMMAND", request).get("search_callback")
        results = self._get_value(find, request, request.GET.get("s", ""))
        page = Paginator(results, max(len(results), 1))
        context = {"page_obj": page, "results": page.page(1), "page_counter": 0, "command_show_history": False}
        context["execution_time"] = time.monotonic() - begins
        template = "unfold/helpers/command_results.html"
        return TemplateResponse(request, template, context, headers={"HX-Trigger": "search"})

    def password_change(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        context = self.each_context(request) | (extra_context or {})
        page: PageView = PasswordChangeView.as_view(
            form_class=OwnPasswordForm, success_url=reverse("admin:password_change_done"), extra_context=context
        )
        return page(request)


def _has_ended(request: HttpRequest) -> bool:
    """Tell whether the person was logged in before and was sent here from a page."""
    is_sent = request.GET.get(REDIRECT_FIELD_NAME, "") not in {"", reverse("admin:index")}
    # The session's own cookie ends with the session; this one shows that the browser has seen a form of ours.
    return is_sent and settings.CSRF_COOKIE_NAME in request.COOKIES


def _stop(request: HttpRequest, *, is_enrolment: bool) -> HttpResponse | None:
    """Return the response that must come before the page, such as the question for a code; None if nothing must."""
    stage = _login_stage(request)
    if stage is LoginStage.CODE:
        return _take_code(request)
    if stage is LoginStage.ENROL and not is_enrolment:
        return HttpResponseRedirect(reverse("admin:second_factor"))
    return _take_password(request) if "entrance_password" in request.POST else None


def _take_code(request: HttpRequest) -> HttpResponse | None:
    form = CodeForm(request, request.POST if "entrance_code" in request.POST else None)
    if not form.is_valid():
        return _ask(request, form, "entrance/code.html", title="动态验证码")
    passed_remember(request.session, form.phone)
    del request.login_stage  # type: ignore[attr-defined]
    office_attempt_record(request, request.user.get_username(), Outcome.DONE)
    return _resume_request(request)


def _take_password(request: HttpRequest) -> HttpResponse | None:
    form = PasswordForm(request, request.POST)
    is_download = "entrance_download" in request.POST
    if not form.is_valid():
        return _ask_password(request, form, is_download=is_download)
    password_given(request, now=times.now())
    if is_download:
        # A download does not replace the page in the browser, so the question would stay on the screen. Show a page
        # that starts the download instead.
        context = {"title": "下载", "back": _back_of(request), "address": request.get_full_path()}
        return render(request, "entrance/download.html", admin.site.each_context(request) | context)
    return _resume_request(request)


def _ask_password(request: HttpRequest, form: PasswordForm, *, is_download: bool) -> HttpResponse:
    return _ask(request, form, "entrance/password.html", title="请再输入一次密码", is_download=is_download)


def _login_stage(request: Any) -> LoginStage:
    if not hasattr(request, "login_stage"):
        request.login_stage = login_stage(request.user, request.session)
    return request.login_stage


def _ask(request: HttpRequest, form: forms.Form, template: str, **context: Any) -> HttpResponse:
    """Return a response that shows ``form`` in place of the page."""
    keeps_post = request.method == "POST" and not request.FILES and _SHOW not in request.POST
    names = [name for name in request.POST if name not in {*_OWN_FIELDS, "csrfmiddlewaretoken"}] if keeps_post else []
    fields = [(name, value) for name in names for value in request.POST.getlist(name)]
    if not keeps_post:
        fields.append((_SHOW, "again" if request.FILES else request.POST.get(_SHOW, "1")))
    back = _back_of(request)
    page_context = {"form": form, "posted": [*fields, (_BACK, back)], "address": request.get_full_path(), "back": back}
    response = render(request, template, admin.site.each_context(request) | page_context | context)
    add_never_cache_headers(response)
    return response


def _back_of(request: HttpRequest) -> str:
    """Return the page from which the person came; if unknown or on another site, the first page of the back office."""
    back = request.POST.get(_BACK) or request.META.get("HTTP_REFERER", "")
    is_ours = url_has_allowed_host_and_scheme(back, {request.get_host()}, require_https=request.is_secure())
    return back if is_ours else reverse("admin:index")


def _resume_request(request: HttpRequest) -> HttpResponse | None:
    """Go on after the right input: return a redirect to open the page again.

    Return None if a form was sent; ``request.POST`` is then the original one, and the page must process it.
    """
    show = request.POST.get(_SHOW)
    if show:
        if show == "again":
            messages.warning(request, "文件没有保留下来，请重新选择并提交")
        return HttpResponseRedirect(request.get_full_path())
    original = request.POST.copy()
    for name in _OWN_FIELDS:
        original.pop(name, None)
    request.POST = original  # type: ignore[assignment]
    return None
