"""Weather records, and the account with which they are fetched."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import models

from core.times import local
from weather.gateway import MAX_TEXT, Credentials
from weather.secret_encryption import unseal

# One sync in each slot of 8 hours, counted from midnight in Asia/Shanghai.
SLOT_HOURS = 8


def city_plain(name: str) -> str:
    """Remove 市 at the end, because the provider knows 南京 and not 南京市."""
    name = name.strip()
    return name[:-1] if len(name) > 2 and name.endswith("市") else name


def slot_start(now: datetime) -> datetime:
    """Return the begin of the slot of ``now``: 00:00, 08:00 or 16:00 in Asia/Shanghai."""
    there = local(now)
    return there.replace(hour=there.hour // SLOT_HOURS * SLOT_HOURS, minute=0, second=0, microsecond=0)


class WeatherRecord(models.Model):
    """A report of the provider about one city at one time. Texts are stored as they were sent, with their units."""

    cityid = models.CharField("城市编号", max_length=MAX_TEXT, blank=True)
    date = models.DateField("日期")
    week = models.CharField("星期", max_length=MAX_TEXT, blank=True)
    update_time = models.CharField("更新时间", max_length=MAX_TEXT, help_text="原文，HH:MM 或带日期")
    city = models.CharField("城市", max_length=MAX_TEXT)
    city_en = models.CharField("城市（英文）", max_length=MAX_TEXT, blank=True)
    country = models.CharField("国家", max_length=MAX_TEXT, blank=True)
    country_en = models.CharField("国家（英文）", max_length=MAX_TEXT, blank=True)
    wea = models.CharField("天气", max_length=MAX_TEXT, blank=True)
    wea_img = models.CharField("天气图标", max_length=MAX_TEXT, blank=True)
    tem = models.CharField("实时温度", max_length=MAX_TEXT, blank=True)
    tem1 = models.CharField("最高温度", max_length=MAX_TEXT, blank=True)
    tem2 = models.CharField("最低温度", max_length=MAX_TEXT, blank=True)
    win = models.CharField("风向", max_length=MAX_TEXT, blank=True)
    win_speed = models.CharField("风力", max_length=MAX_TEXT, blank=True)
    win_meter = models.CharField("风速", max_length=MAX_TEXT, blank=True)
    humidity = models.CharField("湿度", max_length=MAX_TEXT, blank=True)
    visibility = models.CharField("能见度", max_length=MAX_TEXT, blank=True)
    pressure = models.CharField("气压", max_length=MAX_TEXT, blank=True)
    air = models.CharField("空气质量指数", max_length=MAX_TEXT, blank=True)
    air_pm25 = models.CharField("PM2.5", max_length=MAX_TEXT, blank=True)
    air_level = models.CharField("空气质量", max_length=MAX_TEXT, blank=True)
    air_tips = models.CharField("空气提示", max_length=MAX_TEXT, blank=True)
    alarm = models.JSONField("预警", default=dict, help_text="对象或列表，按服务商原样")
    aqi = models.JSONField("空气质量详情", default=dict)
    # The time of day of `update_time`, which comes as HH:MM or with a date before it.
    clock = models.TimeField("更新时刻")
    observed_at = models.DateTimeField("观测时间")
    created_at = models.DateTimeField("首次获取时间")
    seen_at = models.DateTimeField("最近获取时间")

    class Meta:
        verbose_name = verbose_name_plural = "天气记录"
        ordering = ["-observed_at", "-pk"]
        constraints = [models.UniqueConstraint(fields=["city", "date", "clock"], name="weather_once_per_update")]
        indexes = [
            models.Index(fields=["-observed_at", "-id"], name="weather_newest"),
            models.Index(fields=["city", "-observed_at", "-id"], name="weather_newest_of_city"),
        ]

    def __str__(self) -> str:
        return f"{self.city} {self.date} {self.update_time}"


class WeatherAccount(models.Model):
    """The only account at the provider, and the state of the sync.

    For an empty field the value of the settings counts.
    """

    version = models.CharField("接口版本", max_length=16, blank=True)
    appid = models.CharField("appid", max_length=128, blank=True)
    sealed_secret = models.TextField("appsecret（密文）", blank=True, editable=False)
    city = models.CharField("默认城市", max_length=32, blank=True, help_text="城市名，不带市")
    changed_at = models.DateTimeField("账户修改时间", null=True, blank=True, editable=False)

    last_success_at = models.DateTimeField("上次成功同步", null=True, blank=True, editable=False)
    synced_city = models.CharField("上次同步的城市", max_length=32, blank=True, editable=False)
    # When a process last began to sync; for some minutes it keeps others from it (``services.weather_sync``).
    last_attempt_at = models.DateTimeField("上次尝试", null=True, blank=True, editable=False)
    last_error = models.CharField("最近错误", max_length=255, blank=True, editable=False)

    class Meta:
        verbose_name = verbose_name_plural = "天气账户"
        constraints = [models.CheckConstraint(condition=models.Q(pk=1), name="weather_one_account")]

    def __str__(self) -> str:
        return "天气账户"

    @property
    def city_name(self) -> str:
        return city_plain(self.city or settings.WEATHER_CITY)

    @property
    def credentials(self) -> Credentials:
        """Return the credentials to use, from this row or else from the settings."""
        if not self.sealed_secret:
            return Credentials(settings.WEATHER_VERSION, settings.WEATHER_APP_ID, settings.WEATHER_APP_SECRET)
        return Credentials(self.version, self.appid, unseal(self.sealed_secret))

    def is_due(self, now: datetime) -> bool:
        """Tell whether the default city's weather has yet to be fetched in the slot of ``now``."""
        begins, at = slot_start(now), self.last_success_at
        is_synced = at is not None and begins <= at < begins + timedelta(hours=SLOT_HOURS)
        return not is_synced or self.synced_city != self.city_name
