"""From few to all: a canary becomes stable by time and evidence, and what is withdrawn stays so."""

import contextlib
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omamori.protocol.version import Version
from omamori.signing import operations
from omamori.signing.errors import PlaceError
from omamori.signing.packs import channels
from omamori.signing.packs.description import Channels
from omamori.signing.packs.errors import ChannelError
from omamori.signing.repository import Repository

STRICT = "soak-hours = 24\nunits = 2\nfailed-share = 0.25"


@pytest.fixture
def canary(bench):
    """A pack signed as a canary, under strict rules."""
    bench.describe(channels="soak-hours = 0\nunits = 2\nfailed-share = 0.25")
    entered = channels.entered(channels.CANARY, datetime.now(UTC))
    operations.add_pack(
        Repository(bench.desk.repository),
        bench.desk.pack("1.0.0"),
        None,
        datetime.now(UTC),
        replace=False,
        dry=False,
        custom=entered,
    )
    return bench


def promote(bench, *words):
    return ("pack", "promote", "1.0.0", "--by", bench.description, *words)


def seen(bench, **numbers):
    """As `omamori fleet rollouts list --json` says it."""
    path = bench.desk.place / "rollouts.json"
    rollout = {"rollout": 1, "kind": "pack", "version": "1.0.0", "done": 0, "failed": 0, "open": 1} | numbers
    other = {"kind": "pack", "version": "0.9.0", "done": 100, "failed": 0}
    path.write_text(json.dumps([other, rollout]))
    return "--evidence", path


def test_a_canary_that_units_run_becomes_stable(canary):
    before = canary.packs()[0]
    done = canary.desk.signed(*promote(canary, *seen(canary, done=3, failed=1)))
    assert done["what"] == "1.0.0 is stable"
    (found,) = canary.packs()
    assert (found["channel"], found["since"] >= before["since"]) == ("stable", True)
    assert "1.0.0 is stable and no canary" in canary.desk.refused(*promote(canary))


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ({"done": 1}, "1 units run it; 2 are wanted (units)"),
        ({"done": 2, "failed": 1}, "1 of 3 units refused it; a share of 0.25 is allowed"),
        (
            {"done": 5, "withdrawn": "2 of 7 units refused it"},
            "the fleet withdrew it: 2 of 7 units refused it",
        ),
    ],
)
def test_a_canary_without_the_evidence_stays_one(canary, numbers, said):
    assert said in canary.desk.refused(*promote(canary, *seen(canary, **numbers)))
    assert canary.packs()[0]["channel"] == "canary"


def test_a_canary_must_have_been_out_for_long_enough(canary):
    canary.describe(channels=STRICT)
    refusal = canary.desk.refused(*promote(canary, *seen(canary, done=5)))
    assert "1.0.0 is a canary for 0.0 h; 24 h are wanted (soak-hours)" in refusal


def test_a_rollout_that_is_told_twice_counts_once_and_as_it_is_now(canary):
    """The same file twice, or a day's file beside the next day's, in any order."""
    option, path = seen(canary, done=1)
    assert "1 units run it; 2 are wanted" in canary.desk.refused(*promote(canary, option, path, option, path))
    yesterday = canary.desk.place / "yesterday.json"
    yesterday.write_bytes(path.read_bytes())
    seen(canary, done=2, failed=1)
    for words in ((option, yesterday, option, path), (option, path, option, yesterday)):
        assert "1 of 3 units refused it" in canary.desk.refused(*promote(canary, *words))
    yesterday.write_text(
        json.dumps({"rollout": 2, "kind": "pack", "version": "1.0.0", "done": 1, "failed": 0})
    )
    assert canary.desk.signed(*promote(canary, option, path, option, yesterday))["what"] == "1.0.0 is stable"


def test_evidence_of_other_packs_is_none(canary):
    path = canary.desk.place / "other.json"
    path.write_text(json.dumps({"kind": "pack", "version": "0.9.0", "done": 9, "failed": 0}))
    assert "no rollout of pack 1.0.0 in the evidence" in canary.desk.refused(
        *promote(canary, "--evidence", path)
    )
    path.write_text("[nothing")
    assert "is no answer of `omamori fleet rollouts" in canary.desk.refused(
        *promote(canary, "--evidence", path)
    )


def test_what_is_withdrawn_stays_so_and_is_no_measure_for_the_next(canary):
    canary.desk.signed("pack", "withdraw", "1.0.0", "--reason", "blocks a bank")
    (found,) = canary.packs()
    assert (found["channel"], found["reason"]) == ("withdrawn", "blocks a bank")
    assert "withdrawn and no canary" in canary.desk.refused(*promote(canary, *seen(canary, done=9)))
    again = canary.desk.signed("pack", "withdraw", "1.0.0", "--reason", "twice")
    assert again["what"] == "already withdrawn"
    report = canary.build("--version", "1.0.1")
    assert (report["before"], report["difference"]) == ("", None)


def test_nothing_comes_between_the_look_at_a_canary_and_its_promotion(canary):
    """A withdrawal at that moment would be undone without a word; it is told to wait."""

    class Busy(Repository):
        def load(self):
            found = super().load()
            with pytest.raises(PlaceError, match="another `omamori sign` works"):
                channels.withdraw(Repository(self.place), version, "blocks a bank", now, dry=False)
            return found

    version, now = Version.parse("1.0.0"), datetime.now(UTC)
    rules = Channels(soak=timedelta(0), units=0)
    channels.promote(Busy(canary.desk.repository), version, channels.Evidence(done=9), rules, now, dry=False)
    assert canary.packs()[0]["channel"] == "stable"
    canary.desk.signed("pack", "withdraw", "1.0.0", "--reason", "blocks a bank")
    assert canary.packs()[0]["channel"] == "withdrawn"


def test_a_dry_run_changes_nothing(canary):
    done = canary.desk.signed("pack", "withdraw", "1.0.0", "--reason", "a drill", "--dry-run")
    assert (done["dry"], canary.packs()[0]["channel"]) == (True, "canary")


def test_a_pack_that_is_not_there_and_no_reason(canary):
    assert "no pack 7.7.7 is signed here" in canary.desk.refused("pack", "withdraw", "7.7.7", "--reason", "x")
    assert "a reason of 1 to 400 letters" in canary.desk.refused("pack", "withdraw", "1.0.0", "--reason", " ")


def test_the_history_of_channels_is_audited(canary):
    canary.desk.signed("pack", "withdraw", "1.0.0", "--reason", "a drill")
    canary.desk.signed("publish", "--to", canary.desk.place / "www")
    found = canary.desk.signed("audit", canary.desk.place / "www")
    assert (found["problems"], len(found["signatures"]) >= 3) == ([], True)


@settings(max_examples=150)
@given(
    st.binary(max_size=80)
    | st.from_regex(rb'\[?\{"kind": ?.{0,8},"version":.{0,8},"done":.{0,12}\}\]?', fullmatch=True)
)
def test_any_evidence_is_read_or_refused(tmp_path_factory, raw):
    path = tmp_path_factory.getbasetemp() / "evidence.json"
    path.write_bytes(raw)
    with contextlib.suppress(ChannelError):
        channels.evidence([path], Version.parse("1.0.0"))
