"""URL configuration of the unit surface."""

from django.urls import path, re_path

from omamori.fleet.surfaces import unit_views

urlpatterns = [
    path("unit/v1/activate", unit_views.activate),
    path("unit/v1/want", unit_views.want),
    re_path(r"^tuf/(?P<directory>metadata|targets)/(?P<path>.+)$", unit_views.tuf),
]
handler404 = "omamori.fleet.surfaces.unit_views.not_found"
handler500 = "omamori.fleet.surfaces.unit_views.failed"
