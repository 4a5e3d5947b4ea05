"""A month of weather of the default city, for the curve in the back office. Only with DEMO_DATA on."""

from datetime import datetime, timedelta
from random import Random

from django.conf import settings
from django.utils import timezone

from core.times import local
from weather.models import SLOT_HOURS, WeatherRecord, slot_start
from weather.services.account import account_get

CITY_ID = "demo"  # real records have the provider's number
DAYS = 30
_WEEK = "一二三四五六日"
_MEANS = (3, 5, 10, 16, 21, 25, 29, 28, 24, 18, 11, 5)  # of January to December
_TIPS = "空气不错，适合外出活动。"
_SKIES = [("晴", "qing", "优"), ("多云", "yun", "良"), ("阴", "yin", "良"), ("小雨", "yu", "优")]


def seed() -> str:
    """Make the records, unless there is any."""
    if not settings.DEMO_DATA:
        return "未开启演示数据"
    return "已有天气记录，保持不变" if WeatherRecord.objects.exists() else f"新增天气记录 {_make(timezone.now())} 条"


def reset() -> str:
    """Make the records again; those of the provider stay."""
    WeatherRecord.objects.filter(cityid=CITY_ID).delete()
    return f"恢复天气记录 {_make(timezone.now())} 条"


def _aqi(update_time: str, index: str, level: str) -> dict[str, str]:
    """Return the details of the air, with every key that clients read."""
    matters = {"pm25": index, "pm10": index, "o3": "88", "no2": "19", "so2": "6", "co": "0.6"}
    return {
        "update_time": update_time,
        "air": index,
        "air_level": level,
        "air_tips": _TIPS,
        **matters,
        **{f"{name}_desc": level for name in matters},
        "kouzhao": "不用佩戴口罩",
        "yundong": "适宜运动",
        "waichu": "适宜外出",
        "kaichuang": "适宜开窗",
        "jinghuaqi": "不需要打开",
    }


def _make(now: datetime) -> int:
    random = Random(DAYS)  # noqa: S311  (always the same)
    # The newest is of yesterday, so that the first page still asks the provider for today's weather.
    last, city = slot_start(now) - timedelta(days=1), account_get().city_name
    records = []
    for number in reversed(range(DAYS * 24 // SLOT_HOURS)):
        at = local(last - timedelta(hours=SLOT_HOURS * number))
        mean = _MEANS[at.month - 1] + random.randint(-3, 3)
        wea, picture, air = random.choice(_SKIES)
        index = str(random.randint(30, 95))
        records.append(
            WeatherRecord(
                cityid=CITY_ID,
                date=at.date(),
                week=f"星期{_WEEK[at.weekday()]}",
                update_time=f"{at:%H:%M}",
                city=city,
                country="中国",
                wea=wea,
                wea_img=picture,
                tem=str(mean + {0: -3, 8: 0, 16: 4}[at.hour]),
                tem1=str(mean + 5),
                tem2=str(mean - 4),
                win="东风",
                win_speed="2级",
                win_meter="9km/h",
                humidity=f"{random.randint(40, 90)}%",
                visibility="16km",
                pressure="1012",
                city_en="nanjing",
                country_en="China",
                air=index,
                air_pm25=index,
                air_level=air,
                air_tips=_TIPS,
                alarm={"alarm_type": "", "alarm_level": "", "alarm_content": ""},
                aqi=_aqi(f"{at:%H:%M}", index, air),
                clock=at.time(),
                observed_at=at,
                created_at=at,
                seen_at=at,
            )
        )
    WeatherRecord.objects.bulk_create(records, ignore_conflicts=True)
    return len(records)
