"""The three captcha calls, and the picture itself."""

import base64
import io
import xml.etree.ElementTree as ET

import pytest
from PIL import Image

from accounts import captcha
from core.cache import valkey
from tests.kit import at_once

pytestmark = pytest.mark.django_db
RIGHT = {"state": True, "status": 200, "msg": "验证码正确"}
WRONG = {"state": False, "status": 3004, "msg": "验证码错误"}


def answer_of(key):
    return valkey.client().get(f"spms:captcha:{key}").decode()


@pytest.mark.parametrize("path", ["/users/getCaptcha", "/users/refreshCaptcha"])
def test_gives_one_svg_element_around_a_picture(api, path):
    body = api.get(path, v="next").json()

    svg = ET.fromstring(body["img"])
    (picture,) = list(svg)
    kind, _, data = picture.get("href").partition(",")
    image = Image.open(io.BytesIO(base64.b64decode(data)))
    assert (svg.tag.rpartition("}")[2], kind, image.format) == ("svg", "data:image/png;base64", "PNG")
    assert image.size == (int(svg.get("width")), int(svg.get("height")))
    assert len(body["key"]) == 32 and 295 < valkey.client().ttl(f"spms:captcha:{body['key']}") <= 300
    answers = {answer_of(api.get(path).json()["key"]) for _ in range(20)}
    assert {len(answer) for answer in answers} == {5} and len(answers) > 15
    assert not set("".join(answers).upper()) & set("0OQ1ILJ72Z5S6G8BXMW")


def test_accepts_the_answer_once_whatever_its_case(api):
    key = api.get("/users/getCaptcha").json()["key"]
    answer = f" {answer_of(key).upper()} "

    assert api.get("/users/verifyCaptcha", key=key).json() == WRONG  # no answer is no try
    for odd in ({"key": "../../roles:version", "captcha": "x"}, {"key": "x" * 5000, "captcha": "x" * 5000}):
        assert api.get("/users/verifyCaptcha", **odd).json() == WRONG
    assert api.get("/users/verifyCaptcha", key=key, captcha=answer).json() == RIGHT
    assert api.get("/users/verifyCaptcha", key=key, captcha=answer).json() == WRONG
    key = api.get("/users/getCaptcha").json()["key"]
    answer = answer_of(key)
    for wrong_and_right in ("0000", answer):
        assert api.get("/users/verifyCaptcha", key=key, captcha=wrong_and_right).json() == WRONG


def test_works_by_cookie_alone_and_the_key_wins_over_it(api):
    first = api.get("/users/getCaptcha").json()["key"]
    assert api.get("/users/verifyCaptcha", captcha=answer_of(first)).json() == RIGHT

    second = api.get("/users/getCaptcha").json()["key"]
    other = captcha.captcha_make()[0]
    assert api.get("/users/verifyCaptcha", key=other, captcha=answer_of(other)).json() == RIGHT
    assert answer_of(second)


def test_the_cookie_holds_the_key_alone_and_works_cross_site_over_https(api):
    answer = api.get("/users/getCaptcha")
    (cookie,) = answer.cookies.values()
    assert (cookie.key, cookie.value) == ("captcha", answer.json()["key"])
    assert cookie["httponly"] and cookie["samesite"] == "Lax" and not cookie["secure"] and cookie["max-age"] == 300

    answer = api.http.get("/users/getCaptcha", secure=True, headers={"origin": "https://shop.example"})

    cookie = answer.cookies["captcha"]
    assert (cookie["samesite"], cookie["secure"]) == ("None", True)
    assert answer["Access-Control-Allow-Origin"] == "https://shop.example"
    assert answer["Access-Control-Allow-Credentials"] == "true"


def test_of_two_tries_at_once_one_passes():
    key, _ = captcha.captcha_make()
    answer = answer_of(key)

    assert at_once([lambda: captcha.captcha_solve(key=key, answer=answer)] * 8).count(True) == 1
