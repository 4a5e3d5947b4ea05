"""Take the pictures of the READMEs anew, from a running installation: ``take.py BASE ROOT_PASSWORD``."""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

HERE = Path(__file__).parent
BASE, ROOT_PASSWORD = sys.argv[1:]

with sync_playwright() as playwright:
    browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
    options = {"base_url": BASE, "locale": "zh-CN", "color_scheme": "light"}
    context = browser.new_context(**options, viewport={"width": 1100, "height": 760})
    answer = context.request.post("/users/login", data={"username": "lbw", "password": "555"})
    page = context.new_page()
    page.goto("/demo/")
    page.evaluate("token => localStorage.setItem('token', token)", answer.json()["token"])
    page.reload()
    page.get_by_role("button", name="看看有什么商品").click()
    page.get_by_role("button", name="加入购物车").first.click()
    page.get_by_role("button", name="选中购物车并下单").click()
    page.get_by_role("button", name="发起微信支付").click()
    address = page.get_by_role("link", name="打开“手机”付款").get_attribute("href")

    phone = browser.new_context(**options, viewport={"width": 390, "height": 700}).new_page()
    phone.goto(address)
    phone.get_by_role("button", name="支付").click()
    phone.get_by_role("heading", name="支付成功").wait_for()
    phone.screenshot(path=HERE / "phone.png")

    page.locator("#pay-outcome", has_text="支付成功").wait_for()
    page.locator("[data-log=pay] summary").first.click()
    page.locator("#pay").scroll_into_view_if_needed()
    page.screenshot(path=HERE / "demo.png")

    office = browser.new_context(**options, viewport={"width": 1280, "height": 800}).new_page()
    office.goto("/admin/login/?next=/admin/shop/order/")
    office.get_by_label("用户名").fill("root")
    office.locator("input[name=password]").fill(ROOT_PASSWORD)
    office.get_by_role("button", name="登录").click()
    office.locator("#result_list tbody a").first.click()
    office.wait_for_url("**/change/**")
    office.screenshot(path=HERE / "admin-order.png")
