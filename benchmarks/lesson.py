"""How long each scene of Learn takes to answer a knob: ``PYTHONPATH=. python benchmarks/lesson.py``.

Runs the page without a browser, on values that it has not seen before, and prints the median and the longest time of
the whole script, and that median as a multiple of a script run that has nothing to compute.
"""

from __future__ import annotations

import statistics
import time
from pathlib import Path

from streamlit.testing.v1 import AppTest

APP = Path(__file__).parents[1] / "app.py"
KNOBS: dict[str, tuple[str, str, list[object]]] = {
    "paths": ("slider", "toy-steps", [5, 6, 7, 8, 9, 10, 11]),
    "prefer": ("select_slider", "prefer-ic", ["off", "1/5", "1/20", "1/50", "1/10", "off", "1/5"]),
    "greedy": ("slider", "walk-digit", [0, 1, 2, 4, 5, 6, 7]),
    "digits": ("slider", "digit-momentum", [0.0, 0.1, 0.2, 0.3, 0.4, 0.6, 0.7]),
    "trust": ("slider", "trust-digit", [0, 1, 2, 4, 5, 6, 7]),
    "code": ("slider", "code-digit", [0, 1, 2, 4, 5, 6, 7]),
}


def main() -> None:
    """Turn one knob of each scene several times."""
    page = AppTest.from_file(str(APP), default_timeout=60).run().switch_page("pages/4_Learn.py").run()
    idle = 0.0
    for scene, (kind, key, values) in KNOBS.items():
        page.segmented_control(key="scene").set_value(scene).run()
        took = []
        for value in values:
            getattr(page, kind)(key=key).set_value(value)
            began = time.perf_counter()
            page.run()
            took.append(time.perf_counter() - began)
            if page.exception:
                raise SystemExit(page.exception[0].message)
        if not idle:
            began = time.perf_counter()
            page.run()
            idle = time.perf_counter() - began
        middle = statistics.median(took)
        print(
            f"{scene:8} median {middle:.3f} s, longest {max(took):.3f} s, {middle / idle:.1f} x an idle run of 'paths'"
        )


if __name__ == "__main__":
    main()
