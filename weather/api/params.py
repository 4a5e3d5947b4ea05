"""What the weather calls take."""

from typing import Any

from rest_framework import serializers

from core.api.params import PageParams, Params, PlainText
from weather.errors import AccountIncomplete
from weather.models import city_plain


class WeatherParams(PageParams):
    key = PlainText(required=False, default="", help_text="`all` 返回全部历史天气")
    city = PlainText(required=False, max_length=32, default="", help_text="城市名,不带市,如 南京")

    def validate_city(self, city: str) -> str:
        if not city.isprintable():
            raise serializers.ValidationError("包含非法字符")
        return city_plain(city)


def _code(pattern: str, **options: Any) -> serializers.RegexField:
    return serializers.RegexField(pattern, error_messages={"invalid": "格式不正确"}, **options)


class AccountParams(Params):
    error_if_missing = AccountIncomplete

    version = _code(r"^[0-9A-Za-z._-]+\Z", max_length=16, help_text="接口版本,如 v61")
    appid = _code(r"^[!-~]+\Z", max_length=128, help_text="账号的 id")
    appsecret = _code(r"^[!-~]+\Z", max_length=128, help_text="账号的 secret")
