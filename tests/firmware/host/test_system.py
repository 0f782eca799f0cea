"""Facts about the running system, from files below a moved root."""

import socket

import pytest

from omamori.firmware.host import system
from omamori.firmware.host.paths import Paths
from omamori.protocol.errors import IdError, VersionError
from omamori.protocol.version import Version


@pytest.fixture
def paths(tmp_path):
    return Paths(tmp_path)


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_version_and_variant_are_read_from_os_release(paths):
    write(
        paths.os_release,
        "# comment\nNAME=\"Omamori\"\nIMAGE_VERSION=1.2.3\nVARIANT_ID='virtual'\nbroken line\n",
    )
    assert system.firmware_version(paths) == Version(1, 2, 3)
    assert system.image_variant(paths) == "virtual"
    assert system.os_release(paths)["NAME"] == "Omamori"


def test_a_system_without_image_version_is_said_to_have_none(paths):
    write(paths.os_release, "NAME=Debian\n")
    with pytest.raises(VersionError):
        system.firmware_version(paths)


@pytest.mark.parametrize(
    ("line", "slot"),
    [
        ("quiet systemd.verity_root_data=PARTLABEL=root-b ro", "b"),
        ("systemd.verity_root_data=PARTLABEL=root-a\n", "a"),
        ("systemd.verity_root_data=PARTLABEL=root-c ro", ""),
        ("xsystemd.verity_root_data=PARTLABEL=root-a", ""),
        ("root=/dev/vda1", ""),
    ],
)
def test_the_slot_is_read_from_the_kernel_command_line(paths, line, slot):
    write(paths.kernel_command_line, line)
    assert system.running_slot(paths) == slot


def test_the_kernels_boot_id_loses_its_dashes(paths):
    write(paths.kernel_boot_id, "0f3a1b2c-4d5e-6f70-8192-a3b4c5d6e7f8\n")
    assert system.running_boot(paths) == "0f3a1b2c4d5e6f708192a3b4c5d6e7f8"
    write(paths.kernel_boot_id, "garbage")
    with pytest.raises(IdError):
        system.running_boot(paths)


def test_uptime_is_in_seconds(paths):
    write(paths.kernel_uptime, "123.45 99.0\n")
    assert system.uptime(paths) == 123.45


def test_systemd_is_notified_and_its_absence_is_no_error(tmp_path, monkeypatch):
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    system.notify("READY=1")
    system.notify("READY=1", address=str(tmp_path / "missing"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(5)
        system.notify("WATCHDOG=1", address=str(tmp_path / "notify"))
        assert listener.recv(100) == b"WATCHDOG=1"
