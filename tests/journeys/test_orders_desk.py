"""Staff finds an order by phone, prints its packing list and ships it; another comes back, a third one is flagged."""

import re

import pytest

from tests.journeys.browser import PHONE as PHONE_SCREEN
from tests.journeys.browser import is_wider_than_the_screen, log_in
from tests.journeys.installation import Caller
from tests.processes import until

pytestmark = pytest.mark.chromium
PHONE = "13911112222"


def find(page, text):
    page.locator("#searchbar").fill(text)
    page.locator("#searchbar").press("Enter")


def row(page, number):
    return page.locator("#result_list tr", has_text=number)


def test_from_the_phone_to_the_parcel_and_back(page, running):
    buyer = Caller(running.base)
    number, other = buyer.buy(phone=PHONE, address="重庆市渝中区 1 号"), buyer.buy(phone="13700000000")
    log_in(page, "root", running.root_password)

    # Found by phone, printed, shipped.
    page.goto("/admin/")
    page.locator(".bo-waits").get_by_role("link", name="待发货").click()
    pks = f"{pk(page, number)},{pk(page, other)}"
    find(page, PHONE)
    row(page, number).get_by_text("重庆市渝中区 1 号").wait_for()
    assert not row(page, other).is_visible()
    row(page, number).get_by_role("checkbox").check()
    with page.expect_popup() as popup:
        page.locator(".od-bar").get_by_role("button", name="打印配货单").click()
    paper = popup.value
    paper.evaluate("window.print = () => document.title = '打印了'")
    paper.get_by_role("button", name="打印", exact=True).click()
    paper.wait_for_function("document.title === '打印了'")
    assert number in paper.locator("article").inner_text() and PHONE in paper.locator("article").inner_text()
    assert paper.get_by_role("img", name="订单号二维码").evaluate("image => image.naturalWidth") > 20
    assert sheets(paper) == 1
    row(page, number).get_by_role("button", name="发货 " + number).click()
    page.get_by_label(f"订单 {number} 的快递单号").fill("sf 1234567890123")
    assert page.get_by_label(f"订单 {number} 的快递公司").input_value() == "顺丰速运"  # as its number tells
    page.get_by_label(f"订单 {number} 的快递单号").press("Enter")  # as a scanner does
    page.get_by_label(f"订单 {number} 的快递单号").press("Enter")
    page.get_by_role("button", name="确认发货").click()
    page.get_by_text(f"{number}：发货完成").wait_for()
    sent = buyer.order(number)
    assert (sent["express_company"], sent["express_no"]) == ("顺丰速运", "SF1234567890123")
    assert (buyer.order(number)["shiping_status"], buyer.order(other)["shiping_status"]) == (1, 0)

    # The second from the paper of both.
    paper.goto(f"/admin/shop/order/packing/?ids={pks}")
    assert sheets(paper) == 2  # what to fetch, then two orders on one page
    paper.get_by_label("每页 1 单").check()
    assert sheets(paper) == 3
    paper.get_by_label("标签 100×150 毫米").check()
    assert sheets(paper) == 2
    paper.get_by_role("button", name="全部发货").click()
    paper.get_by_label(f"订单 {other} 的快递公司").select_option(label="自取、面交（没有快递）")
    paper.get_by_role("button", name="确认发货").click()
    paper.get_by_text(f"{other}：发货完成").wait_for()

    # It comes back.
    assert buyer("/order/returns", {"order_id": other, "reason": "外壳破损"})["state"]
    page.get_by_role("link", name="待处理退货").first.click()
    row(page, other).get_by_text("外壳破损").wait_for()
    row(page, other).get_by_role("button", name="同意退货 " + other).click()
    page.get_by_role("button", name="确认同意退货").click()
    row(page, other).get_by_role("button", name="收到退货 " + other).click()
    page.get_by_label("收到几件").fill("1")
    page.get_by_label("收到的商品").select_option("yes")
    page.get_by_role("button", name="确认收到退货").click()
    row(page, other).get_by_label(f"{other} 的其他操作").click()
    row(page, other).get_by_role("button", name="部分退款 " + other).click()
    page.get_by_label("退几件").fill("1")
    assert float(page.get_by_label("退款金额").input_value()) > 0  # proposed
    page.get_by_role("link", name="返回，什么都不做").click()
    row(page, other).get_by_role("button", name="退货退款 " + other).click()
    page.get_by_role("button", name="确认退货退款").click()
    page.get_by_text("款项将原路退回").wait_for()
    buyer("/sandbox/control/deliver", {"ahead_s": 60})
    assert until(lambda: buyer.order(other)["state_text"] == "已退款", 30), buyer.order(other)
    assert buyer.order(other)["order_status"] == 5


def test_what_is_wrong_is_told_and_the_accountant_takes_it_away(page, running):
    buyer = Caller(running.base)
    number = buyer.buy(phone="13622223333", address="重庆市渝中区 2 号")
    log_in(page, "root", running.root_password)

    # A clerk writes down what the buyer said, and flags the order.
    page.goto(f"/admin/shop/order/?q={number}")
    page.locator("#result_list tbody th a").click()
    page.get_by_label("新的内部备注").fill("买家下周三才在家")
    page.get_by_role("button", name="添加备注").click()
    page.locator(".od-remark", has_text="买家下周三才在家").wait_for()
    page.get_by_label("更多操作").click()
    page.get_by_role("button", name="标记需关注").click()
    page.get_by_label("说明或理由").fill("等到周三再发")
    page.get_by_role("button", name="确认标记需关注").click()
    page.locator(".is-flagged", has_text="等到周三再发").wait_for()

    # A colleague finds it on the phone, in the dark.
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size(PHONE_SCREEN)
    page.goto("/admin/shop/order/")
    page.locator(".od-tabs").get_by_role("link", name="异常").click()
    row(page, number).get_by_text("等到周三再发").wait_for()
    assert not is_wider_than_the_screen(page)
    page.set_viewport_size({"width": 1440, "height": 900})
    with page.expect_download() as file:
        page.get_by_role("link", name="导出当前筛选 Excel").click()
    assert re.fullmatch(r"订单-[\d-]+\.xlsx", file.value.suggested_filename)
    row(page, number).get_by_role("button", name="取消关注 " + number).click()
    page.get_by_label("说明或理由").fill("已经约好")
    page.get_by_role("button", name="确认取消关注").click()
    page.get_by_text(f"{number}：取消关注完成").wait_for()

    # The accountant's day.
    page.locator("#nav-sidebar-apps, nav").get_by_role("link", name="日报").first.click()
    page.get_by_role("row", name="收款").first.wait_for()
    page.set_viewport_size(PHONE_SCREEN)
    assert not is_wider_than_the_screen(page)
    with page.expect_download() as file:
        page.get_by_role("link", name="下载 Excel").click()
    assert file.value.suggested_filename.startswith("日报-")
    with page.expect_popup() as popup:
        page.get_by_role("link", name="打印").click()
    popup.value.get_by_role("rowheader", name="微信账单", exact=True).wait_for()
    assert sheets(popup.value) == 1


def pk(page, number):
    return row(page, number).get_by_role("checkbox").get_attribute("value")


def sheets(paper):
    """Pages of paper that it prints on."""
    return len(re.findall(rb"/Type\s*/Page\b", paper.pdf(prefer_css_page_size=True)))


def test_a_remark_stays_while_a_refund_goes_on_below_it(page, running):
    buyer = Caller(running.base)
    number = buyer.buy()
    log_in(page, "root", running.root_password)
    page.goto(f"/admin/shop/order/?q={number}")
    row(page, number).get_by_role("link").first.click()
    page.get_by_label("更多操作").click()
    page.get_by_role("button", name="全额退款").click()
    page.get_by_role("button", name="确认全额退款").click()
    page.get_by_label("新的内部备注").fill("写到一半")
    page.get_by_label("新的内部备注").blur()
    buyer("/sandbox/control/deliver", {"ahead_s": 60})

    page.get_by_text("已经有结果").wait_for()

    assert page.get_by_label("新的内部备注").input_value() == "写到一半"
    assert page.locator(".op-title > span").inner_text() == "已退款"
