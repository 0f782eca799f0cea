"""URL configuration of the portal surface: people's pages and the operators' API."""

from django.urls import include, path

from omamori.fleet.api.fleet import api

urlpatterns = [
    path("api/v1/", api.urls),
    path("", include("omamori.fleet.portal.urls")),
]
