"""A unit with a TPM: its key opens on this machine alone (decision 0036)."""

import json

import pytest

from lab.appliance import ROUTER
from lab.machine import Boot
from omamori.protocol.ids import UnitId
from omamori.protocol.messages import Claim, encode
from tests.certificates import self_signed
from tests.chips import chip as chip_of

STATE = "/var/lib/omamori/agent"
STATUS = "cat /run/omamori/agent/status.json"
ACTIVATE = f"""
from datetime import UTC, datetime, timedelta
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from omamori.firmware.agent.identity import Identity
from omamori.firmware.host.paths import Paths
from omamori.protocol.messages import Activated, encode

identity, now = Identity(Paths()), datetime.now(UTC)
request = x509.load_pem_x509_csr(identity.request("om-0001").encode())
key = serialization.load_pem_private_key(identity.key.read_bytes(), None)
signed = x509.CertificateBuilder(request.subject, request.subject, request.public_key(), 1).not_valid_before(now).not_valid_after(now + timedelta(days=9))
pem = signed.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()
identity.accept(encode(Activated(pem, "{ROUTER}", 8883)))
"""
"""The fleet's part is played here: its certificate is signed by the unit's own key."""


@pytest.fixture
def unit(start_unit, image, tmp_path):
    claim = Claim(UnitId("om-0001"), "s" * 24, f"https://{ROUTER}:1", self_signed("nobody").certificate)
    with start_unit(image, tmp_path, Boot.DIRECT, claim=encode(claim).decode(), tpm=True) as site:
        yield site


def phase(guest):
    text = guest.ssh(STATUS, check=False)
    return json.loads(text)["phase"] if text else ""


def wait_for(guest, wanted):
    guest.wait(lambda: phase(guest) == wanted, seconds=240, what=wanted, pause=1)


ONE_TRY = "8002 00000027 0000013a 4000000a 00000009 40000009 0000 01 0000 00000001 00000e10 00000e10"
"""TPM2_DictionaryAttackParameters: after one loss of power it is locked for an hour."""
PERMANENT = "8001 00000016 0000017a 00000006 00000200 00000001"
"""TPM2_GetCapability of TPM_PT_PERMANENT."""


def test_the_key_lies_sealed_on_the_disk_and_another_box_does_not_open_it(unit, tmp_path):
    guest = unit.guest
    wait_for(guest, "waiting for the button")
    guest.ssh(f"systemctl stop omamori-agent; python3 - <<'END'\n{ACTIVATE}\nEND")
    guest.ssh(f"chown -R omamori-agent:omamori {STATE}; sync; systemctl start omamori-agent")
    wait_for(guest, "active")
    sealed = guest.ssh(f"cat {STATE}/unit.key.sealed")

    guest.stop()
    disk = (tmp_path / "disk.qcow2").read_bytes()
    assert sealed.split()[0].encode() in disk, "the disk is not searched where secrets are"
    assert b"PRIVATE KEY" not in disk
    chip = chip_of(guest.tpm_state)
    chip.say(ONE_TRY)
    assert int.from_bytes(chip.say(PERMANENT)[-4:]) & 0x200, "it is not locked (TPMA_PERMANENT, inLockout)"
    guest.start()
    guest.wait_for_ssh(seconds=300)
    wait_for(guest, "active")

    guest.stop()
    guest.tpm_state.rename(tmp_path / "its-own")
    guest.start()
    guest.wait_for_ssh(seconds=300)
    wait_for(guest, "key lost")
    assert "is gone" in guest.ssh(STATUS)
    assert guest.ssh(f"cat {STATE}/unit.key.sealed") == sealed
