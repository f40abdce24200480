"""What a number was made from: the curve, the changed photos, the other maps."""

from __future__ import annotations

import math
from collections.abc import Callable

import plotly.graph_objects as go
import streamlit as st
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from samp_core.baselines import GaussianBlur, Zero
from samp_core.metrics import COLUMNS, METRICS, Measurement
from samp_core.metrics.curves import curve_step, mix, ranks
from samp_core.metrics.faithfulness import KEPT, SIZES
from samp_core.metrics.road import SHOWN
from samp_core.render import colour_limit, map_in_words, overlay
from ui.shared.plots import COLOURS, PLAIN
from ui.shared.words import plain
from ui.work.queue import Item, Measuring

_GREYS = ("#6b6875", "#a3a0ae")  # of deletion and insertion: colours belong to methods


def evidence(run: Measuring) -> None:
    """Show one number of one method with everything behind it; a click in the table chooses which."""
    # What is measured of a map stays known when something else is asked, and counts here only if it is.
    items = {i.title: i for i in run.items if any(i.measured.get(name) for name in run.metrics)}
    if not items:
        return
    st.subheader("How a number was made", anchor=False)
    if st.session_state.get("evidence-method") not in items:
        st.session_state["evidence-method"] = next(iter(items))
    item = items[st.session_state["evidence-method"]]
    numbers = {m.name: m for name in run.metrics for m in item.measured.get(name, ())}
    if st.session_state.get("evidence-number") not in numbers:
        st.session_state["evidence-number"] = next(iter(numbers))
    left, right = st.columns(2)
    left.selectbox("Method", list(items), key="evidence-method", persist_state="session")
    right.selectbox(
        "Number", list(numbers), format_func=lambda n: COLUMNS[n].title, key="evidence-number", persist_state="session"
    )
    measurement = numbers[st.session_state["evidence-number"]]
    value = float(measurement.values[0])
    words = "no number" if math.isnan(value) else f"{value:.4g}"
    st.markdown(f"**{item.title}, {COLUMNS[measurement.name].title}: {words}.** {plain(measurement.note)}")
    st.caption(f"Protocol: {plain(measurement.protocol)}. Explained: {plain(run.score)}.")
    metric = next(m for m in METRICS.values() if measurement.name in {c.name for c in m.columns})
    PICTURES[metric.evidence](run, item, measurement)
    st.caption(f"{metric.summary} Source: {metric.citation}.")


def item_map(run: Measuring, item: Item) -> Tensor:
    """Return an item's pixel map, (H, W)."""
    shown = run.shown(item)
    assert shown is not None
    return shown.explanation.maps[0]


def _photo(run: Measuring) -> Image.Image:
    return run.classifier.preprocessing.crop_image(run.image).convert("RGB")


def _stages(run: Measuring, item: Item, measurement: Measurement) -> None:
    found = measurement.evidence
    _maps(run, item, found["maps"][0], [f"stage {k + 1}: {v:.2f}" for k, v in enumerate(found["stages"][0])])


def _changed(run: Measuring, item: Item, measurement: Measurement) -> None:
    _maps(run, item, measurement.evidence["maps"][0].unsqueeze(0), ["changed"])


def _conditions(run: Measuring, item: Item, measurement: Measurement) -> None:
    found = measurement.evidence
    _maps(run, item, torch.cat(list(found.values())), list(found))


def _alone(run: Measuring, item: Item, measurement: Measurement) -> None:
    _maps(run, item, torch.zeros(0, *item_map(run, item).shape), [])


def _maps(run: Measuring, item: Item, maps: Tensor, captions: list[str]) -> None:
    photo = _photo(run)
    columns = st.columns(max(4, len(maps) + 1))
    own = item_map(run, item)
    for column, shown, caption in zip(columns, (own, *maps), ("the map", *captions), strict=False):
        values = shown.double().numpy()
        column.image(overlay(photo, values, 0.75), caption=caption, alt=f"{caption}: {map_in_words(values)}")
    st.caption(f"Each map on its own scale; this one saturates at |a| = {colour_limit(own.double().numpy()):.3g}.")


def _inside(run: Measuring, item: Item, measurement: Measurement) -> None:
    own, mask = item_map(run, item), measurement.evidence["mask"][0]
    top = divmod(int(own.flatten().argmax()), own.shape[1])
    shown = overlay(_photo(run), own.double().numpy(), 0.75)
    draw = ImageDraw.Draw(shown)
    rows, columns = (mask.any(d).nonzero().flatten() for d in (1, 0))
    draw.rectangle((int(columns[0]), int(rows[0]), int(columns[-1]), int(rows[-1])), outline="#facc15", width=2)
    draw.ellipse((top[1] - 4, top[0] - 4, top[1] + 4, top[0] + 4), outline="#facc15", width=2)
    st.image(
        shown, caption="the map, the box, and a ring around the largest attribution", width=336, alt="map with box"
    )


def _curves(run: Measuring, item: Item, measurement: Measurement) -> None:
    plot = go.Figure()
    for n, direction in enumerate(("deletion", "insertion")):
        values = measurement.evidence[direction][0].tolist()
        plot.add_trace(
            go.Scatter(
                x=[100 * k / (len(values) - 1) for k in range(len(values))], y=values, name=direction, fill="tozeroy",
                line={"color": _GREYS[n], "dash": ("solid", "dash")[n]},
                hovertemplate=f"{direction}<br>%{{x:.0f}} %<br>%{{y:.3f}}<extra></extra>",
            )
        )  # fmt: skip
    plot.update_layout(
        height=300, margin={"l": 10, "r": 10, "t": 10, "b": 10}, xaxis_title="pixels changed, %",
        yaxis_title="score" if measurement.protocol.normalisation == "none" else "score / score of the photo",
        legend={"orientation": "h", "y": 1.12},
    )  # fmt: skip
    st.plotly_chart(plot, config=PLAIN, key="evidence-curves")
    inputs = run.classifier.inputs(run.image)
    points = measurement.evidence["deletion"].shape[1] - 1
    step = curve_step(inputs)
    own = item_map(run, item).unsqueeze(0)
    place = ranks(inputs, own)
    for direction, ends in (("deletion", (inputs, Zero()(inputs))), ("insertion", (GaussianBlur()(inputs), inputs))):
        scores = measurement.evidence[direction][0]
        for column, fraction in zip(st.columns(6), (0.04, 0.1, 0.2, 0.4, 0.6, 0.8), strict=True):
            k = round(fraction * points)
            shown = run.classifier.preprocessing.to_image(mix(*ends, place, k * step))[0]
            words = f"{direction}, {100 * k / points:.0f} %: {scores[k]:.2f}"
            column.image(shown, caption=words, alt=words)


def _kept(run: Measuring, item: Item, measurement: Measurement) -> None:
    hits = measurement.evidence["hits"][0]
    inputs = run.classifier.inputs(run.image)
    place, blank = ranks(inputs, measurement.evidence["ranked"][:1]), Zero()(inputs)
    count = inputs[0, 0].numel()
    stays = "still seen" if run.classifier.multi_label else "still first"
    for row, (title, ends) in enumerate((("kept", (blank, inputs)), ("removed", (inputs, blank)))):
        for column, k in zip(st.columns(5), (0, 2, 4, 6, 8), strict=True):
            shown = run.classifier.preprocessing.to_image(mix(*ends, place, round(KEPT[k] * count)))[0]
            words = f"best {100 * KEPT[k]:.0f} % {title}: {stays if hits[row, k] else 'lost'}"
            column.image(shown, caption=words, alt=words)
    st.caption(f"Hits at 10, 20 ... 90 %: {int(hits[0].sum())} of 9 kept, {int(hits[1].sum())} of 9 removed.")


def _imputed(run: Measuring, item: Item, measurement: Measurement) -> None:
    scores, images = measurement.evidence["scores"][0], measurement.evidence["images"][0]
    plot = go.Figure()
    orders = ("best first", "worst first")
    for n, order in enumerate(orders):
        plot.add_trace(
            go.Scatter(
                x=[100 * share for share in KEPT], y=scores[n].tolist(), name=order, mode="lines+markers",
                line={"color": _GREYS[n], "dash": ("solid", "dash")[n]},
                hovertemplate=f"{order}<br>%{{x:.0f}} %<br>%{{y:.3f}}<extra></extra>",
            )
        )  # fmt: skip
    plot.update_layout(
        height=300, margin={"l": 10, "r": 10, "t": 10, "b": 10}, xaxis_title="pixels imputed, %",
        yaxis={"title": "probability", "range": [-0.03, 1.03]}, legend={"orientation": "h", "y": 1.12},
    )  # fmt: skip
    st.plotly_chart(plot, config=PLAIN, key="evidence-imputed")
    columns = iter(st.columns(2 * len(SHOWN)))
    for n, order in enumerate(orders):
        pictures = run.classifier.preprocessing.to_image(images[n])
        for k, shown in zip(SHOWN, pictures, strict=True):
            words = f"{order}, {100 * KEPT[k]:.0f} %: {scores[n, k]:.2f}"
            next(columns).image(shown, caption=words, alt=words)


def _scatter(run: Measuring, item: Item, measurement: Measurement) -> None:
    plot = go.Figure()
    sums, drops = (measurement.evidence[name][0] for name in ("sums", "drops"))
    groups = [("random squares", sums, drops)]
    if sums.ndim == 2:
        groups = [(f"{100 * s:.0f} % of the pixels", sums[k], drops[k]) for k, s in enumerate(SIZES)]
    for n, (name, x, y) in enumerate(groups):
        plot.add_trace(
            go.Scatter(
                x=x.tolist(), y=y.tolist(), mode="markers", name=name,
                marker={"color": COLOURS[n], "symbol": ("circle", "diamond", "square")[n]},
                hovertemplate="attributed %{x:.3g}<br>lost %{y:.3g}<extra></extra>",
            )
        )  # fmt: skip
    plot.update_layout(
        height=360, margin={"l": 10, "r": 10, "t": 10, "b": 10}, xaxis_title="attributed to the removed pixels",
        yaxis_title="score lost", legend={"orientation": "h", "y": 1.12},
    )  # fmt: skip
    st.plotly_chart(plot, config=PLAIN, key="evidence-scatter")


PICTURES: dict[str, Callable[[Measuring, Item, Measurement], None]] = {
    "": _alone,
    "curves": _curves,
    "kept": _kept,
    "imputed": _imputed,
    "sums": _scatter,
    "map": _changed,
    "conditions": _conditions,
    "stages": _stages,
    "box": _inside,
}
"""What draws each kind of evidence that a metric declares."""
