"""The wiring lab: a few topologies for real, through its command; its counting, its ten simulated minutes and its plans by themselves."""

import io
import json
import subprocess
import sys
from pathlib import Path

import dpkt
import pytest

from lab.wiring import longer, report
from lab.wiring.plan import FAULTS, MIXTURES, Plan
from lab.wiring.trial import Case, Outcome, mixture, single
from omamori.protocol.codes import CODES
from omamori.protocol.vocabulary import WiringCode as Code
from tests.firmware.lan import frames

ROOT = Path(__file__).resolve().parents[3]
CHOSEN = "DOUBLE_NAT,NAT_BEHIND,CAPTIVE_OR_PROXY,ROGUE_DHCP"


@pytest.mark.root
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_faults_built_for_real_are_named_first_and_alone(tmp_path):
    words = ["--only", CHOSEN, "--settled", "2", "--json", tmp_path / "figures.json"]
    command = [sys.executable, "-m", "lab.wiring", *words]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    figures = json.loads((tmp_path / "figures.json").read_text())
    told = {row["name"]: (row["told"], row["trouble"]) for row in figures["singles"]}
    assert told == {code: ([code], "") for code in CHOSEN.split(",")}, done.stdout + done.stderr
    assert figures["goals"]["every single fault is named first and alone"]


def test_an_unknown_code_is_a_clear_error():
    command = [sys.executable, "-m", "lab.wiring", "--only", "NO_SUCH"]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.strip() == "no such code or office: NO_SUCH"


# --- counting ---------------------------------------------------------------------------------------------------------


def outcome(case: Case, *said: tuple[float, tuple[str, ...]], trouble: str = "") -> Outcome:
    return Outcome(case, list(said), trouble)


def test_the_time_to_a_verdict_is_that_of_the_root_for_good():
    case = single(Code.NO_INTERNET)
    told = outcome(
        case, (0.0, ("OK",)), (2.0, ("NO_INTERNET",)), (5.0, ("OK",)), (9.0, ("NO_INTERNET", "SILENT"))
    )
    assert (told.seconds, told.right_root, told.complete) == (9.0, True, False)
    assert told.false_findings == ("SILENT",)
    assert outcome(case).seconds is None


def test_goals_are_met_or_missed():
    right = outcome(single(Code.SILENT), (76.0, ("SILENT",)))
    wrong = outcome(single(Code.SLOW_LINK), (3.0, ("OK",)))
    office = Case("ordinary", Plan(), ())
    clean, accused = outcome(office, (0.0, ("OK",))), outcome(office, (0.0, ("OK",)), (9.0, ("SILENT",)))
    good = report.Report([right], [], [clean], {"ordinary": {}})
    assert good.goals()["every single fault is named first and alone"]
    assert good.goals()["no finding on a correct topology"]
    assert not good.goals()["median under 30 s"]
    bad = report.Report([right, wrong], [], [accused], {"ordinary": {"SILENT": 4}})
    assert not any(met for goal, met in bad.goals().items() if goal != "median under 30 s")
    assert bad.matrix()["SLOW_LINK"] == {"OK": 1}
    assert report.Report([], [], [], {}).goals() == {}


def test_every_code_but_ok_can_be_built_and_a_mixtures_root_stands_first_in_the_table():
    assert set(FAULTS) == set(CODES) - {Code.OK}
    order = list(CODES)
    for pair in MIXTURES:
        case = mixture(*pair)
        assert set(case.truth) == set(pair)
        assert order.index(case.root) == min(map(order.index, pair))
        assert case.plan != single(pair[0]).plan != single(pair[1]).plan
    assert len(MIXTURES) == len({frozenset(pair) for pair in MIXTURES}) >= 20


# --- ten simulated minutes --------------------------------------------------------------------------------------------


def recording(*timed: tuple[float, bytes]) -> bytes:
    file = io.BytesIO()
    writer = dpkt.pcap.Writer(file)
    for time, data in timed:
        writer.writepkt(data, ts=time)
    return file.getvalue()


def test_a_recording_is_played_for_ten_minutes_and_judged():
    router = (0.0, frames.arp(frames.ROUTER, "192.168.10.1", "192.168.10.20"))
    pc = [
        (float(second), frames.arp(frames.PC, "192.168.10.20", "192.168.10.1")) for second in range(0, 60, 5)
    ]
    stranger = (40.0, frames.arp(frames.PHONE, "192.168.10.30", "192.168.10.1"))
    right = {"wan0": recording(router), "lan0": recording(*pc)}
    assert longer.false_findings(right, frozenset()) == {}
    wrong = {"wan0": recording(router, stranger), "lan0": recording(*pc)}
    assert longer.false_findings(wrong, frozenset())["HOSTS_BYPASS"] > 500
    assert longer.false_findings({"wan0": b""}, frozenset()) == {"nothing was recorded": 1}
