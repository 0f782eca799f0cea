"""Which capabilities each of our services may ever have. One more needs its reason in the same commit."""

READS_AND_WRITES = {"cap_dac_override", "cap_dac_read_search", "cap_chown", "cap_fowner"}
"""Root's own, over files alone: other users' state is read, and what is written is given to them."""

RIGHTS: dict[str, set[str]] = {
    "bridge": {
        "cap_net_admin",
        "cap_net_raw",
    },  # queues, marks and rules; answers in a blocked packet's place
    "lan": {"cap_net_admin", "cap_net_raw"},  # listens; opens a loop
    "usage": {"cap_net_admin"},  # the kernel's table of connections
    "agent": set(),
    "page": set(),
    "ports": set(),
    "claim": set(),
    "support": set(),
    "support-key": set(),
    "self-test": {"cap_net_raw"},  # a frame from port to port
    "lamp": {"cap_dac_read_search"},
    "page-guard": {"cap_net_admin", "cap_dac_read_search"},  # rules for the page's port
    "settings": {"cap_dac_override", "cap_dac_read_search"},
    "settings-restore": {"cap_dac_override", "cap_dac_read_search"},
    "seal": READS_AND_WRITES,
    "unseal": READS_AND_WRITES,
    "apply": READS_AND_WRITES,
    "committed": READS_AND_WRITES,
    "health": READS_AND_WRITES,
    "update": READS_AND_WRITES | {"cap_sys_time"},  # decision 0018
    "stick@": READS_AND_WRITES
    | {"cap_sys_admin", "cap_setpcap"},  # mounts what was plugged in, then gives both up
    "mend": READS_AND_WRITES | {"cap_fsetid"},  # makes the folders of a new data partition
    "reset": READS_AND_WRITES | {"cap_fsetid"},
    "next-root": {
        "cap_sys_admin",
        "cap_dac_override",
        "cap_dac_read_search",
        "cap_ipc_lock",
    },  # decision 0031
    "arrived": {"cap_sys_admin", "cap_dac_override"},  # closes the root before
}
RADIO: dict[str, set[str]] = {"wifi": {"cap_net_admin", "cap_net_raw"}}
"""Where there is an access point (decision 0026): hostapd."""

NEVER = {"bpf", "finit_module", "init_module", "kexec_load", "perf_event_open", "ptrace", "reboot"}
"""Calls that no filter lets through."""
