"""The weather of a city at an hour: plausible, and the same for whoever asks again."""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from random import Random
from typing import Any

from sandbox.weather.cities import City

_WEEK = ["星期一", "星期二", "星期三", "星期四", "星期五", "星期六", "星期日"]
_WINDS = ["东风", "东南风", "南风", "西南风", "西风", "西北风", "北风", "东北风"]
# What is said and what is drawn; the odds stand below.
_WARM = [
    ("晴", "qing"),
    ("多云", "yun"),
    ("阴", "yin"),
    ("小雨", "yu"),
    ("阵雨", "yu"),
    ("雷阵雨", "lei"),
    ("中雨", "yu"),
    ("大雨", "yu"),
    ("雾", "wu"),
    ("冰雹", "bingbao"),
]
_WARM_ODDS = [28, 26, 16, 9, 6, 4, 4, 2, 4, 1]
_COLD = [
    ("晴", "qing"),
    ("多云", "yun"),
    ("阴", "yin"),
    ("小雪", "xue"),
    ("中雪", "xue"),
    ("大雪", "xue"),
    ("雾", "wu"),
    ("扬沙", "shachen"),
]
_COLD_ODDS = [34, 24, 18, 9, 5, 2, 5, 3]
_WET = {"yu", "lei", "xue", "wu", "bingbao"}
_LEVELS = [
    (
        50,
        "优",
        "空气很好，可以外出活动，呼吸新鲜空气！",
        "不用佩戴口罩",
        "适宜运动",
        "适宜外出",
        "适宜开窗",
        "不需要打开",
    ),
    (
        100,
        "良",
        "空气好，可以外出活动，除极少数对污染物特别敏感的人群以外，对公众没有危害！",
        "不用佩戴口罩",
        "适宜运动",
        "适宜外出",
        "适宜开窗",
        "不需要打开",
    ),
    (
        150,
        "轻度污染",
        "敏感人群应减少户外活动。",
        "建议佩戴口罩",
        "减少户外运动",
        "敏感人群减少外出",
        "减少开窗",
        "建议打开",
    ),
    (
        200,
        "中度污染",
        "应减少户外活动，外出时佩戴口罩。",
        "请佩戴口罩",
        "不宜户外运动",
        "减少外出",
        "关闭门窗",
        "请打开",
    ),
    (9999, "重度污染", "应停止户外活动。", "请佩戴口罩", "停止户外运动", "避免外出", "关闭门窗", "请打开"),
]
_ALARMS = {
    "大雨": ("暴雨", "蓝色"),
    "大雪": ("暴雪", "黄色"),
    "雾": ("大雾", "黄色"),
    "扬沙": ("沙尘", "蓝色"),
    "冰雹": ("冰雹", "橙色"),
}


@dataclass(frozen=True)
class _Day:
    wea: str
    picture: str
    low_c: int
    high_c: int
    wind: str
    aqi: int


def report(city: City, now: datetime) -> dict[str, Any]:
    """Answer the v61 fields of ``city`` at ``now`` (Beijing time); new ones come once an hour."""
    # Each city's figures come in at their own minute.
    minute = _dice(city.name).randrange(1, 30)
    seen_at = now.replace(minute=minute, second=0, microsecond=0)
    if seen_at > now:
        seen_at -= timedelta(hours=1)
    day = _day(city, seen_at)
    dice = _dice(city.name, f"{seen_at:%Y-%m-%d %H}")
    air = max(8, day.aqi + dice.randint(-6, 6))
    speed = dice.randint(3, 26) if day.picture != "shachen" else dice.randint(30, 45)
    return {
        "cityid": city.code,
        "date": f"{seen_at:%Y-%m-%d}",
        "week": _WEEK[seen_at.weekday()],
        "update_time": f"{seen_at:%H:%M}",
        "city": city.name,
        "cityEn": city.pinyin,
        "country": "中国",
        "countryEn": "China",
        "wea": day.wea,
        "wea_img": day.picture,
        "tem": str(_temperature(day, seen_at.hour)),
        "tem1": str(day.high_c),
        "tem2": str(day.low_c),
        "win": day.wind,
        "win_speed": f"{_beaufort(speed)}级",
        "win_meter": "小于12km/h" if speed < 6 else f"{speed}km/h",
        "humidity": f"{dice.randint(70, 98) if day.picture in _WET else dice.randint(25, 68)}%",
        "visibility": f"{dice.randint(1, 4) if day.picture in {'wu', 'shachen'} else dice.randint(8, 30)}km",
        "pressure": str(round(1027 - city.mean_c + dice.randint(-8, 8))),
        "air": str(air),
        "air_pm25": str(air),
        "air_level": _level(air)[1],
        "air_tips": _level(air)[2],
        "alarm": _alarm(city, day.wea),
        "aqi": _aqi(air, dice, seen_at),
    }


def _dice(*words: str) -> Random:
    # Not `Random(text)`: its hashing of texts is Python's own affair.
    return Random(int.from_bytes(sha256("|".join(words).encode()).digest()[:8], "big"))  # noqa: S311


def _day(city: City, at: datetime) -> _Day:
    dice = _dice(city.name, f"{at:%Y-%m-%d}")
    # Coldest about 20 January, warmest half a year later.
    season = -math.cos(2 * math.pi * (at.timetuple().tm_yday - 20) / 365)
    middle = city.mean_c + city.swing_c * season + dice.uniform(-3.5, 3.5)
    half = dice.uniform(2.5, 6)
    low, high = round(middle - half), round(middle + half)
    kinds, odds = (_COLD, _COLD_ODDS) if high < 3 else (_WARM, _WARM_ODDS)
    wea, picture = dice.choices(kinds, odds)[0]
    return _Day(
        wea, picture, low, high, dice.choice(_WINDS), dice.randint(20, 60) if picture in _WET else dice.randint(25, 165)
    )


def _temperature(day: _Day, hour: int) -> int:
    # Coldest at 5, warmest at 14 o'clock.
    part = (hour - 5) / 9 if 5 <= hour <= 14 else 1 - ((hour - 14) % 24) / 15
    return round(day.low_c + (day.high_c - day.low_c) * (1 - math.cos(math.pi * part)) / 2)


def _beaufort(kmh: int) -> int:
    return sum(kmh >= limit for limit in (1, 6, 12, 20, 29, 39))


def _level(air: int) -> tuple[int, str, str, str, str, str, str, str]:
    return next(level for level in _LEVELS if air <= level[0])


def _alarm(city: City, wea: str) -> dict[str, str]:
    kind, level = _ALARMS.get(wea, ("", ""))
    content = f"{city.name}气象台发布{kind}{level}预警信号，请注意防范。（沙箱）" if kind else ""
    return {"alarm_type": kind, "alarm_level": level, "alarm_content": content}


def _aqi(air: int, dice: Random, at: datetime) -> dict[str, str]:
    parts = {
        "pm25": round(air * 0.5),
        "pm10": air,
        "o3": dice.randint(20, 150),
        "no2": dice.randint(6, 60),
        "so2": dice.randint(3, 20),
    }
    fields = {"update_time": f"{at:%H}:00", "air": str(air), "air_level": _level(air)[1], "air_tips": _level(air)[2]}
    for name, value in parts.items():
        fields |= {name: str(value), f"{name}_desc": _level(value)[1]}
    advice = dict(zip(("kouzhao", "yundong", "waichu", "kaichuang", "jinghuaqi"), _level(air)[3:], strict=True))
    return fields | {"co": f"{dice.uniform(0.3, 1.4):.1f}", "co_desc": "优"} | advice
