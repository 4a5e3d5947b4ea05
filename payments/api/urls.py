from core.api.routing import ContractRouter
from payments.api.views import NoticeViewSet

router = ContractRouter()
router.add(NoticeViewSet)
urlpatterns = router.urls
