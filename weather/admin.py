"""The weather in the back office: records, and the account with its buttons."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from core.admin.base import OfficeAdmin
from core.admin.buttons import Button, ButtonForm, ButtonsAdmin, Press
from core.admin.tables import column
from weather.gateway import Credentials
from weather.models import WeatherAccount, WeatherRecord, city_plain
from weather.services import account_change, account_get, weather_sync


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


class AccountForm(ButtonForm):
    version = forms.CharField(label="接口版本", max_length=16)
    appid = forms.CharField(label="appid", max_length=128)
    new_secret = forms.RegexField(
        r"^[!-~]+\Z",
        label="新的 appsecret",
        required=False,
        max_length=128,
        widget=forms.PasswordInput({"autocomplete": "new-password"}),
        help_text="留空则不修改",
    )
    city = forms.CharField(label="默认城市", max_length=32, help_text="城市名，不带市")

    def build(self) -> None:
        [account] = self.rows
        present = account.credentials
        self.initial = {"version": present.version, "appid": present.appid, "city": account.city_name}


def _change(press: Press) -> str:
    values = press.values
    secret = values["new_secret"] or press.row.credentials.appsecret
    credentials = Credentials(values["version"], values["appid"], secret)
    city = city_plain(values["city"])
    account_change(credentials=credentials, city=city, changed_by=press.user.get_username(), now=press.now)
    return ""


def _sync(press: Press) -> str:
    record = weather_sync(now=press.now, force=True)
    return f"{record} {record.wea} {record.tem}℃" if record else ""


@admin.register(WeatherAccount)
class WeatherAccountAdmin(ButtonsAdmin):
    buttons = (
        Button("sync", "立即同步", _sync, max_rows=1),
        Button(
            "change", "修改账户", _change, form=AccountForm, max_rows=1,
            question="先用填写的账户查询一次默认城市的天气，天气服务接受了才保存。",
        ),
    )  # fmt: skip
    rights: ClassVar = {"view": "查看", "change": "修改、立即同步"}
    fieldsets = [
        ("账户", {"fields": ["version_shown", "appid_shown", "masked_secret", "changed_at"]}),
        ("城市", {"fields": ["city_shown"]}),
        ("同步", {"fields": ["last_success_at", "last_attempt_at", "last_error"]}),
    ]
    readonly_fields = [name for _, facts in fieldsets for name in facts["fields"]]
    version_shown = column("接口版本", lambda account: account.credentials.version)
    appid_shown = column("appid", lambda account: account.credentials.appid)
    masked_secret = column(
        "appsecret", lambda account: f"••••••••（{'已设置' if account.sealed_secret else '来自配置'}）"
    )
    city_shown = column("默认城市", lambda account: account.city_name)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Redirect to the page of the account, since there is only one; the list of records sends its button here."""
        account = account_get()
        if request.method == "POST":
            return super().changelist_view(request, extra_context)
        if not self.has_view_permission(request):
            raise PermissionDenied
        return HttpResponseRedirect(reverse("admin:weather_weatheraccount_change", args=[account.pk]))
