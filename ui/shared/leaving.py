"""What a page that was just left still asks for is not done on the page that was gone to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from streamlit.runtime.scriptrunner import get_script_run_ctx

_MARK = "keeps_to_its_page"


def keep_to_this_page() -> None:
    """Let the script that runs now drop what other pages' fragments ask for meanwhile.

    A view's word about what has arrived, or a fragment's timer, may be on its way while its reader goes to another
    page. Streamlit (1.67) answers it when the new page is there, as a run of the old one: the browser empties the page
    for it, finds nothing to show, and breaks on the next message.
    """
    ctx = get_script_run_ctx()
    requests = getattr(ctx, "script_requests", None)
    if ctx is not None and hasattr(requests, "on_scriptrunner_ready") and not hasattr(requests, _MARK):
        keep_to(requests, lambda: ctx.page_script_hash)


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
