"""Content security policy: what our pages may load and run, so that a browser refuses an injected script."""

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
    # The sandbox's WeChat sends people back to PUBLIC_BASE_URL, while a developer may have opened "localhost".
    "form-action": "'self' {public}",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}
# Unfold's pages use Alpine, which compiles expressions in attributes into functions: that needs unsafe-eval.
BACK_OFFICE = POLICY | {"script-src": "'self' 'unsafe-eval'"}


class PagePolicyMiddleware:
    """Send a content security policy with every page. Remove this with Django 6, which has such a middleware."""

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
