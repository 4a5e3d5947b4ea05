"""The parameters of the weather calls, and a record as clients read it."""

from typing import Any, TypedDict, cast

from rest_framework import serializers

from core.api.params import PageParams, Params, PlainText
from core.errors import DomainError
from core.ids import object_id
from weather.errors import AccountIncomplete
from weather.gateway import TEXT_FIELDS
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
    version = _code(r"^[0-9A-Za-z._-]+\Z", max_length=16, help_text="接口版本,如 v61")
    appid = _code(r"^[!-~]+\Z", max_length=128, help_text="账号的 id")
    appsecret = _code(r"^[!-~]+\Z", max_length=128, help_text="账号的 secret")

    def refusal(self) -> DomainError:
        return AccountIncomplete() if self.missing() else super().refusal()


class AlarmJson(TypedDict):
    alarm_type: str
    alarm_level: str
    alarm_content: str


class AqiJson(TypedDict):
    update_time: str
    air: str
    air_level: str
    air_tips: str
    pm25: str
    pm25_desc: str
    pm10: str
    pm10_desc: str
    o3: str
    o3_desc: str
    no2: str
    no2_desc: str
    so2: str
    so2_desc: str
    co: str
    co_desc: str
    kouzhao: str
    yundong: str
    waichu: str
    kaichuang: str
    jinghuaqi: str


WeatherJson = TypedDict(
    "WeatherJson",
    {
        "_id": str,
        "cityid": str,
        "date": str,
        "week": str,
        "update_time": str,
        "city": str,
        "cityEn": str,
        "country": str,
        "countryEn": str,
        "wea": str,
        "wea_img": str,
        "tem": str,
        "tem1": str,
        "tem2": str,
        "win": str,
        "win_speed": str,
        "win_meter": str,
        "humidity": str,
        "visibility": str,
        "pressure": str,
        "air": str,
        "air_pm25": str,
        "air_level": str,
        "air_tips": str,
        "alarm": AlarmJson | list[AlarmJson],
        "aqi": AqiJson,
        "__v": int,
    },
)


def weather_row(record: WeatherRecord) -> WeatherJson:
    """Return a record in the form of the provider's v61 answer, with our ``_id`` and ``__v``."""
    row: dict[str, Any] = {"_id": object_id(record.created_at, record.pk)}
    row |= {name: getattr(record, column) for name, column in TEXT_FIELDS.items()}
    row |= {"date": record.date.isoformat(), "alarm": record.alarm, "aqi": record.aqi, "__v": 0}
    return cast(WeatherJson, row)
