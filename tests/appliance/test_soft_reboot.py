"""An update that does not restart the machine: the kernel goes on forwarding while another root takes over, and is judged as ever.

What pings and a TCP stream see of it, and of the restart that a sick version ends in, is printed (`pytest -s`).
"""

import json

import pytest

from lab.watched import watched

NOTES = {
    "ja": "検査の修正",
    "en": "Inspection mended",
    "severity": "routine",
    "restart": {"needed": False, "seconds": 0},
}


@pytest.fixture(scope="module")
def old(factory):
    return factory.image("11.0.0")


@pytest.fixture(scope="module")
def versions(factory, tmp_path_factory):
    """A good one and one whose bridge dies; both say that no restart is needed."""
    notes = tmp_path_factory.mktemp("notes") / "notes.json"
    notes.write_text(json.dumps(NOTES))
    images = factory.image("11.0.1"), factory.image("11.0.2", "--break", "engine")
    for image in images:
        factory.sign("add-firmware", image.bundle, "--notes", notes, "--replace")
    return factory.publish()


def stage(unit, version, generation):
    unit.want(version, generation=generation)
    unit.guest.wait(lambda: unit.in_phase(version, "staged"), seconds=300, what=f"{version} staged", pause=2)


def ended(unit, version):
    unit.guest.wait(
        lambda: unit.in_phase(version, "committed", "failed"),
        seconds=400,
        what=f"the end of {version}",
        pause=3,
    )
    return unit.update()["phase"]


@pytest.mark.timeout(1200)
def test_the_kernel_goes_on_while_the_new_version_takes_over_and_a_sick_one_is_left(
    start_unit, old, versions, tmp_path
):
    with start_unit(old, tmp_path) as unit, unit.serving(versions):
        stage(unit, "11.0.1", 1)
        boot = unit.guest.boot_id()
        with watched(unit, tmp_path) as office:
            unit.apply_now()
            phase = ended(unit, "11.0.1")
            office.wait_for_an_answer()
            print("soft:", office.seen(), unit.told()["restart"])
            assert phase == "committed"
            assert unit.guest.boot_id() == boot
            assert unit.told()["slot"] == "b"
            assert unit.told()["restart"]["how"] == "soft"
            assert "omamori-11.0.1.efi" in unit.guest.ssh("ls /efi/EFI/Linux").split()

            stage(unit, "11.0.2", 2)  # over the root that was left
            unit.apply_now()
            assert ended(unit, "11.0.2") == "failed"
            office.wait_for_an_answer()
            print("and then by a restart:", office.seen())
            assert not office.seen().cut
            assert "bridge" in unit.update()["error"]
            assert unit.running() == ["11.0.1", "root-b"]
            assert unit.guest.boot_id() != boot
