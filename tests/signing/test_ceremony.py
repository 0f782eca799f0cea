"""A new root by three holders whose keys never meet: proposed, carried, endorsed, accepted; what is refused on the way."""

import json
import shutil

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from omamori.cli import omamori
from omamori.signing import ceremony
from omamori.signing.errors import RepositoryError


class Ceremony:
    """The release machine without a root key, and three holders with a key and the current root each."""

    def __init__(self, desk) -> None:
        self.desk, self.proposal = desk, desk.place / "carried/2.root.json"
        desk.signed("init", "--policy", "production")
        (desk.place / "carried").mkdir()
        for number in (1, 2, 3):
            holder = desk.place / f"holder-{number}"
            holder.mkdir()
            (desk.repository / f"keys/root-{number}.pem").rename(holder / "key.pem")
            shutil.copyfile(desk.repository / "metadata/root.json", holder / "root.json")

    def propose(self, *words: object) -> dict:
        return self.desk.signed("ceremony", "propose", *words, "--to", self.proposal)

    def endorse(self, number: int, *words: object) -> dict:
        """On the holder's own machine: nothing of the repository is there."""
        holder = self.desk.place / f"holder-{number}"
        command = [
            "ceremony",
            "endorse",
            self.proposal,
            "--key",
            holder / "key.pem",
            "--root",
            holder / "root.json",
        ]
        place = ["sign", "--dir", str(holder / "none")]
        result = CliRunner().invoke(omamori, [*place, *map(str, [*command, *words]), "--json"])
        assert result.exit_code == 0, result.output
        return json.loads(result.output)

    def root(self) -> dict:
        return json.loads((self.desk.repository / "metadata/root.json").read_bytes())["signed"]


@pytest.fixture
def met(empty_desk):
    return Ceremony(empty_desk)


def test_a_proposal_against_an_unknown_key_is_not_made(met):
    """It would say "no key changes", and the stolen one would stay."""
    for words in (("timestamp", "--key", "zzzz"), ("--key", "zzzz"), ("timestamp", "--key", "")):
        assert "begins with" in met.desk.refused("ceremony", "propose", *words, "--to", met.proposal)
    assert not met.proposal.exists()


def test_two_of_three_holders_make_a_root_and_the_online_keys_change(met):
    assert met.propose("timestamp", "snapshot")["missing"] == 2
    told = met.endorse(1)
    assert len([line for line in told["changes"] if line.endswith("is new")]) == 2
    assert told["missing"] == 1
    assert "needs 1 more signatures" in met.desk.refused("ceremony", "accept", met.proposal)
    assert met.endorse(3)["missing"] == 0
    met.desk.signed("ceremony", "accept", met.proposal)
    assert met.root()["version"] == 2
    met.desk.signed("add-pack", met.desk.pack())
    met.desk.signed("publish", "--to", met.desk.place / "www")
    assert met.desk.signed("audit", met.desk.place / "www")["problems"] == []


def test_a_later_expiry_changes_no_key(met):
    assert met.propose()["changes"] == []
    met.endorse(1)
    met.endorse(2)
    met.desk.signed("ceremony", "accept", met.proposal)
    assert met.root()["version"] == 2


def test_new_root_keys_need_enough_of_the_old_ones(met):
    """The new ones are here and sign at once; the thresholds of both roots count."""
    assert met.propose("root")["missing"] == 2
    met.endorse(2)
    assert "needs 1 more" in met.desk.refused("ceremony", "accept", met.proposal)
    met.endorse(3)
    met.desk.signed("ceremony", "accept", met.proposal)
    assert len(list((met.desk.repository / "keys").glob("root-*.pem"))) == 3


def test_the_same_holder_twice_counts_once_and_a_dry_run_signs_nothing(met):
    met.propose()
    before = met.proposal.read_bytes()
    assert met.endorse(1, "--dry-run")["missing"] == 1
    assert met.proposal.read_bytes() == before
    assert (met.endorse(1)["missing"], met.endorse(1)["missing"]) == (1, 1)


def test_a_proposal_that_was_changed_on_the_way_has_lost_its_signatures(met):
    met.propose()
    met.endorse(1)
    value = json.loads(met.proposal.read_bytes())
    value["signed"]["roles"]["root"]["threshold"] = 1
    met.proposal.write_text(json.dumps(value))
    told = met.endorse(2)
    assert told["changes"] == ["root: 1 keys must sign instead of 2"]
    assert (told["missing"], len(told["signed_by"])) == (1, 1)
    assert "needs 1 more" in met.desk.refused("ceremony", "accept", met.proposal)


def test_other_keys_and_other_roots_are_refused(met):
    met.propose()
    holder, other = met.desk.place / "holder-1", met.desk.repository / "keys/timestamp-1.pem"
    words = ("ceremony", "endorse", met.proposal, "--root", holder / "root.json", "--key")
    assert "is no root key" in met.desk.refused(*words, other)
    assert "propose again" in met.desk.refused(
        "ceremony", "endorse", met.proposal, "--root", met.proposal, "--key", holder / "key.pem"
    )
    timestamp = met.desk.repository / "metadata/timestamp.json"
    assert "is timestamp metadata, not a root" in met.desk.refused("ceremony", "accept", timestamp)


def other_material(root: dict) -> None:
    """A thief's key under the id of a known one."""
    known = root["keys"][root["roles"]["targets"]["keyids"][0]]
    known["keyval"]["public"] = "00" * 32


def one_key_twice(root: dict) -> None:
    """Under an id nobody knows, so that one holder would count as two."""
    key = root["keys"][root["roles"]["targets"]["keyids"][0]]
    root["keys"]["f" * 64] = key
    root["roles"]["targets"]["keyids"].append("f" * 64)


def one_new_key_twice(root: dict) -> None:
    """Both ids new, the text of the key not the same."""
    for keyid, public in (("e" * 64, "ab" * 32), ("f" * 64, "AB" * 32)):
        root["keys"][keyid] = {"keytype": "ed25519", "scheme": "ed25519", "keyval": {"public": public}}
        root["roles"]["targets"]["keyids"].append(keyid)


def unreadable(root: dict) -> None:
    root["keys"]["f" * 64] = {"keytype": "rsa", "scheme": "rsassa-pss-sha256", "keyval": {"public": "none"}}


def files_without_versions(root: dict) -> None:
    root["consistent_snapshot"] = False


def no_word_about_versions(root: dict) -> None:
    del root["consistent_snapshot"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (other_material, "calls another key"),
        (one_key_twice, "one key under two ids"),
        (one_new_key_twice, "one key under two ids"),
        (unreadable, "no known kind"),
        (files_without_versions, "files without versions"),
        (no_word_about_versions, "files without versions"),
    ],
)
def test_what_no_proposal_of_ours_has_is_signed_by_nobody(met, change, says):
    """Ids are what a holder is shown; a proposal that gives them another meaning is refused before its key signs."""
    met.propose()
    value = json.loads(met.proposal.read_bytes())
    change(value["signed"])
    met.proposal.write_text(json.dumps(value))
    before, holder = met.proposal.read_bytes(), met.desk.place / "holder-1"
    words = ("ceremony", "endorse", met.proposal, "--root", holder / "root.json", "--key", holder / "key.pem")
    for refused in (met.desk.refused(*words), met.desk.refused("ceremony", "accept", met.proposal)):
        assert says in refused
        assert "sign nothing, ask who made it" in refused
    assert met.proposal.read_bytes() == before


def test_a_dry_proposal_writes_nothing(met):
    before = {path.name for path in (met.desk.repository / "keys").iterdir()}
    met.propose("timestamp", "--dry-run")
    assert not met.proposal.exists()
    assert {path.name for path in (met.desk.repository / "keys").iterdir()} == before


@given(st.binary(max_size=300) | st.just(b'{"signed":{"_type":"root"},"signatures":[]}'))
@settings(max_examples=100)
def test_any_bytes_are_no_proposal(tmp_path_factory, raw):
    path = tmp_path_factory.mktemp("fuzz") / "root.json"
    path.write_bytes(raw)
    with pytest.raises(RepositoryError):
        ceremony.read(path)
