"""Every address of the project. The API's own paths stand in each app's ``api/urls.py``."""

from django.conf import settings
from django.contrib import admin
from django.urls import include, path

from config import front, handbook
from config.school import logo
from core.api.routing import CallTable

urlpatterns = [
    CallTable(
        # In the order of the API document, in which the documentation lists them.
        "weather.api.urls",
        "uploads.api.urls",
        "accounts.api.log_urls",
        "students.api.urls",
        "accounts.api.urls",
        "permissions.api.urls",
        "shop.api.urls",
        "payments.api.urls",
    ),
    path("", front.home),
    path("logo", logo),
    path("media/", include("uploads.urls")),
    path("docs/", front.reference),
    path("docs/codes/", front.codes),
    path("docs/socket/", front.socket_guide),
    path("docs/client/", front.client_guide),
    path("docs/staff/", handbook.contents),
    path("docs/staff/images/<str:name>.webp", handbook.picture),
    path("docs/staff/<str:name>/", handbook.chapter),
    *(path(f"docs/{name}", front.api_file, {"name": name}) for name in front.API_FILES),
    path("admin/", include("backoffice.urls")),
    path("admin/", admin.site.urls),
    path("", include("core.api.urls")),
]
if settings.SANDBOX:
    urlpatterns += [
        path("demo/", front.demo),
        path("demo/login/", front.demo_login),
        path("demo/login/qr.svg", front.demo_qr),
        path("sandbox/", include("sandbox.urls")),
    ]

handler400 = "core.api.system.bad_request"
handler404 = "core.api.system.not_found"
handler500 = "core.api.system.server_error"
