"""A front end of another origin, with credentials, spends the day of the API document as old clients do."""

from http.server import BaseHTTPRequestHandler

import pytest

from tests.kit import serving

pytestmark = pytest.mark.chromium

CLIENT = """<!doctype html><meta charset="utf-8"><script>
let token = ""
function call(base, method, path, data) {
  return new Promise((resolve, reject) => {
    const xhr = new XMLHttpRequest()
    const query = method === "GET" && data ? "?" + new URLSearchParams(data) : ""
    xhr.open(method, base + path + query)
    xhr.withCredentials = true
    if (token) xhr.setRequestHeader("authorization", token)
    xhr.onload = () => resolve(JSON.parse(xhr.responseText))
    xhr.onerror = () => reject(new Error("blocked: " + path))
    if (method === "GET" || data instanceof FormData) return xhr.send(method === "GET" ? null : data)
    xhr.setRequestHeader("content-type", "application/json")
    xhr.send(JSON.stringify(data))
  }).then(answer => { token = answer.token || token; return answer })
}
async function upload(base, path, field) {
  const canvas = document.createElement("canvas")
  canvas.width = canvas.height = 40
  const form = new FormData()
  form.append(field, await new Promise(done => canvas.toBlob(done, "image/png")), "头像.png")
  return call(base, "POST", path, form)
}
</script>"""
STUDENT = {
    "class": "H51901", "name": "跨域学员", "age": "21", "city": "重庆", "degree": "本科", "productUrl": "地址",
    "description": "一句话", "headimgurl": "", "sId": "", "cTime": "",
}  # fmt: skip
PASSWORDS = "first-secret-7", "second-secret-7"


class Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = CLIENT.encode()
        self.send_response(200)
        self.send_header("content-type", "text/html; charset=utf-8")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def call(chromium, running):
    """Ask the API from a page of another origin; its answers as Python values."""
    context = chromium.new_context()
    page = context.new_page()

    def call(method, path, **data):
        return page.evaluate("args => call(...args)", [running.base, method, path, data or None])

    call.upload = lambda path, field: page.evaluate("args => upload(...args)", [running.base, path, field])
    with serving(Page) as address:
        page.goto(address)
        yield call
    context.close()


def test_a_day_of_the_api_document(call, running):
    first, second = PASSWORDS
    call("POST", "/users/login", username="root", password=running.root_password)
    made = call("POST", "/users/register", username="kuayu", password=first, nickname="跨域", phone="1", roleid="102")
    assert made["state"] is True, made

    assert call("POST", "/users/login", username="kuayu", password="wrong")["msg"] == "用户名或者密码错误"
    assert call("POST", "/users/login", username="kuayu", password=first)["msg"] == "登入成功"
    captcha = call("GET", "/users/getCaptcha")
    answer = running.captcha_answer(captcha["key"])
    assert call("GET", "/users/verifyCaptcha", captcha=answer)["state"] is True  # known by the cookie alone
    assert call("GET", "/permission/getMenuList")["roleName"] == "总监"

    avatar = call.upload("/students/uploadStuAvatar", "headimgurl")
    assert avatar["msg"] == "上传成功"
    added = call("POST", "/students/addstu", **STUDENT | {"headimgurl": avatar["headimgurl"]})
    assert added["msg"] == "添加成功"
    row = call("GET", "/students/getstulist", page=1, count=1)["data"][0]
    assert row["name"] == "跨域学员"
    assert call("POST", "/students/updatestu", **row | {"name": "跨域改名"})["state"] is True
    found = call("GET", "/students/searchstu", key="跨域改名")
    assert [student["sId"] for student in found["data"]] == [row["sId"]]
    assert call("GET", "/students/delstu", sId=row["sId"])["msg"] == "删除成功"

    changed = call("POST", "/users/updatePassword", username="kuayu", oldPassword=first, newPassword=second)
    assert changed["msg"] == "密码修改成功"
    assert call("POST", "/users/login", username="kuayu", password=second)["state"] is True
    assert call("GET", "/users/sigout")["state"] is True
    assert call("GET", "/verify")["code"] == "1004"
