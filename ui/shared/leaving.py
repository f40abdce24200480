"""What a page that was just left still asks for is not done on the page that was gone to, and never instead of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from streamlit.runtime.scriptrunner import get_script_run_ctx

_MARK = "keeps_to_its_page"
_WINS = "lets_pages_win"


def keep_to_this_page() -> None:
    """Let the script that runs now drop what other pages' fragments ask for meanwhile.

    A view's word about what has arrived, or a fragment's timer, may be on its way while its reader goes to another
    page. Streamlit (1.67) answers it when the new page is there, as a run of the old one: the browser empties the page
    for it, finds nothing to show, and breaks on the next message. Where the new page's script has not begun yet, it
    runs the old page alone, and the reader stays there.
    """
    ctx = get_script_run_ctx()
    requests = getattr(ctx, "script_requests", None)
    if ctx is not None and hasattr(requests, "on_scriptrunner_ready") and not hasattr(requests, _MARK):
        keep_to(requests, lambda: ctx.page_script_hash)
        let_pages_win(type(requests))


def keep_to(requests: Any, page: Callable[[], str]) -> None:
    """Let a script's requests, Streamlit's ``ScriptRequests``, skip those for fragments of other pages than ``page()``.

    They are no public part of Streamlit, so nothing of them is imported.
    """
    ready = requests.on_scriptrunner_ready

    def next_request() -> Any:
        request = ready()
        while request.type.name == "RERUN" and request.rerun_data.fragment_id_queue:
            if request.rerun_data.page_script_hash == page():
                break
            request = ready()
        return request

    requests.on_scriptrunner_ready = next_request
    setattr(requests, _MARK, True)


def let_pages_win(kind: Any) -> None:
    """Let a fragment of another page join no whole page that waits for its turn: the fragment's would take its place.

    Args:
        kind: Streamlit's class ``ScriptRequests``: a page that was gone to has a new one, before any script of ours.
    """
    if hasattr(kind, _WINS) or not hasattr(kind, "request_rerun"):
        return
    request = kind.request_rerun

    def request_rerun(requests: Any, new: Any) -> bool:
        waiting = requests._rerun_data
        whole = requests._state.name == "RERUN" and not waiting.fragment_id_queue
        if whole and new.fragment_id and new.page_script_hash != waiting.page_script_hash:
            return True
        return bool(request(requests, new))

    kind.request_rerun = request_rerun
    setattr(kind, _WINS, True)
