"""What every page has around it: head, one style sheet inside the page, the header, and the headers of the answer."""

import base64
import hashlib
from typing import Final

from omamori.firmware.page.markup import Child, Html, raw, tag
from omamori.firmware.page.requests import Response
from omamori.firmware.page.words import Words

STYLE: Final = (
    "*{box-sizing:border-box}"
    'html{font:100%/1.6 system-ui,-apple-system,"Segoe UI","Hiragino Sans","Noto Sans JP","Noto Sans CJK JP","Yu Gothic UI",Meiryo,sans-serif;'
    "color:#1d2433;background:#f6f4ef;-webkit-text-size-adjust:100%}"
    "html:lang(ja){line-height:1.75;line-break:strict}"
    "body{margin:0;overflow-wrap:anywhere}"
    "header{background:#22335e;color:#fff}"
    "header>div,main{max-width:60rem;margin:0 auto;padding:.6rem 1rem}"
    "header>div{display:flex;align-items:center;justify-content:space-between;gap:1rem}"
    "header a{color:#fff;padding:.5rem 0}header b{font-size:1.1rem}"
    "h1,h2{text-wrap:balance}html:lang(ja) :is(h1,h2){word-break:auto-phrase}"
    "h1{font-size:1.4rem;line-height:1.35;margin:.2rem 0 .5rem}h2{font-size:1.1rem;margin:0 0 .5rem}"
    "h3{font-size:1rem;margin:.8rem 0 .2rem}p{margin:.4rem 0}a{color:#23478f}small,.soft{color:#5d6678}"
    "ol,ul{margin:.4rem 0;padding-left:1.5rem}li{margin:.25rem 0}"
    "section{background:#fff;border:1px solid #dfdbd0;border-radius:.75rem;padding:1rem;margin:1rem 0}"
    "section.good{border-top:.4rem solid #1c7447}section.bad{border-top:.4rem solid #b3261e}section.plain{border-top:.4rem solid #5d6678}"
    ".pictures{display:flex;flex-wrap:wrap;gap:1rem;margin:.5rem 0}"
    "figure{margin:0;flex:1 1 17rem;max-width:23rem}figcaption{font-weight:600;text-align:center}"
    "svg{display:block;width:100%;height:auto}"
    "svg text{text-anchor:middle;font-size:14px;fill:#1d2433}"
    "svg .box{fill:#fff;stroke:#31405a;stroke-width:2}svg .unit{fill:#c8382e;stroke:#8d1f18;stroke-width:2}"
    "svg .marked{stroke:#b3261e;stroke-width:4}svg .unit.marked{stroke:#1d2433}"
    "svg .unit-name{fill:#fff;font-weight:700}svg .port{fill:#fff;font-size:11px}"
    "svg .wire{fill:none;stroke-width:4}svg .good{stroke:#1c7447}svg .plain{stroke:#8a93a5}"
    "svg .bad{stroke:#b3261e;stroke-width:5}svg .cut{stroke:#b3261e;stroke-dasharray:7 6}"
    "svg .badge{fill:#b3261e;stroke:#fff;stroke-width:2}svg .sign{fill:#fff;font-weight:700;font-size:13px}"
    ".facts{display:flex;flex-wrap:wrap;gap:.2rem 1.2rem;font-size:.9rem}.facts b{font-weight:600}"
    "ol.todo{list-style:none;padding:0}ol.todo li{display:flex;gap:.6rem;align-items:baseline}"
    ".mark{flex:none;min-width:4.2em;text-align:center;border-radius:.4rem;font-size:.82rem;padding:0 .4rem;background:#eceef2;color:#5d6678}"
    ".mark.yes{background:#e5f3ea;color:#1c7447}"
    "details{margin:.5rem 0}summary{cursor:pointer;padding:.4rem 0;min-height:2.5rem}"
    ".two{display:flex;flex-wrap:wrap;gap:0 2rem}.two>div{flex:1 1 17rem}"
    "form{margin:0}label{display:block;font-weight:600;font-size:.95rem;margin-top:.7rem}label small{display:block;font-weight:400}"
    "label.pick{display:flex;gap:.6rem;align-items:center;font-weight:400;min-height:2.75rem;margin:0}"
    "fieldset{border:0;margin:0;padding:0;min-width:0}legend{font-weight:600;padding:0}"
    "input:not([type=checkbox]):not([type=radio]),select{font:inherit;width:100%;max-width:26rem;min-height:2.75rem;padding:.3rem .7rem;border:1px solid #8a93a5;border-radius:.5rem}select{background:#fff}"
    "input[aria-invalid]{border:2px solid #b3261e}input[type=checkbox],input[type=radio]{width:1.3rem;height:1.3rem;flex:none}"
    "button,.button{font:inherit;font-weight:600;min-height:2.75rem;padding:.3rem 1.2rem;margin-top:1rem;border:0;border-radius:.5rem;background:#22335e;color:#fff;"
    "display:inline-flex;align-items:center;text-decoration:none}"
    ".note{border-radius:.6rem;padding:.6rem 1rem;margin:1rem 0;background:#eceef2}.note.yes{background:#e5f3ea;color:#14583a}"
    ".note.no{background:#fde8e6;color:#8d1f18}.wrong{color:#b3261e;font-weight:600;font-size:.9rem}"
    ":focus-visible{outline:3px solid #e0a100;outline-offset:2px}"
)
_HASH: Final = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
SECURITY: Final = (
    (
        "Content-Security-Policy",
        f"default-src 'none'; style-src 'sha256-{_HASH}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    ),
    ("Cache-Control", "no-store"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Permissions-Policy", "camera=(), geolocation=(), microphone=()"),
    ("Referrer-Policy", "same-origin"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
)
"""On every answer."""


def page(
    words: Words,
    title: str,
    *parts: Child,
    status: int = 200,
    refresh: int | None = None,
    path: str = "/",
    headers: tuple[tuple[str, str], ...] = (),
) -> Response:
    """A whole page; with `refresh` the browser asks again after so many seconds."""
    again = tag("meta", http_equiv="refresh", content=str(refresh)) if refresh else None
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="robots", content="noindex"),
        again,
        tag("title", title),
        tag("style", raw(STYLE)),
    )
    body = tag("body", _header(words, path), tag("main", *parts))
    document = f"<!doctype html>{tag('html', head, body, lang=words.language)}"
    return Response(status, document, (("Content-Language", words.language), *headers))


def _header(words: Words, path: str) -> Html:
    other = tag(
        "a", words.other_name, href=f"{path}?lang={words.other}", lang=words.other, hreflang=words.other
    )
    return tag("header", tag("div", tag("b", words["title"]), other))


def refusal(words: Words, status: int, key: str) -> Response:
    """A page that says why not."""
    message = tag("section", tag("h1", words["impossible"]), tag("p", words[key]), class_="bad")
    link = tag("p", tag("a", words["back"], href="/"))
    return page(words, words["impossible"], message, link, status=status)
