from accounts.api.scan_views import ScanViewSet
from accounts.api.views import CaptchaViewSet, LoginLogViewSet, UserViewSet
from core.api.routing import ContractRouter

router = ContractRouter()
for viewset in (LoginLogViewSet, CaptchaViewSet, UserViewSet, ScanViewSet):
    router.add(viewset)
urlpatterns = router.urls
