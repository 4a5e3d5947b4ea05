"""What our pages may load and run: the browser's last line of defence against a script that somebody slipped in."""

from collections.abc import Callable
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse

POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self' 'unsafe-inline'",  # unfold's theme, and style="" in pages
    "img-src": "'self' data: http: https:",  # a student's photo may be any picture on the web
    "font-src": "'self'",
    "connect-src": "'self'",
    # The sandbox's WeChat sends people back to the public address, which a developer may call by another name.
    "form-action": "'self' {public}",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}
# Alpine, which unfold's pages are made with, turns the expressions in attributes into functions.
BACK_OFFICE = POLICY | {"script-src": "'self' 'unsafe-eval'"}


class PagePolicyMiddleware:
    """Sends a content security policy with every page. Django 6 has a middleware of its own for it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        public = urlsplit(settings.PUBLIC_BASE_URL)
        self.pages, self.back_office = (
            "; ".join(f"{name} {sources}" for name, sources in policy.items()).format(
                public=f"{public.scheme}://{public.netloc}"
            )
            for policy in (POLICY, BACK_OFFICE)
        )

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if response.get("Content-Type", "").startswith("text/html"):
            is_back_office = request.path_info.lower().startswith("/admin/")
            response.headers.setdefault("Content-Security-Policy", self.back_office if is_back_office else self.pages)
        return response
