"""The words about the access point in both languages. Pure data."""

from typing import Final

from omamori.protocol.codes import Text

TEXTS: Final = {
    "wifi-title": Text("Wi-Fi", "Wi-Fi"),
    "wifi-more": Text(
        "This unit has a radio and can be your Wi-Fi access point. Whoever joins is behind the unit and protected.",
        "この本体は無線を内蔵しており、Wi-Fi親機として使えます。接続した端末は本体の先にある端末として保護されます。",
    ),
    "wifi-heard": Text("The access point is on.", "Wi-Fi親機は動作しています。"),
    "wifi-silent": Text(
        "The access point is not running. Everything else of the unit goes on.",
        "Wi-Fi親機は動作していません（本体のほかの機能は動作しています）。",
    ),
    "wifi-off": Text("Off – usual", "使わない - 通常はこちら"),
    "wifi-on": Text("Run the access point", "Wi-Fi親機として使う"),
    "ssid": Text("Network name (SSID)", "ネットワーク名（SSID）"),
    "ssid-more": Text("Up to 32 letters, or 10 Japanese ones.", "半角32文字、または全角10文字まで。"),
    "passphrase": Text("Passphrase", "パスワード（暗号化キー）"),
    "passphrase-more": Text(
        "8 to 63 letters, digits and signs. It is not shown again. Empty: the one that was set stays.",
        "半角英数字と記号で8～63文字。保存後は表示しません。設定済みのものを使う場合は空欄にします。",
    ),
    "protection": Text("Protection", "暗号化方式"),
    "protection-wpa2-wpa3": Text("WPA2 and WPA3 – usual", "WPA2とWPA3（通常）"),
    "protection-wpa3": Text("WPA3 only", "WPA3のみ"),
    "channel": Text("Channel", "チャンネル"),
    "channel-number": Text("channel", "チャンネル"),
    "radio failed": Text(
        "The access point could not be started with the new settings. The old ones are back in force.",
        "新しい設定ではWi-Fi親機を開始できませんでした。元の設定に戻しました。",
    ),
    "bad-switch": Text("Please choose one.", "どちらかを選んでください。"),
    "bad-ssid": Text(
        "A name is needed: at most 32 letters, or 10 Japanese ones.",
        "ネットワーク名を半角32文字、または全角10文字以内で入力してください。",
    ),
    "bad-passphrase": Text(
        "Please enter 8 to 63 letters, digits or signs, without a blank at the beginning or end.",
        "半角英数字と記号で8～63文字を入力してください（先頭と末尾に空白は使えません）。",
    ),
    "bad-protection": Text("Please choose one.", "どちらかを選んでください。"),
    "bad-channel": Text("Please choose one.", "一覧から選んでください。"),
}
