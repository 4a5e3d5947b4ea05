"""The figures' calls (数据统计), ready for ECharts."""

from datetime import timedelta

from accounts.authentication import CallerRequest
from charts import charts
from charts.api import docs, params
from charts.sight import sight_of
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
        span = Span(query["unit"], first, last, sight_of(request.user))
        return ok("获取成功", data=charts.trend(query.get("of", ["students"]), span))

    @Endpoint("GET", "/statistics/products", "卖出的商品", Access.ROWS, docs=docs.PRODUCTS, is_reading=True)
    def products(self, request: CallerRequest) -> Envelope:
        query = params.ProductsParams.read(request)
        days = (query.get("from"), query.get("to"))
        rows = charts.products_chart(query["by"], *days, query["limit"], sight_of(request.user).buyer_pk)
        return ok("获取成功", data=rows)

    @Endpoint("GET", "/statistics/overview", "今天的数字", Access.ROWS, docs=docs.OVERVIEW, is_reading=True)
    def overview(self, request: CallerRequest) -> Envelope:
        scope, today = request.user.scope, times.local(times.now()).date()
        data = charts.overview(today, len(class_list(scope)), students_total(scope=scope), sight_of(request.user))
        return ok("获取成功", data=data)
