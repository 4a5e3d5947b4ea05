"""The paths below /sandbox/, which exist only while ``settings.SANDBOX`` is on."""

from django.urls import include, path

from sandbox.oauth.urls import api_urls, page_urls
from sandbox.sms import urls as sms

app_name = "sandbox"

urlpatterns = [
    path("wxpay/", include("sandbox.pay.urls")),
    path("pay/", include("sandbox.pay.page_urls")),
    path("oauth/", include(page_urls)),
    path("wxapi/", include(api_urls)),
    path("aliyun-sms/", include(sms.api_urls)),
    path("sms/", include(sms.page_urls)),
    path("tianqi/", include("sandbox.weather.urls")),
    path("", include("sandbox.control.urls")),
]
