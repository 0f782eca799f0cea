"""No release says that nobody's traffic stops for it where units would restart."""

import pytest

from tests.firmware.update.releases import make_bundle

KERNEL, ROOT = b"kernel" * 1000, b"root" * 1000
STAYS = {"restart": {"needed": False, "seconds": 0}}


@pytest.fixture
def release(desk):
    """The words that sign a version whose boot images bring this."""

    def words(version, *, variant="test", **start):
        path = make_bundle(
            desk.place / f"{variant}-{version}.bundle",
            version,
            variant=variant,
            root=ROOT + version.encode(),
            start={"linux": KERNEL} | start,
        )
        return ("add-firmware", path, "--notes", desk.notes(**STAYS))

    return words


def test_a_release_with_the_kernel_of_the_one_before_needs_no_restart(desk, release):
    for version in ("1.0.0", "1.1.0"):
        desk.signed(*release(version))
    assert len(desk.signed("status")["targets"]) == 4, "and their lists of pieces"


@pytest.mark.parametrize(
    ("start", "other"),
    [
        ({"linux": b"another" * 1000}, "its kernel"),
        ({"initrd": b"another"}, "its initrd"),
        ({"options": "quiet mitigations=off"}, "its kernel command line"),
    ],
)
def test_one_that_brings_another_is_not_signed_as_if_it_did_not(desk, release, start, other):
    desk.signed(*release("1.0.0"))
    said = desk.refused(*release("1.1.0", **start))
    assert f"{other} differs from 1.0.0's" in said
    assert [each["version"] for each in desk.signed("status")["targets"]] == ["1.0.0"] * 2
    path = desk.place / "test-1.1.0.bundle"
    desk.signed("add-firmware", path, "--notes", desk.notes())


def test_it_is_compared_with_the_newest_before_it_of_its_variant(desk, release):
    desk.signed(*release("1.0.0"))
    desk.signed(*release("2.0.0", linux=b"later" * 1000)[:2], "--notes", desk.notes())
    desk.signed(*release("1.5.0", variant="other", linux=b"other" * 1000))
    desk.signed(*release("1.1.0"))
    assert "differs from 2.0.0's" in desk.refused(*release("2.1.0"))


def test_what_cannot_be_compared_is_not_promised(desk, release):
    desk.signed("add-firmware", desk.bundle("1.0.0"), "--notes", desk.notes())
    assert "cannot be seen" in desk.refused(*release("1.1.0"))
