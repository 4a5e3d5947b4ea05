"""A trainee walks through /demo/: the living sample of a client."""

import re

import pytest

from tests.journeys.browser import PHONE, is_wider_than_the_screen, pay, scan
from tests.journeys.installation import Caller

pytestmark = pytest.mark.chromium


def log_in(page, running):
    with page.expect_response("**/users/getCaptcha"):
        page.goto("/demo/")
    page.get_by_role("textbox", name="验证码").fill("0000")
    with page.expect_response("**/users/getCaptcha") as captcha:  # a wrong one gets a new picture
        page.get_by_role("button", name="登入", exact=True).click()
    page.get_by_text("验证码错误", exact=True).wait_for()
    page.get_by_role("textbox", name="验证码").fill(running.captcha_answer(captcha.value.json()["key"]))
    page.get_by_role("button", name="登入", exact=True).click()
    page.get_by_text("您好,五五开").wait_for()


def test_the_demo_page_goes_from_login_to_refund(page, running):
    log_in(page, running)

    page.get_by_role("button", name="获取我的菜单").click()
    page.get_by_text("学员项目管理", exact=True).wait_for()

    page.get_by_role("button", name="增加一名学员").click()
    page.locator("#students-outcome", has_text="添加成功").wait_for()
    page.get_by_label("姓名包含").fill("演示学")
    page.get_by_role("button", name="搜索").click()
    page.locator("#students-outcome", has_text="共 1 名").wait_for()
    page.get_by_role("button", name="删除 演示学员").click()
    page.locator("#students-outcome", has_text="删除成功").wait_for()

    page.get_by_role("button", name="看看有什么商品").click()
    page.get_by_role("button", name=re.compile("把 .* 加入购物车")).first.click()
    page.locator("#cart-outcome", has_text="添加成功").wait_for()
    page.get_by_role("button", name="选中购物车并下单").click()
    page.locator("#cart-outcome", has_text="订单提交成功").wait_for()
    page.locator("#product-list", has_text="库存 99").wait_for()  # one of the hundred is gone

    page.get_by_role("button", name="发起微信支付").click()
    pay(page)
    page.locator("#pay-outcome", has_text="支付成功").wait_for()

    page.get_by_role("button", name="退货").click()
    page.locator("#pay-outcome", has_text="退货申请成功").wait_for()

    page.get_by_role("button", name="看看最近 30 天的出勤率").click()
    page.locator("#chart rect").first.wait_for(state="attached")
    page.get_by_role("button", name="开始考勤并投影").click()
    page.get_by_alt_text("签到二维码").wait_for()
    page.locator("#signs", has_text="未签到").wait_for()


def test_by_text_message_as_a_user_who_may_only_read(page, running):
    page.goto("/demo/")
    number = "13800000200"
    unid = Caller(running.base, "yuangong")("/verify")["decode"]["unid"]
    # By root: a number that a user sets with the token alone is no login.
    running.root("/users/updateUser", {"unid": unid, "phone": number})

    page.get_by_label("或者手机号").fill(number)
    page.get_by_role("button", name="发送短信").click()
    page.locator("#login-outcome", has_text="验证码已发送").wait_for()
    with page.expect_popup() as popup:
        page.get_by_role("link", name="看短信").click()
    text = popup.value.locator("article", has_text=number).first.inner_text()
    page.get_by_label("短信里的 5 位数字").fill(re.search(r"验证码是(\d{5})", text)[1])
    page.get_by_role("button", name="短信登入").click()
    page.get_by_text("您好,开哥永不开挂").wait_for()

    page.get_by_role("button", name="搜索").click()
    page.locator("#student-table tbody tr").first.wait_for()
    assert page.get_by_role("button", name=re.compile("^删除 ")).count() == 0
    assert not page.get_by_role("button", name="增加一名学员").is_visible()
    assert "read" in page.locator("#buttons-hint").inner_text()


def test_with_wechat_from_the_qr_code_to_the_order_on_a_phone(page):
    page.set_viewport_size(PHONE)
    page.goto("/demo/")

    page.get_by_role("button", name="用微信扫码登入").click()
    page.get_by_text("请用微信扫码", exact=True).wait_for()
    assert page.evaluate("document.querySelector('#qr').decode().then(() => true)"), "the QR code is drawn"
    assert page.locator("#qr").bounding_box()["x"] + 240 <= PHONE["width"]
    scan(page, "王远杰")

    page.get_by_text("您好,王远杰").wait_for()
    lines = page.locator("[data-log=login] summary").all_inner_texts()
    for step in ("socket 收到 connectSuccess", "GET /users/getQrcode", "socket 收到 scancodeSuccess"):
        assert [line for line in lines if line.startswith(step)], lines
    page.get_by_role("button", name="获取我的菜单").click()
    page.get_by_text("学员项目管理", exact=True).wait_for()
    page.get_by_role("button", name="看看有什么商品").click()
    page.get_by_role("button", name=re.compile("把 .* 加入购物车")).first.click()
    page.get_by_role("button", name="选中购物车并下单").click()
    page.locator("#cart-outcome", has_text="订单提交成功").wait_for()
    assert not is_wider_than_the_screen(page)

    page.reload()
    page.get_by_text("您好,王远杰").wait_for()
    page.get_by_role("button", name="退出登入").click()
    page.get_by_role("button", name="登入", exact=True).wait_for()
    assert page.evaluate("localStorage.getItem('token')") is None


@pytest.mark.parametrize("transport", ["polling", "websocket"])  # /demo/ begins with one and changes to the other
def test_the_scan_page_logs_in_by_every_transport(page, transport):
    page.goto(f"/demo/login/?transport={transport}")
    page.locator("#outcome", has_text="请用微信扫码").wait_for()
    assert page.evaluate("document.querySelector('#qr').decode().then(() => true)"), "the QR code is drawn"
    scan(page, "小鹿🦌")

    page.locator("#outcome", has_text="微信登入成功").wait_for()
    assert (page.locator("#name").inner_text(), page.locator("#role").inner_text()) == ("小鹿🦌", "员工")
    assert page.evaluate("localStorage.getItem('token')")
    assert page.get_by_role("link", name="继续").get_attribute("href") == "/demo/"


def test_who_refuses_on_the_phone_may_scan_again(page):
    page.goto("/demo/login/")
    with page.expect_popup() as popup:
        page.get_by_role("link", name="打开“手机”").click()
    phone = popup.value
    address = phone.url
    phone.get_by_role("button", name="拒绝").click()
    phone.get_by_role("heading", name="您取消了登入").wait_for()

    phone.goto(address)
    phone.get_by_role("button", name="允许").click()

    page.locator("#name", has_text="李小明").wait_for()
    phone.reload()
    phone.get_by_role("heading", name="无效的二维码").wait_for()


def test_the_api_reference_is_in_order_in_chinese_and_takes_the_token_of_a_login(page):
    page.goto("/docs/")
    page.locator(".opblock-tag").first.wait_for()
    assert page.locator(".opblock-tag").all_inner_texts() == [
        "天气模块", "上传图片", "学员模块", "宿舍模块", "考勤模块", "用户模块", "权限模块",
        "类目模块", "商品模块", "购物车模块", "订单模块", "支付", "数据统计",
    ]  # fmt: skip

    page.locator(".opblock-tag", has_text="用户模块").click()
    login = page.locator(".opblock", has_text="/users/login")
    login.locator(".opblock-summary").click()
    login.get_by_role("button", name="发送", exact=True).click()
    login.locator(".live-responses-table .microlight", has_text="登入成功").first.wait_for()
    assert "csrf" not in login.locator(".curl").inner_text().lower()
    login.locator(".opblock-summary").click()
    page.locator(".opblock-tag", has_text="学员模块").click()
    page.locator(".opblock-summary", has_text="/students/getclasses").click()
    page.get_by_role("button", name="发送", exact=True).click()

    page.locator(".live-responses-table .microlight", has_text="H51901").first.wait_for()
    assert page.get_by_text("服务器返回").count() and not page.get_by_text("Server response").count()
