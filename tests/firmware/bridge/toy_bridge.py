"""The real supervisor, workers, queues and kernel rules around a toy inspector, so that the data path is tested alone.

Run as a program: root, number of queues, seconds that the kernel's tools take, `compiled` to say that there are compiled modules. A toy pack is JSON: version, `block` (a flow with these bytes is blocked), `overwrite` (these bytes are
overwritten), `decide`, `fail` (the inspector raises on them), `hang`, `drag` (a tenth of a second each), `toil` (a millisecond each), `hoard` and `leak` (8 MB each, which can or cannot be
given back), `die`, `die-compiled` and `load-compiled` (with compiled modules only), `told-to-end` (loading gets a SIGTERM), and
`broken` (loading raises).
"""

import json
import logging
import os
import signal
import socket
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from omamori.firmware.bridge.afresh import resume
from omamori.firmware.bridge.compiled import Trust
from omamori.firmware.bridge.form import Form
from omamori.firmware.bridge.nursery import Loaded
from omamori.firmware.bridge.supervisor import Supervisor
from omamori.firmware.bridge.wiring import Timing, Wiring
from omamori.firmware.engine import checksum, packet, verdict
from omamori.firmware.host.firewall import choose, prepare_bridge
from omamori.firmware.host.paths import Paths
from omamori.protocol.messages import Log, encode_body
from omamori.protocol.vocabulary import Guard

LEAKED = []
AFRESH = "--afresh"
COMPILED = "compiled" in sys.argv


class Toy:
    def __init__(self, pack):
        self.pack = {name: value.encode() for name, value in pack.items() if isinstance(value, str)}
        self.messages = []
        self.kept = []
        self.overloaded = False

    def packet(self, data, *, from_inside, rewriting, **_):
        def has(name):
            return name in self.pack and self.pack[name] in data

        if has("fail"):
            raise ValueError("the toy was told to fail")
        if has("hang"):
            time.sleep(3600)
        if has("hoard"):
            self.kept.append(bytearray(8 << 20))
        if has("leak"):
            LEAKED.append(bytearray(8 << 20))
        if has("drag"):
            time.sleep(0.1)
        if has("toil"):
            time.sleep(0.001)
        if has("die") or (COMPILED and has("die-compiled")):
            os.kill(os.getpid(), signal.SIGKILL)
        if has("block"):
            self.tell(f"blocked, from inside: {from_inside}")
            return verdict.Block("toy", Guard.IPS)
        if has("overwrite"):
            return self.overwrite(data) if rewriting else verdict.SUSPECT
        if has("decide"):
            return verdict.DECIDED
        return verdict.PASS

    def overwrite(self, data):
        self.tell("overwritten")
        whole = packet.parse(data)
        bad = self.pack["overwrite"]
        return verdict.Rewrite(
            checksum.with_payload(whole, bytes(whole.payload).replace(bad, b"#" * len(bad)))
        )

    def tell(self, text):
        self.messages.append(encode_body(Log(datetime.now(UTC), "toy", "info", text)))

    def tick(self, _now):
        pass

    def missed(self, _now):
        if not self.overloaded:
            self.overloaded = True
            self.tell("some passed without the toy")

    def relieve(self, _now):
        self.kept.clear()
        return 1

    def uninspected(self):
        return {}

    def unfollowed(self):
        return {}

    def take_messages(self):
        taken, self.messages = self.messages, []
        return taken


def load(path):
    pack = json.loads(path.read_text())
    if COMPILED and pack.get("load-compiled"):
        os.kill(os.getpid(), signal.SIGSEGV)
    if pack.get("told-to-end"):
        os.kill(os.getpid(), signal.SIGTERM)
    if pack.get("broken"):
        raise ValueError("this pack is broken")
    time.sleep(pack.get("slow", 0))
    return Loaded(pack["version"], lambda _first_number, _openings: Toy(pack))


class SlowKernel:
    """As on a busy machine, where the kernel's tools take their time."""

    def __init__(self, kernel, seconds):
        self.kernel, self.seconds = kernel, seconds
        self.remove, self.offered, self.stopped = kernel.remove, kernel.offered, kernel.stopped

    def apply(self, plan):
        time.sleep(self.seconds)
        self.kernel.apply(plan)


if __name__ == "__main__" and sys.argv[1] == AFRESH:
    resume(sys.argv[2], load)
elif __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(relativeCreated)d %(levelname)s %(message)s")
    prepare_bridge()
    queues = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    ports = socket.if_nametoindex("lan0"), socket.if_nametoindex("wan0")
    wiring = Wiring("br0", "wan0", "lan0", *ports, workers=queues, memory=queues * (32 << 20))
    timing = Timing(drain=20, quiet=2, status=0.2, look=0.5)
    kernel = SlowKernel(choose(), float(sys.argv[3])) if len(sys.argv) > 3 else choose()
    paths = Paths(Path(sys.argv[1]))
    form = Form((sys.executable, __file__, AFRESH), Trust(paths), compiled=COMPILED)
    supervisor = Supervisor(paths, wiring, load, kernel, timing, form=form)
    signal.signal(signal.SIGTERM, lambda *_: supervisor.stop())
    supervisor.run()
