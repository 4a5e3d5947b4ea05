"""The weather calls: what they take, a record as clients read it, what ``/docs/`` shows, and the views."""

from typing import Any, TypedDict, cast

from rest_framework import serializers
from rest_framework.request import Request

from accounts.authentication import CallerRequest
from core import times
from core.api.access import Access
from core.api.endpoint import ApiViewSet, Doc, Endpoint
from core.api.envelope import Envelope, ok
from core.api.params import PageParams, Params, PlainText, page_of
from core.api.request import caller_key
from core.ids import object_id
from weather.errors import (
    AccountIncomplete,
    NoWeather,
    ProviderGarbled,
    ProviderRefused,
    ProviderSilent,
    WeatherFault,
    WeatherTooOften,
)
from weather.gateway import ALARM_KEYS, AQI_KEYS, TEXT_FIELDS, Credentials
from weather.models import WeatherRecord, city_plain
from weather.selectors import history
from weather.services import account_change, weather_newest, weather_query

FOUND = "获取成功"


# --- What they take ---
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


# --- A record as clients read it ---
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


# --- What /docs/ shows ---
_ROW = {
    "_id": "680221d40000000000000001",
    "cityid": "101190101",
    "date": "2025-04-18",
    "week": "星期五",
    "update_time": "14:35",
    "city": "南京",
    "cityEn": "nanjing",
    "country": "中国",
    "countryEn": "China",
    "wea": "多云",
    "wea_img": "yun",
    "tem": "22",
    "tem1": "27",
    "tem2": "15",
    "win": "东南风",
    "win_speed": "2级",
    "win_meter": "9km/h",
    "humidity": "58%",
    "visibility": "14km",
    "pressure": "1009",
    "air": "46",
    "air_pm25": "46",
    "air_level": "优",
    "air_tips": "空气很好，可以外出活动，呼吸新鲜空气！",
    "alarm": {"alarm_type": "", "alarm_level": "", "alarm_content": ""},
    "aqi": dict.fromkeys(AQI_KEYS, "优")
    | {"update_time": "14:00", "air": "46", "air_tips": "空气很好。"}
    | {"pm25": "23", "pm10": "46", "o3": "88", "no2": "19", "so2": "6", "co": "0.6"}
    | {"kouzhao": "不用佩戴口罩", "yundong": "适宜运动", "waichu": "适宜外出"}
    | {"kaichuang": "适宜开窗", "jinghuaqi": "不需要打开"},
    "__v": 0,
}
_FOUND = {"msg": FOUND, "message": FOUND, "data": [_ROW]}

_ALARM = {"alarm_type": "大风", "alarm_level": "蓝色", "alarm_content": "南京市气象台发布大风蓝色预警信号。"}

GET_WEATHER = Doc(
    names=["", "History"],
    ok=[_FOUND, _FOUND | {"total": 1}, _FOUND | {"data": [_ROW | {"alarm": [_ALARM]}]}],
    records={"data": list[WeatherJson]},
    params=WeatherParams,
    failures=[
        WeatherTooOften,
        ProviderRefused("天气查询失败:城市不存在"),
        ProviderSilent,
        ProviderGarbled,
        NoWeather,
    ],
    about=(
        "不传参数返回默认城市最近一次的天气;`key=all` 返回全部历史天气,新的在前,可用 `page`、`count` 分页;"
        "`city=南京` 实时查询该城市,每个用户(未登入时按地址)一分钟一次。"
        "天气服务不可用时 `state` 为 false,`msg` 说明原因,`data` 带上该城市之前保存的天气(如果有)。"
    ),
)
UPDATE_ACCOUNT = Doc(
    ok={"msg": "修改成功"},
    params=AccountParams,
    failures=[ProviderRefused("天气查询失败:appid或appsecret错误"), ProviderSilent],
    send={"version": "v61", "appid": "12345678", "appsecret": "aBcDeFgH"},
    about="三个参数都要传;新账户先向天气服务试用一次,通过后才会保存。",
)


# --- The views ---
class WeatherViewSet(ApiViewSet):
    tag = "天气模块"

    @Endpoint("GET", "/weather/getWeather", "获取天气", Access.OPEN, docs=GET_WEATHER)
    def get_weather(self, request: Request) -> Envelope:
        params = WeatherParams.read(request)
        if params["key"] == "all":
            total, records = page_of(history(params["city"]), params)
            return _weather_answer(records, total=total)
        if params["city"]:
            return _weather_answer([self._of_city(request, params["city"])])
        return _weather_answer([weather_newest(now=times.now())])

    @Endpoint("GET POST", "/weather/updateWeatherCount", "修改天气账户信息", Access.ROOT, docs=UPDATE_ACCOUNT)
    def update_weather_count(self, request: CallerRequest) -> Envelope:
        credentials = Credentials(**AccountParams.read(request))
        account_change(credentials=credentials, changed_by=request.user.username, now=times.now())
        return ok("修改成功")

    def _of_city(self, request: Request, city: str) -> WeatherRecord:
        try:
            return weather_query(city=city, caller=caller_key(request), now=times.now())
        except WeatherFault as fault:
            if record := history(city).first():
                fault.extra["data"] = [weather_row(record)]
            raise


def _weather_answer(records: list[WeatherRecord], **more: Any) -> Envelope:
    # Old clients read `message`, newer ones `msg`.
    return ok(FOUND, message=FOUND, data=[weather_row(record) for record in records], **more)
