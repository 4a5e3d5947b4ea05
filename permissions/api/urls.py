from core.api.routing import ContractRouter
from permissions.api.views import PermissionViewSet

router = ContractRouter()
router.add(PermissionViewSet)
urlpatterns = router.urls
