from accounts.api.scan_views import ScanViewSet
from accounts.api.views import CaptchaViewSet, OwnViewSet, UserViewSet
from core.api.routing import ContractRouter

router = ContractRouter()
for viewset in (CaptchaViewSet, UserViewSet, ScanViewSet, OwnViewSet):
    router.add(viewset)
urlpatterns = router.urls
