"""The page of devices: what each is, who it is, and who may be behind it; in both languages."""

import pytest

from omamori.fleet.detections.models import Detection
from omamori.fleet.ingest.operations import store
from tests.fleet.portal.test_pages import text

HOSTS = "/units/om-0001/hosts/"


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", ["PC · Windows 11", "name from DHCP", "Several devices behind it (90 %)", "the same device as da:a1:19:44:55:66"]),
        ("ja", ["パソコン · Windows 11", "名前の出所: DHCP", "この先に複数の機器があります（90%）", "da:a1:19:44:55:66 と同じ機器"]),
    ],
)  # fmt: skip
def test_a_device_is_told_with_kind_system_and_source(visit, language, said):
    page = text(visit(language=language).get(HOSTS))
    for words in (*said, "3 User-Agents of 192.168.1.5"):
        assert words in page
    assert page.count("<details>") == 1


def test_a_kind_newer_than_the_fleet_is_shown_as_it_is(visit):
    from omamori.fleet.lan.models import Host

    Host.objects.filter(name="keiri-pc").update(kind="<toaster>", name_source="snmp")
    page = text(visit().get(HOSTS))
    assert "&lt;toaster&gt;" in page
    assert "snmp" in page


@pytest.mark.parametrize(
    ("language", "said"),
    [("en", "one of the devices behind fileserver"), ("ja", "fileserver の先にある機器のどれか")],
)
def test_a_detection_behind_a_shared_address_names_what_it_is_behind(visit, language, said):
    client = visit(language=language)
    assert said not in text(client.get("/units/om-0001/detections/"))
    Detection.objects.filter(host_name="fileserver").update(host_shared=True)
    assert text(client.get("/units/om-0001/detections/")).count(said) == 1


def test_a_shared_device_without_a_name_is_told_too(visit, company):
    store([company.detection(90, host="02:00:00:00:00:99", host_shared=True)])
    assert "one of the devices behind a device without a name" in text(
        visit().get("/units/om-0001/detections/")
    )
