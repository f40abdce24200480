"""Text of others on a page; tests/test_browser.py looks at it in a browser."""

from __future__ import annotations

import re

import pytest

from ui.shared.words import plain

JOINER = "\N{WORD JOINER}"


@pytest.mark.parametrize(
    ("text", "markdown"),
    [
        ("my cup.png", "my cup.png"),
        ("![x](http://host/a.png)", rf"\!\[x\](http:{JOINER}//host/a.png)"),
        (
            "*a* _b_ `c` ~d~ <e> #f $g$ |h| {i} &amp; \\",
            r"\*a\* \_b\_ \`c\` \~d\~ \<e\> \#f \$g\$ \|h\| \{i\} \&amp; \\",
        ),
        (
            ":red[x] :smile: :material/home:",
            rf":{JOINER}red\[x\] :{JOINER}smile:{JOINER} :{JOINER}material/home:{JOINER}",
        ),
        ("WWW.host.org, a@host.org", f"WWW{JOINER}.host.org, a@{JOINER}host.org"),
        ("a -- b -> c", rf"a -{JOINER}- b -{JOINER}\> c"),
        ("- a", f"-{JOINER} a"),
        ("1. a", f"1{JOINER}. a"),
        ("12) a", f"12{JOINER}) a"),
        ("# a", r"\# a"),
        ("> a", r"\> a"),
        ("    a\n\n===\nb\t", "a === b"),
        (ValueError("4 x 4"), "4 x 4"),
        ("", ""),
    ],
)
def test_plain(text, markdown):
    assert plain(text) == markdown


def test_nothing_is_lost():
    text = "".join(map(chr, range(33, 127)))
    assert re.sub(r"\\(.)", r"\1", plain(text).replace(JOINER, "")) == text
