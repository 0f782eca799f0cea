"""What was counted about a unit that needs attention: figures by name, and the sentence they make in each language. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from omamori.protocol.codes import Text


class Reason(StrEnum):
    """Why a unit is listed, in the order of the list."""

    NEVER_CAME = "never-came"
    WENT_SILENT = "went-silent"
    LOGS_NOTHING = "logs-nothing"
    FEW_HOSTS = "few-hosts"
    FEWER_THAN_SIMILAR = "fewer-than-similar"


SENTENCES: Final[Mapping[Reason, Text]] = {
    Reason.NEVER_CAME: Text(
        "registered {days} days ago, never activated",
        "登録から{days}日たちましたが、一度も有効化されていません",
    ),
    Reason.WENT_SILENT: Text(
        "nothing was heard for {days} days",
        "{days}日前から通信がありません",
    ),
    Reason.LOGS_NOTHING: Text(
        "no detection and no usage in {days} days, {packets:,} packets inspected since its start",
        "{days}日間、検知も利用の記録もありません（起動後に検査したパケット：{packets:,}個）",
    ),
    Reason.FEW_HOSTS: Text(
        "{covered} of {wanted} declared hosts are covered, {wrong_side} are on the wrong side",
        "届け出のあった{wanted}台のうち、保護されているのは{covered}台です（ルーター側にある端末：{wrong_side}台）",
    ),
    Reason.FEWER_THAN_SIMILAR: Text(
        "{covered} hosts are covered; the middle one of {others} similar sites covers {middle:g}",
        "保護されている端末は{covered}台です（同じ業種・規模の{others}拠点の中央値：{middle:g}台）",
    ),
}
"""Every figure stands in both languages."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Facts with numbers; the names of the figures are those of the reason's sentence."""

    reason: Reason
    figures: Mapping[str, float]

    @property
    def said(self) -> Text:
        """The sentence, in both languages."""
        sentence = SENTENCES[self.reason]
        return Text(sentence.en.format(**self.figures), sentence.ja.format(**self.figures))
