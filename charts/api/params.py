"""What the calls take."""

from datetime import date
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from charts.series import PRODUCTS_BY, SERIES, STUDENTS_BY
from core.api.params import IdList, Params, PositiveInt

MAX_LIMIT = 30


class Day(serializers.DateField):
    default_error_messages = {"invalid": "必须是日期,如 2026-11-01", "datetime": "必须是日期,如 2026-11-01"}

    def to_internal_value(self, value: Any) -> date:
        if not isinstance(value, str):
            self.fail("invalid")
        day = super().to_internal_value(value)
        if not 2000 <= day.year <= 2200:
            self.fail("invalid")
        return day


class OneOf(serializers.ChoiceField):
    def __init__(self, choices: Any, **options: Any) -> None:
        super().__init__(choices, error_messages={"invalid_choice": f"只能是{'、'.join(choices)}"}, **options)


@extend_schema_field(str)
class SeriesNames(IdList):
    """Names of series with commas between them."""

    default_error_messages = {"invalid": f"只能是{'、'.join(SERIES)},用逗号隔开"}

    def to_internal_value(self, data: Any) -> list[str]:
        names = list(dict.fromkeys(super().to_internal_value(data)))
        if not names or not set(names) <= SERIES.keys():
            self.fail("invalid")
        return names


class SpanParams(Params):
    from_ = Day(required=False, help_text="从哪天,如 2026-11-01")
    to = Day(required=False, help_text="到哪天,这一天也算")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "from" in attrs and "to" in attrs and attrs["from"] > attrs["to"]:
            raise serializers.ValidationError({"from": "不能晚于to"})
        return attrs


class StudentsParams(Params):
    by = OneOf(STUDENTS_BY, default="city", help_text="按什么分组:城市、班级、学历、年龄段,或入学的月份")
    limit = PositiveInt(default=MAX_LIMIT, help_text="最多几组,其余合为“其他”")


class TrendParams(SpanParams):
    of = SeriesNames(required=False, help_text=f"要哪些数字,用逗号隔开,默认 students:{'、'.join(SERIES)}")
    unit = OneOf(("day", "week", "month"), default="day", help_text="按天、按周(周一)或按月(一号)")


class ProductsParams(SpanParams):
    by = OneOf(PRODUCTS_BY, default="product", help_text="按商品或按类目")
    limit = PositiveInt(default=MAX_LIMIT, help_text="最多几项,其余合为“其他”")
