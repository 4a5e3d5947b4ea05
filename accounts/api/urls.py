from accounts.api.views import CaptchaViewSet, LoginLogViewSet, UserViewSet
from core.api.routing import ContractRouter

router = ContractRouter()
for viewset in (UserViewSet, CaptchaViewSet, LoginLogViewSet):
    router.add(viewset)
urlpatterns = router.urls
