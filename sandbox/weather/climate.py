"""Make up the weather of a city at an hour: plausible, and the same for every caller."""

from datetime import datetime, timedelta
from typing import Any

from sandbox.weather.cities import City

_WEEK = ["星期一", "星期二", "星期三", "星期四", "星期五", "星期六", "星期日"]
# For each month: its distance from the year's mean, as a fraction of the city's swing. For each hour: where the
# temperature is between the day's low (0) and high (100).
_MONTHS = [-1, -0.85, -0.4, 0.05, 0.5, 0.85, 1, 0.95, 0.55, 0.05, -0.45, -0.85]
_HOURS = [20, 15, 10, 5, 0, 0, 10, 20, 35, 50, 65, 80, 90, 100, 100, 95, 90, 80, 65, 55, 45, 40, 30, 25]
# One row for each kind of day; a city takes the next row every day. The columns: weather, name of its picture, wind,
# its km/h, humidity, visibility in km, air quality index, kind and level of an alarm.
_WARM = [
    ("晴", "qing", "东南风", 9, 45, 25, 48, "", ""),
    ("多云", "yun", "东风", 11, 58, 20, 62, "", ""),
    ("阴", "yin", "东北风", 8, 66, 14, 88, "", ""),
    ("小雨", "yu", "东北风", 14, 85, 10, 35, "", ""),
    ("多云", "yun", "南风", 13, 52, 18, 71, "", ""),
    ("晴", "qing", "西南风", 16, 38, 28, 104, "", ""),
    ("雷阵雨", "lei", "西南风", 24, 82, 9, 42, "", ""),
    ("阵雨", "yu", "南风", 18, 78, 12, 38, "", ""),
    ("晴", "qing", "西风", 5, 41, 26, 156, "", ""),
    ("大雨", "yu", "东风", 22, 95, 8, 22, "暴雨", "蓝色"),
    ("雾", "wu", "东风", 4, 92, 2, 97, "大雾", "黄色"),
]
_COLD = [
    ("晴", "qing", "西北风", 15, 32, 25, 75, "", ""),
    ("多云", "yun", "北风", 12, 40, 20, 92, "", ""),
    ("阴", "yin", "东北风", 9, 55, 12, 128, "", ""),
    ("小雪", "xue", "北风", 13, 80, 10, 55, "", ""),
    ("晴", "qing", "西北风", 20, 28, 30, 46, "", ""),
    ("中雪", "xue", "东北风", 17, 86, 8, 40, "", ""),
    ("大雪", "xue", "北风", 23, 92, 8, 30, "暴雪", "黄色"),
    ("扬沙", "shachen", "西北风", 36, 26, 3, 205, "沙尘", "蓝色"),
]
# Levels of air quality: up to which index, name, general advice, and advice on masks, sport, going out, windows and
# purifiers.
_LEVELS = [
    (50, "优", "空气很好，可以外出活动，呼吸新鲜空气！", "不用佩戴口罩 适宜运动 适宜外出 适宜开窗 不需要打开"),
    (100, "良", "除极少数特别敏感的人群以外，可以外出活动。", "不用佩戴口罩 适宜运动 适宜外出 适宜开窗 不需要打开"),
    (150, "轻度污染", "敏感人群应减少户外活动。", "建议佩戴口罩 减少户外运动 敏感人群减少外出 减少开窗 建议打开"),
    (200, "中度污染", "应减少户外活动，外出时佩戴口罩。", "请佩戴口罩 不宜户外运动 减少外出 关闭门窗 请打开"),
    (9999, "重度污染", "应停止户外活动。", "请佩戴口罩 停止户外运动 避免外出 关闭门窗 请打开"),
]


def report(city: City, now: datetime) -> dict[str, Any]:
    """Return the v61 fields of ``city`` at ``now`` (Beijing time). They change once an hour."""
    # Each city's values change at a minute of its own.
    seen_at = now.replace(minute=1 + int(city.code) % 29, second=0, microsecond=0)
    if seen_at > now:
        seen_at -= timedelta(hours=1)
    middle = round(city.mean_c + city.swing_c * _MONTHS[seen_at.month - 1])
    low, high = middle - 4, middle + 4
    days = _COLD if high < 3 else _WARM
    wea, picture, wind, speed, humidity, visibility, air, *alarm = days[
        (seen_at.toordinal() + int(city.code)) % len(days)
    ]
    air += seen_at.hour % 7
    return {
        "cityid": city.code,
        "date": f"{seen_at:%Y-%m-%d}",
        "week": _WEEK[seen_at.weekday()],
        "update_time": f"{seen_at:%H:%M}",
        "city": city.name,
        "cityEn": city.pinyin,
        "country": "中国",
        "countryEn": "China",
        "wea": wea,
        "wea_img": picture,
        "tem": str(low + (high - low) * _HOURS[seen_at.hour] // 100),
        "tem1": str(high),
        "tem2": str(low),
        "win": wind,
        "win_speed": f"{sum(speed >= limit for limit in (1, 6, 12, 20, 29, 39))}级",
        "win_meter": "小于12km/h" if speed < 6 else f"{speed}km/h",
        "humidity": f"{humidity}%",
        "visibility": f"{visibility}km",
        "pressure": str(1027 - middle),
        "air": str(air),
        "air_pm25": str(air),
        "air_level": _level(air)[1],
        "air_tips": _level(air)[2],
        "alarm": _alarm(city, *alarm),
        "aqi": _aqi(air, seen_at),
    }


def _level(air: int) -> tuple[int, str, str, str]:
    return next(level for level in _LEVELS if air <= level[0])


def _alarm(city: City, kind: str, level: str) -> dict[str, str]:
    content = f"{city.name}气象台发布{kind}{level}预警信号，请注意防范。（沙箱）" if kind else ""
    return {"alarm_type": kind, "alarm_level": level, "alarm_content": content}


def _aqi(air: int, at: datetime) -> dict[str, str]:
    fields = {"update_time": f"{at:%H}:00", "air": str(air), "air_level": _level(air)[1], "air_tips": _level(air)[2]}
    for name, part in {"pm25": air // 2, "pm10": air, "o3": 88, "no2": 19, "so2": 6}.items():
        fields |= {name: str(part), f"{name}_desc": _level(part)[1]}
    advice = zip(("kouzhao", "yundong", "waichu", "kaichuang", "jinghuaqi"), _level(air)[3].split(), strict=True)
    return fields | {"co": "0.6", "co_desc": "优"} | dict(advice)
