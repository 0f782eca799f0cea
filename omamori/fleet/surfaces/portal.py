"""URL configuration of the portal surface: people's pages and the operators' API."""

from django.urls import include, path

urlpatterns = [
    path("", include("omamori.fleet.portal.urls")),
]
