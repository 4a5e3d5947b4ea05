"""Money does not wait for spreadsheets: an order closes in time while every slot for imports is taken."""

import io
import re

import pytest
import requests

from tests.journeys.installation import installation, until
from tests.kit import free_ports

pytestmark = pytest.mark.slow
PASSWORD = "of-the-test-only"
ROWS = 12_000
IMPORTS = 4  # twice as many as the bulk worker has slots


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    home = tmp_path_factory.mktemp("money-first")
    with installation(home, free_ports(1)[0], ROOT_PASSWORD=PASSWORD, ORDER_TTL="3s") as base:
        yield base


@pytest.fixture
def office(base):
    """Root in the back office, as a browser."""
    session = requests.Session()
    page = session.get(f"{base}/admin/login/", timeout=10).text
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)[1]
    form = {"username": "root", "password": PASSWORD, "csrfmiddlewaretoken": token}
    assert session.post(f"{base}/admin/login/", form, timeout=10).url == f"{base}/admin/"
    return session


def start_import(base, office, content):
    address = f"{base}/admin/students/transferrun/import/"
    page = office.get(address, timeout=10)
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)[1]
    answer = office.post(page.url, {"csrfmiddlewaretoken": token}, files={"file": ("a.csv", content)}, timeout=60)
    assert answer.ok and "/transferrun/" in answer.url, answer.text[:2000]
    return answer.url


def test_an_order_closes_in_time_while_imports_take_every_slot(base, office):
    head = "学号,班级,姓名,年龄,城市,学历,项目地址,自我评价\n"
    sheet = head + "".join(f",H51999,导入{n},20,重庆,本科,地址,你好\n" for n in range(ROWS))
    runs = [start_import(base, office, io.BytesIO(sheet.encode())) for _ in range(IMPORTS)]
    buyer = requests.Session()
    login = buyer.post(f"{base}/users/login", {"username": "lbw", "password": "555"}, timeout=10).json()
    buyer.headers["authorization"] = login["token"]
    product = buyer.get(f"{base}/product/get_product?count=1", timeout=10).json()["data"][0]
    order_id = buyer.post(f"{base}/pay/pre_order", {"product_id": product["product_id"]}, timeout=10).json()["order_id"]
    stock = product["inventory"]

    def is_given_back():
        return buyer.get(f"{base}/product/get_product?count=1", timeout=10).json()["data"][0]["inventory"] == stock

    assert not is_given_back()
    assert until(is_given_back, 60), order_id
    # The proof: the imports hold all their slots still.
    waiting = [url for url in runs if "检查中" in office.get(url, timeout=10).text]
    assert waiting, "the imports were over before the order was due: nothing was shown"
