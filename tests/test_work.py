"""Work of several sessions: who goes first, how long a turn may be, and when work that nobody waits for ends."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

import pytest
import torch

import ui.work.worker
from samp_core.checkpoints import checkpoint, reach
from samp_core.digits import load_digits, samples
from samp_core.methods import METHODS
from ui.models.trials import Trials
from ui.work.turns import BACKGROUND, QUESTION, WORK, Turns, default_threads
from ui.work.worker import Pace, Worker


def queue_up(turns: Turns, tickets: list[tuple[str, int]]) -> list[int]:
    """Let threads wait for a turn that is held, in this order; return the order in which they got it."""
    order: list[int] = []
    threads = []

    def take(n: int, owner: str, urgency: int) -> None:
        with turns(owner, urgency):
            order.append(n)

    with turns("holder"):
        for n, (owner, urgency) in enumerate(tickets):
            threads.append(threading.Thread(target=take, args=(n, owner, urgency)))
            threads[-1].start()
            while len(turns._waiting) <= n:
                time.sleep(0.001)
    for thread in threads:
        thread.join(10)
    return order


def test_a_session_is_served_in_the_order_in_which_it_asked():
    assert queue_up(Turns(1), [("a", WORK)] * 4) == [0, 1, 2, 3]


def test_questions_pass_before_work_and_extras_come_last(monkeypatch):
    monkeypatch.setattr("ui.work.turns.PATIENCE", 0.0)
    assert queue_up(Turns(1), [("a", BACKGROUND), ("a", WORK), ("b", QUESTION), ("a", QUESTION)]) == [2, 3, 1, 0]


def test_sessions_take_turns_however_much_one_of_them_asks():
    assert queue_up(Turns(1), [("a", WORK), ("a", WORK), ("a", WORK), ("b", WORK)]) == [0, 3, 1, 2]


def test_a_turn_within_a_turn_is_part_of_it():
    turns = Turns(1)
    with turns("a"), turns("a", QUESTION):
        assert not turns._waiting
    with turns("b"):
        pass  # the lock is free again


def test_a_long_turn_lets_a_question_pass_at_its_next_checkpoint_and_work_only_when_it_is_late(monkeypatch):
    turns, order = Turns(1), []
    monkeypatch.setattr("ui.work.turns.SLICE", 1e9)

    def ask(name: str, urgency: int) -> None:
        with turns(name, urgency):
            order.append(name)

    def wait_for(count: int) -> None:
        while len(turns._waiting) < count:
            time.sleep(0.001)

    with turns("long"), reach(turns.offer):
        threads = [threading.Thread(target=ask, args=who) for who in (("work", WORK), ("q", QUESTION))]
        for n, thread in enumerate(threads):
            thread.start()
            wait_for(n + 1)
        checkpoint()
        assert order == ["q"]
        checkpoint()
        assert order == ["q"]
        monkeypatch.setattr("ui.work.turns.SLICE", 0.0)
        checkpoint()
        assert order == ["q", "work"]
    for thread in threads:
        thread.join(10)


def background(monkeypatch, lull: float, patience: float) -> tuple[Turns, threading.Event, threading.Thread]:
    """After a piece of work, let a thread ask for a turn as background; return what is set once it had one, too."""
    monkeypatch.setattr("ui.work.turns.LULL", lull)
    monkeypatch.setattr("ui.work.turns.PATIENCE", patience)
    turns, had = Turns(1), threading.Event()
    with turns("run"):
        pass

    def take() -> None:
        with turns("ground", BACKGROUND):
            had.set()

    thread = threading.Thread(target=take)
    thread.start()
    return turns, had, thread


def test_background_waits_for_a_lull_in_the_work_instead_of_taking_every_second_turn(monkeypatch):
    turns, had, thread = background(monkeypatch, lull=1.0, patience=60.0)
    for _ in range(5):  # a run: steps with little between them
        assert not had.is_set()
        with turns("run"):
            time.sleep(0.02)
    assert had.wait(10)  # and the lull after it
    thread.join(10)


def test_background_gets_through_to_work_that_never_rests(monkeypatch):
    _, had, thread = background(monkeypatch, lull=60.0, patience=0.1)
    assert had.wait(10)
    thread.join(10)


def test_the_number_of_threads_is_that_of_the_turns_whatever_other_threads_set():
    """Until a thread's first tensor operation, another thread's setting overrides its own."""
    before, seen = torch.get_num_threads(), []
    turns = Turns(1)

    def work() -> None:
        torch.set_num_threads(1)
        torch.set_num_threads(1)
        began.set()
        go.wait(10)
        with turns():
            torch.ones(10).sum()
            seen.append(torch.get_num_threads())

    try:
        for _ in range(3):
            began, go = threading.Event(), threading.Event()
            thread = threading.Thread(target=work)
            thread.start()
            began.wait(10)
            torch.set_num_threads(2)
            go.set()
            thread.join(10)
        assert seen == [1, 1, 1]
    finally:
        torch.set_num_threads(before)


def test_threads_can_be_asked_for(monkeypatch):
    monkeypatch.setenv("SAMP_THREADS", "3")
    assert default_threads() == 3
    monkeypatch.setenv("SAMP_THREADS", "many")
    assert default_threads() >= 1


# -- workers ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Tab:
    """A browser tab that a test opens and closes."""

    open: threading.Event
    identity: str = "tab"

    @property
    def connected(self) -> bool:
        return self.open.is_set()


class Counting(Worker):
    """Works until it is stopped or the tab is closed."""

    def __init__(self, tab: Tab, urgency: int = WORK) -> None:
        super().__init__(Turns(1), "counting", "Explain", session=tab, urgency=urgency)  # type: ignore[arg-type]
        self.count, self.ended, self.why = 0, threading.Event(), ""

    @property
    def active(self) -> bool:
        return not self.ended.is_set()

    @property
    def progress(self) -> float:
        return 0.5

    def _work(self) -> None:
        while not self._cancelled.is_set():
            with self.turn():
                checkpoint()
                self.count += 1
            time.sleep(0.002)
        self.ended.set()

    def _fail(self, why: str) -> None:
        self.why = why
        self.ended.set()


@pytest.fixture
def tab() -> Tab:
    tab = Tab(threading.Event())
    tab.open.set()
    return tab


def test_work_ends_soon_after_its_tab_is_closed_even_inside_a_long_step(tab, monkeypatch):
    monkeypatch.setattr(ui.work.worker, "GRACE", 0.05)
    worker = Counting(tab).start()
    while worker.count < 3:
        time.sleep(0.001)
    assert worker.active
    tab.open.clear()
    assert worker.ended.wait(10)
    assert "closed" in worker.why
    assert worker._cancelled.is_set()


def test_a_tab_that_reconnects_keeps_its_work(tab, monkeypatch):
    monkeypatch.setattr(ui.work.worker, "GRACE", 1e9)
    worker = Counting(tab).start()
    tab.open.clear()
    before = worker.count
    while worker.count < before + 5:
        time.sleep(0.001)
    tab.open.set()
    monkeypatch.setattr(ui.work.worker, "GRACE", 0.5)
    assert not worker.abandoned
    worker.cancel()
    assert worker.ended.wait(10)
    assert worker.why == ""


def test_an_extra_rests_while_its_tab_is_away_and_goes_on_when_it_is_back(tab, monkeypatch):
    monkeypatch.setattr(ui.work.worker, "GRACE", 1e9)
    worker = Counting(tab, BACKGROUND).start()
    while worker.count < 3:
        time.sleep(0.001)
    tab.open.clear()
    time.sleep(0.1)  # it may be inside a turn
    before = worker.count
    time.sleep(0.2)
    assert worker.count == before
    tab.open.set()
    while worker.count < before + 3:
        time.sleep(0.001)
    tab.open.clear()
    monkeypatch.setattr(ui.work.worker, "GRACE", 0.05)
    assert worker.ended.wait(10)
    assert "closed" in worker.why


def test_an_unexpected_error_is_told_and_ends_the_work(tab, caplog):
    class Broken(Counting):
        def _work(self) -> None:
            raise RuntimeError("no memory left")

    worker = Broken(tab).start()
    assert worker.ended.wait(10)
    assert "no memory left" in worker.why
    assert "counting failed" in caplog.text


def test_the_time_left_follows_the_pace_and_grows_while_nothing_moves(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("ui.work.worker.time.monotonic", lambda: now[0])
    pace = Pace()
    assert pace.left() is None
    for second in range(1, 5):
        now[0] = float(second)
        pace.note(second / 10)
    assert pace.left() == pytest.approx(6.0)
    now[0] = 10.0  # held up: the same time is not promised for ever
    assert pace.left() > 12


def test_a_checkpoint_does_nothing_where_nobody_asked():
    checkpoint()
    with reach(lambda: (_ for _ in ()).throw(KeyError("here"))), pytest.raises(KeyError):
        checkpoint()
    checkpoint()


def test_a_run_that_would_hold_up_everybody_is_refused_before_it_begins_and_no_published_one_is(bundled):
    from samp_core.images import load_sample
    from samp_core.methods import METHODS, default_settings, make_method
    from ui.work.limits import MOST_GRADIENTS
    from ui.work.queue import Item, Queue

    for name in METHODS:
        cost = make_method(bundled, default_settings(name, target=1)).estimate(224, 224).gradients
        assert cost <= MOST_GRADIENTS, name
    dear = default_settings("samp++", target=1, steps=112, ic_tolerance=1 / 200, accumulation="gauss", gauss_nodes=32)
    items = [Item("a", dear), Item("b", default_settings("gradient", target=1))]
    queue = Queue(bundled, load_sample("coffee"), "cup", items, Turns(1)).start()
    queue.wait(60)
    assert [item.status for item in items] == ["failed", "done"]
    assert "a page accepts at most" in items[0].error


def test_every_method_is_tried_on_a_network_or_nothing_more_once_cancelled():
    classifier, image = load_digits().prepare(), samples()[3]
    trials = Trials(Turns(1), classifier, image, 3).start()
    trials.wait(60)
    assert not trials.active
    assert (trials.tried, trials.error) == (len(METHODS), "")
    assert trials.sight == "None of the sample photos shows one of its classes."
    assert {"legrad", "rollout"} <= set(trials.refused)
    assert "transformer" in trials.refused["legrad"]
    assert not {"samp", "samp++", "ig", "grad-cam", "rise"} & set(trials.refused)
    stopped = Trials(Turns(1), classifier, image, 3)
    stopped.cancel()
    stopped.start()
    stopped.wait(60)
    assert not stopped.active
    assert stopped.tried == 0
    assert "Stopped" in stopped.error


def test_what_a_network_sees_in_the_sample_photos(bundled):
    assert "right on 5 of the 5 sample photos" in Trials(Turns(1), bundled, samples()[3], 3)._looked()
