"""What the booted unit costs: memory of our processes against `budgets.toml`; times of the start are printed (`pytest -s`)."""

import pytest

from omamori.image import budgets

PROCESSES = ("bridge", "lan", "agent", "usage")
# Proportional set size: pages that a process shares with its workers count once.
MEMORY = "for p in $(cat /sys/fs/cgroup/system.slice/omamori-{}.service/cgroup.procs); do grep ^Pss: /proc/$p/smaps_rollup; done"


@pytest.fixture(scope="module")
def memory(host):
    """MiB of each process with its children."""
    found = {}
    for name in PROCESSES:
        lines = host.check_output(MEMORY.format(name)).splitlines()
        found[name] = round(sum(int(line.split()[1]) for line in lines) / 1024, 1)
    return {**found, "total": round(sum(found.values()), 1)}


def test_our_processes_keep_within_their_memory(memory):
    print(f"MiB: {memory}")
    assert all(memory.values())
    assert set(budgets.check("unit", memory)) == set(memory)


def test_the_start_is_timed_by_the_guests_clock(host):
    """Figures, not bounds: an emulated processor says nothing about a real one."""
    times = {}
    for name in ("ports", "bridge"):
        told = host.check_output(f"systemctl show omamori-{name} -p ActiveEnterTimestampMonotonic --value")
        times[name] = int(told) / 1e6
    print(f"seconds of the guest's clock: {times}")
    assert 0 < times["ports"] < times["bridge"]
