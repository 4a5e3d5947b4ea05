"""The weather provider: plausible weather for any Chinese city, the same for every caller, changing once an hour.

``GET /sandbox/tianqi/api?version=v61&appid=&appsecret=&city=`` always answers HTTP 200, as the real provider does.
"""

import json
import re
from datetime import datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone

from sandbox.faults import provider_endpoint
from sandbox.keys import sandbox_values

BAD_CALL = 100
_FOLDER = Path(__file__).parent
_EXAMPLE = json.loads((_FOLDER / "answer.json").read_text("utf-8"))
_NAME = re.compile(r"[\u4e00-\u9fff]{2,12}")
_NOWHERE = {"火星", "月球", "天堂", "地狱", "乌有乡", "花果山", "不存在"}  # Chinese words that are no city
_TIPS = "除极少数特别敏感的人群以外，可以外出活动。"  # where the air is not the best
_WEEK = ["星期一", "星期二", "星期三", "星期四", "星期五", "星期六", "星期日"]
# The mean temperature of each month; and where it is at each hour between the day's low (0) and high (100).
_MONTHS = [3, 5, 10, 16, 21, 25, 28, 27, 23, 17, 11, 5]
_HOURS = [20, 15, 10, 5, 0, 0, 10, 20, 35, 50, 65, 80, 90, 100, 100, 95, 90, 80, 65, 55, 45, 40, 30, 25]
_OF_DAY = ("wea", "wea_img", "win", "win_speed", "win_meter", "humidity", "visibility")  # as in days.txt


class City(NamedTuple):
    city: str
    pinyin: str
    code: str


def city_named(name: str) -> City | None:
    """Return a listed city or make one up: the same name always gives the same city.

    None if the name is not Chinese, ends with 市, 区 or 县, or means no place.
    """
    for row in _rows("cities.txt"):
        if row[0] == name:
            return City(*row)
    if not _NAME.fullmatch(name) or name in _NOWHERE or (len(name) > 2 and name.endswith(("市", "区", "县"))):
        return None
    return City(name, "city", f"1019{int(sha256(name.encode()).hexdigest()[:8], 16) % 100_000:05}")


@lru_cache
def _rows(file: str) -> list[list[str]]:
    lines = (_FOLDER / file).read_text("utf-8").splitlines()
    return [line.split() for line in lines if line and not line.startswith("#")]


def report(city: City, now: datetime) -> dict[str, Any]:
    """Return the v61 fields of ``city`` at ``now`` (Beijing time). They change once an hour."""
    # Each city's values change at a minute of its own.
    seen_at = now.replace(minute=1 + int(city.code) % 29, second=0, microsecond=0)
    if seen_at > now:
        seen_at -= timedelta(hours=1)
    low, middle, high = (_MONTHS[seen_at.month - 1] + change for change in (-4, 0, 4))
    days = [row[1:] for row in _rows("days.txt") if row[0] == ("cold" if middle < 5 else "warm")]
    *today, air = days[(seen_at.toordinal() + int(city.code)) % len(days)]
    quality = {"air": air} if int(air) <= 50 else {"air": air, "air_level": "良", "air_tips": _TIPS}
    changes = {
        "cityid": city.code,
        "date": f"{seen_at:%Y-%m-%d}",
        "week": _WEEK[seen_at.weekday()],
        "update_time": f"{seen_at:%H:%M}",
        "city": city.city,
        "cityEn": city.pinyin,
        "tem": str(low + (high - low) * _HOURS[seen_at.hour] // 100),
        "tem1": str(high),
        "tem2": str(low),
        "pressure": str(1027 - middle),
        "air_pm25": air,
        "aqi": _EXAMPLE["aqi"] | {"update_time": f"{seen_at:%H}:00"} | quality,
    }
    return _EXAMPLE | changes | quality | dict(zip(_OF_DAY, today, strict=True))


@provider_endpoint("weather")
def tianqi(request: HttpRequest) -> HttpResponse:
    """Return the weather, or ``errcode`` and ``errmsg``."""
    query, values, city = request.GET, sandbox_values(), city_named(request.GET.get("city", ""))
    if (query.get("appid"), query.get("appsecret")) != (values["WEATHER_APP_ID"], values["WEATHER_APP_SECRET"]):
        refusal = "appid或appsecret错误"
    elif query.get("version") != "v61":
        refusal = "version参数错误"
    elif city is None:
        refusal = "city参数错误，没有这个城市"
    else:
        return JsonResponse(report(city, timezone.localtime()))
    return JsonResponse({"errcode": BAD_CALL, "errmsg": refusal})
