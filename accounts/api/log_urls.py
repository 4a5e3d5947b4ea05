"""The login log: the API document has it first among the calls about students."""

from accounts.api.views import LoginLogViewSet
from core.api.routing import ContractRouter

router = ContractRouter()
router.add(LoginLogViewSet)
urlpatterns = router.urls
