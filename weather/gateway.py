"""The gateway to the weather provider, tianqi v61: fetch the weather of a city.

The provider's answers are not trusted: shape, types, lengths and dates are checked, and unknown fields are dropped.
"""

import re
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any

import orjson
from django.conf import settings

from core import http
from core.times import SHANGHAI, local
from core.upstreams import Upstream
from weather.errors import AccountUnusable, ProviderGarbled, ProviderRefused, ProviderSilent, WeatherFault

TIMEOUT_S = 4.5  # the API promises its callers an answer within 5 s
MAX_BYTES = 200_000
UPSTREAM = Upstream("weather")

# The provider's text fields, in its order, and our columns for them.
TEXT_NAMES = (
    *("cityid", "date", "week", "update_time", "city", "cityEn", "country", "countryEn", "wea", "wea_img"),
    *("tem", "tem1", "tem2", "win", "win_speed", "win_meter", "humidity", "visibility", "pressure"),
    *("air", "air_pm25", "air_level", "air_tips"),
)
TEXT_FIELDS = {name: name for name in TEXT_NAMES} | {"cityEn": "city_en", "countryEn": "country_en"}
ALARM_KEYS = ("alarm_type", "alarm_level", "alarm_content")
AQI_KEYS = (
    *("update_time", "air", "air_level", "air_tips", "pm25", "pm25_desc", "pm10", "pm10_desc", "o3", "o3_desc"),
    *("no2", "no2_desc", "so2", "so2_desc", "co", "co_desc"),
    *("kouzhao", "yundong", "waichu", "kaichuang", "jinghuaqi"),
)
MAX_TEXT = 255
MAX_ALARM_TEXT, MAX_ALARMS = 2000, 60
_UPDATE_TIME = re.compile(r"(?:([0-9]{4}-[0-9]{2}-[0-9]{2})[ T])?([0-9]{1,2}):([0-9]{2})(?::[0-9]{2})?")
_OLDEST = date(2000, 1, 1)

Columns = dict[str, Any]  # of a ``WeatherRecord``


@dataclass(frozen=True)
class Credentials:
    """The account at the provider; without a secret it cannot be used."""

    version: str
    appid: str
    appsecret: str = field(repr=False)


def report_fetch(credentials: Credentials, city: str, *, now: datetime) -> Columns:
    """Fetch the present weather of ``city`` from the provider, within ``TIMEOUT_S``.

    :raises WeatherFault: the provider gave no weather of this city.
    """
    if not credentials.appsecret:
        raise AccountUnusable
    address, params = f"{settings.WEATHER_BASE_URL}/api", asdict(credentials) | {"city": city}
    try:
        with UPSTREAM.room(ProviderSilent):
            body = http.get(address, upstream=UPSTREAM, params=params, timeout_s=TIMEOUT_S, max_bytes=MAX_BYTES)
        answer = orjson.loads(body.removeprefix(b"\xef\xbb\xbf"))
    except http.OutgoingError:
        raise ProviderSilent from None
    except orjson.JSONDecodeError:
        raise ProviderGarbled from None
    if not isinstance(answer, dict):
        raise ProviderGarbled
    if "cityid" not in answer:
        raise _refusal(answer, credentials)
    columns = report_read(answer, now)
    if not _is_of(city, columns):
        raise ProviderGarbled(f"天气服务返回了其他城市({columns['city']})的天气")
    return columns


def _refusal(answer: dict[str, Any], credentials: Credentials) -> WeatherFault:
    reason = _text(answer.get("errmsg"), 100)
    for secret in filter(None, (credentials.appsecret, credentials.appid)):
        reason = reason.replace(secret, "***")
    return ProviderRefused(f"天气查询失败:{reason}") if reason else ProviderGarbled()


def _is_of(city: str, columns: Columns) -> bool:
    """Tell whether this is the weather of ``city``: for an unknown one the provider may answer with the caller's."""
    name, own_name = city.lower(), columns["city"].lower()
    return own_name.startswith(name) or name.startswith(own_name) or name == columns["city_en"].lower()


def report_read(answer: dict[str, Any], now: datetime) -> Columns:
    """Check an answer of the provider and return the columns of its record.

    :raises ProviderGarbled: it has no valid city, date or update time.
    """
    columns: Columns = {column: _text(answer.get(name)) for name, column in TEXT_FIELDS.items()}
    match = _UPDATE_TIME.fullmatch(columns["update_time"])
    if not columns["city"] or not match:
        raise ProviderGarbled
    try:
        day = datetime.strptime(columns["date"], "%Y-%m-%d").date()
        clock = time(int(match[2]), int(match[3]))
        observed_day = date.fromisoformat(match[1]) if match[1] else day
    except ValueError:
        raise ProviderGarbled from None
    if not _OLDEST <= day <= local(now).date() + timedelta(days=1):
        raise ProviderGarbled
    # Just after midnight the provider may send today's date with a time of yesterday evening. Never store a time in
    # the future: such a record would stay the newest for hours.
    observed_at = min(datetime.combine(max(observed_day, _OLDEST), clock, SHANGHAI), now)
    alarm, aqi = answer.get("alarm"), _object(answer.get("aqi"), AQI_KEYS)
    if isinstance(alarm, list):
        alarms: Any = [_object(one, ALARM_KEYS) for one in alarm[:MAX_ALARMS]]
    else:
        alarms = _object(alarm, ALARM_KEYS)
    return columns | {"date": day, "clock": clock, "observed_at": observed_at, "alarm": alarms, "aqi": aqi}


def _object(value: Any, keys: tuple[str, ...]) -> dict[str, str]:
    """Return an object that has all of ``keys``, as texts, because clients read them without checking."""
    fields = value if isinstance(value, dict) else {}
    return {key: _text(fields.get(key), MAX_ALARM_TEXT) for key in keys}


def _text(value: Any, limit: int = MAX_TEXT) -> str:
    """Return a text or a number as text, and "" for everything else; without NUL, which PostgreSQL refuses."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return str(value).replace("\0", "").strip()[:limit]
