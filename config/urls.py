"""Every address of the project. The path of a call stands at its method in the viewset, and so does who may call it."""

from django.conf import settings
from django.contrib import admin
from django.urls import include, path

from accounts.api.views import LoginLogViewSet, UserViewSet
from attendance import scan_page
from attendance.api import AttendanceViewSet
from charts.api import ChartsViewSet
from config import front
from config.branding import picture
from core.api import schema
from core.api.routing import CallTable
from dormitory.api import DormitoryViewSet
from operations import health
from operations.metrics_page import metrics_page
from payments.api import NoticeViewSet
from permissions.api.views import PermissionViewSet
from practice.api import JoinViewSet, join_page
from shop.api.catalogue import CartViewSet, CategoryViewSet, ProductViewSet
from shop.api.orders import OrderViewSet, PayViewSet
from students.api.views import StudentViewSet
from uploads.api.views import UploadViewSet
from weather.api import WeatherViewSet

urlpatterns = [
    CallTable(
        # In the order of the API document, in which the documentation lists them.
        *(WeatherViewSet, UploadViewSet, LoginLogViewSet, StudentViewSet, DormitoryViewSet),
        *(AttendanceViewSet, UserViewSet, *(() if settings.PRODUCTION else (JoinViewSet,)), PermissionViewSet),
        *(CategoryViewSet, ProductViewSet, CartViewSet, OrderViewSet, PayViewSet, NoticeViewSet),
        ChartsViewSet,
    ),
    path("", front.home),
    path("logo", picture, {"setting": "SCHOOL_LOGO"}),
    path("picture", picture, {"setting": "SCHOOL_PICTURE"}),
    path("media/", include("uploads.api.media")),
    path("docs/", front.reference),
    path("docs/codes/", front.codes),
    *(path(f"docs/{name}/", front.guide, {"name": name}) for name in ("client", "socket")),
    *(path(f"docs/{book}/", front.book_page, {"book": book}) for book in ("staff", "course")),
    *(path(f"docs/{book}/<str:name>/", front.book_page, {"book": book}) for book in ("staff", "course")),
    path("docs/types.d.ts", front.types_file),
    path("docs/collection.json", front.collection_file),
    *(
        path(f"docs/{name}.zip", front.example_client, {"name": name})
        for name in ("vue", "react", "miniprogram", "course")
    ),
    path("attendance/phone/", scan_page.sign_page),
    path("attendance/phone/wechat/", scan_page.wechat_page),
    path("admin/", include("backoffice.urls")),
    path("admin/", include("lessons.urls")),
    path("admin/", admin.site.urls),
    path("health/live", health.alive),
    path("health/ready", health.ready),
    path("health/whole", health.whole),
    path("metrics", metrics_page),
    path("schema/", schema.schema),
]
if not settings.PRODUCTION:
    urlpatterns.append(path("practice/join/", join_page))
if settings.SANDBOX:
    urlpatterns += [
        path("demo/", front.demo),
        path("demo/login/", front.demo, {"page": "login"}),
        path("demo/login/qr.svg", front.demo_qr),
        path("sandbox/", include("lessons.sandbox_urls")),
        path("sandbox/", include("sandbox.urls")),
    ]

handler400 = "core.api.routing.bad_request"
handler404 = "core.api.routing.not_found"
handler500 = "core.api.routing.server_error"
