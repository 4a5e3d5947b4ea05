"""A clerk whose session ends in the middle of a form loses nothing, and a clerk without a mouse gets everywhere."""

import pytest

from tests.journeys import browser

pytestmark = pytest.mark.chromium
LIST = "/admin/students/student/"


def log_in(page, running):
    page.locator("#id_username").fill("root")
    page.locator("#id_password").fill(running.root_password)
    page.locator("#id_password").press("Enter")


def test_a_form_survives_the_end_of_the_session(page, running):
    page.goto(f"{LIST}add/")
    log_in(page, running)
    page.locator("#id_class_name").select_option("__new__")
    page.locator("[name=class_name_new]").fill("h59999 ")
    page.locator("#id_name").fill("谭" * 60)
    page.locator("#id_id_card").fill("11010519491231002X")  # as long as it may be, as it should
    assert "60 / 64 字" in page.locator(".bo-counter:visible").inner_text()
    page.locator("#id_age").fill("21")
    page.locator("#id_description").fill("写了很久\n的一段话")

    page.context.clear_cookies(name="sessionid")
    page.get_by_role("button", name="保存", exact=True).click()
    page.get_by_text("登录已过期或已退出").wait_for()
    page.get_by_text("没有保存的内容还在").wait_for()
    log_in(page, running)

    page.get_by_text("已恢复上次没有保存的内容").wait_for()
    assert page.locator("#id_description").input_value() == "写了很久\n的一段话"
    assert page.locator("[name=class_name_new]").input_value() == "h59999 "
    page.get_by_role("button", name="保存", exact=True).click()
    page.locator(".errornote").first.wait_for()  # no city
    page.goto(LIST)
    page.go_back()  # a form that was sent, but no question whether to send it again
    page.locator("#id_city").wait_for()

    page.locator("#id_class_name").select_option("__new__")
    page.locator("[name=class_name_new]").fill("h59999 ")
    page.locator("#id_name").fill("谭鹏")
    page.locator("#id_age").fill("21")
    page.locator("#id_city").fill("重庆")
    page.locator("#id_degree").fill("本科")
    page.get_by_role("button", name="保存", exact=True).click()
    page.get_by_text("已新增学员“谭鹏（H59999）”").wait_for()
    page.goto(f"{LIST}add/")
    assert page.locator(".bo-draft").count() == 0


def test_a_remark_and_a_reason_survive_it_too(page, running):
    browser.log_in(page, "root", running.root_password)
    page.goto("/admin/shop/order/?work=ship")
    first, second = page.locator("#result_list tbody th a").all()[:2]
    other = second.get_attribute("href")
    first.click()
    page.get_by_label("新的内部备注").fill("买家下周三才在家")
    page.context.clear_cookies(name="sessionid")
    page.get_by_role("button", name="添加备注").click()
    page.get_by_text("没有保存的内容还在").wait_for()
    log_in(page, running)

    page.get_by_text("已恢复上次没有保存的内容").wait_for()
    assert page.get_by_label("新的内部备注").input_value() == "买家下周三才在家"
    page.get_by_label("更多操作").click()
    page.get_by_role("button", name="标记需关注").click()
    page.get_by_label("说明或理由").fill("等到周三再发")
    page.context.clear_cookies(name="sessionid")
    page.get_by_role("button", name="确认标记需关注").click()
    page.get_by_text("没有保存的内容还在").wait_for()
    log_in(page, running)
    page.goto(other)
    page.get_by_label("更多操作").click()
    page.get_by_role("button", name="标记需关注").click()
    assert page.get_by_label("说明或理由").input_value() == ""  # not for the order of another buyer
    page.goto("/admin/")
    page.get_by_role("button", name="回去接着填").click()
    assert page.get_by_label("说明或理由").input_value() == "等到周三再发"
    page.goto("/admin/")
    page.locator(".bo-figures").wait_for()
    assert not page.get_by_text("没有保存的内容还在").count()


def test_a_price_typed_in_the_list_is_asked_about_before_it_is_left(page, running):
    browser.log_in(page, "root", running.root_password)
    page.goto("/admin/shop/product/")
    price = page.locator("#result_list [name=form-0-price]")
    before, asked = price.input_value(), []
    page.once("dialog", lambda dialog: (asked.append(dialog.type), dialog.dismiss()))

    price.fill("1234.50")
    page.get_by_role("link", name="首页").first.click()
    page.wait_for_function("!window.alerts.length")
    assert asked == ["beforeunload"] and price.input_value() == "1234.50"
    price.fill(before)
    page.get_by_role("link", name="首页").first.click()
    page.wait_for_url("**/admin/")


def test_the_list_on_a_phone_with_the_keyboard_alone(page, running):
    page.set_viewport_size(browser.PHONE)
    browser.log_in(page, "root", running.root_password)
    page.goto(f"{LIST}?age_to=150&age_from=1")
    page.locator(".bo-chips").wait_for()

    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "跳到内容"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.querySelector('#changelist-form').contains(document.activeElement)")
    assert not browser.is_wider_than_the_screen(page)
    row = page.locator("#result_list .data-row").first
    assert row.bounding_box()["height"] < 200  # nine lines were 360
    chips = page.locator(".bo-chips li").count()
    page.get_by_role("link", name="年龄不大于 150").press("Enter")
    page.wait_for_url("**age_from=1")
    assert page.locator(".bo-chips li").count() == chips - 1


def test_a_chosen_file_fills_in_no_field_but_its_own(page, running):
    browser.log_in(page, "root", running.root_password)
    page.goto("/admin/classroom/")
    page.locator("summary", has_text="为全班开账号").click()
    page.locator("[name=file]").set_input_files({"name": "名单.csv", "mimeType": "text/csv", "buffer": b"a"})
    assert page.locator("#id_class_name").input_value() == ""

    page.goto("/admin/shop/goodsrun/start/")  # the theme's listener broke off here
    page.locator("[type=file]").set_input_files({"name": "商品表.csv", "mimeType": "text/csv", "buffer": b"a"})
    page.locator(".errornote").wait_for()  # it was sent by the choice alone
    page.goto("/admin/shop/product/add/")
    page.locator("[type=file]").set_input_files({"name": "车.png", "mimeType": "image/png", "buffer": b"a"})
    assert page.locator("input[type=text][disabled]").input_value() == "车.png"
