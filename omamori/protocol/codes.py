"""The one table of wiring codes: what each means, how the lamp shows it, what the customer and the help desk do, what clears it.

LEDs, the local page, the portal, the guides and the help desk all read this; nothing here decides anything. Each text is in
English and Japanese. The order of the table is the order of causes: of two codes told together the earlier is the root.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

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


_UNPLUG = Text("Pull both cables out of the unit.", "本体から2本のケーブルを抜きます。")
_GONE = Text(
    "Wait one minute. This message disappears by itself.",
    "1分ほど待つと、この表示は自動的に消えます。",
)
_CALL = Text(
    "If the message is still there after five minutes, call the help desk and say the code.",
    "5分たっても表示が消えない場合は、コードを控えてヘルプデスクへお電話ください。",
)
_WAN_IN = Text(
    "Plug the cable that comes from a LAN port of the router into the port WAN.",
    "ルーターのLANポートから来ているケーブルを、本体のWANポートに差します。",
)
_LAN_IN = Text(
    "Plug the cable that goes to your hub or Wi-Fi access point into the port LAN.",
    "ハブまたはWi-Fiアクセスポイントへ行くケーブルをLANポートに差し込みます。",
)


def _entry(
    code: WiringCode, lamp: tuple[int, int], texts: tuple[Text, Text, Text, Text], *steps: Text
) -> Entry:
    name, meaning, desk, clears = texts
    return Entry(code, Lamp(*lamp), name, meaning, steps, desk, clears)


_TABLE: Final = (
    _entry(
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
        _GONE,
    ),
    _entry(
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
        _GONE,
    ),
    _entry(
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
        _GONE,
    ),
    _entry(
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
        _GONE,
    ),
    _entry(
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
                "The gateway answers on the port LAN. Directions are exchanged in software once the verdict is sure (80 %); no hurry, but a later change "
                "of the wiring is easier to judge when the cables are right.",
                "ゲートウェイがLANポート側で応答しています。確からしさが80%を超えると向きをソフトウェアで入れ替えます。"
                "急ぎませんが、差し直しておくと今後の診断が確実です。",
            ),
            Text(
                "The gateway is heard on the port WAN again.", "ゲートウェイがWANポート側に見えると消えます。"
            ),
        ),
        _UNPLUG,
        _WAN_IN,
        _LAN_IN,
        _GONE,
    ),
    _entry(
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
        _CALL,
    ),
    _entry(
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
        _GONE,
    ),
    _entry(
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
        _GONE,
    ),
    _entry(
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
    _entry(
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
        _GONE,
    ),
    _entry(
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
        _CALL,
    ),
    _entry(
        WiringCode.CLOCK_WRONG,
        (4, 4),
        (
            Text("The unit's clock is wrong", "本体の時計がずれています"),
            Text(
                "The unit's clock differs from the internet's, so secure connections fail and times in reports are wrong.",
                "本体の時計がインターネットの時刻とずれています。安全な接続ができず、報告の時刻も不正確になります。",
            ),
            Text(
                "The evidence gives the difference and its source (time servers overheard, the fleet's answers). NTP (UDP 123) is probably blocked by the router.",
                "根拠に時刻差と情報源があります。ルーターがNTP（UDP 123）を止めている可能性があります。",
            ),
            Text("Clock and sources agree within five minutes.", "時刻差が5分以内になると消えます。"),
        ),
        Text(
            "Pull the unit's power plug, wait ten seconds and put it back.",
            "本体の電源を抜き、10秒待って差し直します。",
        ),
        Text(
            "Wait five minutes: the unit sets its clock from the internet.",
            "5分待ちます。本体がインターネットから時刻を合わせます。",
        ),
        _CALL,
    ),
    _entry(
        WiringCode.CAPTIVE_OR_PROXY,
        (4, 2),
        (
            Text(
                "A sign-in page or proxy is in the way",
                "認証画面またはプロキシが間に入っています",
            ),
            Text(
                "Something between the unit and the internet answers in place of our server: a sign-in page or a proxy.",
                "本体とインターネットの間で、ログイン画面やプロキシなどが当社サーバーの代わりに応答しています。",
            ),
            Text(
                "The fleet's name is answered with another certificate, redirected, or only a proxy gets out. Ask for the proxy's address and enter it on the "
                "local page, or have the unit exempted from sign-in and TLS inspection.",
                "別の証明書での応答、転送、またはプロキシ経由のみの状態です。プロキシのアドレスを聞いて本体の画面で設定するか、"
                "認証やTLS検査の対象から本体を外してもらいます。",
            ),
            Text(
                "The fleet answers with its own certificate.", "当社サーバーの証明書で応答があると消えます。"
            ),
        ),
        Text(
            "Ask whoever runs your network whether a proxy is needed.",
            "ネットワークの担当者に、プロキシが必要か確認します。",
        ),
        Text(
            "If so, enter its address on the unit's page.",
            "必要な場合は、本体の画面でプロキシのアドレスを入力します。",
        ),
        Text(
            "If a sign-in page is used, have the unit exempted from it.",
            "ログイン画面がある場合は、本体を対象外にしてもらいます。",
        ),
        _CALL,
    ),
    _entry(
        WiringCode.NO_INTERNET,
        (4, 1),
        (
            Text("No connection to the internet", "インターネットにつながりません"),
            Text(
                "The unit has an address, but nothing beyond the router answers.",
                "本体にアドレスはありますが、ルーターより先の応答がありません。",
            ),
            Text(
                "The evidence says how far it gets: gateway, name service, connection. If customers cannot browse either, it is the line or the router.",
                "根拠に、どこまで届くか（ゲートウェイ、DNS、接続）があります。お客様のPCでも見られない場合は、回線かルーターの問題です。",
            ),
            Text("Anything beyond the router answers.", "ルーターより先から応答があると消えます。"),
        ),
        Text(
            "Try whether a PC can open a web page.",
            "パソコンでWebページが開けるか試します。",
        ),
        Text(
            "If not, restart the router and wait five minutes.",
            "開けない場合は、ルーターを再起動して5分待ちます。",
        ),
        Text(
            "If the internet works on the PC, call the help desk and say the code.",
            "パソコンでは開ける場合、コードを控えてヘルプデスクへお電話ください。",
        ),
    ),
    _entry(
        WiringCode.FLEET_UNREACHABLE,
        (4, 5),
        (
            Text("Our server cannot be reached", "当社サーバーに接続できません"),
            Text(
                "The internet works, but our server does not answer the unit. You stay protected; alerts and reports are sent later.",
                "インターネットは使えますが、当社サーバーからの応答がありません。保護は続いており、通知や報告は後で送られます。",
            ),
            Text(
                "Other servers answer, ours does not. Several units at once: our side. One unit: a filter in the customer's router (TCP 8443 and 8883 outwards).",
                "他のサーバーは応答し、当社だけ応答しません。複数台で同時なら当社側、1台だけならルーターのフィルター（TCP 8443、8883の外向き）を確認します。",
            ),
            Text("The unit is connected to the fleet.", "本体が当社サーバーに接続すると消えます。"),
        ),
        Text(
            "Nothing needs to be done at first: the unit keeps trying.",
            "まずは何もする必要はありません。本体が再接続を続けます。",
        ),
        Text(
            "If your router filters outgoing traffic, allow TCP ports 8443 and 8883.",
            "ルーターで外向きの通信を制限している場合は、TCP 8443と8883を許可します。",
        ),
        Text(
            "If it lasts longer than an hour, call the help desk and say the code.",
            "1時間以上続く場合は、コードを控えてヘルプデスクへお電話ください。",
        ),
    ),
    _entry(
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
    _entry(
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
        _GONE,
    ),
    _entry(
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
    _entry(
        WiringCode.DOUBLE_NAT,
        (4, 3),
        (
            Text("Two routers one behind the other", "ルーターが2段になっています"),
            Text(
                "In front of your router stands another one that also translates addresses. Everything works, but devices plugged into the first router are not protected.",
                "お使いのルーターの手前に、もう1台アドレス変換をするルーターがあります。通信はできますが、手前のルーターにつないだ端末は保護されません。",
            ),
            Text(
                "The hop behind the gateway is private. Typical of a provider's home gateway plus an own router: ask what is plugged into the home gateway.",
                "ゲートウェイの次の段がプライベートアドレスです。回線業者のホームゲートウェイと自前ルーターの併用が典型です。"
                "ホームゲートウェイに何がつながっているか確認します。",
            ),
            Text("The next hop is public.", "次の段がグローバルアドレスになると消えます。"),
        ),
        Text(
            "Check that no PC is plugged into the first router (the provider's home gateway).",
            "手前のルーター（ホームゲートウェイ）にパソコンがつながっていないか確認します。",
        ),
        Text(
            "Switch off the Wi-Fi of the first router.",
            "手前のルーターのWi-Fiを切ります。",
        ),
        Text(
            "Nothing else needs to be done.",
            "ほかに必要な作業はありません。",
        ),
    ),
    _entry(
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
    _entry(
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

CODES: Final[Mapping[WiringCode, Entry]] = {entry.code: entry for entry in _TABLE}
"""Root causes before their consequences; `OK` last."""
