"""The API document's tables as facts: each call, its parameters, and what it shows as an answer.

Not the document's prose, and none of our code: names, which of them are required, and example values are transcribed by
hand, so that a change of the code cannot change them along. Where the document is silent or forgot something the note
says what was settled.
"""

from dataclasses import dataclass, field
from typing import Any

DONE = {"status": 200, "state": True}


def done(msg: str, **shown: Any) -> dict[str, Any]:
    return DONE | {"msg": msg} | shown


def refused(status: int, msg: str) -> dict[str, Any]:
    return {"status": status, "state": False, "msg": msg}


@dataclass(frozen=True)
class Made:
    """A value that exists only once something was made; ``World`` in test_document.py makes it."""

    what: str


@dataclass(frozen=True)
class Call:
    """A call of the document; its name is the method and the path.

    :param needs: required parameters with an example value; ``takes``: the optional ones.
    :param ok: the answer shown, or settled: ``status``, ``state`` and ``msg`` to the letter, the rest by key and type.
    :param missing: the answer when a required parameter is not there; by name where they differ.
    :param bare: the answer without any optional parameter, where that is another one.
    :param before: what has to be there first.
    :param who: ``stranger``, ``trainee`` (role 102), or ``root``.
    :param lenient: parameters the table calls required that the server can do without.
    """

    name: str
    needs: dict[str, Any] = field(default_factory=dict)
    takes: dict[str, Any] = field(default_factory=dict)
    ok: dict[str, Any] = field(default_factory=lambda: DONE)
    missing: dict[str, Any] = field(default_factory=lambda: {"state": False})
    bare: dict[str, Any] | None = None
    before: str = ""
    who: str = "trainee"
    lenient: tuple[str, ...] = ()

    @property
    def method(self) -> str:
        return self.name.split()[0]

    @property
    def path(self) -> str:
        return self.name.split()[1]

    def __str__(self) -> str:
        return self.name


_STUDENT = {
    "class": "H51901",
    "name": "谭鹏",
    "age": "21",
    "city": "重庆",
    "degree": "专科",
    "productUrl": "地址",
    "description": "O(∩_∩)O哈哈~",
}
_STUDENT_ROW = _STUDENT | {
    "_id": "5cd3c534e1e75b0ea034cf83",
    "headimgurl": "",
    "cTime": "2019/05/09 02:14:12",
    "sId": "WWLN97178546",
    "__v": 0,
}
_CATEGORY = {
    "updateTime": None,
    "updator": None,
    "_id": "5fed5acfb308240d6037bc13",
    "category_id": "20201231125959413",
    "categoryName": "车辆",
    "creator": "lbw",
    "createTime": "2020-12-31,12:59:59",
}
_PRODUCT = {"productName": "折叠车", "price": 899.5, "description": "16寸", "inventory": 100}
_LOGIN = {"loginTime": "2019/05/13 20:36:26", "ip": ""}
_PICTURE = Made("picture")
_LOGGED_IN = {
    "status": 1,
    "state": True,
    "msg": "登入成功",
    "userInfo": {"username": "lbw4", "nickname": "开哥永不开挂", "phone": "1577775772"},
    "token": "…",
}
_CAPTCHA = {"state": True, "status": 200, "img": "<svg…", "key": "…"}
_ROLES = {"status": 200, "state": True, "msg": "success", "roles": [{"roleid": "200", "roleName": "员工"}]}
_NO_ORDER_ID, _NO_PRODUCT_ID = refused(1004, "没有传入order_id"), refused(1004, "err 请传入product_id")

CALLS = [
    # 1 weather
    Call(
        "GET /weather/getWeather",
        takes={"key": "all", "city": "南京"},
        ok=done("获取成功", data=[{"city": "南京"}]),
        who="stranger",
    ),
    Call(
        "GET /weather/updateWeatherCount",
        {"version": "v61", "appid": Made("weather_appid"), "appsecret": Made("weather_secret")},
        ok=done("修改成功"),
        missing={"state": False, "msg": "参数少传递了"},
        who="root",
    ),
    # 2 pictures
    Call(
        "POST /upload/uploadImg",
        {"img": _PICTURE},
        ok=DONE | {"imgUrl": "…"},
        missing=refused(1005, "没有上传图片"),
        who="stranger",
    ),
    # 3 students
    Call(
        "GET /getloginlog",
        takes={"page": 1, "count": 10},
        ok=done("success", data=[{"_id": "…", "username": "cxk", "lastLogin": _LOGIN, "nowLogin": _LOGIN, "__v": 0}]),
    ),
    Call("GET /students/getclasses", ok=DONE | {"data": ["H51901", "H51902"]}),
    Call(
        "GET /students/getstulist",
        takes={"page": 1, "count": 5, "class": "H51901"},
        ok={"status": 1, "state": True, "msg": "请求成功", "total": 2, "data": [_STUDENT_ROW]},
    ),
    Call(
        "POST /students/addstu",
        _STUDENT,
        {"headimgurl": _PICTURE},
        ok=done("添加成功", status=1),
        missing={"status": 0, "state": False},
    ),
    Call(
        "GET /students/delstu",
        {"sId": Made("student")},
        ok=done("删除成功", status=1),
        missing=refused(0, "没有传递sId"),
    ),
    Call(
        "POST /students/updatestu",
        {"sId": Made("student"), "token": Made("token")},
        {
            "name": "谭大鹏",
            "age": "22",
            "city": "南京",
            "degree": "本科",
            "productUrl": "新地址",
            "description": "好",
            "headimgurl": _PICTURE,
        },
        ok=done("更新成功"),
        bare=refused(304, "没有做任何修改"),
    ),
    Call(
        "GET /students/searchstu",
        takes={"key": "谭", "count": 5, "page": 1},
        ok=DONE | {"total": 1, "data": [_STUDENT_ROW]},
    ),
    Call(
        "POST /students/uploadStuAvatar",
        {"headimgurl": _PICTURE},
        ok=done("上传成功", headimgurl="http://106.12.79.128"),
        missing=refused(500, "上传失败"),
        who="stranger",
    ),
    # 4 users
    Call("GET /users/getCaptcha", ok=_CAPTCHA, who="stranger"),
    Call("GET /users/refreshCaptcha", ok=_CAPTCHA, who="stranger"),
    Call(
        "GET /users/verifyCaptcha",
        {"captcha": Made("captcha")},
        ok=done("验证码正确"),
        missing=refused(3004, "验证码错误"),
        who="stranger",
    ),
    Call(
        "GET /users/getAllUers", ok=done("success", users=[{"username": "lbw1", "nickname": "五五开", "roleid": "200"}])
    ),
    Call(
        "POST /users/register",
        {"username": Made("new_name"), "password": "555", "nickname": "开哥永不开挂"},
        {"phone": Made("new_phone"), "roles": "102"},
        ok={"status": 1, "state": True, "msg": "注册成功", "userInfo": _LOGGED_IN["userInfo"]},
        missing=refused(0, "注册出错,缺少字段"),
        who="root",
    ),
    Call(
        "POST /users/login",
        {"username": "lbw", "password": "555"},
        ok=_LOGGED_IN,
        missing=refused(1004, "没有传递用户名或者密码"),
        who="stranger",
    ),
    Call(
        "GET /users/getQrcode",
        {"sid": Made("sid")},
        ok=DONE | {"scanCodeUrl": "https://open.weixin.qq.com/…"},
        missing=refused(10022, "没有传递sid"),
        who="stranger",
    ),
    Call(
        "GET /users/wechatLogin",
        {"wechatCode": Made("wechat_code")},
        ok=_LOGGED_IN | {"status": 200, "msg": "微信登入成功"},
        missing={"state": False, "msg": "请传入wechatCode"},
        who="stranger",
    ),
    Call("GET /users/sigout", ok=done("退出成功", status=1), who="passer-by"),
    Call(
        "POST /users/uploadAvatar",
        {"headimgurl": _PICTURE, "uId": Made("unid"), "token": Made("token")},
        ok=done("图片上传成功", status=1),
        missing=refused(0, "图片上传失败"),
    ),
    *(Call(f"{method} /verify", ok=done("校验成功", status=1)) for method in ("GET", "POST", "PUT", "PATCH", "DELETE")),
    Call(
        "POST /users/updatePassword",
        {"username": Made("username"), "oldPassword": Made("password"), "newPassword": "666", "token": Made("token")},
        ok=done("密码修改成功", status=1),
        who="passer-by",
    ),
    # 5 permissions
    Call(
        "POST /permission/addrole",
        {"roleid": Made("new_roleid"), "token": Made("token")},
        ok=done("添加成功"),
        who="root",
    ),
    Call("GET /permission/getrole", {"token": Made("token")}, {"roleid": "102"}, ok=_ROLES),
    Call("GET /permission/getMenuList", ok=done("success", roleName="总监", menuList=[{"name": "管理首页"}])),
    # 6 shop: categories
    Call(
        "POST /category/addCategory",
        {"categoryName": Made("new_name")},
        {"categoryImgurl": _PICTURE},
        ok=done("添加成功"),
        missing=refused(1004, "err 请传入categoryName"),
    ),
    Call(
        "GET /category/delCategory",
        {"category_id": Made("category")},
        ok=done("删除成功"),
        missing=refused(1004, "err 请传入category_id"),
    ),
    Call(
        "POST /category/updateCategory",
        {"categoryName": Made("new_name"), "category_id": Made("category")},
        ok=done("修改成功"),
        missing=refused(1004, "缺少categoryName或者category_id"),
    ),
    Call("GET /category/getCategory", ok=done("获取成功", data=[_CATEGORY])),
    # products
    Call(
        "POST /product/add_product",
        {"category_id": Made("own_category"), **_PRODUCT, "imageUrl": _PICTURE},
        ok=done("添加成功"),
        missing=refused(1005, "添加失败,检查必传参数是否少传递了")
        | {"category_id": refused(1005, "请传入category_id")},
    ),
    # The table has category_id in the place of product_id: settled as "found by product_id, moved by category_id".
    Call(
        "POST /product/update_product",
        {"product_id": Made("product")},
        {
            "category_id": Made("category"),
            "productName": "折叠自行车",
            "price": 799,
            "description": "16寸,可折叠",
            "inventory": 99,
            "imageUrl": _PICTURE,
        },
        ok=done("修改成功"),
        missing=refused(1004, "缺少product_id"),
        bare=refused(1006, "没有做任何修改"),
    ),
    Call(
        "GET /product/get_product",
        takes={"product_id": Made("for_sale"), "category_id": Made("own_category")},
        ok=done(
            "获取成功",
            data=[_PRODUCT | {"product_id": "…", "category_id": "…", "imageUrl": "…", "_id": "…", "creator": "…"}],
        ),
    ),
    Call("GET /product/del_product", {"product_id": Made("product")}, ok=done("删除成功"), missing=_NO_PRODUCT_ID),
    # cart
    Call(
        "POST /cart/check",
        {"product_id": Made("three_in_the_cart")},
        ok=done("选中成功"),
        missing=refused(1004, "请检查是否传递了product_id"),
    ),
    Call("GET /cart/get_cart", ok=done("获取成功", data=[{"product_id": "…", "count": 1}])),
    Call("GET /cart/del_prouct", {"product_id": Made("in_the_cart")}, ok=done("删除成功"), missing=_NO_PRODUCT_ID),
    Call(
        "POST /cart/update_cart",
        {"product_id": Made("in_the_cart"), "count": 2},
        ok=done("修改成功"),
        missing={"status": 1004, "state": False},
    ),
    Call(
        "POST /cart/add_to_cart",
        {"product_id": Made("for_sale"), "count": 1},
        ok=done("添加成功"),
        missing=refused(1004, "缺少product_id或者缺少count"),
    ),
    # orders
    Call(
        "POST /pay/pre_order",
        takes={"product_id": Made("for_sale"), "quantity": 1},
        ok=done("订单提交成功", order_id="20201231103338122jnvk4na61h"),
        before="chosen_in_the_cart",
    ),
    Call(
        "GET /order/query_order_status",
        {"order_id": Made("paid")},
        ok=done("支付成功"),
        missing=refused(1004, "err 没有传入order_id"),
    ),
    Call("POST /order/get_order", takes={"order_id": Made("order")}, ok=done("订单获取成功")),
    Call("GET /order/del_order", {"order_id": Made("order")}, ok=done("删除成功"), missing=_NO_ORDER_ID),
    Call("GET /order/cancel", {"order_id": Made("order")}, ok=done("取消成功"), missing=_NO_ORDER_ID),
    Call(
        "GET /order/ship",
        {"action": 1, "order_id": Made("paid")},
        ok=done("修改成功"),
        missing={"state": False, "order_id": _NO_ORDER_ID},
    ),
    Call("POST /order/returns", {"order_id": Made("paid")}, ok=done("退货申请成功"), missing=_NO_ORDER_ID),
    # pay; a client that leaves out the merchant's numbers means the only merchant there is
    Call(
        "POST /pay/payment",
        {"appid": "wxed58e834201d0894", "mch_id": 1568650321, "order_id": Made("order")},
        {"trade_type": "NATIVE"},
        ok=done(
            "OK",
            prepay_id="wx301847582783578da0cb5e1a6f24890000",
            trade_type="NATIVE",
            code_url="weixin://wxpay/bizpayurl?pr=hPUTMw4zz",
        ),
        missing=refused(10010, "err 请传入order_id"),
        lenient=("appid", "mch_id"),
    ),
]

# 6.2, the query by order number: path parameter out_trade_no, query parameter mchid.
TRANSACTION = {
    "transaction_id": "1217752501201407033233368018",
    "amount": {"payer_total": 100, "total": 100, "currency": "CNY", "payer_currency": "CNY"},
    "mchid": "1230000109",
    "trade_state": "SUCCESS",
    "bank_type": "CMC",
    "success_time": "2018-06-08T10:34:56+08:00",
    "payer": {"openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"},
    "out_trade_no": "1217752501201407033233368018",
    "appid": "wxd678efh567hg6787",
    "trade_state_desc": "…",
    "trade_type": "NATIVE",
}

MENU = [
    {"name": "管理首页"},
    {"name": "学员管理", "children": [{"name": "学员项目管理"}, {"name": "学员资料"}, {"name": "学员宿舍"}]},
    {"name": "考勤管理"},
    {"name": "数据统计"},
    {"name": "我的中心"},
]
