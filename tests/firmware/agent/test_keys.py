"""The unit's key and its TPM over the unit's life: first start, migration, another box, let in again."""

import json
import stat
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from omamori.firmware.agent import certificates
from omamori.firmware.agent.errors import KeyLost
from omamori.firmware.agent.identity import Identity
from omamori.firmware.agent.keys import open_key, seal_key
from omamori.firmware.host.paths import Paths
from omamori.firmware.host.sealing import Kept, SealFailed, Tpm
from omamori.protocol.ids import UnitId
from omamori.protocol.messages import Activated, encode
from tests.chips import chip

UNIT = UnitId("om-0001")


@pytest.fixture(scope="module")
def tpm(tmp_path_factory):
    return chip(tmp_path_factory.mktemp("chip") / "state")


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    return chip(tmp_path_factory.mktemp("other") / "state")


@pytest.fixture
def paths(tmp_path):
    made = Paths(tmp_path)
    for folder in (made.agent_state, made.opened_key.parent, made.update):
        folder.mkdir(parents=True)
    return made


def healthy(paths, *, yes):
    paths.update_state.write_text(json.dumps({"healthy": yes}))


def activate(paths):
    """As the agent and the fleet do it; the certificate is signed by the unit's own key, which fits as well."""
    identity = Identity(paths)
    request = x509.load_pem_x509_csr(identity.request(UNIT).encode())
    signer = serialization.load_pem_private_key(identity.key.read_bytes(), None)
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder(request.subject, request.subject, request.public_key(), 1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(signer, hashes.SHA256())
    )
    pem = signed.public_bytes(serialization.Encoding.PEM).decode()
    return identity.accept(encode(Activated(pem, "broker", 8883)))


def restart(paths, tpm):
    """What is in memory is gone."""
    paths.opened_key.unlink(missing_ok=True)
    if tpm:
        open_key(paths, tpm)
    return Identity(paths)


def test_a_new_units_key_never_lies_plain_on_the_disk(paths, tpm):
    open_key(paths, tpm)
    key = paths.opened_key.read_bytes()
    assert b"PRIVATE KEY" in key
    assert stat.S_IMODE(paths.opened_key.stat().st_mode) == 0o400
    activate(paths)
    assert not paths.unit_key.exists()
    assert not any(b"PRIVATE KEY" in p.read_bytes() for p in paths.state.rglob("*") if p.is_file())
    assert restart(paths, tpm).activated()
    assert paths.opened_key.read_bytes() == key


def test_a_key_of_an_earlier_firmware_is_sealed_once_this_one_is_committed(paths, tpm):
    paths.unit_key.write_bytes(certificates.new_key())
    key = paths.unit_key.read_bytes()
    activate(paths)
    healthy(paths, yes=False)
    identity = restart(paths, tpm)
    seal_key(paths, tpm)
    assert identity.activated()
    assert paths.unit_key.read_bytes() == key, "the firmware before needs it as it is"
    paths.update_state.write_text("{")
    seal_key(paths, tpm)
    assert paths.unit_key.exists()

    healthy(paths, yes=True)
    seal_key(paths, tpm)
    assert not paths.unit_key.exists()
    assert identity.activated(), "without a restart"
    assert restart(paths, tpm).activated()
    assert paths.opened_key.read_bytes() == key


def test_a_power_cut_while_it_is_sealed_costs_nothing(paths, tpm):
    paths.unit_key.write_bytes(certificates.new_key())
    activate(paths)
    healthy(paths, yes=True)
    Kept(paths.unit_key, tpm).seal(paths.unit_key.read_bytes(), paths.sealed_key)
    assert restart(paths, tpm).activated()
    seal_key(paths, tpm)
    assert restart(paths, tpm).activated()
    assert not paths.unit_key.exists()


def test_a_chip_that_refuses_leaves_the_key_plain(paths, tmp_path):
    dead = Tpm(f"swtpm:path={tmp_path / 'nobody'}")
    paths.unit_key.write_bytes(certificates.new_key())
    activate(paths)
    healthy(paths, yes=True)
    with pytest.raises(SealFailed):
        seal_key(paths, dead)
    assert restart(paths, dead).activated()


def test_a_new_unit_whose_chip_refuses_goes_on_as_one_without(paths, tmp_path):
    with pytest.raises(SealFailed):
        open_key(paths, Tpm(f"swtpm:path={tmp_path / 'nobody'}"))
    activate(paths)
    assert restart(paths, None).activated()
    assert paths.unit_key.exists()


def test_in_another_box_the_key_is_lost_and_in_its_own_it_opens_again(paths, tpm, other):
    open_key(paths, tpm)
    key = paths.opened_key.read_bytes()
    activate(paths)
    for elsewhere in (other, None):
        with pytest.raises(KeyLost):
            restart(paths, elsewhere).activated()
        assert not paths.unit_key.exists()
    assert restart(paths, tpm).activated()
    assert paths.opened_key.read_bytes() == key


def test_a_unit_with_another_chip_is_activated_again_with_another_key(paths, tpm, other):
    open_key(paths, tpm)
    key = paths.opened_key.read_bytes()
    activate(paths)
    for _ in range(2):  # the spare one is kept, too
        identity = restart(paths, other)
        with pytest.raises(KeyLost):
            identity.activated()
        assert paths.spare_key.exists()
    spare = paths.opened_key.read_bytes()
    activate(paths)
    assert not paths.spare_key.exists()
    assert restart(paths, other).activated()
    assert paths.opened_key.read_bytes() == spare != key


def test_a_disk_that_went_to_a_box_without_a_chip_gets_a_plain_key(paths, tpm):
    open_key(paths, tpm)
    activate(paths)
    with pytest.raises(KeyLost):
        restart(paths, None).activated()
    activate(paths)
    assert restart(paths, None).activated()
    healthy(paths, yes=True)
    assert restart(paths, tpm).activated(), "and back: the plain one is the newer"
    seal_key(paths, tpm)
    assert restart(paths, tpm).activated()
    assert not paths.unit_key.exists()
