"""The content security policy of our pages; ``tests/journeys`` looks at them in a browser."""

import re

import pytest
from django.conf import settings

PAGES = sorted((settings.BASE_DIR / "templates").rglob("*.html"))


def sources(answer, directive: str) -> str:
    policy = dict(entry.strip().split(" ", 1) for entry in answer["Content-Security-Policy"].split(";"))
    return policy[directive]


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/", "/docs/", "/docs/codes/", "/admin/login/", "/Admin/nowhere/"])
def test_no_page_runs_what_stands_in_it(api, path):
    answer = api.http.get(path)

    is_back_office = "admin" in path.lower()
    assert sources(answer, "script-src") == ("'self' 'unsafe-eval'" if is_back_office else "'self'")
    assert sources(answer, "default-src") == sources(answer, "frame-ancestors") == "'none'"


def test_answers_of_the_api_carry_none(api):
    for path in ("/health/live", "/nowhere", "/schema/"):
        assert "Content-Security-Policy" not in api.http.get(path).headers


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_our_templates_hold_no_script(page):
    text = page.read_text("utf-8")

    assert not re.search(r"<script(?![^>]*\ssrc=)", text)
    assert not re.search(r"\son[a-z]+\s*=\s*[\"']|javascript:", text)
