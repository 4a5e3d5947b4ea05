"""Every call of the API document with every parameter of its tables, made over HTTP against a running installation.

The tables are in document.py. Each call is made with what the table requires, in every format that its method has; with
each optional parameter; without each required one; and without a token. The answers are held against those shown.
"""

import json
import re
import secrets
from io import BytesIO
from itertools import count

import pytest
import requests
from PIL import Image

from tests.journeys.document import CALLS, MENU, TRANSACTION, Made
from tests.kit import differences

NOT_LOGGED_IN = {"status": 403, "state": False, "code": "10022", "msg": "请登入"}
BY_NAME = {str(call): call for call in CALLS}


class World:
    """Makes calls, and the things that calls need."""

    password = "555"  # of every user it registers

    def __init__(self, running):
        self.running, self.base = running, running.base
        self.numbers = count(secrets.randbelow(10**6))
        self.tokens = {"root": running.token("root", running.root_password), "stranger": None}
        # What needs no call, or one of those below.
        self.there = {
            "username": lambda: self.passer_by["username"],
            "password": lambda: self.password,
            "unid": lambda: self.trainee["unid"],
            "new_name": lambda: f"document-{next(self.numbers)}",
            "new_phone": lambda: f"157{next(self.numbers):08}",
            "new_roleid": lambda: f"9{next(self.numbers):04}",
            "sid": lambda: Screen(self.base).sid,
            "wechat_code": lambda: Screen(self.base).scanned_code(),
            "weather_appid": lambda: self.weather_account()["WEATHER_APP_ID"],
            "weather_secret": lambda: self.weather_account()["WEATHER_APP_SECRET"],
            "picture": lambda: self.picture,
            "own_category": lambda: self.own_category,
            "for_sale": lambda: self.for_sale,
        }
        self.trainee = self.new_user()
        self.tokens["trainee"] = self.log_in(self.trainee)
        self.own_category = self.made_category()
        self.products = []
        self.for_sale = self.made_product()
        self.cookies = requests.Session()
        picture = BytesIO()
        Image.new("RGB", (8, 8), "teal").save(picture, "PNG")
        self.picture = picture.getvalue()

    def send(self, method, path, params, who="trainee", how="json"):
        """Make a call; ``how`` says how a body travels. A token among ``params`` takes the place of the header."""
        token = None if "token" in params else self.tokens.get(who)
        headers = {"authorization": token} if token else {}
        files = {name: ("p.png", value) for name, value in params.items() if isinstance(value, bytes)}
        texts = {name: value for name, value in params.items() if name not in files}
        session = self.cookies if "aptcha" in path else requests
        if method == "GET":
            options = {"params": params}
        elif files or how == "multipart":
            options = {"data": texts, "files": files or {"nothing": ("", b"")}}
        else:
            options = {how: texts}
        answer = session.request(method, self.base + path, headers=headers, timeout=30, **options)
        assert answer.status_code == 200, f"{method} {path} {params}: {answer.status_code} {answer.text[:300]}"
        return answer.json()

    def ask(self, method, path, who="trainee", **params):
        answer = self.send(method, path, params, who)
        assert answer["state"], answer
        return answer

    def value(self, wishes, who):
        if not isinstance(wishes, Made):
            return wishes
        if wishes.what == "token":
            return self.tokens[who]
        return self.there[wishes.what]() if wishes.what in self.there else getattr(self, f"made_{wishes.what}")()

    def values(self, wishes, who="trainee"):
        return {name: self.value(value, who) for name, value in wishes.items()}

    # --- people ---
    def new_user(self):
        name = self.there["new_name"]()
        body = {"username": name, "password": self.password, "nickname": "按文档办事", "roles": "102"}
        return self.ask("POST", "/users/register", "root", **body)["userInfo"]

    def log_in(self, user):
        return self.ask("POST", "/users/login", "stranger", username=user["username"], password=self.password)["token"]

    def come_in(self):
        """A user whose token or password the call takes away."""
        self.passer_by = self.new_user()
        self.tokens["passer-by"] = self.log_in(self.passer_by)

    def made_captcha(self):
        return self.running.captcha_answer(self.cookies.get(self.base + "/users/getCaptcha").json()["key"])

    def weather_account(self):
        from sandbox.keys import sandbox_settings

        return sandbox_settings(self.running.state / "sandbox")

    # --- things ---
    def made_student(self):
        return self.ask("POST", "/students/addstu", **BY_NAME["POST /students/addstu"].needs)["sId"]

    def made_category(self):
        return self.ask("POST", "/category/addCategory", categoryName=self.there["new_name"]())["category_id"]

    def made_product(self, inventory=100):
        fields = {"productName": "折叠车", "price": 899.5, "description": "16寸", "inventory": inventory}
        # A picture that is there: the back office shows it, and other journeys accept no complaint of the browser.
        body = {"category_id": self.own_category, "imageUrl": self.base + "/static/front/icon.svg", **fields}
        self.products.append(self.ask("POST", "/product/add_product", **body)["product_id"])
        return self.products[-1]

    def made_in_the_cart(self):
        product = self.made_product()
        self.ask("POST", "/cart/add_to_cart", product_id=product, count=1)
        return product

    def made_chosen_in_the_cart(self):
        self.ask("POST", "/cart/check", product_id=self.made_in_the_cart())

    def made_three_in_the_cart(self):
        return ",".join(self.made_in_the_cart() for _ in range(3))

    def made_order(self):
        return self.ask("POST", "/pay/pre_order", product_id=self.for_sale, quantity=1)["order_id"]

    def made_paid(self):
        order = self.made_order()
        code_url = self.ask("POST", "/pay/payment", order_id=order)["code_url"]
        paid = requests.post(f"{self.base}/sandbox/control/pay", json={"code_url": code_url}, timeout=30)
        assert paid.ok, paid.text
        self.ask("GET", "/order/query_order_status", order_id=order)
        return order


class Screen:
    """A client that waits for a scan: socket.io by long polling, as the document's 2.3.0 client begins."""

    def __init__(self, base):
        self.base, self.url = base, base + "/socket.io/?EIO=3&transport=polling"
        answer = requests.get(self.url, timeout=30).text
        self.url += "&sid=" + re.search(r'"sid":"([^"]+)"', answer)[1]
        self.sid = self.event("connectSuccess", answer)["sid"]

    def event(self, name, text=""):
        while f'"{name}"' not in text:
            text = requests.get(self.url, timeout=30).text
        return json.JSONDecoder().raw_decode(text[text.index(f'["{name}"') :])[0][1]

    def scanned_code(self):
        answer = requests.get(self.base + "/users/getQrcode", {"sid": self.sid}, timeout=30).json()
        phone = requests.Session()
        consent = phone.get(answer["scanCodeUrl"], timeout=30)
        form = {"csrfmiddlewaretoken": re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', consent.text)[1]}
        phone.post(consent.url, form | {"other": "按文档扫码", "action": "allow"}, timeout=30)
        return self.event("scancodeSuccess")["wechatCode"]


@pytest.fixture(scope="module")
def world(running):
    world = World(running)
    yield world
    # Others look for the newest products.
    for product in world.products:
        world.send("GET", "/product/del_product", {"product_id": product})


def like(example, answer):
    """What is wrong with an answer: its words to the letter, all else by key and type."""
    return list(differences(example, answer, "")) + [
        f"{name}: {example[name]!r} is documented, {answer.get(name)!r} came"
        for name in ("state", "code")
        if name in example and example[name] != answer.get(name)
    ]


@pytest.mark.parametrize("call", CALLS, ids=str)
class TestTables:
    def ask(self, world, call, params, how="json"):
        return world.send(call.method, call.path, params, call.who, how)

    def values(self, world, call, wishes):
        if call.who == "passer-by":
            world.come_in()
        if call.before:
            world.value(Made(call.before), call.who)
        return world.values(wishes, call.who)

    def test_with_what_is_required(self, world, call):
        for how in ["json"] if call.method == "GET" else ["json", "data", "multipart"]:
            answer = self.ask(world, call, self.values(world, call, call.needs), how)
            assert like(call.bare or call.ok, answer) == [], answer

    def test_with_each_optional_parameter(self, world, call):
        for name in call.takes:
            params = self.values(world, call, call.needs | {name: call.takes[name]})
            answer = self.ask(world, call, params)
            assert like(call.ok, answer) == [], (name, answer)

    def test_without_a_required_parameter(self, world, call):
        for name in call.needs.keys() - {"token"}:
            params = {key: value for key, value in self.values(world, call, call.needs).items() if key != name}
            answer = self.ask(world, call, params)
            expected = call.ok if name in call.lenient else call.missing.get(name, call.missing)
            expected = {key: value for key, value in expected.items() if key in {"status", "state", "msg", "code"}}
            assert like(expected, answer) == [], (name, answer)

    def test_a_call_without_its_token_is_refused(self, world, call):
        if call.who == "stranger":
            return
        params = {name: value for name, value in self.values(world, call, call.needs).items() if name != "token"}
        answer = world.send(call.method, call.path, params, "stranger")
        assert {name: answer.get(name) for name in NOT_LOGGED_IN} == NOT_LOGGED_IN


def test_the_menu_is_the_documents(world):
    answer = world.ask("GET", "/permission/getMenuList")

    assert (answer["roleName"], answer["menuList"]) == ("总监", MENU)


@pytest.mark.parametrize("prefix", ["", "/v3"])
def test_asking_wechat_about_an_order(world, prefix):
    order = world.made_paid()
    path = f"{prefix}/pay/transactions/out-trade-no/{order}"

    answer = world.send("GET", path, {"mchid": "1568650321"})

    assert like(TRANSACTION, answer) == []
    assert (answer["out_trade_no"], answer["mchid"], answer["trade_state"]) == (order, "1568650321", "SUCCESS")
    assert (answer["status"], answer["state"]) == (200, True)


def test_asking_wechat_names_the_documented_errors(world):
    started, unknown = world.made_order(), world.made_order()
    world.ask("POST", "/pay/payment", order_id=started)
    wrong = world.send("GET", f"/pay/transactions/out-trade-no/{started}", {"mchid": "1230000109"})
    never = world.send("GET", f"/pay/transactions/out-trade-no/{unknown}", {"mchid": "1568650321"})
    unpaid = world.send("GET", f"/pay/transactions/out-trade-no/{started}", {"mchid": "1568650321"})
    no_type = world.send("POST", "/pay/payment", {"order_id": unknown, "trade_type": "CASH"})

    assert (wrong["status"], wrong["code"], wrong["msg"]) == (400, "APPID_MCHID_NOT_MATCH", "appid和mch_id不匹配")
    assert wrong["solution"] == "请确认appid和mch_id是否匹配"
    assert (never["status"], never["code"], never["msg"]) == (404, "ORDERNOTEXIST", "订单不存在")
    assert (unpaid["state"], unpaid["trade_state"]) == (True, "NOTPAY")
    assert (no_type["status"], no_type["code"]) == (400, "PARAM_ERROR")


def test_every_call_of_the_document_is_described(world):
    paths = requests.get(world.base + "/schema/?format=json", timeout=60).json()["paths"]

    assert len({call.path for call in CALLS}) == 47
    for call in CALLS:
        described = paths[call.path].get(call.method.lower()) or paths["/verify"]["get"]  # any method, described once
        names = {parameter["name"] for parameter in described.get("parameters", [])}
        required_names = {
            parameter["name"] for parameter in described.get("parameters", []) if parameter.get("required")
        }
        for body in described.get("requestBody", {}).get("content", {}).values():
            # A login has two bodies: by password, which the document shows, and by text message.
            schemas = body["schema"].get("anyOf", [body["schema"]])
            names |= {name for schema in schemas for name in schema["properties"]}
            required_names |= set(schemas[0].get("required", []))
        assert {*call.needs, *call.takes} - {"token"} <= names, call
        assert {*call.needs} - {"token"} <= required_names, call
    parameters = paths["/pay/transactions/out-trade-no/{out_trade_no}"]["get"]["parameters"]
    assert {parameter["name"] for parameter in parameters if parameter["required"]} == {"out_trade_no", "mchid"}
