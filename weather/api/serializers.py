"""The parameters of the weather calls, and a record as clients read it."""

from typing import Any, TypedDict, cast

from rest_framework import serializers

from core.api.params import PageParams, Params, PlainText
from core.ids import object_id
from weather.errors import AccountIncomplete
from weather.gateway import ALARM_KEYS, AQI_KEYS, TEXT_FIELDS
from weather.models import WeatherRecord, city_plain


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


# The names are those that the gateway reads, so mypy cannot know them.
AlarmJson = TypedDict("AlarmJson", dict.fromkeys(ALARM_KEYS, str))  # type: ignore[misc]
AqiJson = TypedDict("AqiJson", dict.fromkeys(AQI_KEYS, str))  # type: ignore[misc]
WeatherJson = TypedDict(  # type: ignore[misc]
    "WeatherJson",
    {"_id": str} | dict.fromkeys(TEXT_FIELDS, str) | {"alarm": AlarmJson | list[AlarmJson], "aqi": AqiJson, "__v": int},
)


def weather_row(record: WeatherRecord) -> WeatherJson:
    """Return a record in the form of the provider's v61 answer, with our ``_id`` and ``__v``."""
    row: dict[str, Any] = {"_id": object_id(record.created_at, record.pk)}
    row |= {name: getattr(record, column) for name, column in TEXT_FIELDS.items()}
    row |= {"date": record.date.isoformat(), "alarm": record.alarm, "aqi": record.aqi, "__v": 0}
    return cast(WeatherJson, row)
