"""Codes about links, loops and cables: the words of what `firmware/lan/diagnosis/cabling.py` finds."""

from typing import Final

from omamori.protocol.codes.entry import CALL, GONE, Text, entry
from omamori.protocol.vocabulary import WiringCode

ENTRIES: Final = (
    entry(
        WiringCode.BOTH_PORTS_SAME_SWITCH,
        (1, 4),
        (
            Text("Both cables lead to the same hub", "2本のケーブルが同じハブにつながっています"),
            Text(
                "Both ports of the unit lead to the same hub, so data would run in a circle. "
                "The unit has closed its port LAN to keep your network working; it protects nothing at present.",
                "本体の両方のポートが同じハブにつながり、データが回り続ける状態です。"
                "ネットワークを守るためLANポートを閉じています。現在は保護されていません。",
            ),
            Text(
                "The unit's own probe came back on the other port. Have the customer follow both cables to their far ends: one must end in the router, "
                "one in the hub, and no other cable may join router and hub.",
                "本体の確認用フレームが反対側のポートに戻りました。両方のケーブルの行き先を確認してもらいます。"
                "1本はルーター、1本はハブで終わり、ルーターとハブを直接つなぐ別のケーブルがないこと。",
            ),
            Text(
                "The probe no longer comes back for five seconds; the port LAN opens by itself.",
                "確認用フレームが5秒間戻らなくなると、LANポートは自動的に開きます。",
            ),
        ),
        Text(
            "Follow both cables of the unit to their other ends.",
            "本体の2本のケーブルの行き先をたどります。",
        ),
        Text(
            "Plug one of them into a LAN port of the router, the other into the hub.",
            "1本をルーターのLANポート、もう1本をハブに差します。",
        ),
        Text(
            "Pull any other cable that joins the router and the hub directly.",
            "ルーターとハブを直接つなぐ別のケーブルがあれば抜きます。",
        ),
        GONE,
    ),
    entry(
        WiringCode.WAN_CABLE_MISSING,
        (1, 1),
        (
            Text("No cable from the router", "ルーター側のケーブルがつながっていません"),
            Text(
                "The port WAN has no connection: no cable, a loose or broken cable, or the router is off.",
                "WANポートに接続がありません。ケーブルの抜け・緩み・断線、またはルーターの電源が切れています。",
            ),
            Text(
                "No carrier on the port WAN. Try another cable and another LAN port of the router; ask whether the router's lamps are lit.",
                "WANポートにリンクがありません。別のケーブル、ルーターの別のLANポートで試し、ルーターのランプを確認してもらいます。",
            ),
            Text("The port WAN has link again.", "WANポートのリンクが戻ると消えます。"),
        ),
        Text("Check that the router is switched on.", "ルーターの電源が入っているか確認します。"),
        Text(
            "Push the cable firmly into the port WAN and into a LAN port of the router, until it clicks.",
            "ケーブルをWANポートとルーターのLANポートに、カチッと音がするまで差し込みます。",
        ),
        Text(
            "If the lamp beside the port stays dark, use another cable.",
            "ポート横のランプが点かない場合は、別のケーブルに替えます。",
        ),
        GONE,
    ),
    entry(
        WiringCode.LAN_CABLE_MISSING,
        (1, 2),
        (
            Text("No cable to the hub", "ハブ側のケーブルがつながっていません"),
            Text(
                "The port LAN has no connection: no cable, a loose or broken cable, or the hub or access point is off.",
                "LANポートに接続がありません。ケーブルの抜け・緩み・断線、またはハブやアクセスポイントの電源が切れています。",
            ),
            Text(
                "No carrier on the port LAN. Ask for the hub's power and for another cable. A unit with one cable only protects nothing.",
                "LANポートにリンクがありません。ハブの電源と別のケーブルを確認してもらいます。ケーブル1本だけでは保護されません。",
            ),
            Text("The port LAN has link again.", "LANポートのリンクが戻ると消えます。"),
        ),
        Text(
            "Check that your hub or Wi-Fi access point is switched on.",
            "ハブまたはWi-Fiアクセスポイントの電源が入っているか確認します。",
        ),
        Text(
            "Push the cable firmly into the port LAN and into the hub or access point, until it clicks.",
            "ケーブルをLANポートとハブ（アクセスポイント）に、カチッと音がするまで差し込みます。",
        ),
        Text(
            "If the lamp beside the port stays dark, use another cable.",
            "ポート横のランプが点かない場合は、別のケーブルに替えます。",
        ),
        GONE,
    ),
    entry(
        WiringCode.VLAN_ONLY,
        (3, 4),
        (
            Text("Only tagged traffic arrives here", "VLANタグ付きの通信だけが流れています"),
            Text(
                "The cables carry only virtual networks (VLAN). The unit inspects what passes, but has no network of its own to report to us.",
                "このケーブルにはVLANタグ付きの通信だけが流れています。本体自身が使えるネットワークがなく、状況をお知らせできません。",
            ),
            Text(
                "Every frame carries a VLAN tag (the evidence lists the numbers): the unit sits on a trunk. Ask whoever runs the switches for an untagged "
                "network on both ports, or place the unit where the traffic is untagged.",
                "すべてのフレームにVLANタグがあります（番号は根拠を参照）。トランク区間に入っています。"
                "スイッチの管理者に、両ポートでタグなしの網を用意してもらうか、タグのない場所へ移します。",
            ),
            Text("An untagged device is heard.", "タグなしの端末が見えると消えます。"),
        ),
        Text(
            "Ask whoever set up your network where the traffic has no VLAN tag.",
            "ネットワークを設定した担当者に、VLANタグのない区間を確認します。",
        ),
        Text(
            "Move the unit there: between the router and the hub that your PCs use.",
            "ルーターと、パソコンがつながるハブの間に本体を移します。",
        ),
        CALL,
    ),
    entry(
        WiringCode.SLOW_LINK,
        (1, 5),
        (
            Text("A cable runs slowly", "ケーブルの通信速度が遅くなっています"),
            Text(
                "A port runs at 100 Mbit/s or less, in one direction at a time, or with errors. Your network is slower than it could be.",
                "ポートが100Mbit/s以下、半二重、またはエラーの多い状態です。本来より通信が遅くなります。",
            ),
            Text(
                "The evidence gives port, speed, duplex and errors. A cable with broken pairs gives 100 Mbit/s; half duplex comes from fixed settings at the other end.",
                "根拠にポート、速度、二重通信、エラー数があります。断線した芯があると100Mbit/s、相手側の固定設定で半二重になります。",
            ),
            Text(
                "The link comes up faster, in both directions, without new errors for ten minutes.",
                "より速い全二重リンクになり、10分間新しいエラーがなければ消えます。",
            ),
        ),
        Text(
            "Replace the cable of the port named below (category 5e or better).",
            "下に表示されたポートのケーブルを交換します（カテゴリ5e以上）。",
        ),
        Text(
            "Use another port of the router or hub.",
            "ルーターやハブの別のポートを使います。",
        ),
        Text(
            "If the hub is old (100 Mbit/s), consider a new one.",
            "ハブが古い（100Mbit/s）場合は、買い替えを検討します。",
        ),
    ),
)
