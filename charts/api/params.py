"""What the calls take."""

from typing import Any

from charts.charts import PRODUCTS_BY, SERIES, STUDENTS_BY
from core.api.params import IdList, OneOf, Params, PositiveInt, SpanParams

MAX_LIMIT = 30


class SeriesNames(IdList):
    """Names of series with commas between them."""

    default_error_messages = {"invalid": f"只能是{'、'.join(SERIES)},用逗号隔开"}

    def to_internal_value(self, data: Any) -> list[str]:
        names = list(dict.fromkeys(super().to_internal_value(data)))
        if not names or not set(names) <= SERIES.keys():
            self.fail("invalid")
        return names


class StudentsParams(Params):
    by = OneOf(STUDENTS_BY, default="city", help_text="按什么分组:城市、班级、学历、年龄段,或入学的月份")
    limit = PositiveInt(default=MAX_LIMIT, help_text="最多几组,其余合为“其他”")


class TrendParams(SpanParams):
    of = SeriesNames(required=False, help_text=f"要哪些数字,用逗号隔开,默认 students:{'、'.join(SERIES)}")
    unit = OneOf(("day", "week", "month"), default="day", help_text="按天、按周(周一)或按月(一号)")


class ProductsParams(SpanParams):
    by = OneOf(PRODUCTS_BY, default="product", help_text="按商品或按类目")
    limit = PositiveInt(default=MAX_LIMIT, help_text="最多几项,其余合为“其他”")
