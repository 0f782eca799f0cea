"""Numbers of the unit's users: what lies on the data partition belongs to a number, and outlives the image that names it."""

from omamori.image.recipe import TEMPLATES

FOR_EVER = {
    "omamori": 800,
    "omamori-bridge": 801,
    "omamori-lan": 802,
    "omamori-usage": 803,
    "omamori-agent": 804,
    "omamori-page": 805,
    "omamori-wifi": 806,
    "omamori-key": 807,
    "omamori-support": 808,
    "omamori-door": 809,
}
"""Lines are added, never changed: an update would leave the agent without its key otherwise."""


def test_every_user_and_group_of_ours_has_its_number_for_ever():
    found = {}
    for path in TEMPLATES.glob("*/etc/sysusers.d/*.conf"):
        for line in path.read_text().splitlines():
            kind, name, number = [*line.split(), "", "", ""][:3]
            if kind in {"u", "g"}:
                assert name not in found, f"{name} is named twice"
                found[name] = int(number.partition(":")[0])
    assert found == FOR_EVER
    assert len(set(found.values())) == len(found)
