"""The words about a helper's visit in both languages. Pure data; the portal's own words are its catalogue."""

from typing import Final

from omamori.protocol.codes import Text

TEXTS: Final = {
    "helper-title": Text(
        "Support is open: somebody may look at this unit", "サポート中: 担当者が本体を確認できます"
    ),
    "helper-who": Text("Who", "担当者"),
    "helper-why": Text("What for", "目的"),
    "helper-until": Text("Until", "期限"),
    "helper-zone": Text("(Japan time) at the latest", "まで（日本時間）"),
    "helper-can": Text(
        "They can look at the unit's state and its log. They can change nothing and do not see what your devices transfer.",
        "本体の状態と動作記録を見ることだけができます。設定の変更はできず、端末の通信内容も見えません。",
    ),
    "helper-end": Text(
        "You can end it at any time: in the portal, on the unit's page “Support”, press “End it now”. Without the portal: pull the unit's power plug, wait five seconds and plug it in again; your network is interrupted until it has started.",
        "いつでも終了できます。ポータルで本体の「サポート」を開き、「今すぐ終了する」を押してください。ポータルを使えない場合は、本体の電源プラグを抜き、5秒待ってから差し込んでください（起動するまで通信が途切れます）。",
    ),
}
