from django.urls import path
from drf_spectacular.views import SpectacularJSONAPIView, SpectacularSwaggerView

from core import metrics, views

urlpatterns = [
    path("health/live", views.alive),
    path("health/ready", views.ready),
    path("metrics", metrics.export),
    path("schema/", SpectacularJSONAPIView.as_view(), name="schema"),
    path("docs/", SpectacularSwaggerView.as_view(url_name="schema"), name="docs"),
]
