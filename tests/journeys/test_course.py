"""The code of the pages of /docs/course/ in their own project, used as their steps say, in Vue and in React.

Each framework has a trainee of its own, whose checkpoints prove what the pages promise.
"""

import html
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import requests
from PIL import Image
from playwright.sync_api import expect

from lessons.checkpoints import CHECKPOINTS
from tests.journeys.browser import watched_page
from tests.kit import free_ports
from tests.processes import Service, until

pytestmark = [pytest.mark.chromium, pytest.mark.node]

ROOT = Path(__file__).parents[2]
PROJECT, PAGES = ROOT / "examples/course", sorted((ROOT / "docs/course").glob("*.md"))
BLOCK = re.compile(r"^```\w+ (src/\S+)\n(.*?)^```$", re.M | re.S)
PREFIX = ""
PASSWORD = "a-password-for-a-course"


def promised(page):
    """Return the checkpoints that a page names."""
    return re.findall(r"^- `(\w+)`", page.read_text("utf-8").partition("## 检查点")[2].partition("\n## ")[0], re.M)


def test_each_lesson_has_its_parts_and_all_checkpoints_have_a_lesson():
    parts = ["目标", "用到的接口", "动手", "检查点", "打开一个故障", "想一想"]
    for page in PAGES:
        titles = [title.partition("：")[0] for title in re.findall(r"^## (.*)$", page.read_text("utf-8"), re.M)]
        assert list(dict.fromkeys(titles)) == parts, page.name

    assert len(PAGES) == 10
    assert sorted(name for page in PAGES for name in promised(page)) == sorted(CHECKPOINTS)


@pytest.fixture(scope="module")
def project(running, tmp_path_factory):
    """The address of `npm run dev` in the course's project, with every file of the pages."""
    folder = tmp_path_factory.mktemp("examples") / "course"
    shutil.copytree(PROJECT, folder, ignore=shutil.ignore_patterns("node_modules"))
    for page in PAGES:
        for name, text in BLOCK.findall(page.read_text("utf-8")):
            (folder / name).write_text(text)
    # What a trainee's `npm install` makes: the project's own packages, then those it shares with the other examples.
    (folder / "node_modules").symlink_to(PROJECT / "node_modules")
    (folder.parent / "node_modules").symlink_to(PROJECT.parent / "node_modules")
    (port,) = free_ports(1)
    environment = os.environ | {"VITE_SERVER": running.base}
    command = ["node", PROJECT.parent / "node_modules/vite/bin/vite.js", "--host", "127.0.0.1", "--port", str(port)]
    base = f"http://127.0.0.1:{port}"
    with Service(command, environment, tmp_path_factory.mktemp("vite") / "log", cwd=folder) as server:
        server.wait_until(lambda: requests.get(base + "/src/main.js", timeout=5).ok)
        yield base


class Trainee:
    """What the steps of the pages say, done in one framework."""

    def __init__(self, page, running, kind, username):
        self.page, self.running, self.kind, self.username = page, running, kind, username
        self.status = page.get_by_role("status")

    def open(self, name):
        self.page.locator("header").get_by_role("link", name=f"{name}.{self.kind}", exact=True).click()
        self.page.locator("header .here", has_text=f"{name}.{self.kind}").wait_for()

    def click(self, name):
        self.page.get_by_role("button", name=name).first.click()

    def says(self, text):
        self.status.get_by_text(text).first.wait_for()

    def fill(self, **fields):
        for label, value in fields.items():
            self.page.get_by_label(label).fill(value)

    def login(self):
        self.page.goto("/")
        self.open("Lesson1")
        self.page.get_by_title("换一张").locator("svg").wait_for()
        self.page.get_by_placeholder("用户名").fill(self.username)
        self.page.get_by_placeholder("登入密码").fill(PASSWORD)
        self.page.get_by_placeholder("验证码").fill("wrong")
        with self.page.expect_response("**/users/refreshCaptcha") as captcha:
            self.click("登入系统")
        self.page.get_by_role("alert").get_by_text("验证码错误").wait_for()
        answer = self.running.captcha_answer(captcha.value.json()["key"])
        self.page.get_by_placeholder("验证码").fill(answer)
        self.click("登入系统")
        self.says("token 有效")
        assert self.page.locator("header").get_by_text("课程的人(总监)").is_visible()

    def list(self):
        self.open("Lesson2")
        self.says("共 ")
        rows = self.page.locator("tbody tr")
        first = rows.first.inner_text()
        self.click("下一页")
        expect(rows.first).not_to_have_text(first)
        name = rows.first.locator("td").nth(1).inner_text()
        with self.page.expect_response("**/students/searchstu?**"):
            self.page.get_by_placeholder("姓名").press_sequentially(name, delay=30)
        expect(rows.first).to_contain_text(name)
        self.says("共 ")

    def forms(self, picture):
        self.open("Lesson3")
        self.fill(姓名="课程的学员")
        self.click("增加学员")
        self.says("缺少参数")
        self.fill(
            班级="H51907", 年龄="20", 城市="南京", 学历="本科", 项目地址="https://example.com", 自我评价="今天上课"
        )
        with self.page.expect_request("**/upload/uploadImg") as upload:
            self.page.get_by_label("头像").set_input_files(picture)
        self.page.get_by_alt_text("头像").wait_for()
        assert len(upload.value.post_data_buffer or b"") < 50_000
        self.click("增加学员")
        self.says("添加成功")
        row = self.page.get_by_role("row").filter(has_text="课程的学员")
        row.get_by_role("button", name="修改").click()
        self.fill(城市="重庆")
        self.click("保存修改")
        self.says("更新成功")
        self.page.once("dialog", lambda dialog: dialog.accept())
        row.filter(has_text="重庆").get_by_role("button", name="删除").click()
        self.says("删除成功")

    def menu(self):
        self.open("Lesson4")
        self.says("角色：总监")
        self.click("学员项目管理")
        self.page.get_by_role("heading", name="学员项目管理").wait_for()
        self.page.get_by_role("button", name="删除学员").wait_for()
        self.click("绕过按钮")
        self.says("缺少参数")

    def token(self):
        self.open("Lesson5")
        self.page.get_by_placeholder("用户名").fill(self.username)
        self.page.get_by_placeholder("登入密码").fill(PASSWORD)
        self.click("登入 30 秒")
        self.says("登入成功")
        self.click("同时请求三次")
        self.says("token 没有变")
        token = self.page.evaluate("localStorage.getItem('token')")
        body, headers = {"answer": "expired", "minutes": 1}, {"authorization": token}
        requests.post(self.running.base + "/sandbox/control/calls", json=body, headers=headers, timeout=10)
        self.click("同时请求三次")
        self.says("换了新 token")
        assert self.status.get_by_text("成功", exact=True).count() == 3

    def shop(self):
        self.open("Lesson6")
        self.click("上架两件练习商品")
        self.says("添加成功")
        goods = self.page.get_by_role("figure").filter(has_text="钢笔").first
        goods.get_by_role("button").click()
        self.click("加一件")
        self.says("修改成功")
        self.page.get_by_text("¥0.10 × 2").wait_for()
        self.click("下单（¥0.20）")
        self.says("订单提交成功")

    def pay(self):
        self.open("Lesson7")
        self.click("买 ")
        self.says("尚未支付")
        with self.page.expect_popup() as popup:
            self.page.get_by_role("link", name="打开“手机”付款").click()
        popup.value.get_by_role("button", name="支付").click()
        popup.value.get_by_role("heading", name="支付成功").wait_for()
        popup.value.close()
        self.says("支付成功")
        self.page.get_by_alt_text("付款码").wait_for(state="detached")
        self.click("退货")
        self.says("退货申请成功")

    def scan(self):
        self.open("Lesson8")
        self.says("请用微信扫码")
        link = self.page.get_by_role("link", name="打开“手机”")
        first = link.get_attribute("href")
        self.click("断开一次")
        self.says("连接断开，正在重连…")
        expect(link).not_to_have_attribute("href", first, timeout=30_000)
        with self.page.expect_popup() as popup:
            link.click()
        popup.value.get_by_label("或一个账号").fill(self.username)
        popup.value.get_by_role("button", name="允许").click()
        popup.value.get_by_role("heading", name="扫码成功").wait_for()
        popup.value.close()
        self.page.get_by_role("heading", name="您好，课程的人（总监）").wait_for()

    def charts(self):
        self.open("Lesson9")
        expect(self.page.locator(".chart[data-done=done] canvas")).to_have_count(2)
        self.open("Lesson9Screen")
        self.page.get_by_role("combobox").select_option(self.username)
        self.click("开始考勤")
        address = self.page.get_by_label("签到地址").input_value()
        with self.page.expect_popup() as popup:
            self.page.evaluate("open('/')")
        other = popup.value
        other.goto(f"/#Lesson9Sign.{self.kind}")
        other.get_by_placeholder("扫到的地址").fill("不是地址")
        other.get_by_role("button", name="签到").click()
        other.get_by_text("这不是签到地址").wait_for()
        other.get_by_placeholder("扫到的地址").fill(address)
        other.get_by_role("button", name="签到").click()
        other.get_by_text("签到成功：出勤").wait_for()
        other.close()
        self.says("课程的人 出勤（1/1）")
        self.click("结束")
        self.says("考勤已结束")

    def network(self):
        self.open("Lesson10")
        self.click("同一单提交三次")
        lines = self.status.locator("li")
        expect(lines).to_have_count(3)
        assert len({line.partition("订单 ")[2] for line in lines.all_inner_texts()}) == 1

    def read_while_it_fails(self):
        """Begin to read the list, which the page tries again in 5 s."""
        self.page.goto("/")
        self.open("Lesson10")
        token = self.page.evaluate("localStorage.getItem('token')")
        address, headers = self.running.base + "/sandbox/control/calls", {"authorization": token}
        body = {"answer": "503", "calls": ["/students/getstulist"]}
        requests.post(address, json=body, headers=headers, timeout=10)
        self.click("读取列表")
        self.says("秒后再试")
        requests.post(address, json={"off": True}, headers=headers, timeout=10)


@pytest.fixture(scope="module")
def photo(tmp_path_factory):
    """A picture as a phone takes it."""
    photo = tmp_path_factory.mktemp("photo") / "photo.jpg"
    Image.effect_noise((1600, 1200), 90).save(photo)
    return photo


@pytest.mark.parametrize("kind", ["vue", "jsx"])
def test_what_the_pages_show_works_and_their_checkpoints_turn_green(visit, running, project, photo, kind):
    username = f"course{PREFIX}-{kind}"
    body = {"username": username, "password": PASSWORD, "nickname": "课程的人", "roles": "102", "phone": ""}
    assert running.root("/users/register", body)["state"]
    student = {"class": username, "name": "课程的人", "age": 20, "city": "重庆", "degree": "本科", "productUrl": "-"}
    assert running.root("/students/addstu", student | {"description": "-"})["state"]
    running.shell(
        "from accounts.models import User; from students.models import Student\n"
        f"Student.objects.filter(class_name='{username}').update(account=User.objects.get(username='{username}'))"
    )
    with visit(project, still="/src/main.js") as page:
        other = page.context.new_page()
        me, patient = (Trainee(one, running, kind, username) for one in (page, other))
        with watched_page(page, project, running.base):
            me.login()
            me.shop()
            # In a page of its own, because its browser complains of the 503; nothing else reads the list meanwhile.
            patient.read_while_it_fails()
            me.pay()
            me.scan()
            me.menu()
            me.charts()
            patient.says("读到了")
            me.list()
            me.forms(photo)
            me.token()
            me.network()

    headers = {"authorization": running.token(username, PASSWORD)}

    def rows(name):
        return requests.get(f"{running.base}/sandbox/control/{name}", headers=headers, timeout=10).json()[name]

    # That a debounce or the end of a polling lasted is known some seconds later.
    assert until(lambda: all(row["done"] for row in rows("checkpoints")), 30), rows("checkpoints")
    assert rows("signs") == []


# Marks the student as soon as the code is shown, and prints what the live list then hears.
LIVE = """
import WebSocket from "ws"
globalThis.WebSocket ??= WebSocket
globalThis.localStorage = { getItem: () => process.argv[3] }
const [, , file, , className, sId, attendanceStatus] = process.argv
const { api, project } = { ...(await import("./attendance.mjs")), ...(await import(file)) }
let isMarked = false
await project(className, async signUrl => {
  const [{ attendance_id }] = (await api(`/attendance/getList?class=${className}`)).data
  if (!isMarked++) await api("/attendance/mark", { attendance_id, sId, attendanceStatus, remark: signUrl.slice(0, 9) })
}, line => { console.log(line); process.exit() })
"""


def test_the_guides_live_list_hears_by_socket_io_2_and_4_and_by_a_plain_websocket(running, tmp_path):
    (tmp_path / "node_modules").symlink_to(ROOT / "tests/clients/node_modules")
    (tmp_path / "live.mjs").write_text(LIVE)
    page = requests.get(running.base + "/docs/client/", timeout=30).text
    blocks = re.findall(r'(?s)data-file="src/(attendance[^"]*)\.js"><code>(.*?)</code>', page)
    four, plain = (html.unescape(text).replace("./attendance", "./attendance.mjs") for _, text in blocks)
    two = four.replace('import { io } from "socket.io-client"', 'import io from "socket.io-client-2"')
    four = four.replace("socket.io-client", "socket.io-client-4", 1)
    assert len({two, four, plain}) == 3
    student = {"class": "直播班", "name": "听课的人", "age": 20, "city": "重庆", "degree": "本科", "productUrl": "-"}
    sid = running.root("/students/addstu", student | {"description": "-"})["sId"]

    heard = []
    for library, file, status in [(two, "attendance", "早退"), (four, "attendance", "出勤"), (four, "plain", "迟到")]:
        (tmp_path / "attendance.mjs").write_text(library)
        (tmp_path / "plain.mjs").write_text(plain)
        token = running.root.headers["authorization"]
        command = ["node", "live.mjs", f"./{file}.mjs", token, "直播班", sid, status]
        result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert result.returncode == 0, result.stderr
        heard.append(result.stdout.strip())

    assert heard == ["听课的人 早退 1/1", "听课的人 出勤 1/1", "听课的人 迟到 1/1"]
