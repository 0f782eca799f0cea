"""The five protections at work: each looks at what the parsers found and says what it wants done about this packet.

A guard only writes to the round: what becomes of the packet is decided once, by the engine, from all of them.
"""

from omamori.firmware.engine.antivirus import FileScan, Found
from omamori.firmware.engine.applications.layer import Content, Context, How, SiteAsked
from omamori.firmware.engine.domains import DomainHit, normalised
from omamori.firmware.engine.flow import Flow, Half
from omamori.firmware.engine.harm import judge
from omamori.firmware.engine.inspection import Inspection, Moment
from omamori.firmware.engine.journal import Finding, Journal, file_severity, rule_severity, site_severity
from omamori.firmware.engine.packet import Packet
from omamori.firmware.engine.rewriting import Overwrites
from omamori.firmware.engine.settings import Mode, Settings
from omamori.firmware.engine.signatures import RuleHit, Signatures
from omamori.protocol.vocabulary import Action, Guard


class Round:
    """One packet's way through the engine (or a flow's end: no packet), and what the guards want done."""

    __slots__ = ("block", "drop", "flow", "now", "packet", "parts", "silent", "suspect", "to_server")

    def __init__(self, flow: Flow, packet: Packet | None, now: float, *, to_server: bool) -> None:
        self.flow = flow
        self.packet = packet
        self.now = now
        self.to_server = to_server
        self.block = ""
        """Why this packet and the rest of the flow are dropped."""
        self.drop = ""
        """Why this packet alone is dropped."""
        self.silent = 0
        """Matches that stop it without being told."""
        self.suspect = False
        """A file is to be overwritten from here on."""
        self.parts: list[tuple[int, Content]] = []
        """What this packet (and what had waited for it) brings of the newest file, each with its offset in the file."""

    def context(self, transaction: int | None = None) -> Context:
        layer = self.flow.layer
        return layer.context(transaction) if layer is not None else Context()


class RuleGuard:
    """IPS: rules over packets, streams and messages."""

    def __init__(self, settings: Settings, journal: Journal) -> None:
        self._settings, self._journal = settings, journal

    def inspect(self, turn: Round, signatures: Signatures, inspection: Inspection) -> None:
        if turn.flow.passed:
            return
        for hit in signatures.rules.evaluate(inspection):
            if hit.action == "pass":
                turn.flow.passed = True
                return
            self._hit(turn, hit, inspection)

    def _hit(self, turn: Round, hit: RuleHit, inspection: Inspection) -> None:
        reason = f"rule {hit.gid}:{hit.sid}: {hit.message}"
        judgement = judge(hit, from_outside=not turn.flow.facts.client_inside)
        prevents = self._settings.mode is Mode.PREVENT and hit.sid not in self._settings.logged_rules
        blocks = prevents and judgement.blocks
        if blocks:
            _stop(turn, reason)
        elif prevents:
            reason = f"{reason} (told only: {judgement.why})"
        if not hit.told:
            turn.silent += blocks
            return
        to_server = inspection.to_server
        context = turn.context(inspection.transaction)
        finding = Finding(
            Guard.IPS,
            f"{hit.gid}:{hit.sid}",
            hit.message,
            Action.BLOCKED if blocks else Action.LOGGED,
            rule_severity(turn.flow, hit.classtype, to_server=to_server, harmful=judgement.blocks),
            reason,
            hit.classtype,
            context.subject,
            hit,
        )
        key = self._key(hit, inspection)
        self._journal.tell(turn.flow, finding, turn.now, to_server=to_server, key=key, context=context)

    def _key(self, hit: RuleHit, inspection: Inspection) -> tuple[object, ...]:
        """What counts as the same match again."""
        if not self._settings.repeat:
            return (hit.gid, hit.sid)
        if inspection.moment is Moment.PACKET:
            facts = inspection.flow
            return (hit.gid, hit.sid, "packet", facts.to_server_packets, facts.to_client_packets)
        if inspection.moment is Moment.STREAM:
            return (hit.gid, hit.sid, "stream", inspection.stream_at + inspection.fresh, inspection.to_server)
        return (hit.gid, hit.sid, "message", inspection.transaction, inspection.to_server)


class SiteGuard:
    """WG, UF and APG: sites by the name that a client asks for."""

    def __init__(self, settings: Settings, journal: Journal) -> None:
        self._settings, self._journal = settings, journal

    def asked(self, turn: Round, signatures: Signatures, event: SiteAsked) -> None:
        name = normalised(event.name)
        if name is None:
            return
        for guard, table in signatures.domains.items():
            hit = table.lookup(name)
            if hit is not None:
                self._listed(turn, guard, hit, name, event.how)

    def _listed(self, turn: Round, guard: Guard, hit: DomainHit, name: str, how: How) -> None:
        listed = guard is Guard.WG or hit.category in self._settings.blocked_categories
        blocks = listed and self._settings.mode is Mode.PREVENT
        reason = f"{how.value} {name}: {hit.domain} is listed as {hit.category or guard.value}"
        if blocks:
            _stop(turn, reason)
        finding = Finding(
            guard,
            f"{guard.value}:{hit.domain}",
            f"{guard.value.upper()} {hit.category}".strip(),
            Action.BLOCKED if blocks else Action.LOGGED,
            site_severity(turn.flow, hit.category),
            reason,
            hit.category,
            name,
        )
        key = (guard, hit.domain)
        self._journal.tell(turn.flow, finding, turn.now, to_server=True, key=key, context=turn.context())


class MalwareGuard:
    """AV: files are scanned as they pass; from the match on, the file is overwritten."""

    def __init__(self, settings: Settings, journal: Journal) -> None:
        self._settings, self._journal = settings, journal

    def content(self, turn: Round, signatures: Signatures, event: Content) -> None:
        flow, way = turn.flow, event.to_server
        half = flow.halves[way]
        if event.first:
            self.close(flow, way)
            half.infected = False
            turn.parts = [entry for entry in turn.parts if entry[1].to_server != way]
            if signatures.antivirus:
                flow.scans[way] = signatures.antivirus.scan()
        if half.infected:
            half.overwrites.add(event.offset, event.offset + event.length + event.following)
        elif event.data:
            self._scan(turn, event, flow.scans[way])
        if event.last:
            self.close(flow, way)
            half.infected = False

    def close(self, flow: Flow, way: bool) -> None:  # noqa: FBT001 - a direction, as everywhere
        scan = flow.scans[way]
        if scan is not None:
            scan.close()
            flow.scans[way] = None

    def _scan(self, turn: Round, event: Content, scan: FileScan | None) -> None:
        if scan is None or scan.scanned >= self._settings.file_limit:
            return
        turn.parts.append((scan.scanned, event))
        found = scan.feed(event.data)
        if found is not None:
            self._found(turn, event, found)

    def _found(self, turn: Round, event: Content, found: Found) -> None:
        way, action = event.to_server, Action.LOGGED
        reason = f"malware pattern {found.pattern.name} in a file sent over {turn.flow.facts.application}"
        if self._settings.mode is Mode.PREVENT:
            action = self._overwrite(turn, found, way, reason)
        context = turn.context(event.transaction)
        finding = Finding(
            Guard.AV,
            found.pattern.id,
            found.pattern.name,
            action,
            file_severity(turn.flow, to_server=way),
            reason,
            "malware",
            context.subject,
        )
        key = (Guard.AV, found.pattern.id, event.transaction, way)
        self._journal.tell(turn.flow, finding, turn.now, to_server=way, key=key, context=context)

    def _overwrite(self, turn: Round, found: Found, way: bool, reason: str) -> Action:  # noqa: FBT001 - a direction
        """What came with earlier packets has been delivered; the rest of the match, and of the file, is not.

        If the whole match had overtaken this packet, only keeping this one back can stop it.
        """
        half = turn.flow.halves[way]
        half.infected = True
        ranges = Overwrites()
        for before, part in turn.parts:
            if part.to_server == way:
                known = part.plain and found.begin is not None
                begin = min(max((found.begin or 0) - before, 0), part.length) if known else 0
                ranges.add(part.offset + begin, part.offset + part.length)
        newest = turn.parts[-1][1]
        end = newest.offset + newest.length
        ranges.add(end, end + newest.following)
        for range_ in ranges.ranges():
            half.overwrites.add(*range_)
        packet = turn.packet
        if packet is None or turn.to_server != way or not _touches(ranges, half, packet):
            turn.block = turn.block or reason + ", out of order"
            return Action.BLOCKED
        turn.suspect = turn.flow.suspect = True
        return Action.NEUTRALISED


def _touches(ranges: Overwrites, half: Half, packet: Packet) -> bool:
    return ranges.applied(half.stream.position(packet.sequence), packet.payload) is not None


def _stop(turn: Round, reason: str) -> None:
    """A resolver's question is dropped alone, for others may follow from the same port; else the whole flow ends."""
    facts = turn.flow.facts
    if facts.protocol == "udp" and facts.application == "dns":
        turn.drop = turn.drop or reason
    else:
        turn.block = turn.block or reason
