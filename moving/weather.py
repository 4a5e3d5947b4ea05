"""Translate `weather`: each record must pass the rules for the provider's present answers."""

from collections.abc import Sequence
from typing import Any

from moving.dump import Document
from moving.errors import AlreadyHere, DocumentRefused
from moving.translation import Arriving, ImportRun, Translation
from moving.values import Values
from weather.errors import ProviderGarbled
from weather.gateway import MAX_TEXT, TEXT_FIELDS, report_read
from weather.models import WeatherRecord

_MISSPELT = "update_tim"


def look_up(_: Sequence[Document], __: ImportRun) -> None:
    return None


def translate(values: Values, _: None, run: ImportRun) -> WeatherRecord:
    answer = {name: values.text(name, MAX_TEXT) for name in (*TEXT_FIELDS, _MISSPELT)} | _objects(values)
    if not answer["update_time"]:
        answer["update_time"] = answer[_MISSPELT]  # not reported: half of all documents have it
    try:
        report = report_read(answer, run.now)
    except ProviderGarbled:
        raise DocumentRefused("没有城市、日期或更新时间") from None
    if run.index.claim("weather", f"{report.city} {report.date} {report.clock}") is not None:
        raise DocumentRefused("与前面的文档重复：城市、日期、更新时间都相同")
    if WeatherRecord.objects.filter(city=report.city, date=report.date, clock=report.clock).exists():
        raise AlreadyHere
    return WeatherRecord(
        **report.texts,
        date=report.date,
        clock=report.clock,
        observed_at=report.observed_at,
        alarm=report.alarm,
        aqi=report.aqi,
        created_at=report.observed_at,
        seen_at=report.observed_at,
    )


def _objects(values: Values) -> dict[str, Any]:
    """Return the fields that are no texts. The provider itself answers an empty list where there is no alarm."""
    found = {"alarm": values.raw("alarm"), "aqi": values.raw("aqi")}
    for name, value in found.items():
        if value and not isinstance(value, dict) and (name, type(value)) != ("alarm", list):
            values.fix(f"{name} 不是对象，留空", value)
    return found


def write(arriving: Sequence[Arriving], _: ImportRun) -> None:
    WeatherRecord.objects.bulk_create([one.record for one in arriving])


WEATHER = Translation("weather", "天气", look_up, translate, write)
