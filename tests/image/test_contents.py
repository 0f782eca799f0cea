"""What is inside an image: list of contents, licences, known vulnerabilities."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omamori.image import copyrights, sbom, vulnerabilities
from omamori.image.errors import EvidenceError
from omamori.image.layers import Release
from omamori.image.packages import Lock, Package
from omamori.image.recipe import load
from omamori.image.vulnerabilities import Status
from omamori.protocol.version import Version

OMAMORI = Path(sys.executable).with_name("omamori")
STATUS = """Package: libssl3t64
Status: install ok installed
Architecture: amd64
Source: openssl
Version: 3.5.1-1+deb13u1

Package: libattr1
Status: install ok installed
Architecture: amd64
Source: attr (1:2.5.2)
Version: 1:2.5.2-3

Package: gone
Status: deinstall ok config-files
Architecture: all
Version: 1
"""
DEP5 = """Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Files: *
Copyright: somebody
License: GPL-2+ and Expat
Files: debian/*
License: LGPL-2.1+ with exception
"""
TRACKER = {
    "openssl": {
        "CVE-2026-0001": {
            "description": "fixed in the archive",
            "releases": {
                "trixie": {"status": "resolved", "fixed_version": "3.5.1-1+deb13u2", "urgency": "high"}
            },
        },
        "CVE-2026-0002": {
            "releases": {"trixie": {"status": "resolved", "fixed_version": "3.5.0-1", "urgency": "low"}}
        },
        "CVE-2026-0003": {"releases": {"trixie": {"status": "open", "urgency": "unimportant"}}},
        "CVE-2026-0004": {"releases": {"bookworm": {"status": "open", "urgency": "high"}}},
        "CVE-2026-0005": {
            "releases": {"trixie": {"status": "resolved", "fixed_version": "0", "urgency": "low"}}
        },
    },
    "attr": {
        "CVE-2026-0006": {"releases": {"trixie": {"status": "undetermined", "urgency": "not yet assigned"}}}
    },
    "elsewhere": {"CVE-2026-0007": {"releases": {"trixie": {"status": "open", "urgency": "high"}}}},
}


@pytest.fixture
def root(tmp_path):
    """A root as dpkg and pip leave it."""
    for name, text in {
        "var/lib/dpkg/status": STATUS,
        "usr/share/doc/libssl3t64/copyright": "See /usr/share/common-licenses/Apache-2.0.\n",
        "usr/share/doc/libattr1/copyright": DEP5,
        "usr/share/common-licenses/Apache-2.0": "the Apache text",
        "site/some_wheel-2.0.dist-info/METADATA": "Name: Some_Wheel\nVersion: 2.0\nLicense-Expression: MIT\n\nText\n",
        "site/some_wheel-2.0.dist-info/licenses/LICENSE": "the wheel's text",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.fixture
def document(root):
    lock = Lock((Package("libattr1", "1:2.5.2-3", "amd64", 1, "a" * 64, "debian", "pool/x.deb"),))
    components = [*sbom.debian_components(root, lock, "amd64"), *sbom.wheel_components(root / "site")]
    return sbom.document(components, Release(load("product"), Version.parse("1.2.3")))


def test_the_list_names_packages_wheels_hashes_and_licences(document):
    table = json.loads(document)
    assert (table["bomFormat"], table["specVersion"]) == ("CycloneDX", "1.6")
    by_name = {entry["name"]: entry for entry in table["components"]}
    assert set(by_name) == {"libssl3t64", "libattr1", "Some_Wheel"}
    attr = by_name["libattr1"]
    assert attr["purl"] == "pkg:deb/debian/libattr1@1%3A2.5.2-3?arch=amd64&distro=debian-13"
    assert attr["hashes"] == [{"alg": "SHA-256", "content": "a" * 64}]
    assert [choice["license"]["id"] for choice in attr["licenses"]] == [
        "GPL-2.0-or-later",
        "LGPL-2.1-or-later",
        "MIT",
    ]
    assert by_name["Some_Wheel"]["purl"] == "pkg:pypi/some-wheel@2.0"
    assert by_name["libssl3t64"]["licenses"] == [{"license": {"id": "Apache-2.0"}}]


def test_the_same_contents_are_the_same_bytes_and_other_contents_another_serial_number(root, document):
    lock = Lock(())
    components = [*sbom.wheel_components(root / "site"), *sbom.debian_components(root, lock, "amd64")]
    release = Release(load("product"), Version.parse("1.2.3"))
    assert sbom.document(components, release) == sbom.document(components[::-1], release)
    assert (
        json.loads(sbom.document(components, release))["serialNumber"] != json.loads(document)["serialNumber"]
    )


def test_every_licence_text_is_collected(root):
    text = copyrights.texts(root / "usr/share/doc", [root / "site"], root / "usr/share/common-licenses")
    for part in (
        "the Apache text",
        "the wheel's text",
        "LGPL-2.1+ with exception",
        "Debian package libattr1",
    ):
        assert part in text


@settings(max_examples=100)
@given(st.text())
def test_any_copyright_file_gives_names_or_none(text):
    for written in (text, "Format: x\nLicense: " + text):
        assert all(name == name.strip() and name for name in copyrights.of_debian(written))


def test_what_is_open_and_what_fixes_it_is_told(tmp_path, document):
    (tmp_path / "sbom").write_text(document)
    found = vulnerabilities.find(sbom.sources(tmp_path / "sbom"), TRACKER, "trixie")
    assert [(one.cve, one.status, one.fixed_in, one.packages) for one in found] == [
        ("CVE-2026-0001", Status.FIXED, "3.5.1-1+deb13u2", ("libssl3t64",)),
        ("CVE-2026-0003", Status.OPEN, None, ("libssl3t64",)),
        ("CVE-2026-0006", Status.UNKNOWN, None, ("libattr1",)),
    ]


def asked(*words):
    return subprocess.run([OMAMORI, "image", *words], capture_output=True, text=True, check=False, timeout=60)


def test_an_engineer_asks_and_a_waiting_fix_is_an_exit_code(tmp_path, document):
    (tmp_path / "sbom").write_text(document)
    (tmp_path / "tracker").write_text(json.dumps(TRACKER))
    words = ["vulnerabilities", "--sbom", tmp_path / "sbom", "--tracker", tmp_path / "tracker"]
    done = asked(*words, "--check")
    assert done.returncode == 1
    assert (
        "CVE-2026-0001     openssl 3.5.1-1+deb13u1: fixed in 3.5.1-1+deb13u2 (high)  libssl3t64"
        in done.stdout
    )
    told = json.loads(asked(*words, "--json").stdout)
    assert [one["status"] for one in told] == ["fixed", "open", "unknown"]
    assert asked(*words, "--suite", "bookworm", "--check").returncode == 0


SIGNED = """Package: linux-image-6.12.117+deb13-amd64
Status: install ok installed
Architecture: amd64
Source: linux-signed-amd64 (6.12.117+1)
Version: 6.12.117-1

Package: systemd-boot-efi-arm64-signed
Status: install ok installed
Architecture: arm64
Source: systemd-boot-efi-arm64-signed (257.13+1~deb13u1)
Version: 257.13-1~deb13u1
"""


def test_what_debian_signed_is_looked_up_by_the_source_that_has_its_code(tmp_path, root):
    """The tracker knows no `linux-signed-amd64`; the list of contents itself says what dpkg says."""
    (root / "var/lib/dpkg/status").write_text(SIGNED)
    components = sbom.debian_components(root, Lock(()), "amd64")
    (tmp_path / "sbom").write_text(
        sbom.document(components, Release(load("product"), Version.parse("1.2.3")))
    )
    fixed = {"linux": ("CVE-2026-0101", "6.12.118-1"), "systemd": ("CVE-2026-0102", "257.14-1~deb13u1")}
    tracker = {
        source: {cve: {"releases": {"trixie": {"status": "resolved", "fixed_version": version}}}}
        for source, (cve, version) in fixed.items()
    }
    (tmp_path / "tracker").write_text(json.dumps(tracker))
    words = ["--sbom", tmp_path / "sbom", "--tracker", tmp_path / "tracker"]
    done = asked("vulnerabilities", *words, "--check", "--json")
    assert done.returncode == 1, done.stderr
    assert [(one["cve"], one["source"], one["installed"]) for one in json.loads(done.stdout)] == [
        ("CVE-2026-0101", "linux", "6.12.117-1"),
        ("CVE-2026-0102", "systemd", "257.13-1~deb13u1"),
    ]


@pytest.mark.parametrize("tracker", [{}, {"elsewhere": TRACKER["elsewhere"]}, {"openssl": {}}, TRACKER])
def test_data_that_say_nothing_about_the_suite_of_any_package_are_an_error(tmp_path, document, tracker):
    """An empty file would pass every check."""
    (tmp_path / "sbom").write_text(document)
    (tmp_path / "tracker").write_text(json.dumps(tracker))
    suite = "sid" if tracker is TRACKER else "trixie"
    words = ["--sbom", tmp_path / "sbom", "--tracker", tmp_path / "tracker", "--suite", suite, "--check"]
    done = asked("vulnerabilities", *words)
    assert done.returncode == 1
    assert f"say nothing about {suite} of any package here" in done.stderr


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("no json", "no data of the security tracker"),
        ("[]", "no data of the security tracker"),
        ('{"openssl": 3}', "not package"),
        ('{"openssl": {"CVE-1": []}}', "CVE-1"),
        ('{"openssl": {"CVE-1": {"releases": {"trixie": {"status": "maybe"}}}}}', "'maybe' is not known"),
        ("[" * 100_000, "no data of the security tracker"),
    ],
)
def test_bad_data_of_the_tracker_is_refused_in_one_line(tmp_path, document, text, hint):
    (tmp_path / "sbom").write_text(document)
    (tmp_path / "tracker").write_text(text)
    done = asked("vulnerabilities", "--sbom", tmp_path / "sbom", "--tracker", tmp_path / "tracker")
    assert done.returncode == 1
    assert hint in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("text", ["", "{}", '{"bomFormat": "SPDX"}', "[]"])
def test_what_is_no_list_of_contents_is_refused(tmp_path, text):
    (tmp_path / "sbom").write_text(text)
    with pytest.raises(EvidenceError):
        sbom.read(tmp_path / "sbom")


@settings(max_examples=100)
@given(st.recursive(st.none() | st.text() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(
    st.sampled_from(["releases", "trixie", "status", "fixed_version", "CVE-1"]), inner)))  # fmt: skip
def test_any_data_of_the_tracker_is_understood_or_refused(entries):
    if isinstance(entries, dict):
        try:
            vulnerabilities.find([("a", "a", "1")], {"a": entries}, "trixie")
        except EvidenceError:
            return


VERSIONS = [
    "1.0", "1.0-1", "1.0~rc1", "1.0~rc1-2", "1:0.9", "1.0+deb13u1", "1.0-1+b1", "1.0a", "1.0.10", "1.0.9", "0", "0:1.0",
    "2.36-9+deb12u4", "1.0-0", "1.00", "1.0~~", "1.0-1~bpo1",
]  # fmt: skip


def test_versions_are_ordered_as_dpkg_orders_them():
    for first in VERSIONS:
        for second in VERSIONS:
            words = {-1: "lt", 0: "eq", 1: "gt"}
            said = words[vulnerabilities.order(first, second)]
            done = subprocess.run(["dpkg", "--compare-versions", first, said, second], check=False)
            assert done.returncode == 0, (first, said, second)


@settings(max_examples=200)
@given(st.text("0123456789abz.+~-:", max_size=12), st.text("0123456789abz.+~-:", max_size=12))
def test_the_order_of_versions_is_an_order(first, second):
    assert vulnerabilities.order(first, second) == -vulnerabilities.order(second, first)
    assert vulnerabilities.order(first, first) == 0


def test_a_component_can_be_written_without_licences():
    bare = sbom.Component("library", "x", "1", "pkg:generic/x@1")
    text = sbom.document([bare], Release(load("product"), Version.parse("1.2.3")))
    assert "licenses" not in json.loads(text)["components"][0]
