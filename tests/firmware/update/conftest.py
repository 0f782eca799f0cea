"""The unit of files (unit.py) and the fleet behind HTTPS (fleet.py), ready for each test."""

import shutil
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.certificates import self_signed
from tests.firmware.update.elsewhere import served
from tests.firmware.update.fleet import Fleet, Handler, Server
from tests.firmware.update.initrd import Initrd
from tests.firmware.update.releases import make_uki
from tests.firmware.update.unit import PowerCut, Unit


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return self_signed("127.0.0.1").write(tmp_path_factory.mktemp("tls") / "fleet.pem")


@pytest.fixture
def fleet(tmp_path: Path, certificate: Path) -> Iterator[Fleet]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    (tmp_path / "fleet/www").mkdir(parents=True)
    server = Server(tmp_path / "fleet/www", context)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield Fleet(tmp_path / "fleet", server)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def unit(tmp_path: Path, fleet: Fleet, certificate: Path) -> Unit:
    return Unit(tmp_path / "unit", fleet, certificate)


@pytest.fixture
def initrd(tmp_path: Path) -> Initrd:
    """Alone, with variables."""
    made = Initrd(tmp_path)
    made.equip()
    return made


@pytest.fixture
def updated(unit: Unit, fleet: Fleet) -> Unit:
    """1.1.0 is committed in slot b, 1.0.0 is still in slot a, and the boot loader can be told."""
    unit.initrd.equip()
    fleet.release("1.1.0")
    unit.want(firmware="1.1.0")
    unit.run()
    unit.updater().apply()
    assert unit.power_on() == "1.1.0"
    unit.start_services()
    assert unit.phase == "committed"
    unit.boots.clear()
    return unit


@pytest.fixture
def power_cut() -> type[PowerCut]:
    return PowerCut


@pytest.fixture
def uki_of() -> Callable[[str, str, bytes], bytes]:
    return make_uki


@pytest.fixture
def mirror(fleet):
    """The published directory, copied and served over plain HTTP by somebody else."""
    fleet.release("1.1.0")
    copy = fleet.place / "mirror"
    shutil.copytree(fleet.place / "www/tuf", copy)
    handler = lambda *args: Handler(*args, directory=str(copy))  # noqa: E731
    for server in served(handler, faults={}, asked=[]):
        yield server, copy
