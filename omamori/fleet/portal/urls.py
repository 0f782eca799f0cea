"""Addresses of the portal's pages."""

from django.contrib.auth.views import LogoutView
from django.urls import path
from django.views.i18n import set_language

from omamori.fleet.portal import attention, coverage, hosts, notices, support, updates, usage, views
from omamori.fleet.portal.exceptions import exception_list
from omamori.fleet.portal.signing_in import SignIn

urlpatterns = [
    path("", views.unit_list, name="units"),
    path("sign-in/", SignIn.as_view(), name="sign-in"),
    path("sign-out/", LogoutView.as_view(), name="sign-out"),
    path("language/", set_language, name="set_language"),
    path("attention/", attention.attention_list, name="attention"),
    path("exceptions/", exception_list, name="exceptions"),
    path("sites/<int:key>/coverage/", coverage.site_coverage, name="coverage"),
    path("sites/<int:key>/coverage/export.csv", coverage.coverage_table, name="coverage-csv"),
    path("sites/<int:key>/coverage/export.json", coverage.coverage_document, name="coverage-json"),
    path("sites/<int:key>/coverage/history.csv", coverage.history_table, name="coverage-history-csv"),
    path("sites/<int:key>/coverage/history.json", coverage.history_document, name="coverage-history-json"),
    path("sites/<int:key>/notices/", notices.site_notices, name="notices"),
    path("notices/<int:key>/remove/", notices.remove, name="notices-remove"),
    path("notices/stop/<str:key>/", notices.stop, name="notices-stop"),
    path("declared/<int:key>/withdraw/", coverage.withdraw, name="withdraw"),
    path("hosts/<int:key>/", hosts.host, name="host"),
    path("hosts/<int:key>/part/", hosts.part, name="part"),
    path("hosts/apart/<int:key>/rejoin/", hosts.rejoin, name="rejoin"),
    path("units/<str:key>/", views.unit, name="unit"),
    path("units/<str:key>/detections/", views.unit_detections, name="detections"),
    path("units/<str:key>/hosts/", views.unit_hosts, name="hosts"),
    path("units/<str:key>/wiring/", views.unit_wiring, name="wiring"),
    path("units/<str:key>/usage/", usage.unit_usage, name="usage"),
    path("units/<str:key>/usage/export.csv", usage.export, name="usage-export"),
    path("units/<str:key>/updates/", updates.unit_updates, name="updates"),
    path("units/<str:key>/updates/now/", updates.apply_now, name="apply-now"),
    path("units/<str:key>/updates/postpone/", updates.postpone, name="postpone"),
    path("units/<str:key>/updates/fetching/", updates.fetching, name="fetching"),
    path("units/<str:key>/support/", support.unit_support, name="support"),
    path("units/<str:key>/support/choose/", support.choose, name="support-choose"),
]
