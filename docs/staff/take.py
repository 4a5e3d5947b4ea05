"""Take the handbook's pictures anew, from a running installation with demo data.

``take.py BASE ROOT_PASSWORD [NAME …]``: without names all of them.
"""

import io
import shutil
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

HERE = Path(__file__).parent / "images"
BASE, ROOT_PASSWORD, *NAMES = sys.argv[1:]
PAGES = {
    "home": "/admin/?period=month",
    "students": "/admin/students/student/",
    "classes": "/admin/students/schoolclass/",
    "attendance": "/admin/attendance/session/",
    "dormitory": "/admin/dormitory/room/beds/",
    "ship": "/admin/shop/order/?work=ship",
    "refund": "/admin/shop/order/?work=refunds",
    "products": "/admin/shop/product/",
    "bills": "/admin/payments/billrun/",
    "roles": "/admin/permissions/role/",
    "who": "/admin/auditlog/logentry/?day=today&kind=103",
}


def take(page: Page, name: str) -> None:
    if NAMES and name not in NAMES:
        return
    picture = Image.open(io.BytesIO(page.screenshot()))
    picture.save(HERE / f"{name}.webp", quality=60, method=6)


with sync_playwright() as playwright:
    browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
    context = browser.new_context(
        base_url=BASE,
        locale="zh-CN",
        timezone_id="Asia/Shanghai",
        color_scheme="light",
        viewport={"width": 1280, "height": 800},
    )
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.goto("/admin/login/")
    take(page, "login")
    page.get_by_label("用户名").fill("root")
    page.locator("input[name=password]").fill(ROOT_PASSWORD)
    page.get_by_role("button", name="登录").click()
    page.wait_for_url("**/admin/")
    for name, address in PAGES.items():
        page.goto(address)
        page.wait_for_load_state("networkidle")
        take(page, name)
    page.goto("/admin/shop/order/?work=returns")
    page.locator("#result_list tbody th a").first.click()
    page.wait_for_load_state("networkidle")
    take(page, "order")
    page.goto("/admin/students/transferrun/import/")
    rows = ["姓名,班级,年龄,城市,学历", "谭鹏,H5 1901,二十,重庆,本科", "欧阳明,H51901,20,昆明,本科（在读）"]
    file = {"name": "名单.csv", "mimeType": "text/csv", "buffer": "\n".join(rows).encode()}
    page.locator("input[type=file]").set_input_files(file)
    page.locator("#im-form").wait_for()
    take(page, "import")
    page.goto("/admin/")
    page.keyboard.press("Control+k")
    page.locator("#search-input-command").press_sequentially("谭鹏")
    page.locator("#command-results-list li").first.wait_for()
    take(page, "find")
