"""What CallMiddleware answers is, to the byte, what all middleware together would answer."""

import pytest
from django.test import Client, override_settings

LOGIN, LIST, CAPTCHA = "/users/login", "/students/getstulist", "/users/getCaptcha"
FRONT = {"origin": "https://front.example"}
FORM = {"content_type": "application/x-www-form-urlencoded"}
REQUESTS = {
    "an open call": ("POST", LOGIN, FORM | {"data": "username=nobody&password=x"}),
    "from a front end": ("POST", LOGIN, FORM | {"data": "username=nobody", "headers": FRONT}),
    "without a login": ("GET", LIST, {"headers": FRONT}),
    "in other letters, with a slash": ("GET", LIST.upper() + "/", {}),
    "with a false token": ("GET", LIST, {"headers": FRONT | {"authorization": "x.y.z"}}),
    "HEAD": ("HEAD", LIST, {"headers": FRONT}),
    "a wrong method": ("DELETE", LOGIN, {"headers": FRONT}),
    "an unreadable body": ("POST", LOGIN, {"data": "{", "content_type": "application/json"}),
    "an unknown type": ("POST", LOGIN, {"data": "a", "content_type": "text/plain", "headers": FRONT}),
    "a body that is too large": ("POST", LOGIN, FORM | {"data": "a=" + "x" * 1_100_000, "headers": FRONT}),
    "a preflight": ("OPTIONS", LIST, {"headers": FRONT | {"access-control-request-method": "GET"}}),
    "OPTIONS": ("OPTIONS", LIST, {"headers": FRONT}),
    "over HTTPS": ("GET", LIST, {"secure": True, "headers": FRONT}),
    "an origin that is none": ("GET", LIST, {"headers": {"origin": "http://[x"}}),
    "a false host": ("GET", LIST, {"headers": FRONT | {"host": "other.example"}}),
    "no call": ("GET", "/students/getstulis", {"headers": FRONT}),
    "a page": ("GET", "/health/live", {"headers": FRONT}),
}


@pytest.mark.django_db
@pytest.mark.parametrize("origins", [[], ["https://front.example"], ["https://other.example"]])
@pytest.mark.parametrize("name", REQUESTS)
def test_the_short_way_answers_as_the_long_way(name, origins, settings):
    settings.CORS_ALLOWED_ORIGINS, settings.CORS_ALLOW_ALL_ORIGINS = origins, not origins
    settings.ALLOWED_HOSTS = ["testserver"]
    settings.SECURE_HSTS_SECONDS = 3600
    method, path, options = REQUESTS[name]
    options = options | {"headers": options.get("headers", {}) | {"x-request-id": "the-same-for-both"}}
    long_list = [entry for entry in settings.MIDDLEWARE if "CallMiddleware" not in entry]

    short = Client().generic(method, path, **options)
    with override_settings(MIDDLEWARE=long_list):
        long = Client().generic(method, path, **options)

    assert len(long_list) == len(settings.MIDDLEWARE) - 1
    assert (short.status_code, list(short.items())) == (long.status_code, list(long.items()))
    assert short.content == long.content
