"""Codes about what lies beyond the router: the internet, the fleet, the time."""

from typing import Final

from omamori.protocol.codes.entry import CALL, Text, entry
from omamori.protocol.vocabulary import WiringCode

ENTRIES: Final = (
    entry(
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
        CALL,
    ),
    entry(
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
        CALL,
    ),
    entry(
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
    entry(
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
    entry(
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
)
