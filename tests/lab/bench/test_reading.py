"""What the tools print, and how it becomes a table."""

import pytest

from lab.bench import report
from lab.bench.goals import judge
from lab.bench.workloads import half_load
from lab.bench.wrk import LoadError, parse

_SAID = """Running 4s test @ http://203.0.113.10/1k-0.html
  1 threads and 32 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.51ms    3.31ms  55.12ms   94.03%
    Req/Sec    24.50k     5.75k   34.08k    67.50%
  Latency Distribution
     50%  812.00us
     75%    1.15ms
     90%    2.71ms
     99%   16.09ms
  97480 requests in 4.00s, 118.06MB read
{errors}Requests/sec:  24365.43
Transfer/sec:     29.51MB
"""


def test_wrk_is_read():
    found = parse(_SAID.format(errors=""))
    assert found.rate == 24365.43
    assert found.bytes_a_second == pytest.approx(29.51 * 1024 * 1024)
    assert (found.p50, found.p99, found.errors) == (0.812, 16.09, 0)


def test_errors_of_wrk_are_counted():
    line = "  Socket errors: connect 1, read 2, write 0, timeout 3\n"
    assert parse(_SAID.format(errors=line)).errors == 6


@pytest.mark.parametrize(
    "text", ["", "unable to connect to 203.0.113.10:80 Connection refused\n", _SAID[:200]]
)
def test_what_is_no_result_is_an_error(text):
    with pytest.raises(LoadError):
        parse(text)


def test_of_what_must_never_happen_the_worst_round_counts():
    samples = {"attacks passed at reload": {"omamori": [0.0, 3.0, 0.0]}}
    found = report.medians(samples)
    assert found == {"attacks passed at reload": {"omamori": 3.0}}
    assert [each.met for each in judge(found) if each.figure == "attacks passed at reload"] == [False]


def test_medians_are_of_each_contestant_and_the_table_names_missed_goals():
    samples = {}
    for ours, theirs in ((1.0, 2.0), (9.0, 2.0), (2.0, 2.0)):
        report.note(samples, "omamori", {"new connections/s": ours})
        report.note(samples, "suricata stock", {"new connections/s": theirs})
    found = report.medians(samples)
    assert found["new connections/s"] == {"omamori": 2.0, "suricata stock": 2.0}
    lines = list(report.lines(found, judge(found), ["omamori", "suricata stock"]))
    assert any(line.startswith("new connections/s") and line.endswith("MISSED") for line in lines)


@pytest.mark.parametrize(
    ("rates", "half"), [([], 200), ([5000.0, 20_000.0], 2500), ([10.0], 200), ([801.0], 400)]
)
def test_half_load_is_of_the_slowest(rates, half):
    assert half_load(rates) == half
