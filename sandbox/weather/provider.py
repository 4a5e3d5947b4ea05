"""The weather provider: plausible weather for any Chinese city, the same for every caller, changing once an hour.

``GET /sandbox/tianqi/api?version=v61&appid=&appsecret=&city=`` always answers HTTP 200, as the real provider does.
"""

import re
from datetime import datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from django.http import HttpRequest, HttpResponse, JsonResponse, QueryDict
from django.utils import timezone

from sandbox.faults import provider_endpoint
from sandbox.keys import sandbox_values
from sandbox.models import FaultKind

BAD_CALL = 100
_NAME = re.compile(r"[\u4e00-\u9fff]{2,12}")
_NOWHERE = {"火星", "月球", "天堂", "地狱", "乌有乡", "花果山", "不存在"}  # Chinese words that are no city
_WEEK = ["星期一", "星期二", "星期三", "星期四", "星期五", "星期六", "星期日"]
# The mean temperature of each month; and where it is at each hour between the day's low (0) and high (100).
_MONTHS = [3, 5, 10, 16, 21, 25, 28, 27, 23, 17, 11, 5]
_HOURS = [20, 15, 10, 5, 0, 0, 10, 20, 35, 50, 65, 80, 90, 100, 100, 95, 90, 80, 65, 55, 45, 40, 30, 25]
_OF_DAY = ("wea", "wea_img", "win", "win_speed", "win_meter", "humidity", "visibility")  # as in days.txt
_NO_ALARM = {"alarm_type": "", "alarm_level": "", "alarm_content": ""}
_AQI = {"o3": "88", "o3_desc": "良", "no2": "19", "no2_desc": "优", "so2": "6", "so2_desc": "优", "co": "0.6"}
_AQI |= {"co_desc": "优", "kouzhao": "不用佩戴口罩", "yundong": "适宜运动", "waichu": "适宜外出"}
_AQI |= {"kaichuang": "适宜开窗", "jinghuaqi": "不需要打开"}


class UnknownCity(Exception):
    """There is no such city; the text is sent to the caller."""


class City(NamedTuple):
    name: str
    pinyin: str
    code: str


def city_named(name: str) -> City:
    """Return a listed city or make one up. The same name always gives the same city.

    :raises UnknownCity: the name is not Chinese, ends with 市, 区 or 县, or means no place.
    """
    for row in _rows("cities.txt"):
        if row[0] == name:
            return City(*row)
    if not _NAME.fullmatch(name) or name in _NOWHERE:
        raise UnknownCity("city参数错误，没有这个城市")
    if len(name) > 2 and name.endswith(("市", "区", "县")):
        raise UnknownCity("city参数错误，请不要带市和区")
    return City(name, "city", f"1019{int(sha256(name.encode()).hexdigest()[:8], 16) % 100_000:05}")


@lru_cache
def _rows(file: str) -> list[list[str]]:
    lines = (Path(__file__).parent / file).read_text("utf-8").splitlines()
    return [line.split() for line in lines if line and not line.startswith("#")]


def report(city: City, now: datetime) -> dict[str, Any]:
    """Return the v61 fields of ``city`` at ``now`` (Beijing time). They change once an hour."""
    # Each city's values change at a minute of its own.
    seen_at = now.replace(minute=1 + int(city.code) % 29, second=0, microsecond=0)
    if seen_at > now:
        seen_at -= timedelta(hours=1)
    low, middle, high = (_MONTHS[seen_at.month - 1] + change for change in (-4, 0, 4))
    days = [row[1:] for row in _rows("days.txt") if row[0] == ("cold" if middle < 5 else "warm")]
    *today, index = days[(seen_at.toordinal() + int(city.code)) % len(days)]
    air = int(index) + seen_at.hour % 7
    level, tips = _level(air)
    quality = {"air": str(air), "air_level": level, "air_tips": tips}
    parts = {"pm25": str(air // 2), "pm25_desc": _level(air // 2)[0], "pm10": str(air), "pm10_desc": level}
    return {
        "cityid": city.code,
        "date": f"{seen_at:%Y-%m-%d}",
        "week": _WEEK[seen_at.weekday()],
        "update_time": f"{seen_at:%H:%M}",
        "city": city.name,
        "cityEn": city.pinyin,
        "country": "中国",
        "countryEn": "China",
        **dict(zip(_OF_DAY, today, strict=True)),
        "tem": str(low + (high - low) * _HOURS[seen_at.hour] // 100),
        "tem1": str(high),
        "tem2": str(low),
        "pressure": str(1027 - middle),
        **quality,
        "air_pm25": str(air),
        "alarm": _NO_ALARM,
        "aqi": {"update_time": f"{seen_at:%H}:00"} | quality | parts | _AQI,
    }


def _level(air: int) -> tuple[str, str]:
    """Return name and advice of an air quality, which is never worse than 良 here."""
    return (
        ("优", "空气很好，可以外出活动，呼吸新鲜空气！")
        if air <= 50
        else ("良", "除极少数特别敏感的人群以外，可以外出活动。")
    )


@provider_endpoint(slow=FaultKind.WEATHER_SLOW, down=FaultKind.WEATHER_DOWN)
def tianqi(request: HttpRequest) -> HttpResponse:
    """Return the weather, or ``errcode`` and ``errmsg``."""
    return JsonResponse(_body(request.GET))


def _body(query: QueryDict) -> dict[str, Any]:
    values = sandbox_values()
    if (query.get("appid"), query.get("appsecret")) != (values["WEATHER_APP_ID"], values["WEATHER_APP_SECRET"]):
        return {"errcode": BAD_CALL, "errmsg": "appid或appsecret错误"}
    if query.get("version") != "v61":
        return {"errcode": BAD_CALL, "errmsg": "version参数错误"}
    try:
        return report(city_named(query.get("city", "")), timezone.localtime())
    except UnknownCity as error:
        return {"errcode": BAD_CALL, "errmsg": str(error)}
