"""The facts of a finding's evidence in the reader's language, and what the agent says of its activation. Units tell them in English
sentences of the forms below.

A sentence of no form here, from a newer unit, stays as it is. `{name}` stands for what differs; its last word in the English form
says what it may be (`MARKS`), so that a sentence of any length is read in bounded time.
"""

import re
from functools import cache
from typing import Final

from omamori.protocol.codes.entry import Text

CAP: Final = 400
"""Characters; longer sentences are left alone."""

MARKS: Final = {
    "number": r"\d+",
    "long": r"\d+ (?:s|min|h|days)",
    "time": r"[0-9: -]+UTC",
    "word": r"[^ ,()]+",
    "macs": r"(?: \([0-9a-f:., ]+\))?",
    "list": r"[^ ]+(?:, [^ ]+)*",
    "text": r".+",
}

SENTENCES: Final = (
    # cables
    Text("{port_word} has had no link for {long}", "{port_word}は{long}のあいだリンクしていません"),
    Text(
        "{number} of the unit's own probes came back in at the other port, the last at {time}",
        "本体が送った確認用フレームが{number}個、もう一方のポートに戻りました（最後は{time}）",
    ),
    Text("{port_word} is closed until they stay away", "戻らなくなるまで{port_word}を閉じています"),
    Text(
        "{number} frames on {port_word} carried a VLAN tag ({list}), none came without",
        "{port_word}の{number}フレームすべてにVLANタグ（{list}）が付いています",
    ),
    # between what
    Text(
        "{one_number} PPPoE discovery and at least {two_number} session frames arrived on {text}, the last at {time}",
        "PPPoEの探索フレーム{one_number}個、セッションフレーム{two_number}個以上が{text}に届きました（最後は{time}）",
    ),
    Text("{mac_word} dials from the {port_word} side", "{mac_word}が{port_word}側からPPPoEで接続しています"),
    Text(
        "{text} answers as the provider's end on the {port_word} side",
        "{port_word}側で{text}がプロバイダーとして応答しています",
    ),
    Text("nobody has answered the dialling yet", "PPPoEへの応答はまだありません"),
    Text(
        "{number} hosts ask on the {port_word} side{macs}",
        "{port_word}側で{number}台の端末が通信を始めています{macs}",
    ),
    Text(
        "{port_word} has had link for {long} and no host was heard on it",
        "{port_word}は{long}前からリンクしていますが、端末が見つかりません",
    ),
    Text(
        "{port_word} received {number} frames since boot",
        "{port_word}は起動後に{number}フレームを受信しました",
    ),
    Text(
        "{number} hosts are heard on the {port_word} side{macs}",
        "{port_word}側に{number}台の端末があります{macs}",
    ),
    Text(
        "{number} hosts were known here, the last seen at {time}",
        "以前は{number}台の端末がありました（最後は{time}）",
    ),
    Text(
        "{number} hosts speak on the {port_word} side, beside the router{macs}",
        "{port_word}側で、ルーターのほかに{number}台の端末が通信しています{macs}",
    ),
    Text("{number} hosts are behind the unit{macs}", "本体の先に{number}台の端末があります{macs}"),
    Text(
        "{mac_word} ({address_word}) speaks for several devices: {text}",
        "{mac_word}（{address_word}）の先に複数の機器があります：{text}",
    ),
    Text(
        "{number} hosts behind spoke again and again in the last {long}{macs}",
        "本体の先の端末{number}台が、この{long}に何度も信号を出しています{macs}",
    ),
    Text(
        "no packet of theirs has crossed the unit for {long}",
        "それらの端末の通信は、{long}のあいだ本体を通っていません",
    ),
    # addresses
    Text("the unit has had no address for {long}", "本体は{long}のあいだアドレスを得ていません"),
    Text("no DHCP server has answered", "DHCPサーバーの応答がありません"),
    Text(
        "DHCP servers answer ({list}), but gave the unit no address: are all addresses given out?",
        "DHCPサーバー（{list}）は応答しますが、本体にアドレスを割り当てません。アドレスが足りているか確認してください",
    ),
    Text(
        "no addresses of other devices were overheard",
        "ほかの機器のアドレスは確認できませんでした",
    ),
    Text("{number} addresses in {net_word} were overheard", "{net_word}で{number}個のアドレスを確認しました"),
    Text("proposed: {word}, gateway {gateway_word}", "提案：{word}、ゲートウェイ{gateway_word}"),
    Text("proposed: {word}", "提案：{word}"),
    Text("{word} is claimed by {text}", "{word}を使っている機器：{text}"),
    Text(
        "leases of {mac_word} on the {port_word} side name the gateway {text}, last at {time}",
        "{port_word}側の{mac_word}が配るゲートウェイ：{text}（最後は{time}）",
    ),
    Text("the way out is {text}", "正しい出口：{text}"),
    Text("{mac_word} behind the unit holds {word}", "本体の先の{mac_word}が{word}を使っています"),
    # beyond the router
    Text("{number} time servers say it is {text}", "時刻サーバー{number}台によると、{text}"),
    Text("the fleet says it is {text}", "当社サーバーによると、{text}"),
    Text("the unit's clock shows {time}", "本体の時計は{time}です"),
    Text(
        "hosts get answers from {list}, as from a proxy",
        "端末は、プロキシとみられる{list}から応答を得ています",
    ),
    Text("{word} was heard as router, last at {time}", "{word}がルーターとして動いています（最後は{time}）"),
    Text("packets get as far as {word}", "パケットは{word}まで届きます"),
    Text("no router on the way says that packets pass", "途中のルーターから応答がありません"),
    Text(
        "a server of the internet answered a host {long} ago",
        "{long}前に、インターネットのサーバーが端末に応答しました",
    ),
    Text("the unit is connected to its fleet", "本体は当社サーバーに接続しています"),
    Text("the fleet's address: {text}", "当社サーバー：{text}"),
    Text("the fleet answers", "当社サーバーが応答しています"),
    Text("{word} on the way to the fleet answers", "当社サーバーまでの途中の{word}が応答しています"),
    Text(
        "the agent has had no session with the fleet for {long}",
        "{long}のあいだ、当社サーバーと接続できていません",
    ),
    Text(
        "the gateway is {one_word}, and behind it {two_word} takes the next hop",
        "ゲートウェイは{one_word}で、その先にも{two_word}（ルーター）があります",
    ),
    Text(
        "providers use 10.0.0.0/8 inside their own networks, too",
        "10.0.0.0/8はプロバイダーの網内でも使われます",
    ),
    # tries to reach the fleet
    Text("the name servers do not know {word}", "DNSサーバーに{word}の登録がありません"),
    Text("no name server answers for {word}", "{word}について、DNSサーバーの応答がありません"),
    Text("the fleet's certificate cannot be read: {text}", "当社サーバーの証明書を読み込めません：{text}"),
    Text(
        "the proxy {word} of the unit's settings is not there ({text})",
        "設定されたプロキシ{word}が見つかりません（{text}）",
    ),
    Text("the proxy {word} does not answer ({text})", "プロキシ{word}が応答しません（{text}）"),
    Text("the proxy {word} gives no answer", "プロキシ{word}が応答しません"),
    Text("the proxy {word} answers {text}", "プロキシ{word}の応答：{text}"),
    Text("{text} refuses connections", "{text}が接続を拒否しました"),
    Text("{text} hangs up during the handshake", "{text}が、暗号化の手続き中に切断しました"),
    Text(
        "{where_text} shows a certificate that is not the fleet's: {text}",
        "{where_text}の証明書は当社サーバーのものではありません：{text}",
    ),
    Text(
        "{where_text} answers, but not in TLS ({text})",
        "{where_text}の応答は暗号化（TLS）されていません（{text}）",
    ),
    Text(
        "{where_text} connects and then is silent ({text})", "{where_text}は、接続後に応答しません（{text}）"
    ),
    Text("{where_text} does not answer ({text})", "{where_text}が応答しません（{text}）"),
    Text("{text} answers", "{text}が応答しました"),
    Text(
        "web requests to {word} are answered with status {number} and sent to {text}",
        "{word}へのアクセスに状態コード{number}が返り、{text}へ誘導されました",
    ),
    # what the agent says of its activation
    Text("the factory wrote no claim into this unit", "この本体には、工場で登録情報が書き込まれていません"),
    Text("the claim cannot be used: {text}", "登録情報を読み込めません：{text}"),
    Text(
        "the fleet does not know this unit or its claim ({number})",
        "当社サーバーに、この本体の登録がありません（{number}）",
    ),
    Text(
        "this unit was activated before, with another key ({number})",
        "この本体は、以前に別の鍵で有効化されています。ヘルプデスクへお電話ください（{number}）",
    ),
    Text(
        "the fleet found the request too large ({number})", "当社サーバーが要求を受け付けません（{number}）"
    ),
    Text("the fleet is busy ({number})", "当社サーバーが混み合っています（{number}）"),
    Text("the fleet refuses ({number})", "当社サーバーが拒否しました（{number}）"),
    # who is a router
    Text(
        "{mac_word} {text} on the {port_word} side, last at {time}",
        "{port_word}側の{mac_word}：{text}（最後は{time}）",
    ),
    # why a cable is slow
    Text("{port_word}: {text}", "{port_word}：{text}"),
)
"""The first that fits counts, so what fits more stands later."""

PARTS: Final = (
    Text("its packets have passed {number} router(s) before", "パケットがルーター{number}台を経由済み"),
    Text("none of its connections began in the device itself", "機器自身が始めた通信がない"),
    Text("{number} different systems speak through it", "種類の違うシステム{number}個が通信"),
    Text("TTLs start at", "TTLの初期値が複数："),
    Text("{number} different orders of TCP options", "TCPオプションの並びが{number}通り"),
    Text("it announces itself as a router", "自らルーターと名乗っている"),
    Text("its programs call themselves", "ソフトの名乗りが複数："),
    Text("it opens TLS as {list} do (JA4)", "TLSの始め方が複数：{list}（JA4）"),
    Text("{list} and {word} do (JA4)", "{list}と{word}（JA4）"),
    Text("{number} different ways to open TLS (JA4)", "TLSの始め方が{number}通り（JA4）"),
    Text("answers as gateway", "ゲートウェイとして応答"),
    Text("gives leases (DHCP)", "アドレスを配布（DHCP）"),
    Text("advertises itself as router (IPv6)", "ルーターとして広告（IPv6）"),
    Text("brings packets of the open internet", "インターネットのパケットを中継"),
    Text("the unit itself", "この本体"),
    Text("on the {word} side", "（{word}側）"),
    Text("half duplex", "半二重"),
    Text(
        "{one_number} broken frames beside {two_number} good ones in the last minutes",
        "直近の数分で壊れたフレーム{one_number}個、正常なフレーム{two_number}個",
    ),
    Text("{long} later than the unit's clock says", "本体の時計より{long}進んでいます"),
    Text("{long} earlier than the unit's clock says", "本体の時計より{long}遅れています"),
    Text("by way of the proxy {word}", "（プロキシ{word}経由）"),
    Text("port {number}", "ポート{number}"),
    Text("(none)", "（なし）"),
    Text("not known", "不明"),
    Text("a sign-in page", "サインイン画面"),
    Text("timed out", "時間切れ"),
    Text(" and ", "、"),
)
"""What stands for `{text}` in sentences that are ours to the end."""

_OURS: Final = re.compile(r"(\d+) (s|min|h|days)\b")
_UNITS: Final = {"s": "秒", "min": "分", "h": "時間", "days": "日"}


def told(fact: str, language: str) -> str:
    """The fact in Japanese for `ja` and its variants; as it is in other languages, and where it is of no form known."""
    if language.split("-", maxsplit=1)[0].lower() != "ja":
        return fact
    return in_japanese(fact) or fact


def reason(text: str, language: str) -> str:
    """Why several devices seem to speak through one, in the same way."""
    if language.split("-", maxsplit=1)[0].lower() != "ja" or len(text) > CAP:
        return text
    return _in_parts(text)


def in_japanese(fact: str) -> str:
    """Empty where the sentence is of no form known."""
    if len(fact) > CAP:
        return ""
    for pattern, japanese in _sentences():
        if found := pattern.fullmatch(fact):
            return japanese.format(**{name: _part(name, value) for name, value in found.groupdict().items()})
    return ""


def _part(name: str, value: str) -> str:
    match name.rsplit("_", 1)[-1]:
        case "long":
            return _OURS.sub(lambda found: found[1] + _UNITS[found[2]], value)
        case "macs":
            return value.replace(" (", "（").replace(")", "）")
        case "text":
            return in_japanese(value) or _in_parts(value)
        case _:
            return value


def _in_parts(value: str) -> str:
    for pattern, japanese in _parts():
        value = pattern.sub(
            lambda found, told=japanese: told.format(
                **{n: _part(n, v) for n, v in found.groupdict().items()}
            ),  # type: ignore[misc] # bound now
            value,
        )
    return value


@cache
def _sentences() -> tuple[tuple[re.Pattern[str], str], ...]:
    """Made for the first reader of Japanese."""
    return tuple((_pattern(text.en), text.ja) for text in SENTENCES)


@cache
def _parts() -> tuple[tuple[re.Pattern[str], str], ...]:
    return tuple((_pattern(text.en), text.ja) for text in PARTS)


def _pattern(english: str) -> re.Pattern[str]:
    pieces = re.split(r"\{(\w+)\}", english)
    marked = (
        f"(?P<{piece}>{MARKS[piece.rsplit('_', 1)[-1]]})" if place % 2 else re.escape(piece)
        for place, piece in enumerate(pieces)
    )
    return re.compile("".join(marked))
