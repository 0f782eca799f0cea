"""The words of the settings page in both languages. Pure data."""

from typing import Final

from omamori.protocol.codes import Text

TEXTS: Final = {
    "change": Text("Change settings", "設定を変更する"),
    "change-more": Text(
        "The unit tries the new settings for 90 seconds. If it cannot reach our server with them, it takes them back by itself. Your traffic is not interrupted.",
        "新しい設定を90秒間試し、当社サーバーに接続できない場合は自動的に元へ戻します。お客様の通信は途切れません。",
    ),
    "address-title": Text("The unit's address", "本体のアドレス"),
    "automatic": Text("Get it automatically (DHCP) – usual", "自動取得（DHCP）- 通常はこちら"),
    "fixed": Text("Fixed address", "固定アドレス"),
    "address": Text("IP address", "IPアドレス"),
    "mask": Text("Subnet mask", "サブネットマスク"),
    "gateway": Text("Default gateway (the router)", "デフォルトゲートウェイ（ルーター）"),
    "servers": Text("DNS servers", "DNSサーバー"),
    "servers-more": Text("Empty: the gateway.", "空欄の場合はゲートウェイを使います。"),
    "proposed": Text(
        "Proposed from what the unit overheard on your network.",
        "ネットワークから聞き取った内容による提案です。",
    ),
    "proxy-title": Text("Proxy", "プロキシ"),
    "proxy": Text("Proxy server", "プロキシサーバー"),
    "proxy-more": Text(
        "For example proxy.example.jp:8080. Empty: none.", "例: proxy.example.jp:8080（不要な場合は空欄）"
    ),
    "code-title": Text("Code on the label", "ラベルのコード"),
    "label-code": Text("Code", "コード"),
    "label-more": Text("Eight letters on the label under the unit.", "本体底面のラベルにある8文字です。"),
    "sure-box": Text("Use it all the same", "それでもこの設定を使う"),
    "send": Text("Try these settings", "この設定を試す"),
    "busy": Text("Settings are being tried. Please wait.", "設定を試しています。お待ちください。"),
    "trying": Text("The new settings are being tried.", "新しい設定を試しています。"),
    "trying-more": Text(
        "If this page does not come back, open http://omamori.local or the new address.",
        "この画面が表示されなくなった場合は、http://omamori.local または新しいアドレスを開いてください。",
    ),
    "asked": Text("The unit is checking the code.", "コードを確認しています。"),
    "kept": Text("The new settings are in force.", "新しい設定を保存しました。"),
    "taken back": Text(
        "Our server could not be reached with the new settings. The old ones are back in force.",
        "新しい設定では当社サーバーに接続できませんでした。元の設定に戻しました。",
    ),
    "wrong code": Text(
        "The code is wrong. Nothing was changed.", "コードが違います。設定は変更していません。"
    ),
    "closed": Text(
        "Too many wrong codes. Nothing was changed. Please try again in 15 minutes.",
        "コードの間違いが続いたため受け付けを停止しました。設定は変更していません。15分後にもう一度お試しください。",
    ),
    "refused": Text(
        "The unit refused the settings. Nothing was changed.",
        "設定を受け付けられませんでした。設定は変更していません。",
    ),
    "stale": Text(
        "This form was open for too long. Please check it and send it again.",
        "画面を開いてから時間がたちました。内容を確認して、もう一度送信してください。",
    ),
    "failed": Text("The unit cannot take settings at present.", "現在、設定を受け付けられません。"),
    "renew": Text("Renew the page", "画面を更新する"),
    "bad-mode": Text("Please choose one.", "どちらかを選んでください。"),
    "bad-address": Text(
        "This is no IP address, such as 192.168.1.250.", "IPアドレスではありません（例: 192.168.1.250）。"
    ),
    "bad-mask": Text(
        "This is no subnet mask, such as 255.255.255.0.",
        "サブネットマスクではありません（例: 255.255.255.0）。",
    ),
    "bad-unusable": Text("A device cannot have this address.", "端末には使えないアドレスです。"),
    "bad-gateway": Text("This is no IP address of a router.", "ルーターのIPアドレスではありません。"),
    "bad-elsewhere": Text(
        "The gateway is not in the same network.", "ゲートウェイが同じネットワークにありません。"
    ),
    "bad-same": Text("The gateway needs an address of its own.", "ゲートウェイと本体が同じアドレスです。"),
    "bad-servers": Text("Up to three IP addresses.", "IPアドレスを3つまで入力できます。"),
    "bad-proxy": Text(
        "This is no proxy, such as proxy.example.jp:8080.",
        "プロキシではありません（例: proxy.example.jp:8080）。",
    ),
    "bad-code": Text("Please enter the code on the label.", "ラベルのコードを入力してください。"),
    "doubt-taken": Text("Another device uses this address", "別の端末がこのアドレスを使っています"),
    "doubt-strange": Text(
        "No device on your network has such an address; one that was heard is",
        "ネットワーク内の端末と合わないアドレスです。聞き取った例",
    ),
    "doubt-gateway-inside": Text(
        "The gateway's address belongs to a device behind the unit",
        "ゲートウェイのアドレスを、本体の先の端末が使っています",
    ),
}
