"""`omamori sign support`: a role of its own that must be wanted, keys for one unit and some hours, taken away again."""

import json
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from omamori.protocol import support
from omamori.signing import support as operations
from omamori.signing.repository import Repository

PUBLIC = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + "A" * 43


@pytest.fixture
def helper(tmp_path: Path) -> Path:
    """A helper's key, as ssh-keygen makes it."""
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "sato@desk", "-f", tmp_path / "helper"],
        check=True,
    )
    return tmp_path / "helper.pub"


@pytest.fixture
def words(helper: Path) -> tuple[object, ...]:
    return ("support", "add", "om-0001", "--key", helper, "--who", "佐藤", "--why", "通信が遅い")


def test_no_key_can_be_signed_before_the_targets_keys_wanted_the_role(desk, words):
    assert "support enable" in desk.refused(*words)
    assert "support enable" in desk.refused("support", "list")
    assert "support enable" in desk.refused("renew", "support")
    assert "support enable" in desk.refused("rotate", "support")
    (desk.repository / "keys/targets-1.pem").unlink()
    assert "role targets needs" in desk.refused("support", "enable")


def test_a_key_is_signed_listed_published_and_withdrawn(desk, words, tmp_path):
    assert desk.signed("support", "enable", "--dry-run")["dry"]
    assert desk.signed("support", "enable")["roles"].keys() == {"targets", "support", "snapshot", "timestamp"}
    assert desk.signed("support", "enable")["what"] == "already enabled"
    assert desk.signed(*words, "--dry-run")["roles"]["support"] == 2
    assert desk.signed(*words, "--hours", "2")["target"] == "support/om-0001.json"
    desk.signed("publish", "--to", tmp_path / "www")
    (file,) = (tmp_path / "www/targets/support").iterdir()
    document = support.decode(file.read_bytes())
    assert (document.unit, document.who, document.why) == ("om-0001", "佐藤", "通信が遅い")
    assert document.until - document.since == timedelta(hours=2)
    (listed,) = json.loads(desk.sign("support", "list", "--json").stdout)
    assert (listed["unit"], listed["over"], listed["key"]) == ("om-0001", False, document.key)
    desk.signed("support", "withdraw", "om-0001")
    assert json.loads(desk.sign("support", "list", "--json").stdout) == []
    assert "no support key" in desk.refused("support", "withdraw", "om-0001")


def test_the_audit_follows_the_role_and_names_what_it_signed(desk, words, tmp_path):
    desk.signed("support", "enable")
    desk.signed(*words)
    desk.signed("support", "withdraw", "om-0001")
    desk.signed("publish", "--to", tmp_path / "www")
    audit = desk.sign("audit", tmp_path / "www", "--json")
    found = json.loads(audit.stdout)
    assert (audit.exit_code, found["problems"]) == (0, [])
    named = [name for each in found["signatures"] for name in each["names"]]
    assert any(name.startswith("support/om-0001.json sha256 ") for name in named)


def test_its_key_is_rotated_and_its_loss_and_theft_are_in_the_drill(desk):
    desk.signed("support", "enable")
    assert desk.signed("rotate", "support")["roles"].keys() == {"targets", "support", "snapshot", "timestamp"}
    cases = json.loads(desk.sign("drill", "--json").stdout)
    assert {case["event"] for case in cases if case["role"] == "support"} == {
        "one key lost",
        "1 key(s) stolen",
    }


def test_what_is_over_goes_with_the_next_signature_and_nobody_is_reminded(desk):
    desk.signed("support", "enable")
    now = datetime.now(UTC)
    old = support.SupportKey("om-0009", PUBLIC, now, now + timedelta(seconds=1), "x", "y")
    operations.add(Repository(desk.repository), old, now - timedelta(seconds=2))
    ended = operations.listed(Repository(desk.repository), now + timedelta(minutes=1))
    assert [each.over for each in ended] == [True]
    later = now + timedelta(hours=1)
    fresh = support.SupportKey("om-0001", PUBLIC, later, later + timedelta(hours=1), "x", "y")
    operations.add(Repository(desk.repository), fresh, later)
    assert [each.unit for each in operations.listed(Repository(desk.repository), later)] == ["om-0001"]
    assert "support" not in desk.sign("status", "--within", "20").stdout


def test_the_support_key_names_nothing_else(desk, words):
    """Whoever has it cannot name firmware or packs: a client looks for those with their own roles only."""
    desk.signed("support", "enable")
    targets = json.loads((desk.repository / "metadata/2.targets.json").read_bytes())["signed"]
    paths = {role["name"]: role["paths"] for role in targets["delegations"]["roles"]}
    assert paths == {"firmware": ["firmware/*"], "signatures": ["signatures/*"], "support": ["support/*"]}
    (desk.repository / "keys/firmware-1.pem").unlink()
    desk.signed(*words)
    (key,) = (desk.repository / "keys").glob("support-*.pem")
    key.unlink()
    assert "role support needs 1 signatures" in desk.refused(*words)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (("--who", ""), "who"),
        (("--who", "x" * 81), "who"),
        (("--why", "two\nlines"), "why"),
        (("--why", "\u202eback"), "why"),
        (("--from", "2020-01-01T00:00Z"), "is past"),
        (("--from", "2199-01-01T00:00Z"), "a day ahead"),
    ],
)
def test_what_must_not_be_signed_is_refused(desk, words, changes, said):
    desk.signed("support", "enable")
    assert said in desk.refused(*words, *changes)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ssh-rsa AAAAB3NzaC1yc2E",
        'command="sh" ' + PUBLIC,
        PUBLIC[:-4],
        "ssh-ed25519 " + "A" * 68,
        "-----BEGIN OPENSSH PRIVATE KEY-----",
    ],
)
def test_only_one_plain_ed25519_key_is_a_key(desk, words, helper, text):
    desk.signed("support", "enable")
    helper.write_text(text)
    assert "is no Ed25519 public key" in desk.refused(*words)
