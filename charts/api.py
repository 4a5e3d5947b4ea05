"""The figures' calls (数据统计), ready for ECharts: what they take, what ``/docs/`` shows of them, and what they do."""

from datetime import date, timedelta
from typing import Any

from accounts.authentication import CallerRequest
from charts import echarts
from charts.errors import TooManyPoints
from core import times
from core.api.access import Access
from core.api.endpoint import ApiViewSet, Doc, Endpoint
from core.api.envelope import Envelope, ok
from core.api.params import IdList, OneOf, Params, PositiveInt, SpanParams
from core.errors import BadParameter
from students.selectors import class_list, students_total

MAX_LIMIT = 30
DEFAULT_DAYS = timedelta(days=29)


# --- What the calls take ---
class SeriesNames(IdList):
    """Names of series with commas between them."""

    default_error_messages = {"invalid": f"只能是{'、'.join(echarts.SERIES)},用逗号隔开"}

    def to_internal_value(self, data: Any) -> list[str]:
        names = list(dict.fromkeys(super().to_internal_value(data)))
        if not names or not set(names) <= echarts.SERIES.keys():
            self.fail("invalid")
        return names


class StudentsParams(Params):
    by = OneOf(echarts.STUDENTS_BY, default="city", help_text="按什么分组:城市、班级、学历、年龄段,或入学的月份")
    limit = PositiveInt(default=MAX_LIMIT, help_text="最多几组,其余合为“其他”")


class TrendParams(SpanParams):
    of = SeriesNames(required=False, help_text=f"要哪些数字,用逗号隔开,默认 students:{'、'.join(echarts.SERIES)}")
    unit = OneOf(("day", "week", "month"), default="day", help_text="按天、按周(周一)或按月(一号)")


class ProductsParams(SpanParams):
    by = OneOf(echarts.PRODUCTS_BY, default="product", help_text="按商品或按类目")
    limit = PositiveInt(default=MAX_LIMIT, help_text="最多几项,其余合为“其他”")


# --- What /docs/ shows of them ---
_SIGHT = (
    "看到哪些数字随角色的数据权限:有 `/order/get_order` 且数据权限为“全部”的看全部订单,"
    "其他人只看自己下的订单;学员与学员列表相同。"
)
_NO_LIMIT = BadParameter("limit: 必须是正整数")

STUDENTS = Doc(
    ok={"msg": "获取成功", "data": [{"name": "杭州", "value": 12}]},
    records={"data": list[echarts.NamedValue]},
    params=StudentsParams,
    send={"by": "city"},
    failures=[BadParameter("by: 只能是city、class、degree、age、month"), _NO_LIMIT],
    about="`data` 可以直接作 ECharts 饼图、柱图的 `data`。人数多的在前;"
    "`month` 按时间先后,已归档的学员也算在入学的月份里。"
    "年龄段:`17-`、`18-20`、`21-23`、`24-26`、`27-29`、`30+`。",
)
TREND = Doc(
    ok={
        "msg": "获取成功",
        "data": {
            "xAxis": ["2026-11-01", "2026-11-02", "2026-11-03"],
            "series": [
                {"name": "出勤率", "key": "attendance", "data": [None, 0.95, 0.9]},
                {"name": "新增学员", "key": "students", "data": [3, 0, 1]},
            ],
        },
    },
    records={"data": echarts.Trend},
    params=TrendParams,
    send={"of": "attendance,students", "unit": "day"},
    failures=[
        TooManyPoints,
        BadParameter("from: 必须是日期,如 2026-11-29"),
        BadParameter("from: 不能晚于to"),
        BadParameter("unit: 只能是day、week、month"),
    ],
    about="`xAxis` 作 ECharts 的 `xAxis.data`,`series` 加上 `type: 'line'` 就是折线。默认最近 30 天;"
    "每一天(周一、一号)都有,"
    "没有的是 0。`attendance` 出勤率 0 到 1,没有考勤的日子是 null。"
    "`students` 入学,`leavers` 退学、结业或归档,`orders`、`income` 按付款的日子(元,退款不减),"
    f"`refunds` 按退款的日子(元),`logins` 登录。日子是北京时间。{_SIGHT}",
)
PRODUCTS = Doc(
    ok={"msg": "获取成功", "data": [{"name": "小米充电宝", "value": 3, "amount": 177}]},
    records={"data": list[echarts.NamedSales]},
    params=ProductsParams,
    send={"by": "product"},
    failures=[BadParameter("by: 只能是product、category"), _NO_LIMIT],
    about=f"已付款、没有退款的:`value` 件数,`amount` 金额(元)。不传 `from`、`to` 时算全部。{_SIGHT}",
)
OVERVIEW = Doc(
    ok={
        "msg": "获取成功",
        "data": {
            "students": 200,
            "classes": 6,
            "newStudents": 3,
            "logins": 41,
            "orders": 5,
            "income": 1023.5,
            "refunds": 0,
            "attendanceRate": None,
        },
    },
    records={"data": echarts.Overview},
    about=f"今天的数字;`attendanceRate` 如 0.93,今天还没有结束的考勤时为 null。{_SIGHT}",
)


# --- The calls ---
class ChartsViewSet(ApiViewSet):
    tag = "数据统计"

    @Endpoint("GET", "/statistics/students", "学员人数的分布", Access.ROWS, docs=STUDENTS, is_quick=True)
    def students(self, request: CallerRequest) -> Envelope:
        query = StudentsParams.read(request)
        return ok("获取成功", data=echarts.students_chart(**query, scope=request.user.scope))

    @Endpoint("GET", "/statistics/trend", "数字随时间的变化", Access.ROWS, docs=TREND, is_reading=True)
    def trend(self, request: CallerRequest) -> Envelope:
        query = TrendParams.read(request)
        last = query.get("to") or times.local(times.now()).date()
        first = query.get("from") or last - DEFAULT_DAYS
        if "from" in query and "to" not in query:
            last = max(first, last)
        span = _span(request, query["unit"], first, last)
        return ok("获取成功", data=echarts.trend(query.get("of", ["students"]), span))

    @Endpoint("GET", "/statistics/products", "卖出的商品", Access.ROWS, docs=PRODUCTS, is_reading=True)
    def products(self, request: CallerRequest) -> Envelope:
        query = ProductsParams.read(request)
        days = (query.get("from"), query.get("to"))
        buyer_pk = None if _sees_orders(request) else request.user.pk
        return ok("获取成功", data=echarts.products_chart(query["by"], *days, query["limit"], buyer_pk))

    @Endpoint("GET", "/statistics/overview", "今天的数字", Access.ROWS, docs=OVERVIEW, is_reading=True)
    def overview(self, request: CallerRequest) -> Envelope:
        scope, today = request.user.scope, times.local(times.now()).date()
        span = _span(request, "day", today, today)
        return ok("获取成功", data=echarts.overview(span, len(class_list(scope)), students_total(scope=scope)))


def _span(request: CallerRequest, unit: str, first: date, last: date) -> echarts.Span:
    return echarts.Span(unit, first, last, request.user.scope, _sees_orders(request))


def _sees_orders(request: CallerRequest) -> bool:
    """Tell whether the caller is a seller, as ``/order/ship`` has it. The back office goes by rights instead."""
    return request.user.scope.is_all and request.user.role.may_call(["/order/get_order"], Access.ROWS)
