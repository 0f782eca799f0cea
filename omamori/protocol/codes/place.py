"""Codes about the place of the unit between router and hosts, and that all is well."""

from typing import Final

from omamori.protocol.codes.entry import GONE, LAN_IN, UNPLUG, WAN_IN, Text, entry
from omamori.protocol.vocabulary import WiringCode

ENTRIES: Final = (
    entry(
        WiringCode.PPPOE_UPSTREAM,
        (2, 1),
        (
            Text("The unit is in front of the router", "本体がルーターより手前にあります"),
            Text(
                "The unit is plugged in between the internet line and the router. There it cannot read the traffic, so it protects nothing.",
                "本体がインターネット回線とルーターの間につながっています。この場所では通信の中身を検査できず、何も保護できません。",
            ),
            Text(
                "PPPoE frames pass through the unit: it stands between ONU and router. The evidence names both ends.",
                "PPPoEフレームが本体を通過しています（ONUとルーターの間）。根拠に両端のMACアドレスがあります。",
            ),
            Text(
                "No PPPoE frame for two minutes, or a router in front with hosts behind.",
                "PPPoEフレームが2分間なくなるか、ルーターが手前・端末が先に見えると消えます。",
            ),
        ),
        Text(
            "Plug the cable from the internet line (ONU or modem) back into the router, as it was before.",
            "インターネット回線（ONUやモデム）からのケーブルを、元どおりルーターに差し込みます。",
        ),
        Text(
            "Connect a LAN port of the router to the port WAN of the unit.",
            "ルーターのLANポートと、本体のWANポートをケーブルでつなぎます。",
        ),
        Text(
            "Connect the port LAN of the unit to your hub, switch or Wi-Fi access point.",
            "本体のLANポートと、ハブまたはWi-Fiアクセスポイントをケーブルでつなぎます。",
        ),
        GONE,
    ),
    entry(
        WiringCode.PORTS_SWAPPED,
        (1, 3),
        (
            Text("The two cables are swapped", "2本のケーブルが逆になっています"),
            Text(
                "The router is plugged into the port LAN and your devices into the port WAN. "
                "The unit has exchanged the directions by itself and protects you; please plug the cables right when you can.",
                "ルーターがLANポートに、社内の端末がWANポートにつながっています。"
                "本体が自動的に向きを入れ替えて保護していますが、都合のよいときに差し直してください。",
            ),
            Text(
                "The gateway answers on the port LAN. Directions are exchanged in software once the verdict is sure (60 %); no hurry, but a later change "
                "of the wiring is easier to judge when the cables are right.",
                "ゲートウェイがLANポート側で応答しています。確からしさが60%を超えると向きをソフトウェアで入れ替えます。"
                "急ぎませんが、差し直しておくと今後の診断が確実です。",
            ),
            Text(
                "The gateway is heard on the port WAN again.", "ゲートウェイがWANポート側に見えると消えます。"
            ),
        ),
        UNPLUG,
        WAN_IN,
        LAN_IN,
        GONE,
    ),
    entry(
        WiringCode.NO_HOSTS_BEHIND,
        (2, 2),
        (
            Text("No device is behind the unit", "本体の先に端末がありません"),
            Text(
                "Nothing was heard on the port LAN, so no computer or phone is protected at present.",
                "LANポートから何も聞こえないため、現在保護されているパソコンやスマートフォンはありません。",
            ),
            Text(
                "The port has link but no host was heard. If hosts are listed on the router's side, they are plugged into the router or use its Wi-Fi.",
                "リンクはありますが端末が見えません。根拠でルーター側に端末がある場合、ルーターに直結しているか、ルーターのWi-Fiを使っています。",
            ),
            Text("A device is heard behind the unit.", "本体の先に端末が1台でも見えると消えます。"),
        ),
        Text(
            "Check that a cable is in the port LAN of the unit and that its lamp is lit.",
            "本体のLANポートにケーブルが差さり、ランプが点いているか確認します。",
        ),
        Text(
            "Check that the other end is in the hub, switch or Wi-Fi access point that your devices use.",
            "ケーブルの反対側が、端末をつないでいるハブまたはWi-Fiアクセスポイントに差さっているか確認します。",
        ),
        Text(
            "If your devices are plugged into the router itself or use the router's own Wi-Fi, move them to the hub or access point behind the unit.",
            "端末がルーターに直接つながっている場合や、ルーターのWi-Fiを使っている場合は、本体の先のハブやアクセスポイントへつなぎ替えます。",
        ),
        Text(
            "Switch on one computer and open any page. This message disappears within a minute.",
            "パソコンを1台起動し、どれかのページを開いてください。1分以内にこの表示は消えます。",
        ),
    ),
    entry(
        WiringCode.HOSTS_BYPASS,
        (2, 3),
        (
            Text("Some devices bypass the unit", "本体を通らない端末があります"),
            Text(
                "Some devices use the router directly (its Wi-Fi or a second cable). They are not protected.",
                "ルーターに直接つながっている端末があります（ルーターのWi-Fiや別のケーブル）。これらは保護されません。",
            ),
            Text(
                "Clients speak on the router's side; the list of hosts shows them as not protected. Mostly the router's own Wi-Fi is still on.",
                "ルーター側で端末が通信しています。端末一覧に「保護されていない」と表示されます。多くはルーター内蔵のWi-Fiが有効なままです。",
            ),
            Text(
                "No device has spoken on the router's side for ten minutes.",
                "ルーター側で10分間、端末の通信がなければ消えます。",
            ),
        ),
        Text(
            "Look at the list of devices: those on the router's side are named there.",
            "端末の一覧で、ルーター側にある端末を確認します。",
        ),
        Text(
            "Move their cables from the router to the hub behind the unit.",
            "それらのケーブルを、ルーターから本体の先のハブへ差し替えます。",
        ),
        Text(
            "Switch off the router's own Wi-Fi and use the access point behind the unit.",
            "ルーター内蔵のWi-Fiを切り、本体の先のアクセスポイントを使います。",
        ),
        GONE,
    ),
    entry(
        WiringCode.NAT_BEHIND,
        (2, 4),
        (
            Text(
                "A router hides devices behind the unit",
                "本体の先のルーターが端末を隠しています",
            ),
            Text(
                "Several devices share one address behind a second router. They are protected, but alerts cannot say which of them it was.",
                "先にある2台目のルーターの下で、複数の端末が1つのアドレスを共有しています。保護はされますが、どの端末かを特定できません。",
            ),
            Text(
                "The evidence lists the device, the score and its reasons (hop counts, different systems). Set that Wi-Fi router to access-point mode.",
                "根拠に端末、点数、理由（TTL、異なるOS）があります。そのWi-FiルーターをAP（ブリッジ）モードにしてもらいます。",
            ),
            Text(
                "No sign of a hidden device for an hour.",
                "隠れた端末の兆候が1時間なければ消えます。",
            ),
        ),
        Text(
            "Find the Wi-Fi router that your devices use behind the unit.",
            "本体の先で端末が使っているWi-Fiルーターを探します。",
        ),
        Text(
            "Set its switch to access point (AP or bridge mode).",
            "切替スイッチをAP（ブリッジ）モードにします。",
        ),
        Text("Restart it and wait five minutes.", "再起動して5分待ちます。"),
    ),
    entry(
        WiringCode.SILENT,
        (2, 5),
        (
            Text(
                "Devices are there, but no traffic passes",
                "端末はありますが、通信が通っていません",
            ),
            Text(
                "Devices are heard behind the unit, but their traffic takes another way: a second cable, Wi-Fi or mobile.",
                "本体の先に端末は見えますが、通信が別の経路（別のケーブル、Wi-Fi、モバイル回線）を通っています。",
            ),
            Text(
                "Hosts announce themselves behind, yet no connection crosses the unit. Ask whether PCs are on Wi-Fi beside the cable, or whether the hub has "
                "a second way out.",
                "先の端末の告知は見えますが、本体を通る接続がありません。PCがケーブルと別にWi-Fiを使っていないか、ハブに別の出口がないか確認します。",
            ),
            Text("A connection passes through the unit.", "本体を通る通信が見えると消えます。"),
        ),
        Text("Open any page on a computer at your desk.", "机のパソコンでどこかのページを開きます。"),
        Text(
            "If the message stays, switch off Wi-Fi on that computer and try again.",
            "表示が消えない場合は、そのパソコンのWi-Fiを切ってもう一度試します。",
        ),
        Text(
            "Look for a second cable from the hub to the router or to another router.",
            "ハブからルーター（または別のルーター）への別のケーブルがないか確認します。",
        ),
        GONE,
    ),
    entry(
        WiringCode.OK,
        (0, 0),
        (
            Text("Wired correctly", "正しく配線されています"),
            Text(
                "The router is in front of the unit and your devices are behind it.",
                "本体の手前にルーターが、先に社内の端末があります。",
            ),
            Text(
                "Nothing speaks against the wiring; the confidence says how much speaks for it.",
                "問題は見つかっていません。確からしさは、裏付けの多さを示します。",
            ),
            Text("Any other code.", "ほかのコードが出ると消えます。"),
        ),
    ),
)
