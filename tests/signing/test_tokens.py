"""Keys on a PKCS#11 token: SoftHSM behind its real module, and every command in a process of its own, as it is used."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omamori.signing import tokens
from omamori.signing.errors import KeyFileError

MODULE = next((path for path in Path("/usr/lib").glob("**/libsofthsm2.so")), None)
PIN, LABEL = "4711-secret", "root holder"
pytestmark = pytest.mark.skipif(
    MODULE is None or shutil.which("softhsm2-util") is None,
    reason="softhsm2 is not installed (system-packages.txt)",
)


class Holder:
    """A SoftHSM token in a directory, with one ECDSA key that was made on it."""

    def __init__(self, place: Path) -> None:
        self.place = place
        configuration = place / "softhsm2.conf"
        configuration.write_text(f"directories.tokendir = {place}/store\nobjectstore.backend = file\n")
        self.pin = place / "pin"
        self.pin.write_text(PIN)
        self.pin.chmod(0o600)
        self.environment = os.environ | {
            "SOFTHSM2_CONF": str(configuration),
            "PYKCS11LIB": str(MODULE),
            "OMAMORI_TOKEN_PIN_FILE": str(self.pin),
        }

    def run(self, *words: object, code: int = 0, **environment: str) -> subprocess.CompletedProcess:
        done = subprocess.run(
            list(map(str, words)),
            env=self.environment | environment,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done

    def make(self) -> None:
        """The token, a key on it, and the file that names it."""
        (self.place / "store").mkdir()
        self.run(
            "softhsm2-util", "--init-token", "--free", "--label", LABEL, "--so-pin", "9999", "--pin", PIN
        )
        self.run(sys.executable, "-c", MAKE_KEY, str(MODULE), LABEL, PIN)
        self.sign("token", "--label", LABEL, "--to", self.place / "root.token")

    def sign(self, *words: object, code: int = 0, **environment: str) -> subprocess.CompletedProcess:
        place = self.place / "tuf"
        return self.run(
            sys.executable, "-m", "omamori", "sign", "--dir", place, *words, code=code, **environment
        )

    def role(self, name: str) -> dict:
        roles = json.loads(self.sign("status", "--keys", "--json").stdout)["roles"]
        return next(each for each in roles if each["role"] == name)


MAKE_KEY = """
import sys, pkcs11
from pkcs11.util.ec import encode_named_curve_parameters
token = pkcs11.lib(sys.argv[1]).get_token(token_label=sys.argv[2])
with token.open(rw=True, user_pin=sys.argv[3]) as session:
    curve = {pkcs11.Attribute.EC_PARAMS: encode_named_curve_parameters("secp256r1")}
    parameters = session.create_domain_parameters(pkcs11.KeyType.EC, curve, local=True)
    parameters.generate_keypair(store=True, id=b"\\x02", label="root")
"""


@pytest.fixture(scope="module")
def first(tmp_path_factory) -> Holder:
    made = Holder(tmp_path_factory.mktemp("holder"))
    made.make()
    return made


@pytest.fixture
def holder(first, tmp_path) -> Holder:
    """Each test has a copy of the token."""
    shutil.copytree(first.place / "store", tmp_path / "store")
    shutil.copy(first.place / "root.token", tmp_path)
    return Holder(tmp_path)


def test_a_root_key_on_a_token_signs_at_the_ceremony_and_never_leaves_it(holder, tmp_path):
    held = json.loads((tmp_path / "root.token").read_bytes())
    holder.sign("init", "--token", f"root={tmp_path}/root.token")
    assert holder.role("root")["key_ids"] == [held["keyid"]]
    assert not list((tmp_path / "tuf/keys").glob("root*.pem"))
    reference = (tmp_path / "tuf/keys/root-1.token").read_text()
    assert "PRIVATE" not in reference
    assert PIN not in reference

    # The token is drawn: everything but the root goes on.
    holder.pin.unlink()
    (tmp_path / "store").rename(tmp_path / "drawn")
    (tmp_path / "store").mkdir()
    assert holder.role("root")["keys_here"] == 0
    holder.sign("refresh")
    assert "needs 1 signatures and 0 of its keys are here" in holder.sign("renew", "root", code=1).stderr

    # A new root: proposed without it, signed by its holder, accepted.
    proposal, before = tmp_path / "2.root.json", tmp_path / "tuf/metadata/root.json"
    holder.sign("ceremony", "propose", "timestamp", "--to", proposal)
    assert "1 more signatures" in holder.sign("ceremony", "accept", proposal, code=1).stderr
    (tmp_path / "store").rmdir()
    (tmp_path / "drawn").rename(tmp_path / "store")
    holder.pin.write_text(PIN)
    holder.pin.chmod(0o600)
    words = ("ceremony", "endorse", proposal, "--key", tmp_path / "root.token", "--root", before)
    assert "dry run: root 2" in holder.sign(*words, "--dry-run").stdout
    holder.sign(*words)
    holder.sign("ceremony", "accept", proposal)
    assert holder.role("root")["version"] == 2
    holder.sign("publish", "--to", tmp_path / "www")
    found = json.loads(holder.sign("audit", tmp_path / "www", "--json").stdout)
    assert found["problems"] == []


def test_a_key_file_is_exchanged_for_a_token_and_back(holder, tmp_path):
    holder.sign("init")
    holder.sign("rotate", "root", "--token", f"root={tmp_path}/root.token")
    root = json.loads((tmp_path / "tuf/metadata/root.json").read_bytes())
    (keyid,) = root["signed"]["roles"]["root"]["keyids"]
    assert root["signed"]["keys"][keyid]["scheme"] == "ecdsa-sha2-nistp256"
    holder.sign("rotate", "root")
    assert (holder.role("root")["version"], holder.role("root")["key_ids"] == [keyid]) == (3, False)


def test_a_wrong_pin_is_tried_once_and_a_careless_one_not_at_all(holder, tmp_path):
    holder.pin.write_text("wrong-pin")
    said = holder.sign("init", "--token", f"root={tmp_path}/root.token", code=1).stderr
    assert "does not sign: PinIncorrect" in said
    assert not (tmp_path / "tuf/metadata").exists()
    holder.pin.chmod(0o644)
    said = holder.sign("init", "--token", f"root={tmp_path}/root.token", code=1).stderr
    assert "can be read by others" in said
    said = holder.sign(
        "init", "--token", f"root={tmp_path}/root.token", code=1, OMAMORI_TOKEN_PIN_FILE=""
    ).stderr
    assert "the PIN of hsm:2?label=root+holder is needed" in said


def test_a_token_counts_once(holder, tmp_path):
    """Neither as two of two, nor as the new key in its own place."""
    twice = ("--token", f"firmware={tmp_path}/root.token") * 2
    assert "the same key is given twice" in holder.sign("init", *twice, code=1).stderr
    holder.sign("init", "--token", f"root={tmp_path}/root.token")
    said = holder.sign("rotate", "root", "--token", f"root={tmp_path}/root.token", code=1).stderr
    assert "is a key of root already: give a new one" in said


def test_what_is_no_token_is_named(holder, tmp_path):
    said = holder.sign("token", "--label", "another", "--to", tmp_path / "x.token", code=1).stderr
    assert "no key 2 on a token 'another'" in said
    said = holder.sign("token", "--label", LABEL, "--id", 7, "--to", tmp_path / "x.token", code=1).stderr
    assert f"no key 7 on a token '{LABEL}'" in said
    said = holder.sign("token", "--label", LABEL, "--to", tmp_path / "x.token", code=1, PYKCS11LIB="").stderr
    assert "which PKCS#11 module?" in said
    holder.sign("init", "--token", "rot=x.token", code=2)


@settings(max_examples=100)
@given(
    st.binary(max_size=120)
    | st.fixed_dictionaries(
        {
            "uri": st.sampled_from(["hsm:2?label=x", "file:x", ""]),
            "library": st.text(max_size=5),
            "keyid": st.text(max_size=5),
            "key": st.none()
            | st.dictionaries(st.sampled_from(["keytype", "scheme", "keyval"]), st.text(max_size=9)),
        }
    ).map(lambda value: json.dumps(value).encode())
)
def test_any_token_file_is_read_or_refused(tmp_path_factory, raw):
    path = tmp_path_factory.getbasetemp() / "any.token"
    path.write_bytes(raw)
    with contextlib.suppress(KeyFileError):
        assert tokens.read(path).reference.uri.startswith("hsm:")
