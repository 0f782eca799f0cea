"""The embedded broker starts, stops, says what is wrong, and never outlives its owner."""

import os
import signal
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from omamori.fleet.broker import BrokerError
from omamori.fleet.broker.authority import open_authority
from omamori.fleet.broker.mosquitto import Broker, BrokerSettings, access, configuration


def settings_for(directory: Path) -> BrokerSettings:
    now = datetime.now(UTC)
    authority = open_authority(directory / "ca", now=now)
    pair = authority.server(directory / "tls", ["127.0.0.1"], now=now)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return BrokerSettings(directory / "broker", directory / "ca/root.pem", pair, "127.0.0.1", port)


def test_it_starts_and_stops(tmp_path: Path) -> None:
    broker = Broker(settings_for(tmp_path))
    assert broker.pid is None
    for _ in range(2):
        with broker:
            assert broker.pid
            os.kill(broker.pid, 0)
        assert broker.pid is None
    broker.stop()
    assert (tmp_path / "broker/mosquitto.db").exists(), "sessions survive a restart"


def test_a_port_in_use_is_said(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)
    with (
        socket.create_server(("127.0.0.1", settings.port)),
        pytest.raises(BrokerError, match="something else listens"),
    ):
        Broker(settings).start()


def test_its_last_words_are_in_the_error(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)
    settings.server.certificate.write_text("garbage")
    with pytest.raises(BrokerError, match=r"(?s)did not start.*certificate"):
        Broker(settings).start()


OWNER = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_mosquitto import Broker, settings_for
broker = Broker(settings_for(Path(sys.argv[1])))
broker.start()
print(broker.pid, flush=True)
time.sleep(60)
"""


def test_it_does_not_outlive_a_killed_owner(tmp_path: Path) -> None:
    command = [sys.executable, "-c", OWNER, str(tmp_path), str(Path(__file__).parent)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout
        pid = int(owner.stdout.readline())
        owner.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 5
    while Path(f"/proc/{pid}").exists() and "Z" not in Path(f"/proc/{pid}/stat").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_what_matters_is_configured(tmp_path: Path) -> None:
    lines = configuration(settings_for(tmp_path)).splitlines()
    for line in (
        "require_certificate true",
        "use_identity_as_username true",
        "use_username_as_clientid true",
        "allow_anonymous false",
        "max_packet_size 262144",
        "message_size_limit 65536",
    ):
        assert line in lines
    assert access().splitlines()[-2:] == [
        "pattern write omamori/v1/+/%u/up/+",
        "pattern read omamori/v1/+/%u/down/+",
    ]
