"""The booted unit: kernel settings, what listens, who may log in, what lends rights."""

import pytest

from tests.image.rights import NEVER, RIGHTS

PROCESSES = ("bridge", "lan", "agent", "usage")
SETTINGS = {
    "kernel.kptr_restrict": 2,
    "kernel.dmesg_restrict": 1,
    "kernel.unprivileged_bpf_disabled": 1,
    "kernel.yama.ptrace_scope": 3,
    "kernel.sysrq": 0,
    "kernel.kexec_load_disabled": 1,
    "kernel.perf_event_paranoid": 3,
    "kernel.io_uring_disabled": 2,
    "net.core.bpf_jit_harden": 2,
    "dev.tty.ldisc_autoload": 0,
    "fs.suid_dumpable": 0,
    "net.ipv4.conf.all.accept_redirects": 0,
    "net.ipv4.conf.all.send_redirects": 0,
    "net.ipv6.conf.all.accept_redirects": 0,
}


def test_the_kernels_settings_are_in_force(host):
    told = host.check_output(reading(SETTINGS))
    found = dict(line.split(" = ") for line in told.splitlines())
    assert {name: int(value) for name, value in found.items()} == SETTINGS


def reading(names):
    """The unit has no sysctl program."""
    return "; ".join(f"echo {name} = $(cat /proc/sys/{name.replace('.', '/')})" for name in names)


def test_the_kernel_is_locked_down(host):
    words = host.file("/proc/cmdline").content_string.split()
    assert {"lockdown=integrity", "slab_nomerge", "vsyscall=none", "debugfs=off"} <= set(words)
    assert "[integrity]" in host.file("/sys/kernel/security/lockdown").content_string


def test_the_kernel_has_the_security_modules_that_are_used_and_few_others(host):
    active = set(host.file("/sys/kernel/security/lsm").content_string.split(","))
    assert {"lockdown", "yama", "landlock"} <= active
    assert not active & {"apparmor", "tomoyo", "bpf", "ipe"}


def test_devices_without_a_driver_are_not_looked_at_when_it_starts(host):
    known = host.check_output("ls /run/udev/data").split()
    assert [name for name in known if name.startswith("b")], "no disk is known"
    assert [name for name in known if name.startswith(("c4:", "c7:"))] == []


def test_a_partition_is_known_by_its_label_alone(host):
    """Each further name is a device more for the first process, ten of them for each partition."""
    assert host.check_output("ls /dev/disk").split() == ["by-partlabel"]
    labels = set(host.check_output("ls /dev/disk/by-partlabel").split())
    assert labels == {"esp", "root-a", "hash-a", "root-b", "hash-b", "omamori-data"}


def test_units_are_made_by_four_programs_and_no_others_at_a_start(host):
    made = host.check_output("ls /usr/lib/systemd/system-generators").split()
    names = ("bless-boot", "debug", "fstab", "veritysetup")
    assert made == [f"systemd-{name}-generator" for name in names]


def test_the_kernel_has_no_module_for_keys_and_file_systems_that_nobody_uses(host):
    loaded = {line.split()[0] for line in host.file("/proc/modules").content_string.splitlines()}
    assert {"bridge", "evdev", "nf_tables"} <= loaded
    assert loaded.isdisjoint({"button", "configfs", "crct10dif_pclmul", "serio_raw"})


def test_nobody_has_a_password_and_no_file_lends_rights(host):
    secrets = {line.split(":")[1] for line in host.check_output("cat /etc/shadow").splitlines()}
    assert all(secret.startswith(("!", "*")) for secret in secrets)
    assert host.check_output("find / -xdev -type f -perm /6000") == ""


def test_no_compiler_and_no_installer_is_there(host):
    assert host.run("command -v gcc cc clang make ld pip pip3 git").stdout == ""
    assert host.run("python3 -m pip --version").rc != 0


@pytest.mark.parametrize("name", PROCESSES)
def test_each_process_is_shut_in(host, name):
    names = "ProtectSystem ProtectHome PrivateTmp NoNewPrivileges LockPersonality ProtectKernelModules"
    facts = host.check_output(f"systemctl show omamori-{name} -p {names.replace(' ', ',')}")
    found = dict(line.split("=", 1) for line in facts.splitlines())
    assert found.pop("ProtectSystem") == "strict"
    assert set(found.values()) == {"yes"}


FREE = {"systemd"}
"""The first process."""


def test_whatever_else_runs_is_shut_in_too(host):
    """The system's own services as ours: a filter of calls, and not all of root's rights; the log-in is the test image's alone."""
    text = host.check_output(
        "cd /proc; for p in [0-9]*; do tr -d '\\0' < $p/cmdline | grep -q . || continue;"
        " echo $(cut -d: -f3 $p/cgroup) $(cat $p/comm) $(awk '/^(Seccomp|CapBnd):/ {print $2}' $p/status); done 2>/dev/null; true"
    )
    running = [line.split() for line in text.splitlines()]
    (everything,) = [rights for _, name, rights, _ in running if name == "systemd"]
    theirs = {
        name: (rights != everything, seccomp == "2")
        for group, name, rights, seccomp in running
        if not group.startswith(("/system.slice/ssh", "/user.slice"))
    }
    assert {"dbus-daemon", "systemd-network", "systemd-resolve", "systemd-journal"} <= set(theirs)
    assert {name for name, shut_in in theirs.items() if not all(shut_in)} == FREE


def test_every_service_of_ours_has_the_rights_it_needs_and_no_others(host):
    """All that are installed, whether they run now or not."""
    listed = host.check_output("systemctl list-unit-files 'omamori-*.service' --no-legend --plain")
    names = {line.split()[0] for line in listed.splitlines()}
    assert names == {f"omamori-{name}.service" for name in RIGHTS}
    asked = "Id,LoadState,CapabilityBoundingSet,SystemCallFilter"
    told = host.check_output(f"systemctl show -p {asked} {' '.join(sorted(names)).replace('@.', '@any.')}")
    facts = [dict(line.split("=", 1) for line in block.splitlines()) for block in told.split("\n\n")]
    for each in facts:
        each["Id"] = each["Id"].replace("@any.", "@.")
    rights = {each["Id"]: set(each["CapabilityBoundingSet"].split()) for each in facts}
    assert rights == {f"omamori-{name}.service": expected for name, expected in RIGHTS.items()}
    for each in facts:
        assert each["LoadState"] == "loaded"
        calls = each["SystemCallFilter"].split()
        assert "read" in calls, f"{each['Id']}: no filter, or one that names what is refused"
        assert NEVER.isdisjoint(calls), each["Id"]
