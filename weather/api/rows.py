"""A weather record as clients read it."""

from typing import Any, TypedDict, cast

from core.ids import object_id
from weather.gateway import ALARM_KEYS, AQI_KEYS, TEXT_FIELDS
from weather.models import WeatherRecord

# The names are those that the gateway reads, so mypy cannot know them.
AlarmJson = TypedDict("AlarmJson", dict.fromkeys(ALARM_KEYS, str))  # type: ignore[misc]
AqiJson = TypedDict("AqiJson", dict.fromkeys(AQI_KEYS, str))  # type: ignore[misc]
WeatherJson = TypedDict(  # type: ignore[misc]
    "WeatherJson",
    {"_id": str} | dict.fromkeys(TEXT_FIELDS, str) | {"alarm": AlarmJson | list[AlarmJson], "aqi": AqiJson, "__v": int},
)


def weather_row(record: WeatherRecord) -> WeatherJson:
    """Return a record in the form of the provider's v61 answer, with our ``_id`` and ``__v``."""
    row: dict[str, Any] = {"_id": object_id(record.created_at, record.pk)}
    row |= {name: getattr(record, column) for name, column in TEXT_FIELDS.items()}
    row |= {"date": record.date.isoformat(), "alarm": record.alarm, "aqi": record.aqi, "__v": 0}
    return cast(WeatherJson, row)
