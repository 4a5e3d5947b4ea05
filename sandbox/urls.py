"""Everything below /sandbox/; mounted only while ``settings.SANDBOX`` is on."""

from django.urls import include, path

app_name = "sandbox"

urlpatterns = [
    path("wxpay/", include("sandbox.pay.urls")),
    path("pay/", include("sandbox.pay.page_urls")),
    path("tianqi/", include("sandbox.weather.urls")),
    path("", include("sandbox.control.urls")),
]
