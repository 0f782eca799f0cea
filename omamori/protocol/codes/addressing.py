"""Codes about who holds and who gives addresses."""

from typing import Final

from omamori.protocol.codes.entry import CALL, GONE, Text, entry
from omamori.protocol.vocabulary import WiringCode

ENTRIES: Final = (
    entry(
        WiringCode.ROGUE_DHCP,
        (3, 3),
        (
            Text(
                "A second device gives out addresses",
                "アドレスを配る端末がもう1台あります",
            ),
            Text(
                "Besides your router another device gives out addresses, often a Wi-Fi router plugged in the wrong way. "
                "Devices that listen to it lose the internet or bypass the unit.",
                "ルーターのほかにアドレスを配る端末があります。多くは差し方の違うWi-Fiルーターです。"
                "その指示に従う端末は、インターネットにつながらないか、本体を通らなくなります。",
            ),
            Text(
                "Two DHCP servers name different gateways; the evidence gives their MAC addresses and side. Usually a Wi-Fi router whose LAN port is in the "
                "hub: set it to access-point mode or use its WAN port.",
                "2台のDHCPサーバーが別々のゲートウェイを配っています（MACと側は根拠を参照）。"
                "多くはLANポートでハブにつながれたWi-Fiルーターです。APモードにするか、そのWANポートを使ってもらいます。",
            ),
            Text(
                "The other server has given no answer for ten minutes.",
                "もう1台が10分間応答しなければ消えます。",
            ),
        ),
        Text(
            "Look for a Wi-Fi router that was added lately behind the unit.",
            "最近、本体の先に追加したWi-Fiルーターを探します。",
        ),
        Text(
            "Set its switch to access point (AP or bridge mode), or unplug it.",
            "その端末の切替スイッチをAP（ブリッジ）モードにするか、ケーブルを抜きます。",
        ),
        Text(
            "Restart the devices that had no internet.",
            "インターネットにつながらなかった端末を再起動します。",
        ),
        GONE,
    ),
    entry(
        WiringCode.ADDRESS_CONFLICT,
        (3, 2),
        (
            Text("Two devices use the same address", "2台の端末が同じアドレスを使っています"),
            Text(
                "Two devices answer to the same network address, so their connections break now and then.",
                "2台の端末が同じIPアドレスで応答しています。通信がときどき切れる原因になります。",
            ),
            Text(
                "The evidence names the address and both MAC addresses with their makers. One of the two mostly has a fixed address from within the router's range.",
                "根拠にアドレスと両方のMAC（メーカー）があります。多くは片方が、ルーターの配布範囲内の固定アドレスを使っています。",
            ),
            Text(
                "Only one of the two has been heard with the address for two minutes.",
                "2分間、片方だけがそのアドレスを使っていれば消えます。",
            ),
        ),
        Text(
            "Find the two devices by the names or makers shown below.",
            "下に表示された名前やメーカーから、2台の端末を探します。",
        ),
        Text(
            "Set one of them to get its address automatically (DHCP).",
            "片方を「アドレスを自動取得（DHCP）」に設定します。",
        ),
        Text("Restart that device.", "その端末を再起動します。"),
        GONE,
    ),
    entry(
        WiringCode.NO_ADDRESS,
        (3, 1),
        (
            Text("The unit got no network address", "本体がIPアドレスを取得できません"),
            Text(
                "Nobody gave the unit an address. Your network may use fixed addresses. Your traffic passes, but the unit cannot report.",
                "本体にアドレスが配られませんでした。固定アドレスの環境と思われます。通信は流れますが、本体から報告ができません。",
            ),
            Text(
                "No lease and no IPv6 router. The evidence proposes an address, gateway and network overheard from the hosts; enter it on the local page "
                "or switch the router's DHCP on.",
                "リースもIPv6ルーターもありません。根拠に、聞き取りから推定した固定アドレス案があります。"
                "本体の画面で入力するか、ルーターのDHCPを有効にしてもらいます。",
            ),
            Text("The unit has an address.", "本体がアドレスを得ると消えます。"),
        ),
        Text(
            "Restart the router if it was changed lately, and wait two minutes.",
            "ルーターの設定を最近変えた場合は再起動し、2分待ちます。",
        ),
        Text(
            "If your PCs have fixed addresses, open the unit's page and accept the proposed address.",
            "パソコンが固定アドレスの場合は、本体の画面を開き、提案されたアドレスを設定します。",
        ),
        CALL,
    ),
    entry(
        WiringCode.PUBLIC_ADDRESS_INSIDE,
        (3, 5),
        (
            Text(
                "A device behind has a public address",
                "先の端末がグローバルアドレスを使っています",
            ),
            Text(
                "A device behind the unit can be reached from the whole internet. The unit watches it for scans and attacks.",
                "本体の先に、インターネット全体から届く端末があります。本体が探索や攻撃を監視します。",
            ),
            Text(
                "Two such customers made 70 % of all detections in the trial. Ask whether the public server is meant to be there.",
                "試行では該当2社が全検知の7割を占めました。公開サーバーとして意図したものか確認します。",
            ),
            Text(
                "No public address has been heard behind the unit for ten minutes.",
                "本体の先で10分間グローバルアドレスが見えなければ消えます。",
            ),
        ),
        Text(
            "Nothing needs to be done if this is a server of yours that the internet must reach.",
            "公開が必要なサーバーであれば、何もする必要はありません。",
        ),
        Text(
            "Otherwise have whoever set up your network give it a private address behind the router.",
            "そうでなければ、ネットワークの担当者にプライベートアドレスへの変更を依頼します。",
        ),
        Text("Keep its software up to date.", "その端末のソフトウェアを最新に保ちます。"),
    ),
)
