"""The weather in the back office: records, the account, and a button for a sync."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from unfold.decorators import display
from unfold.widgets import UnfoldAdminPasswordWidget

from core import times
from core.admin.base import FixedRows, OfficeAdmin
from core.api.request import present_request
from core.times import format_office_time
from weather.errors import WeatherFault
from weather.gateway import Credentials
from weather.models import WeatherAccount, WeatherRecord, city_plain
from weather.services import account_get, account_keep, account_try, weather_sync


def _sync_context(request: HttpRequest) -> dict[str, Any]:
    """Return the state of the sync, and whether the user sees the button that runs it."""
    account = account_get()
    state = f"上次成功同步：{format_office_time(account.last_success_at) or '从未'}"
    if account.last_error:
        state += f"；之后失败 {account.failures} 次：{account.last_error}"
    return {"may_sync": request.user.has_perm("weather.change_weatheraccount"), "sync_state": state}


@admin.register(WeatherRecord)
class WeatherRecordAdmin(OfficeAdmin):
    """Records, read-only, because they repeat what the provider said."""

    rights: ClassVar = {"view": "查看", "delete": "删除"}
    list_display = [
        *("city", "date", "update_time", "wea", "tem", "tem1", "tem2"),
        *("humidity", "win", "win_speed", "air_level", "observed_at"),
    ]
    list_filter = [("city", admin.AllValuesFieldListFilter), "date"]
    search_fields = ["^city"]
    search_help_text = "城市名的开头"
    list_before_template = "weather/records_head.html"
    list_per_page = 50
    fieldsets = [
        ("时间地点", {"fields": ["city", "city_en", "cityid", "country", "country_en", "date", "week", "update_time"]}),
        ("天气", {"fields": ["wea", "wea_img", "tem", "tem1", "tem2", "humidity", "visibility", "pressure"]}),
        ("风", {"fields": ["win", "win_speed", "win_meter"]}),
        ("空气", {"fields": ["air", "air_pm25", "air_level", "air_tips"]}),
        ("获取", {"fields": ["observed_at", "created_at", "seen_at"]}),
    ]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: WeatherRecord | None = None) -> bool:
        return False

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return super().changelist_view(request, _sync_context(request) | (extra_context or {}))


class AccountForm(forms.ModelForm):  # type: ignore[type-arg]
    """The form of the account. It accepts only values that the provider accepted in ``WeatherAccountAdmin.prepare``."""

    new_secret = forms.RegexField(
        r"^[!-~]+\Z",
        label="新的 appsecret",
        required=False,
        max_length=128,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
        help_text="留空则不修改",
    )

    class Meta:
        model = WeatherAccount
        fields = ["version", "appid", "city"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        try:
            self.present: Credentials | None = self.instance.credentials
        except WeatherFault:
            self.present = None  # the secret cannot be read with the present SECRET_KEY and must be entered again
        self.present_city = self.instance.city_name
        for name in self.fields.keys() & {"version", "appid", "city"}:  # none for staff who may not change the account
            self.fields[name].required = True
        self.initial["city"] = self.present_city
        if self.present:
            self.initial["version"], self.initial["appid"] = self.present.version, self.present.appid

    def clean_city(self) -> str:
        return city_plain(self.cleaned_data["city"])

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if self.errors:
            return data
        secret = data["new_secret"] or (self.present.appsecret if self.present else "")
        if not secret:
            raise forms.ValidationError("请输入 appsecret")
        self.entered = Credentials(data["version"], data["appid"], secret)
        trials: dict[Any, str] | None = getattr(present_request(), "account_trials", None)
        if trials is not None and self.needs_trial:
            refusal = trials.get((self.entered, data["city"]), "账户刚刚被修改，请核对后再次保存")
            if refusal:
                raise forms.ValidationError(f"没有修改。{refusal}")
        return data

    @property
    def needs_trial(self) -> bool:
        """Tell whether the form changes something that the provider must accept first."""
        return self.entered != self.present or self.cleaned_data["city"] != self.present_city


@admin.register(WeatherAccount)
class WeatherAccountAdmin(FixedRows, OfficeAdmin):
    form = AccountForm
    rights: ClassVar = {"view": "查看", "change": "修改、立即同步"}
    change_form_outer_before_template = "weather/sync_now.html"
    fieldsets = [
        ("账户", {"fields": ["version", "appid", "masked_secret", "new_secret", "changed_at"]}),
        ("城市", {"fields": ["city"]}),
        ("同步", {"fields": ["last_success_at", "last_attempt_at", "failures", "next_try_at", "last_error"]}),
    ]
    readonly_fields = ["masked_secret", "changed_at", *fieldsets[2][1]["fields"]]

    @display(description="appsecret")
    def masked_secret(self, account: WeatherAccount) -> str:
        return "••••••••（已设置）" if account.sealed_secret else "••••••••（来自配置）"

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Redirect to the page of the account, since there is only one."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return HttpResponseRedirect(reverse("admin:weather_weatheraccount_change", args=[account_get().pk]))

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        context = _sync_context(request) | (extra_context or {})
        return super().changeform_view(request, object_id, form_url, context)

    def prepare(self, request: HttpRequest, object_id: str | None) -> None:
        """Try the account of the sent form, before the transaction begins.

        The provider may take seconds, and inside the transaction the row would stay locked for that time. The results
        are passed to the form in ``request.account_trials``.
        """
        account = self.get_object(request, object_id or "")
        if account is None or not self.has_change_permission(request, account):
            return
        form = self.get_form(request, account, change=True)(request.POST, instance=account)
        trials: dict[Any, str] = {}
        if form.is_valid() and form.needs_trial:
            city = form.cleaned_data["city"]
            try:
                account_try(credentials=form.entered, city=city, now=times.now())
                trials[form.entered, city] = ""
            except WeatherFault as fault:
                trials[form.entered, city] = fault.msg
        request.account_trials = trials  # type: ignore[attr-defined]

    def save_model(self, request: HttpRequest, obj: WeatherAccount, form: Any, change: bool) -> None:
        account_keep(
            credentials=form.entered if form.entered != form.present else None,
            city=form.cleaned_data["city"],
            changed_by=request.user.get_username(),
            now=times.now(),
        )

    def get_urls(self) -> list[Any]:
        return [path("sync/", self.admin_site.admin_view(self.sync_now), name="weather_sync_now"), *super().get_urls()]

    def sync_now(self, request: HttpRequest) -> HttpResponse:
        """Run a sync now, even if none is due, and show the result as a message."""
        if request.method != "POST" or not self.has_change_permission(request):
            raise PermissionDenied
        result = weather_sync(now=times.now(), force=True)
        if result.record:
            messages.success(request, f"同步成功：{result.record} {result.record.wea} {result.record.tem}℃")
        else:
            messages.error(request, f"同步失败：{result.reason}")
        records, account = (reverse(f"admin:weather_{name}_changelist") for name in ("weatherrecord", "weatheraccount"))
        return HttpResponseRedirect(records if request.POST.get("back") == records else account)
