"""The figures' calls (数据统计), ready for ECharts."""

from datetime import date, timedelta

from accounts.authentication import CallerRequest
from charts import charts
from charts.api import docs, params
from charts.spans import Span
from core import times
from core.api.access import Access
from core.api.endpoint import ApiViewSet, Endpoint
from core.api.envelope import Envelope, ok
from students.selectors import class_list, students_total

DEFAULT_DAYS = timedelta(days=29)


class ChartsViewSet(ApiViewSet):
    tag = "数据统计"

    @Endpoint("GET", "/statistics/students", "学员人数的分布", Access.ROWS, docs=docs.STUDENTS, is_quick=True)
    def students(self, request: CallerRequest) -> Envelope:
        query = params.StudentsParams.read(request)
        return ok("获取成功", data=charts.students_chart(**query, scope=request.user.scope))

    @Endpoint("GET", "/statistics/trend", "数字随时间的变化", Access.ROWS, docs=docs.TREND, is_reading=True)
    def trend(self, request: CallerRequest) -> Envelope:
        query = params.TrendParams.read(request)
        last = query.get("to") or times.local(times.now()).date()
        first = query.get("from") or last - DEFAULT_DAYS
        if "from" in query and "to" not in query:
            last = max(first, last)
        span = _span(request, query["unit"], first, last)
        return ok("获取成功", data=charts.trend(query.get("of", ["students"]), span))

    @Endpoint("GET", "/statistics/products", "卖出的商品", Access.ROWS, docs=docs.PRODUCTS, is_reading=True)
    def products(self, request: CallerRequest) -> Envelope:
        query = params.ProductsParams.read(request)
        days = (query.get("from"), query.get("to"))
        buyer_pk = None if _sees_orders(request) else request.user.pk
        return ok("获取成功", data=charts.products_chart(query["by"], *days, query["limit"], buyer_pk))

    @Endpoint("GET", "/statistics/overview", "今天的数字", Access.ROWS, docs=docs.OVERVIEW, is_reading=True)
    def overview(self, request: CallerRequest) -> Envelope:
        scope, today = request.user.scope, times.local(times.now()).date()
        span = _span(request, "day", today, today)
        return ok("获取成功", data=charts.overview(span, len(class_list(scope)), students_total(scope=scope)))


def _span(request: CallerRequest, unit: str, first: date, last: date) -> Span:
    return Span(unit, first, last, request.user.scope, _sees_orders(request))


def _sees_orders(request: CallerRequest) -> bool:
    """Tell whether the caller is a seller, as ``/order/ship`` has it. The back office goes by rights instead."""
    return request.user.scope.is_all and request.user.role.may_call(["/order/get_order"], Access.ROWS)
