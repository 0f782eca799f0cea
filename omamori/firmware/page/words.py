"""The page's own words in both languages; those about wiring codes are `omamori.protocol.codes`. Pure data."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from omamori.firmware.page.helper_words import TEXTS as _HELPER
from omamori.firmware.page.scenes import Box
from omamori.firmware.page.setting_words import TEXTS as _SETTINGS
from omamori.firmware.page.wifi_words import TEXTS as _WIFI
from omamori.protocol.codes import Text


@dataclass(frozen=True, slots=True)
class Words:
    """One language."""

    language: str
    other: str
    """The other language's code, and its name in itself."""
    other_name: str
    boxes: Mapping[Box, str]
    texts: Mapping[str, str]

    def __getitem__(self, key: str) -> str:
        return self.texts[key]

    def of(self, text: Text) -> str:
        return text.of(self.language)


_BOXES: Final = {
    Box.INTERNET: Text("Internet line", "インターネット"),
    Box.FLEET: Text("Our server", "当社サーバー"),
    Box.FIRST_ROUTER: Text("First router", "手前のルーター"),
    Box.ROUTER: Text("Router", "ルーター"),
    Box.UNIT: Text("Omamori", "Omamori（本体）"),
    Box.SWAPPED_UNIT: Text("Omamori", "Omamori（本体）"),
    Box.HUB: Text("Hub / access point", "ハブ・Wi-Fi親機"),
    Box.HIDING_ROUTER: Text("Second router", "2台目のルーター"),
    Box.SECOND_ROUTER: Text("Gives addresses, too", "アドレスを配る機器"),
    Box.DEVICES: Text("Your devices", "社内の端末"),
    Box.ASTRAY: Text("Not protected", "保護されない端末"),
    Box.TWINS: Text("Same address twice", "同じアドレスの端末"),
    Box.OTHER_WAY: Text("Another way out", "別の出口"),
    Box.PUBLIC: Text("Public address", "グローバルIP端末"),
}

_TEXTS: Final = {
    "title": Text("This Omamori unit", "Omamori 本体の画面"),
    "unit": Text("Unit", "本体番号"),
    "now": Text("Now", "現在"),
    "should": Text("How it should be", "正しいつなぎ方"),
    "unknown": Text("The wiring is being checked", "配線を確認しています"),
    "unknown-more": Text(
        "The unit listens to your network. This takes about half a minute after the start.",
        "本体がネットワークを確認しています。起動後30秒ほどかかります。",
    ),
    "code": Text("Code", "コード"),
    "lamp": Text("Lamp", "ランプ"),
    "steady": Text("lit", "点灯"),
    "long": Text("long", "長"),
    "short": Text("short", "短"),
    "sure": Text("Certainty", "確からしさ"),
    "evidence": Text("For the help desk: what this was read from", "ヘルプデスク用: 判定の根拠"),
    "clears": Text("It disappears when", "表示が消える条件"),
    "also": Text("Also found", "ほかに見つかったこと"),
    "install": Text("Installation", "設置の手順"),
    "done": Text("done", "済み"),
    "to-do": Text("to do", "未完了"),
    "step-power": Text("The unit is switched on", "本体の電源が入っている"),
    "step-wan": Text(
        "Port WAN: cable from a LAN port of the router", "WANポート: ルーターのLANポートからのケーブル"
    ),
    "step-lan": Text(
        "Port LAN: cable to the hub or access point", "LANポート: ハブまたはWi-Fi親機へのケーブル"
    ),
    "step-hosts": Text("Your devices are behind the unit", "社内の端末が本体の先にある"),
    "step-online": Text("The unit reaches the internet", "本体がインターネットにつながる"),
    "step-active": Text("Press the activation button once", "本体の有効化ボタンを1回押す"),
    "step-connected": Text("The unit is connected to our server", "本体が当社サーバーに接続している"),
    "activation": Text("Activation", "利用開始"),
    "activation-no claim": Text(
        "This unit was not prepared at the factory. Please call the help desk.",
        "この本体は出荷準備が済んでいません。ヘルプデスクへお電話ください。",
    ),
    "activation-waiting for the button": Text(
        "Press the activation button on the unit once.", "本体の有効化ボタンを1回押してください。"
    ),
    "activation-key lost": Text(
        "This unit's key does not open on this hardware any more. The network goes on as before, without our server. "
        "Please call the help desk; once they have let the unit in again, press the activation button once.",
        "本体の鍵が、このハードウェアでは開けなくなりました。通信はこれまでどおり流れますが、当社サーバーには接続できません。"
        "ヘルプデスクへお電話ください。再登録の連絡を受けたら、本体の有効化ボタンを1回押してください。",
    ),
    "activation-asking the fleet": Text(
        "The button was pressed; the unit is asking our server.",
        "ボタンが押されました。当社サーバーに問い合わせています。",
    ),
    "activation-active": Text("The unit is active.", "利用を開始しています。"),
    "activation-unknown": Text("The unit is starting.", "本体が起動しています。"),
    "connected": Text("Connected to our server.", "当社サーバーに接続しています。"),
    "not-connected": Text(
        "Not connected to our server at present; protection goes on.",
        "現在、当社サーバーに接続していません（保護は続いています）。",
    ),
    "problem": Text("The unit says", "本体からの情報"),
    "devices": Text("Devices", "端末"),
    "behind": Text("Protected, behind the unit", "保護されている端末（本体の先）"),
    "router-side": Text("Not protected, on the router's side", "保護されていない端末（ルーター側）"),
    "none": Text("None heard yet.", "まだ見つかっていません。"),
    "more": Text("and more", "ほか"),
    "nameless": Text("(no name)", "（名前なし）"),
    "settings": Text("Settings of this unit", "本体の設定"),
    "settings-more": Text(
        "Only for networks with fixed addresses or a proxy. Most customers never need them.",
        "固定アドレスまたはプロキシの環境でのみ使います。通常は必要ありません。",
    ),
    "settings-more-wifi": Text(
        "For Wi-Fi by this unit, and for networks with fixed addresses or a proxy. Most customers never need them.",
        "本体をWi-Fi親機として使う場合と、固定アドレスまたはプロキシの環境でのみ使います。通常は必要ありません。",
    ),
    "to-settings": Text("Open the settings", "設定を開く"),
    "back": Text("Back to the diagnosis", "診断に戻る"),
    "refreshes": Text("This page renews itself every 10 seconds.", "この画面は10秒ごとに自動更新されます。"),
    "other-language": Text("日本語", "English"),
    "impossible": Text("This is not possible", "この操作はできません"),
    "not-found": Text("There is no such page here.", "このページはありません。"),
    "wrong-name": Text(
        "This page answers to http://omamori.local and to the unit's address only.",
        "この画面は http://omamori.local または本体のアドレスでのみ開けます。",
    ),
    "too-many": Text("Too many requests. Please wait a minute.", "アクセスが多すぎます。1分お待ちください。"),
    "too-large": Text("The request is too large.", "送信内容が大きすぎます。"),
}

WORDS: Final[Mapping[str, Words]] = {
    language: Words(
        language,
        other,
        _TEXTS["other-language"].of(language),
        {box: text.of(language) for box, text in _BOXES.items()},
        {key: text.of(language) for key, text in (_TEXTS | _SETTINGS | _WIFI | _HELPER).items()},
    )
    for language, other in (("ja", "en"), ("en", "ja"))
}
