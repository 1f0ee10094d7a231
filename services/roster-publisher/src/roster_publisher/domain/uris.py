"""Ids that the specification wants as URIs, whatever a source calls them. Pure.

Source: OneRoster 1.2 rostering OpenAPI file (`profileId`, `userProfile`: format uri); RFC 3986,
appendix A, without addresses in brackets.
"""

import re
from typing import Final
from urllib.parse import quote

_WORD: Final = r"(?:[A-Za-z0-9\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2})"
_STEP: Final = r"(?:[A-Za-z0-9\-._~!$&'()*+,;=:@]|%[0-9A-Fa-f]{2})"
_REST: Final = rf"(?:{_STEP}|[/?])*"
_URI: Final = re.compile(
    r"[A-Za-z][A-Za-z0-9+.\-]*:"
    rf"(?://(?:(?:{_WORD}|:)*@)?{_WORD}*(?::[0-9]*)?(?:/{_STEP}*)*"
    rf"|/?{_STEP}+(?:/{_STEP}*)*|/?)"
    rf"(?:\?{_REST})?(?:#{_REST})?"
)
_OURS: Final = "urn:x-profile:"


def as_uri(text: str) -> str:
    """`text` itself where it is an absolute URI, else one that stands for it: the same every time,
    and another one for another text.
    """
    return text if _URI.fullmatch(text) else f"{_OURS}{quote(text, safe='')}"
