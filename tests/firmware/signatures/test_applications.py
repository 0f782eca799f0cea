"""Applications named as nDPI's own results name them, and how a result file is read."""

import os
from pathlib import Path

import pytest

from omamori.firmware.host.ndpi import Ndpi
from omamori.firmware.signatures import applications

LINES = """
Discord\t2\t1000\t2

\t1\tUDP 192.168.2.100:64837 <-> 35.214.238.161:50001 [proto: 58/Discord][IP: 284/GoogleCloud][cat: Collaborative/15]
\t2\tTCP 10.0.2.15:42834 -> 162.159.128.233:443 [VLAN: 7][proto: 91.124/TLS.YouTube][cat: Media/1]
\t3\tTCP [2001:db8::1]:42834 <-> [2001:db8::2]:443 [proto: 91/TLS][cat: Web/5]
\t4\tICMP 10.0.2.15:0 -> 10.0.2.2:0 [proto: 81/ICMP]
\t5\tTCP nonsense <-> 10.0.2.2:0 [proto: 91/TLS]
"""


def test_a_result_file_gives_each_flow_with_its_application(tmp_path):
    (tmp_path / "x.out").write_text(LINES)
    found = [
        (key.protocol, row.name if row else None) for key, row in applications.expected(tmp_path / "x.out")
    ]
    assert found == [(17, "Discord"), (6, "YouTube"), (6, None)]


@pytest.mark.corpus
def test_nine_in_ten_public_captures_are_named_alike():
    corpus = os.environ.get("OMAMORI_CORPUS")
    if not corpus:
        pytest.skip("OMAMORI_CORPUS is not set")
    told = applications.run(Path(corpus, "ndpi"), Ndpi())
    assert told["share"] >= applications.GOAL, told["failures"]
    assert told["extra"] <= 0.15 * told["flows"]
