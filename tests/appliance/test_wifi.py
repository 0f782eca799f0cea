"""The company's access point on a simulated radio of the booted unit, set as the page sets it, with a real client on a second radio.

One guest of its own, of the variant `radio` (version 9.0.x): the kernel of the test variant has no radios. The tests look at one life of it, in this order.
"""

import json
import shlex
from dataclasses import dataclass

import pytest

from lab.appliance import ROUTER, Factory, Site, omamori, unit_between
from lab.machine import Boot
from lab.namespaces import PYTHON, reaches
from omamori.image.build import Image
from omamori.image.state import State
from omamori.protocol.ids import UnitId
from omamori.protocol.label import label_code
from omamori.protocol.messages import Claim, encode
from omamori.protocol.version import Version
from tests.certificates import self_signed

VERSION = "9.0.0"
SECRET, PASSPHRASE, SSID = "s3cret-of-the-factory", "correct horse # battery", "事務所 Wi-Fi"
PATIENCE = 240
"""Seconds for anything in an emulated guest on a busy machine."""
RULE = """drop http any any -> any any (msg:"TEST injection"; flow:established,to_server; http.uri; content:"union"; nocase; \
content:"select"; nocase; distance:1; within:40; classtype:web-application-attack; sid:1000001; rev:1;)
"""
USUAL = {"mode": "automatic", "address": "", "mask": "", "gateway": "", "servers": "", "proxy": ""}
WIFI = {"wifi": "on", "ssid": SSID, "passphrase": PASSPHRASE, "protection": "wpa2-wpa3", "channel": "6"}
LEASED = """#!/bin/sh
[ "$1" = bound ] && ip address replace "$ip/24" dev "$interface"
exit 0
"""
WPA2 = ("key_mgmt=WPA-PSK", f'psk="{PASSPHRASE}"', "ieee80211w=1")
SAE = ("key_mgmt=SAE", f'sae_password="{PASSPHRASE}"', "ieee80211w=2")


@dataclass
class Wireless:
    """The unit, and a client that is a second radio in a namespace of the same guest."""

    site: Site
    mac: str = ""

    def run(self, command, **options):
        return self.site.guest.ssh(command, timeout=PATIENCE, **options)

    def inside(self, command, **options):
        return self.run(f"ip netns exec client {command}", **options)

    def wait(self, condition, what):
        self.site.guest.wait(condition, seconds=PATIENCE, what=what, pause=1)

    def says(self, command, text):
        """Whether a command prints it; one that fails prints nothing yet."""
        return text in self.run(command, check=False)

    def state(self):
        """Of the access point's service."""
        return self.run("systemctl is-active omamori-wifi", check=False).strip()

    def ordered(self, number, **changed):
        """Leave an order as the page does, and wait until it is worked on."""
        order = {
            "id": f"{number:016x}",
            "code": label_code("om-0009", SECRET),
            "settings": USUAL | WIFI | changed,
        }
        made = shlex.quote(json.dumps(order))
        folder = "/run/omamori/page"
        self.run(
            f"cd {folder} && (umask 077; printf %s {made} > new) && chown omamori-page:omamori new && mv new order.json"
        )
        self.wait(
            lambda: self.outcome().get("id") == order["id"] and self.outcome()["state"] != "trying",
            "the outcome",
        )
        return self.outcome()

    def outcome(self):
        text = self.run("cat /run/omamori/settings/outcome.json", check=False)
        return json.loads(text) if text else {}

    def joins(self, *lines):
        """A client with these lines of its network tries to log on; what it says is in a log."""
        self.leaves()
        network = ("network={", f"ssid={SSID.encode().hex()}", "scan_ssid=1", *lines, "}")
        lines = "\n".join(("ctrl_interface=/run/wpa", *network, ""))
        self.run(f"printf %s {shlex.quote(lines)} > /run/client.conf; : > /run/client.log")
        self.inside(
            "wpa_supplicant -B -s -i phone0 -D nl80211 -c /run/client.conf -f /run/client.log -P /run/client.pid"
        )

    def leaves(self):
        self.run(
            "[ ! -e /run/client.pid ] || kill $(cat /run/client.pid); while [ -e /run/client.pid ]; do sleep 0.2; done"
        )

    def is_on(self):
        return self.says("wpa_cli -p /run/wpa -i phone0 status", "wpa_state=COMPLETED")

    def fetch(self, path):
        return self.inside(f"busybox wget -T 60 -q -O - 'http://{ROUTER}:8000/{path}' 2>&1", check=False)


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    made = Factory.found(tmp_path_factory.mktemp("factory"))
    (made.place / "rules").write_text(RULE)
    pack, trust = made.pack("1.0.1"), made.place / "tuf/metadata/root.json"
    omamori("image", "build", "--variant", "radio", "--version", VERSION, "--trust", trust, "--pack", pack)
    return Image.open(State.of().image("radio", Version.parse(VERSION)))


@pytest.fixture(scope="module")
def unit(image, tmp_path_factory):
    folder = tmp_path_factory.mktemp("wifi")
    pair = self_signed(ROUTER)
    pem = pair.write(folder / "fleet.pem")
    claim = encode(Claim(UnitId("om-0009"), SECRET, f"https://{ROUTER}:8443", pair.certificate)).decode()
    web = folder / "www"
    web.mkdir()
    (web / "index.html").write_text("<html>an ordinary page</html>")
    fleet = (PYTHON, "-m", "lab.wiring.stub", "--bind", ROUTER, "--port", "8443", "--certificate", pem)
    with (
        unit_between(image, folder / "guest", Boot.DIRECT, claim=claim, tpm=True) as site,
        site.serving(web),
        site.wan.running(*fleet),
    ):
        made = Wireless(site)
        made.wait(lambda: made.says("cat /run/omamori/bridge/status.json", '"pack": "1.0.1"'), "the pack")
        made.wait(lambda: made.says("cat /run/omamori/lan/hosts.json", "hosts"), "the list of hosts")
        made.wait(lambda: made.says("cat /var/lib/omamori/agent/fleet.json", "8443"), "where the fleet is")
        yield made


@pytest.mark.timeout(1200)
def test_the_company_runs_its_access_point_on_the_unit(unit):
    """One life, told in order; each step is a claim of the guide."""
    before = unit.run("cat /sys/class/net/br0/address")
    assert unit.run("ls /sys/class/net").split().count("radio0") == 0
    assert unit.ordered(1)["state"] == "refused", "no radio, no access point"
    plug_in_two_radios(unit)
    assert unit.state() == "inactive"
    told = unit.ordered(2)
    assert (told["state"], told["settings"]["ssid"]) == ("kept", SSID), told
    runs_with_few_rights(unit)
    assert unit.run("ls /sys/class/net/br0/brif").split() == ["lan0", "radio0", "wan0"]
    assert unit.run("cat /sys/class/net/br0/address") == before, (
        "the unit stays the same client to its router"
    )
    a_client_joins_and_is_guarded(unit)
    a_wrong_passphrase_is_refused(unit)
    another_channel_and_wpa3_alone(unit)
    one_that_is_killed_comes_back(unit)
    nobody_was_told_the_passphrase(unit)
    assert unit.ordered(4, wifi="off")["state"] == "kept"
    unit.wait(lambda: unit.state() == "inactive", "its end")
    assert unit.run("ls /sys/class/net/br0/brif").split() == ["lan0", "wan0"]
    assert unit.run("ls /run/omamori/wifi /var/lib/omamori/settings").split() == [
        "/run/omamori/wifi:",
        "/var/lib/omamori/settings:",
        "settings.json",
    ]
    assert unit.run("cat /sys/class/net/br0/address") == before
    assert "omamori-" not in unit.run("systemctl --failed --no-legend --plain")


def plug_in_two_radios(unit):
    """The first that the kernel tells of is the unit's; the other one, whatever it is called, becomes the client's."""
    unit.run("modprobe mac80211_hwsim radios=2")
    unit.wait(lambda: unit.says("udevadm settle && ls /sys/class/net", "radio0"), "the unit's radio")
    (other,) = (name for name in unit.run("ls /sys/class/net").split() if name.startswith("wlan"))
    unit.mac = unit.run(f"cat /sys/class/net/{other}/address").strip()
    unit.run(f"printf %s {shlex.quote(LEASED)} > /run/leased && chmod 755 /run/leased && ip netns add client")
    unit.run(f"iw phy $(cat /sys/class/net/{other}/phy80211/name) set netns name client")
    unit.inside(f"ip link set {other} name phone0")


def runs_with_few_rights(unit):
    shown = unit.run(
        "systemctl show omamori-wifi -p User,CapabilityBoundingSet,NoNewPrivileges,ProtectSystem,ActiveState"
    )
    facts = dict(line.split("=", 1) for line in shown.splitlines())
    assert set(facts.pop("CapabilityBoundingSet").split()) == {"cap_net_admin", "cap_net_raw"}
    assert facts == {
        "User": "omamori-wifi",
        "NoNewPrivileges": "yes",
        "ProtectSystem": "strict",
        "ActiveState": "active",
    }


def a_client_joins_and_is_guarded(unit):
    unit.joins(*WPA2)
    unit.wait(unit.is_on, "the client to be on by WPA2")
    unit.inside("busybox udhcpc -i phone0 -n -q -t 30 -T 2 -s /run/leased -x hostname:keiri-phone")
    assert "192.168.55.1" in unit.inside("ip -4 address show phone0")
    unit.wait(lambda: "an ordinary page" in unit.fetch(""), "an ordinary page")
    assert " 404 " in unit.fetch("list?id=1%20select%20password"), "the server knows no such page"
    assert " 403 " in unit.fetch("list?id=1%20union%20all%20select%20password"), (
        "the unit answers in its place"
    )
    unit.wait(lambda: host(unit).get("side") == "behind", "the client among the hosts behind the unit")
    unit.wait(
        lambda: any(held["address"].startswith("192.168.55.1") for held in host(unit)["addresses"]),
        "its address",
    )


def host(unit):
    listed = json.loads(unit.run("cat /run/omamori/lan/hosts.json"))["hosts"]
    return next((each for each in listed if each["mac"] == unit.mac), {})


def a_wrong_passphrase_is_refused(unit):
    unit.joins("key_mgmt=WPA-PSK", 'psk="not the passphrase"')
    unit.wait(lambda: unit.says("cat /run/client.log", "WRONG_KEY"), "the refusal")
    assert not unit.is_on()


def another_channel_and_wpa3_alone(unit):
    """The passphrase that was set stays; a client of WPA2 gets in no more."""
    assert unit.ordered(3, passphrase="", protection="wpa3", channel="36")["settings"]["channel"] == "36"
    unit.joins(*SAE)
    unit.wait(unit.is_on, "the client to be on by WPA3")
    assert unit.says("wpa_cli -p /run/wpa -i phone0 status", "key_mgmt=SAE")
    assert unit.says("wpa_cli -p /run/wpa -i phone0 status", "freq=5180")
    unit.joins(*WPA2)
    unit.wait(
        lambda: unit.says("wpa_cli -p /run/wpa -i phone0 scan_results", "SAE"), "the client to have looked"
    )
    assert not unit.is_on()


def one_that_is_killed_comes_back(unit):
    """Whoever has a cable goes on."""
    unit.run("systemctl kill --signal=KILL omamori-wifi")
    unit.wait(lambda: reaches(unit.site.lan, ROUTER), "the wired host to reach its router")
    unit.wait(lambda: unit.says("systemctl show omamori-wifi -p NRestarts", "=1"), "it to be started again")
    unit.wait(lambda: unit.state() == "active", "the access point to be back")
    assert unit.run("cat /sys/class/net/radio0/carrier").strip() == "1"


def nobody_was_told_the_passphrase(unit):
    unit.leaves()
    told, sealed = "/run/omamori/wifi/hostapd.conf", "/var/lib/omamori/settings/access-point.json.sealed"
    assert unit.run(f"stat -c '%U %a' {told} {sealed}").splitlines() == ["root 600"] * 2
    pattern = shlex.quote(PASSPHRASE)
    assert unit.run(f"journalctl --no-pager | grep -cF {pattern}", check=False).strip() == "0"
    found = unit.run(f"grep -rlF {pattern} /run/omamori /var/lib/omamori", check=False).split()
    assert found == [told]
    unit.run(f"rm {told} && systemctl start omamori-settings-restore")
    assert unit.run(f"grep -cF {pattern} {told}").strip() == "1", "opened by the TPM, as at a start"
