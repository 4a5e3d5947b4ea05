from core.api.routing import ContractRouter
from uploads.api.views import UploadViewSet

router = ContractRouter()
router.add(UploadViewSet)
urlpatterns = router.urls
