"""What is said of a wiring code, and the steps that several codes share."""

from dataclasses import dataclass

from omamori.protocol.vocabulary import WiringCode


@dataclass(frozen=True, slots=True)
class Text:
    """One text in both languages."""

    en: str
    ja: str

    def of(self, language: str) -> str:
        """Japanese for `ja` and its variants, English for everything else."""
        return self.ja if language.split("-", maxsplit=1)[0].lower() == "ja" else self.en


@dataclass(frozen=True, slots=True)
class Lamp:
    """What the status lamp does, over and over: long blinks, then short ones, then a pause. No blinks: it is lit steadily."""

    long: int = 0
    short: int = 0


@dataclass(frozen=True, slots=True)
class Entry:
    """All about one code."""

    code: WiringCode
    lamp: Lamp
    name: Text
    meaning: Text
    steps: tuple[Text, ...]
    """For the customer, in order."""
    desk: Text
    """For the help desk: what to ask, what the evidence shows, what to do next."""
    clears: Text


UNPLUG = Text("Pull both cables out of the unit.", "本体から2本のケーブルを抜きます。")
GONE = Text(
    "Wait one minute. This message disappears by itself.",
    "1分ほど待つと、この表示は自動的に消えます。",
)
CALL = Text(
    "If the message is still there after five minutes, call the help desk and say the code.",
    "5分たっても表示が消えない場合は、コードを控えてヘルプデスクへお電話ください。",
)
WAN_IN = Text(
    "Plug the cable that comes from a LAN port of the router into the port WAN.",
    "ルーターのLANポートから来ているケーブルを、本体のWANポートに差します。",
)
LAN_IN = Text(
    "Plug the cable that goes to your hub or Wi-Fi access point into the port LAN.",
    "ハブまたはWi-Fiアクセスポイントへ行くケーブルをLANポートに差し込みます。",
)


def entry(
    code: WiringCode, lamp: tuple[int, int], texts: tuple[Text, Text, Text, Text], *steps: Text
) -> Entry:
    """A row of the table: the texts are name, meaning, for the help desk, and what clears it."""
    name, meaning, desk, clears = texts
    return Entry(code, Lamp(*lamp), name, meaning, steps, desk, clears)
