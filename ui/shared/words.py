"""Text that somebody else wrote, on a page: file names, labels of classes, what a library said went wrong."""

from __future__ import annotations

import re

_JOINER = "\N{WORD JOINER}"  # takes no room and allows no break
_MARKS = re.compile(r"[\\`*_{}\[\]<>#|~$&!]")
# These are looked for in the text that is left when all marks have been read, so no backslash stops them: icons,
# emoji and coloured words (:red[..]), addresses with and without http, arrows and dashes; and lists at the start.
_SIGNS = re.compile(r"[:@]|www(?=\.)|(?<!\S)[-<>~](?=[-=>])|^[-+]|^\d{1,9}(?=[.)])", re.IGNORECASE)


def plain(text: object) -> str:
    """Return Markdown that shows this text as it is, on one line.

    Streamlit reads nearly every text as Markdown: captions, messages, labels, options of a radio, the words beside a
    bar. Otherwise a file's name could be a link, or make the browser fetch a picture from anywhere.
    """
    line = " ".join(str(text).split())
    return _MARKS.sub(r"\\\g<0>", _SIGNS.sub(rf"\g<0>{_JOINER}", line))


def seconds_in_words(value: float) -> str:
    """Return a duration as people say it."""
    if value < 1:
        return "a second"
    return f"{value:.0f} s" if value < 90 else f"{value / 60:.1f} min"
