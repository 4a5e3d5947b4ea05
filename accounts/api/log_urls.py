"""The URL of the login log, apart from the other user calls: the API document lists it among the students' calls."""

from accounts.api.views import LoginLogViewSet
from core.api.routing import ContractRouter

router = ContractRouter()
router.add(LoginLogViewSet)
urlpatterns = router.urls
