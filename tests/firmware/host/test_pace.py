"""How slow the machine is said to be."""

from omamori.firmware.host.pace import slowness


def test_a_machine_is_never_said_to_be_faster_than_usual_nor_hopeless():
    assert 1.0 <= slowness() <= 8.0
