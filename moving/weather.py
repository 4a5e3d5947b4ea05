"""Translate `weather`: each record must pass the rules for the provider's present answers."""

from typing import Any

from moving.dump import DocumentRefused
from moving.translation import ImportRun, Translation
from moving.values import Values
from weather.errors import ProviderGarbled
from weather.gateway import MAX_TEXT, TEXT_FIELDS, report_read
from weather.models import WeatherRecord

_MISSPELT = "update_tim"


def translate(values: Values, _: None, run: ImportRun) -> WeatherRecord:
    answer = {name: values.text(name, MAX_TEXT) for name in (*TEXT_FIELDS, _MISSPELT)} | _objects(values)
    if not answer["update_time"]:
        answer["update_time"] = answer[_MISSPELT]  # not reported: half of all documents have it
    try:
        report = report_read(answer, run.now)
    except ProviderGarbled:
        raise DocumentRefused("没有城市、日期或更新时间") from None
    key = {name: report[name] for name in ("city", "date", "clock")}
    is_here = WeatherRecord.objects.filter(**key).exists()
    run.claim_once("weather", " ".join(map(str, key.values())), is_here=is_here, what="城市、日期、更新时间都相同")
    return WeatherRecord(**report, created_at=report["observed_at"], seen_at=report["observed_at"])


def _objects(values: Values) -> dict[str, Any]:
    """Return the fields that are no texts. The provider itself answers an empty list where there is no alarm."""
    objects = {"alarm": values.raw("alarm"), "aqi": values.raw("aqi")}
    for name, value in objects.items():
        if value and not isinstance(value, dict) and (name, type(value)) != ("alarm", list):
            values.fix(f"{name} 不是对象，留空", value)
    return objects


WEATHER = Translation("weather", "天气", translate)
