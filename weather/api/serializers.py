from typing import Any

from rest_framework import serializers

from core.api.params import PageParams, Params, PlainText
from core.errors import DomainError
from core.ids import object_id
from weather.errors import AccountIncomplete
from weather.models import WeatherRecord, city_plain
from weather.provider import TEXT_FIELDS


class WeatherParams(PageParams):
    key = PlainText(required=False, default="")
    city = PlainText(required=False, max_length=32, default="")

    def validate_city(self, city: str) -> str:
        if not city.isprintable():
            raise serializers.ValidationError("包含非法字符")
        return city_plain(city)


class AccountParams(Params):
    version = serializers.RegexField(r"^[0-9A-Za-z._-]+\Z", max_length=16, error_messages={"invalid": "格式不正确"})
    appid = serializers.RegexField(r"^[!-~]+\Z", max_length=128, error_messages={"invalid": "格式不正确"})
    appsecret = serializers.RegexField(r"^[!-~]+\Z", max_length=128, error_messages={"invalid": "格式不正确"})

    def refusal(self) -> DomainError:
        return AccountIncomplete() if self.missing() else super().refusal()


def weather_row(record: WeatherRecord) -> dict[str, Any]:
    """A record as the provider's v61 answer has it, with our ``_id`` and ``__v``."""
    row: dict[str, Any] = {"_id": object_id(record.created_at, record.pk)}
    row |= {name: getattr(record, column) for name, column in TEXT_FIELDS.items()}
    return row | {"date": record.date.isoformat(), "alarm": record.alarm, "aqi": record.aqi, "__v": 0}
