"""Write the Postman collection out of the OpenAPI document: a journey whose every answer is checked."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

FILE = "choose a file"  # a form field that takes one
# Calls that WeChat Pay makes, not a client.
NOT_FOR_CLIENTS = {"/pay/payResult", "/pay/notify"}
FORBIDDEN = "not permitted 没有权限"


@dataclass(frozen=True)
class Step:
    """One request of the journey.

    :param send: its parameters, in place of the document's example.
    :param keep: variables that later steps use, and where the answer has them.
    :param refused: the ``msg`` of the documented refusal that this step meets.
    :param without_file: the ``msg`` if no file was chosen.
    :param may_fail: either outcome is right, because it depends on what happened before the run.
    """

    path: str
    send: Mapping[str, Any] | None = None
    keep: Mapping[str, str] = field(default_factory=dict)
    refused: str = ""
    without_file: str = ""
    may_fail: bool = False
    method: str = ""


_NEW = {"productName": "笔记本", "price": 9.9, "inventory": 10, "description": "A5,横线"}
_STUDENT = {"class": "H51901", "name": "谭鹏", "age": "21", "city": "重庆", "degree": "专科"}
_ORDER = {"product_id": "{{product_id}}", "quantity": 1, "phone": "13800000000", "address": "南京市"}
_BY_ORDER = {"order_id": "{{order_id}}"}
STEPS = [
    Step("/users/login", keep={"token": "token", "unid": "userInfo.unid"}),
    Step("/verify"),
    Step("/permission/getMenuList"),
    Step("/permission/getrole", method="get"),
    Step("/permission/getrole", method="post"),
    Step("/permission/addrole", refused=FORBIDDEN),
    Step("/users/getAllUers", {"page": 1, "count": 5}),
    Step("/users/register", refused=FORBIDDEN),
    Step("/users/updateUser", {"unid": "{{unid}}", "city": "南京"}),
    Step("/users/updatePassword", refused="演示账号的密码不能修改"),
    Step("/users/uploadAvatar", {"headimgurl": FILE, "uId": "{{unid}}"}, without_file="图片上传失败"),
    Step("/users/deleteUser", {"unid": "{{unid}}"}, refused=FORBIDDEN),
    Step("/users/getCaptcha"),
    Step("/users/refreshCaptcha", keep={"key": "key"}),
    Step("/users/verifyCaptcha", {"captcha": "xxxxx", "key": "{{key}}"}, refused="验证码错误"),
    Step("/sms/send", may_fail=True),
    Step("/users/getQrcode", {"sid": "a-sid-of-no-socket"}, refused="socket指定sid错误"),
    Step("/users/wechatCallBack", {"state": "x", "code": "x"}, refused="无效的二维码"),
    Step("/users/wechatLogin", {"wechatCode": "x"}, refused="请重新扫码"),
    Step("/getloginlog", {"page": 1, "count": 5}),
    Step("/product/get_product", keep={"picture": "data[0].imageUrl"}),
    Step("/students/getclasses"),
    Step("/students/getstulist"),
    Step(
        "/students/addstu",
        _STUDENT | {"productUrl": "地址", "description": "你好", "headimgurl": "{{picture}}"},
        keep={"sId": "sId"},
    ),
    Step("/students/searchstu"),
    Step("/students/updatestu", {"sId": "{{sId}}", "city": "南京"}),
    Step("/students/uploadStuAvatar", {"headimgurl": FILE}, without_file="上传失败"),
    Step("/students/delstu", {"sId": "{{sId}}"}),
    Step("/upload/uploadImg", {"img": FILE}, without_file="没有上传图片"),
    Step("/weather/getWeather", {}),
    Step("/weather/updateWeatherCount", method="get", refused=FORBIDDEN),
    Step("/weather/updateWeatherCount", method="post", refused=FORBIDDEN),
    Step("/category/getCategory"),
    Step("/category/addCategory", {"categoryName": "文具{{$timestamp}}"}, keep={"category_id": "category_id"}),
    Step("/category/updateCategory", {"category_id": "{{category_id}}", "categoryName": "文具 {{$timestamp}}"}),
    Step(
        "/product/add_product",
        _NEW | {"category_id": "{{category_id}}", "imageUrl": "{{picture}}"},
        keep={"product_id": "product_id"},
    ),
    Step("/product/update_product", {"product_id": "{{product_id}}", "price": 8.8}),
    Step("/cart/add_to_cart", {"product_id": "{{product_id}}", "count": 2}),
    Step("/cart/update_cart", {"product_id": "{{product_id}}", "count": 1}),
    Step("/cart/check", {"product_id": "{{product_id}}"}),
    Step("/cart/get_cart"),
    Step("/cart/del_prouct", {"product_id": "{{product_id}}"}),
    Step("/pay/pre_order", _ORDER, keep={"order_id": "order_id"}),
    Step("/order/cancel", _BY_ORDER),
    Step("/order/del_order", _BY_ORDER),
    Step("/pay/pre_order", _ORDER, keep={"order_id": "order_id"}),
    Step("/pay/payment", _BY_ORDER, keep={"code_url": "code_url"}),
    Step("/sandbox/control/pay", {"code_url": "{{code_url}}", "deliver": True}),
    Step("/order/query_order_status", _BY_ORDER),
    Step("/pay/transactions/out-trade-no/{out_trade_no}"),
    Step("/order/get_order", _BY_ORDER, method="get"),
    Step("/order/get_order", {}, method="post"),
    Step("/order/returns", _BY_ORDER | {"reason": "尺寸不合适"}),
    Step("/order/ship", _BY_ORDER | {"action": 1}, may_fail=True),
    Step("/product/del_product", {"product_id": "{{product_id}}"}),
    Step("/category/delCategory", {"category_id": "{{category_id}}"}),
]
LAST = Step("/users/sigout")


def collection(document: dict[str, Any], *, base: str, has_sandbox: bool) -> dict[str, Any]:
    """Return the collection. A documented call without a step comes before the last one, and may end either way."""
    calls = {
        (path, method): call
        for path, methods in document["paths"].items()
        for method, call in methods.items()
        if path not in NOT_FOR_CLIENTS
    }
    known = {step.path for step in [*STEPS, LAST]}
    rest = [Step(path, method=method, may_fail=True) for path, method in calls if path not in known]
    return {
        "info": {
            "name": document["info"]["title"],
            "schema": "https://schema.getpostman.com/json/collection/v2.1.0/collection.json",
        },
        "variable": [{"key": "baseUrl", "value": base}, {"key": "token", "value": ""}],
        "auth": {
            "type": "apikey",
            "apikey": [_pair("key", "authorization"), _pair("value", "{{token}}"), _pair("in", "header")],
        },
        "item": list(_items([*STEPS, *rest, LAST], calls, has_sandbox)),
    }


def _items(steps: list[Step], calls: dict[tuple[str, str], Any], has_sandbox: bool) -> Iterator[dict[str, Any]]:
    for step in steps:
        method = step.method or next((name for path, name in calls if path == step.path), "post")
        call = calls.get((step.path, method))
        if call is None and not (has_sandbox and step.path.startswith("/sandbox/")):
            continue
        yield _item(step, method, call or {"summary": "在沙箱里付款"})


def _item(step: Step, method: str, call: dict[str, Any]) -> dict[str, Any]:
    contents = call.get("requestBody", {}).get("content", {})
    query = [parameter for parameter in call.get("parameters", []) if parameter["in"] == "query"]
    if method == "get":
        send = step.send if step.send is not None else _examples(query)
    else:
        send = step.send if step.send is not None else _example(contents.get("application/json", {}))
    path = step.path.strip("/").replace("{out_trade_no}", "{{order_id}}").split("/")
    names = [entry["name"] for entry in query]
    rows = [_pair(name, str(send.get(name, ""))) | {"disabled": name not in send} for name in names]
    request: dict[str, Any] = {
        "method": method.upper(),
        "description": call.get("description", ""),
        "url": {"host": ["{{baseUrl}}"], "path": path, "query": rows if method == "get" else []},
    }
    if FILE in send.values():
        form = [
            {"key": name, "type": "file", "src": "picture.png"}
            if value == FILE
            else _pair(name, value) | {"type": "text"}
            for name, value in send.items()
        ]
        request["body"] = {"mode": "formdata", "formdata": form}
    elif method == "post":
        request["header"] = [_pair("Content-Type", "application/json")]
        raw = json.dumps(send, ensure_ascii=False, indent=2)
        request["body"] = {"mode": "raw", "raw": raw, "options": {"raw": {"language": "json"}}}
    script = {"type": "text/javascript", "exec": list(_script(step))}
    return {"name": call["summary"], "request": request, "event": [{"listen": "test", "script": script}]}


def _script(step: Step) -> Iterator[str]:
    """Yield the lines that check the answer and keep what later steps need."""
    if step.may_fail:
        yield _test("不是服务器的错误", "pm.response.code", ".below(500)")
        return
    yield _test("HTTP 200", "pm.response.code", ".equal(200)")
    yield "const body = pm.response.json()"
    if step.refused:
        yield _test("按文档拒绝", "body", f'.include({{ state: false, msg: "{step.refused}" }})')
    elif step.without_file:
        yield _test("成功,或没有选图片", "body.state ? null : body.msg", f'.be.oneOf([null, "{step.without_file}"])')
    elif step.path.startswith("/sandbox/"):
        yield _test("付款成功", "body.trade_state", '.equal("SUCCESS")')
    else:
        yield _test("成功", "body.state, body.msg", ".equal(true)")
    for name, place in step.keep.items():
        yield f'pm.collectionVariables.set("{name}", body.{place})'


def _test(title: str, value: str, expectation: str) -> str:
    return f'pm.test("{title}", () => pm.expect({value}).to{expectation})'


def _examples(query: list[dict[str, Any]]) -> dict[str, Any]:
    return {entry["name"]: _example(entry) for entry in query if entry.get("examples")}


def _example(described: dict[str, Any]) -> Any:
    return next((example["value"] for example in described.get("examples", {}).values()), {})


def _pair(key: str, value: Any) -> dict[str, Any]:
    return {"key": key, "value": value}
