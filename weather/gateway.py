"""The gateway to the weather provider, tianqi v61: fetch the weather of a city.

The provider's answers are not trusted: shape, types, lengths and dates are checked, and unknown fields are dropped.
"""

import re
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any

import orjson
from django.conf import settings

from core import http
from core.times import SHANGHAI, local
from core.upstreams import Upstream
from weather.errors import ProviderGarbled, ProviderRefused, ProviderSilent

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
_MAX_LEAF, _MAX_ENTRIES, _MAX_DEPTH = 2000, 60, 3
_UPDATE_TIME = re.compile(r"(?:([0-9]{4}-[0-9]{2}-[0-9]{2})[ T])?([0-9]{1,2}):([0-9]{2})(?::[0-9]{2})?")
_OLDEST = date(2000, 1, 1)


@dataclass(frozen=True)
class Credentials:
    version: str
    appid: str
    appsecret: str = field(repr=False)


@dataclass(frozen=True)
class Report:
    """The weather of one city at one time. The keys of ``texts`` are our columns; the date is in ``date``."""

    texts: dict[str, str]
    date: date
    clock: time
    observed_at: datetime
    alarm: Any
    aqi: dict[str, Any]

    @property
    def city(self) -> str:
        return self.texts["city"]

    def is_of(self, city: str) -> bool:
        """Tell whether this is the weather of ``city``.

        For an unknown city the provider may answer with the weather at the caller's location.
        """
        name, own_name = city.lower(), self.city.lower()
        return own_name.startswith(name) or name.startswith(own_name) or name == self.texts["city_en"].lower()


def report_fetch(credentials: Credentials, city: str, *, now: datetime) -> Report:
    """Fetch the present weather of ``city`` from the provider.

    :raises ProviderSilent, ProviderGarbled, ProviderRefused: it gave no weather within ``TIMEOUT_S``.
    """
    params = {
        "version": credentials.version,
        "appid": credentials.appid,
        "appsecret": credentials.appsecret,
        "city": city,
    }
    address = f"{settings.WEATHER_BASE_URL}/api"
    try:
        with UPSTREAM.room(ProviderSilent):
            body = http.get(address, upstream=UPSTREAM, params=params, timeout_s=TIMEOUT_S, max_bytes=MAX_BYTES)
    except http.OutgoingError:
        raise ProviderSilent from None
    try:
        answer = orjson.loads(body.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError:
        raise ProviderGarbled from None
    if not isinstance(answer, dict):
        raise ProviderGarbled
    if "cityid" not in answer:
        raise _refusal(answer, credentials)
    return report_read(answer, now)


def _refusal(answer: dict[str, Any], credentials: Credentials) -> ProviderRefused | ProviderGarbled:
    reason = _text(answer.get("errmsg"), 100)
    if not reason:
        return ProviderGarbled()
    for secret in filter(None, (credentials.appsecret, credentials.appid)):
        reason = reason.replace(secret, "***")
    return ProviderRefused(f"天气查询失败:{reason}")


def report_read(answer: dict[str, Any], now: datetime) -> Report:
    """Check an answer of the provider and return it as a report.

    :raises ProviderGarbled: it has no valid city, date or update time.
    """
    texts = {column: _text(answer.get(name)) for name, column in TEXT_FIELDS.items() if name != "date"}
    day, alarm = _day(answer.get("date"), now), answer.get("alarm")
    match = _UPDATE_TIME.fullmatch(texts["update_time"])
    if not texts["city"] or not match:
        raise ProviderGarbled
    try:
        clock = time(int(match[2]), int(match[3]))
        observed_day = date.fromisoformat(match[1]) if match[1] else day
    except ValueError:
        raise ProviderGarbled from None
    return Report(
        texts=texts,
        date=day,
        clock=clock,
        # Just after midnight the provider may send today's date with a time of yesterday evening. Never store a time in
        # the future: such a record would stay the newest for hours.
        observed_at=min(datetime.combine(max(observed_day, _OLDEST), clock, SHANGHAI), now),
        alarm=_texts_only(alarm) if isinstance(alarm, list) else _object(alarm, ALARM_KEYS),
        aqi=_object(answer.get("aqi"), AQI_KEYS),
    )


def _day(value: Any, now: datetime) -> date:
    try:
        day = datetime.strptime(value, "%Y-%m-%d").date()
    except (TypeError, ValueError):
        raise ProviderGarbled from None
    if not _OLDEST <= day <= local(now).date() + timedelta(days=1):
        raise ProviderGarbled
    return day


def _object(value: Any, keys: tuple[str, ...]) -> dict[str, Any]:
    """Return an object that has all of ``keys``, as texts, because clients read them without checking."""
    texts = _texts_only(value) if isinstance(value, dict) else {}
    return dict.fromkeys(keys, "") | texts


def _texts_only(value: Any, depth: int = 0) -> Any:
    """Copy a JSON value with all numbers as texts, up to a depth, a length and a number of entries."""
    if isinstance(value, dict):
        if depth == _MAX_DEPTH:
            return {}
        return {_text(k, 40): _texts_only(v, depth + 1) for k, v in list(value.items())[:_MAX_ENTRIES]}
    if isinstance(value, list):
        return [] if depth == _MAX_DEPTH else [_texts_only(item, depth + 1) for item in value[:_MAX_ENTRIES]]
    return _text(value, _MAX_LEAF)


def _text(value: Any, limit: int = MAX_TEXT) -> str:
    """Return a text or a number as text, and "" for everything else; without NUL, which PostgreSQL refuses."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return str(value).replace("\0", "").strip()[:limit]
