from types import SimpleNamespace

import pytest
from django.test import RequestFactory

from core.errors import BadParameter
from uploads.fields import image_or_url


def request(data=None, files=None):
    raw = RequestFactory().get("/")
    return SimpleNamespace(
        data=data or {}, FILES=files or {}, user=None, META=raw.META, scheme=raw.scheme, get_host=raw.get_host
    )


@pytest.mark.parametrize(
    ("given", "answer"),
    [
        *((nothing, "") for nothing in (None, "", "  ", "null", "undefined")),
        ("http://a.b/c.png", "http://a.b/c.png"),
        (" https://图片.example/中文.png?x=1 ", "https://图片.example/中文.png?x=1"),
        ("/media/2026/11/x.png", "/media/2026/11/x.png"),
    ],
)
def test_a_text_is_taken_as_the_address_of_a_picture(given, answer):
    assert image_or_url(request({"headimgurl": given}), "headimgurl") == answer


@pytest.mark.parametrize(
    "text",
    [
        *("javascript:alert(1)", "data:image/svg+xml;base64,AAAA", "//evil.example/a.png", "ftp://a.b/c.png"),
        *("/etc/passwd", "http://", "http://a b/c.png", 'http://a.b/"onerror=alert(1)', "http://a.b/<script>"),
        *("http://[::1", "http://a.b/" + "x" * 500, ["http://a.b/c.png"], {"$gt": ""}, 5),
    ],
)
def test_other_texts_are_refused_by_name(text):
    with pytest.raises(BadParameter, match="headimgurl"):
        image_or_url(request({"headimgurl": text}), "headimgurl")
