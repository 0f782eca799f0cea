"""A unit becomes active when, and only when, somebody presses its button."""

import json
import stat
import time
from datetime import UTC, datetime, timedelta

import pytest

from omamori.protocol.messages import State, Want, decode


def test_the_button_activates_and_the_unit_comes_online(fleet, unit, eventually) -> None:
    fleet.wants["om-0001"] = Want(generation=3)
    one = unit()
    one.start()
    eventually(lambda: one.status().get("phase") == "waiting for the button")
    time.sleep(1)
    assert not fleet.activations, "nothing is asked before the button"
    one.press(code=30)
    time.sleep(0.6)
    assert not fleet.activations, "another key is not the button"

    one.press(code=529)
    eventually(lambda: fleet.database.bodies(State), what=f"a state: {one.log()}")
    eventually(lambda: ("om-0001", True) in fleet.database.presences)
    (state, *_) = fleet.database.bodies(State)
    assert (str(state.firmware), state.slot, state.uptime) == ("1.2.3", "a", 12.34)
    eventually(lambda: one.status().get("generation") == 3)
    assert decode(Want, one.paths.want.read_bytes()) == Want(generation=3)
    eventually(lambda: fleet.database.bodies(State)[-1].generation == 3)

    key = one.paths.agent_state / "unit.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    told = json.loads((one.paths.agent_state / "fleet.json").read_bytes())
    assert told["url"] == f"https://localhost:{fleet.https_port}"
    assert (one.root / told["ca"].lstrip("/")).read_text() == fleet.authority.root_pem
    eventually(lambda: one.status()["outbox"] == 0, what="everything is acknowledged")

    assert one.stop() == 0
    eventually(lambda: fleet.database.presences[-1] == ("om-0001", False))
    assert len(fleet.activations) == 1
    one.start()
    eventually(lambda: one.status().get("connected"), what="online again without the button")
    assert len(fleet.activations) == 1


@pytest.mark.slow
def test_a_killed_unit_is_reported_gone_by_its_will(fleet, unit, eventually) -> None:
    one = unit()
    one.activate()
    eventually(lambda: fleet.database.presences == [("om-0001", True)])
    one.stop(9)
    eventually(lambda: fleet.database.presences[-1] == ("om-0001", False), within=40)


@pytest.mark.parametrize(("status", "words"), [(403, "does not know this unit"), (409, "activated before")])
def test_a_refusal_is_shown_and_waits_for_the_button_again(
    fleet, unit, eventually, status: int, words: str
) -> None:
    fleet.answer_activation_with = status
    one = unit()
    one.start()
    one.press()
    eventually(lambda: words in one.status().get("problem", ""), what=str(one.status()))
    assert one.status()["phase"] == "waiting for the button"
    time.sleep(1)
    assert len(fleet.activations) == 1
    fleet.answer_activation_with = None
    one.press()
    eventually(lambda: one.status().get("connected"))


def test_a_wrong_secret_is_refused(unit, eventually) -> None:
    one = unit(secret="guessed")
    one.start()
    one.press()
    eventually(lambda: "does not know" in one.status().get("problem", ""))
    assert not one.paths.agent_state.joinpath("activated.json").exists()


def test_an_outage_is_waited_out_with_one_press(fleet, unit, eventually) -> None:
    fleet.stop_serving()
    one = unit()
    one.start()
    one.press()
    eventually(lambda: one.status().get("phase") == "asking the fleet" and one.status()["problem"])
    fleet.serve()
    eventually(lambda: one.status().get("connected"), within=30)


def test_without_a_claim_it_says_so_and_takes_one_that_comes(unit, eventually) -> None:
    one = unit()
    path = one.root / "run/credentials/omamori.claim"
    claim = path.read_bytes()
    path.unlink()
    one.start()
    eventually(lambda: one.status().get("phase") == "no claim")
    path.write_bytes(b'{"unit": "om-0001"')
    eventually(lambda: "cannot be used" in one.status()["problem"])
    path.write_bytes(claim)
    eventually(lambda: one.status()["phase"] == "waiting for the button")


def test_a_fleet_with_another_authority_is_not_believed(fleet, unit, eventually, tmp_path) -> None:
    one = unit()
    claim = one.root / "run/credentials/omamori.claim"
    other = type(fleet)(tmp_path / "other")
    claim.write_bytes(claim.read_bytes().replace(*_pems(fleet, other)))
    one.start()
    one.press()
    eventually(lambda: "certificate verify failed" in one.status().get("problem", ""), what=str(one.status()))
    assert not fleet.activations


def test_a_clock_before_the_fleets_certificate_is_said_and_waited_out(
    fleet, unit, eventually, tmp_path
) -> None:
    """What a unit at 1970 sees: certificates from the future. Once they are valid, one press was enough."""
    future = datetime.now(UTC) + timedelta(days=30)
    valid, fleet.server = fleet.server, fleet.authority.server(tmp_path / "future", ["localhost"], now=future)
    fleet.stop_serving()
    fleet.serve()
    one = unit()
    one.start()
    one.press()
    words = f"not valid yet; this unit's clock says {datetime.now(UTC):%Y-%m-%d}"
    eventually(lambda: words in one.status().get("problem", ""), what=str(one.status()))
    assert not fleet.activations
    fleet.stop_serving()
    fleet.server = valid
    fleet.serve()
    eventually(lambda: one.status()["connected"], within=30, what=one.log())
    assert one.status()["problem"] == ""


def test_a_unit_whose_key_is_lost_says_so_and_is_let_in_again_by_the_button(fleet, unit, eventually) -> None:
    """As with a TPM that was exchanged: the certificate is there, its key is not."""
    one = unit()
    one.activate()
    one.stop()
    key = one.paths.unit_key.read_bytes()
    one.paths.unit_key.unlink()
    one.start()
    eventually(lambda: one.status().get("phase") == "key lost", what=str(one.status()))
    assert "is gone" in one.status()["problem"]
    assert not one.status()["activated"]
    time.sleep(1)
    assert len(fleet.activations) == 1, "nothing is asked before the button"
    assert one.log().count("is gone") == 1

    fleet.answer_activation_with = 409
    one.press()
    eventually(lambda: "activated before" in one.status().get("problem", ""), what=str(one.status()))
    assert one.status()["phase"] == "key lost"
    fleet.answer_activation_with = None
    one.press()
    eventually(lambda: one.status().get("connected"), what=one.log())
    assert one.paths.unit_key.read_bytes() != key


def _pems(fleet, other) -> tuple[bytes, bytes]:
    return tuple(json.dumps(side.authority.root_pem).strip('"').encode() for side in (fleet, other))
