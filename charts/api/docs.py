"""What ``/docs/`` shows of the charts' calls."""

from charts.api import params
from charts.charts import NamedSales, NamedValue, Overview, Trend
from charts.errors import TooManyPoints
from core.api.endpoint import Doc
from core.errors import BadParameter

_SIGHT = (
    "看到哪些数字随角色的数据权限:有 `/order/get_order` 且数据权限为“全部”的看全部订单,"
    "其他人只看自己下的订单;学员与学员列表相同。"
)
_NO_LIMIT = BadParameter("limit: 必须是正整数")

STUDENTS = Doc(
    ok={"msg": "获取成功", "data": [{"name": "杭州", "value": 12}]},
    records={"data": list[NamedValue]},
    params=params.StudentsParams,
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
    records={"data": Trend},
    params=params.TrendParams,
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
    records={"data": list[NamedSales]},
    params=params.ProductsParams,
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
    records={"data": Overview},
    about=f"今天的数字;`attendanceRate` 如 0.93,今天还没有结束的考勤时为 null。{_SIGHT}",
)
