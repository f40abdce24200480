"""The page: the network in use as a card, any other of torchvision's, and weights of one's own."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import streamlit as st
from PIL import Image

from samp_core.bundled import BUNDLED, DEFAULT
from samp_core.classifiers import (
    DIGITS,
    RANDOM,
    Classifier,
    ClassifierError,
    architectures,
    is_on_disk,
    network_info,
    published_preprocessing,
    takes_weights,
)
from samp_core.devices import device_in_words
from samp_core.images import Preprocessing
from samp_core.library import Recipe
from samp_core.methods import METHODS
from samp_core.own import read_intake, read_labels, read_weights
from ui.models.trials import Trials
from ui.shared import kept, shelf, state
from ui.shared.sidebar import Question
from ui.shared.words import plain

_MOST = 600  # MB of a file of weights
_FLAT = 3.0  # times as likely as chance: what a first choice is at least, unless the network sees nothing
_SEVERAL = 10  # classes that a photo may well show at once
_TILE = 210  # pixels along the side of a picture of what an installed network sees
_STYLE = """<style>
  .st-key-models-installed { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); }
  .st-key-models-installed > * { height: 100%; }
</style>"""
_FAR = 8.0  # deviations from the mean: where a network's input is no picture that it was trained on


def show(question: Question) -> None:
    """Show the network in use, and what can be used instead."""
    place = st.empty()  # always there, or what stands below begins anew when the words come and go: its tabs, too
    if (news := st.session_state.pop("models-news", None)) is not None:
        place.success(plain(news))
    left, right = st.columns([3, 2], gap="large")
    with left:
        card(question.classifier, question)
    with right:
        choice()
    installed(question)


def card(classifier: Classifier, question: Question) -> None:
    """Say what a network is, what it sees in the photo in hand, and what seems wrong with that."""
    st.subheader(f"In use: {plain(classifier.name)}", anchor=False)
    how = classifier.preprocessing
    seen, answer = st.columns([2, 3])
    with seen:
        picture = how.crop_image(question.photo.image)
        st.image(picture, width=220, alt=f"what {classifier.name} sees of {question.photo.name}")
        st.caption(f"What it sees: {how.crop[0]} x {how.crop[1]} pixels of {plain(question.photo.name)}.")
    with answer:
        top = state.predictions(question.network, question.photo.fingerprint, question.photo.image)
        for prediction in top:
            words = f"{plain(prediction.label)} :gray[{100 * prediction.probability:.1f} %]"
            st.progress(min(1.0, prediction.probability), text=words)
    for warning in doubts(classifier, question):
        st.warning(warning)
    parameters = sum(p.numel() for p in classifier.network.parameters())
    size = sum(p.numel() * p.element_size() for p in classifier.network.parameters())
    pace = state.seconds_per_gradient(question.network)
    facts = {
        "Parameters": f"{parameters:,} ({f'{size / 2**20:.0f} MiB' if size > 2**20 else f'{size / 2**10:.0f} KiB'})",
        "Classes": f"{len(classifier.labels):,}"
        + (", which do not exclude each other (multi-label)" if classifier.multi_label else ""),
        "Input": f"{how.channels} x {how.crop[0]} x {how.crop[1]}, "
        + (f"shorter side scaled to {how.resize}, middle cropped" if how.resize else "scaled to it"),
        "Mean, deviation": f"{_short(how.mean)}, {_short(how.std)}",
        "Computes on": device_in_words(classifier.device)
        + ("" if len(state.devices()) > 1 else "; nothing faster was found here"),
        "One gradient, there": f"{1000 * pace:.0f} ms (learned from what was run since the server started)",
        "Fingerprint": classifier.fingerprint[:16],
    }
    st.table({name: plain(value) for name, value in facts.items()}, border="horizontal")
    serves(classifier, question)


def _short(values: tuple[float, ...]) -> str:
    return " ".join(f"{value:.3g}" for value in values)


def doubts(classifier: Classifier, question: Question) -> list[str]:
    """Return what looks wrong with how a network takes the photo in hand, in words."""
    found = []
    top = state.predictions(question.network, question.photo.fingerprint, question.photo.image)
    chance = 1 / len(classifier.labels)
    if classifier.name.endswith(RANDOM):
        found.append(
            "Its weights are random: it knows nothing, and maps of it say so. Good for sanity checks in class."
        )
    elif classifier.multi_label:
        photo = question.photo
        every = state.predictions(question.network, photo.fingerprint, photo.image, len(classifier.labels))
        seen = sum(prediction.probability > 0.5 for prediction in every)
        if not seen:
            found.append("It sees none of its classes in this photo: no probability is above 50 %.")
        elif seen > max(_SEVERAL, len(every) / 4):
            found.append(
                f"It sees {seen:,} of its {len(every):,} classes in this photo at once. Was it trained with a sigmoid "
                "for each class? If with a softmax, bring it once more without multi-label."
            )
    elif len(classifier.labels) > 1 and top[0].probability < min(_FLAT * chance, (1 + chance) / 2):
        found.append(
            "Its first choice is hardly likelier than chance. Are mean, deviation, range and order of the channels "
            "those that it was trained with, and the labels in its order?"
        )
    inputs = classifier.inputs(question.photo.image)
    if float(inputs.abs().max()) > _FAR:
        found.append(
            f"Its inputs reach {float(inputs.abs().max()):.3g} deviations from the mean, which no normalised photo "
            "does. Is the range 1 where it should be 255, or a deviation too small?"
        )
    return found


def serves(classifier: Classifier, question: Question) -> None:
    """Say which methods serve a network, and why others do not; asked for, since each is tried."""
    key = f"{question.network} {question.photo.fingerprint}"
    known: dict[str, Trials] = st.session_state.setdefault("models-trials", {})
    for other in [name for name in known if name != key]:
        known.pop(other).cancel()
    trials = known.get(key)
    if trials is None:
        if st.button(
            "Which methods serve it?",
            key="models-serves",
            help="Each is begun on the photo, and not walked. Then it is asked what it sees in the sample photos.",
        ):
            known[key] = Trials(state.turns(), classifier, question.photo.image, question.target).start()
            st.rerun()
        return
    if trials.active:
        st.fragment(_trying, run_every=0.3)(trials)
        return
    if trials.error:
        st.warning(plain(trials.error))
        st.button("Try them again", key="models-serves-again", on_click=known.clear)
        return
    served = [method.title for method in METHODS.values() if method.name not in trials.refused]
    st.markdown(f"**{len(served)} of {len(METHODS)} methods serve it:** {', '.join(served)}.")
    st.markdown(trials.sight)
    for name, why in trials.refused.items():
        st.caption(f"**{METHODS[name].title}** does not: {plain(why)}")


def _trying(trials: Trials) -> None:
    if not trials.active:
        st.rerun()
    now = [method.title for method in METHODS.values()][trials.tried : trials.tried + 1]
    words = f"Trying {now[0]}: {trials.tried} of {len(METHODS)}" if now else "Looking at the sample photos"
    st.progress(trials.progress, text=words)
    st.button("Cancel", key="models-serves-cancel", on_click=trials.cancel, disabled=trials.cancelling)


def installed(question: Question) -> None:
    """Show the networks that need nothing fetched, each with what it would see of the photo in hand."""
    st.subheader("Installed with the app", anchor=False)
    st.html(_STYLE)
    with st.container(key="models-installed"):
        for name in (*BUNDLED, *DIGITS):
            info, how = network_info(name), published_preprocessing(name)
            with st.container(border=True, key=f"models-here-{name}"):
                seen = _seen(name, question.photo.fingerprint, question.photo.image)
                st.image(seen, width="stretch", alt=f"what {info.title} sees of {question.photo.name}")
                st.markdown(f"**{info.title}**")
                colours = "grey" if how.channels == 1 else "colours"
                size = f"{how.crop[0]} x {how.crop[1]} pixels"
                st.caption(plain(f"{size}, {colours}; {_classes(name)}; {info.megabytes:.2g} MiB."))
                here = question.network == name
                st.button(
                    "In use" if here else "Use it", key=f"models-take-{name}", disabled=here, on_click=_use,
                    args=(name, f"{name} is in use."),
                )  # fmt: skip


@st.cache_data(max_entries=64, show_spinner=False)
def _seen(name: str, fingerprint: str, _image: Image.Image) -> Image.Image:
    """Return what a network that is known by name sees of a photo; of a large one that takes a while."""
    return published_preprocessing(name).crop_image(_image).resize((_TILE, _TILE), Image.Resampling.NEAREST)


def _classes(name: str) -> str:
    return "handwritten digits" if name in DIGITS else "ImageNet's 1,000 classes"


# -- another one -------------------------------------------------------------------------------------------------------


def choice() -> None:
    """Let people choose another network: published, random, or with weights of their own."""
    st.subheader("Another one", anchor=False)
    names = architectures()
    name = st.selectbox(
        "Architecture", names, key="models-name", persist_state="session",
        help="Installed with the app, any of torchvision's classification networks, and timm's where it is installed.",
    )  # fmt: skip
    info = network_info(name)
    here = is_on_disk(name)
    where = "installed" if not info.file else "on this machine" if here else f"{info.megabytes:.0f} MB to fetch"
    published, random, own = st.tabs(["Published weights", "Random weights", "Weights of my own"])
    with published:
        kinds = {"program": "An exported program of this server's", "timm": "Mostly ImageNet's 1,000 classes"}
        knows = kinds.get(name.partition("/")[0], _classes(name))
        st.caption(f"{knows[0].upper()}{knows[1:]}; the weights are {where}.")
        if here:
            st.button("Use it", key="models-use", type="primary", on_click=_use, args=(name, f"{name} is in use."))
        elif st.button(f"Fetch {info.megabytes:.0f} MB and use it", key="models-fetch"):
            try:
                with st.spinner(f"Fetching {info.megabytes:.0f} MB ..."):
                    state.fetch(name)
                _use(name, f"{name} was fetched and is in use.")
                st.rerun()
            except ClassifierError as error:
                st.error(plain(error))
    fixed = not takes_weights(name)
    with random:
        st.caption(
            "It knows nothing, always in the same way: for sanity checks. A map that looks good here is no proof."
        )
        st.button(
            "Use it at random", key="models-random", disabled=fixed, on_click=_use,
            args=(f"{name}{RANDOM}", f"{name} is in use, with random weights."),
            help="Of torchvision's and timm's networks." if fixed else None,
        )  # fmt: skip
    with own:
        if fixed:
            st.caption("Choose another architecture above: resnet18, vit_b_16, convnext_tiny, ...")
        else:
            _own(name)


def _use(name: str, news: str) -> None:
    kept.put("network", None if name == DEFAULT else name)
    for each in ("class", "against"):
        kept.put(each, None)
    st.session_state["models-news"] = news


def _own(name: str) -> None:
    st.caption(
        "A state dict (safetensors, or torch.save). It is read without executing anything; how many classes it has, "
        "which layer is its last and whether it sees colours or grey is found out. It is for this browser alone."
    )
    weights = st.file_uploader(
        "Weights", ["safetensors", "pt", "pth", "bin", "pt2", "onnx"], key="models-weights", max_upload_size=_MOST
    )
    labels = st.file_uploader(
        "Labels, if it has other classes than ImageNet", ["txt", "json", "csv"], key="models-labels",
        max_upload_size=8,
        help="A label a line, a list or a mapping from number to label (json), or a table with a column 'label' (csv).",
    )  # fmt: skip
    several = st.toggle(
        "Multi-label: its classes do not exclude each other", key="models-several",
        help="It was trained with a sigmoid for each class. Probabilities are then each class's own, the score to "
        "explain is the logit or the sigmoid, and measures that count hits ask whether a class is seen, not whether it "
        "comes first.",
    )  # fmt: skip
    how = _preprocessing(name)
    if st.button("Use these weights", key="models-own", type="primary", disabled=weights is None or how is None):
        assert weights is not None
        assert how is not None
        try:
            with st.spinner("Reading the weights ..."):
                state_dict = read_weights(weights.getvalue())
                names = None if labels is None else read_labels(labels.getvalue(), f".{labels.name.rpartition('.')[2]}")
                recipe = Recipe(name, names, None if how[0] is None else asdict(how[0]), how[1], several)
                classifier = recipe.make(state_dict)
                link = state.bring(classifier)
                stays = shelf.keep_network(link, recipe, state_dict)
        except ClassifierError as error:
            st.error(plain(error))
        else:
            _use(link, f"{classifier.name}, {len(classifier.labels)} classes, is in use on every page. {stays}")
            st.rerun()


def _preprocessing(name: str) -> tuple[Preprocessing | None, bool] | None:
    """Let people say how their network wants its pictures; None while that makes no sense."""
    file = st.file_uploader("Preprocessing, if not as published (json)", ["json"], key="models-how", max_upload_size=8)
    if file is not None:
        try:
            intake = read_intake(file.getvalue())
        except ClassifierError as error:
            st.error(plain(error))
            return None
        return intake.preprocessing, intake.bgr
    if not st.toggle(
        "Say it here", key="models-say", help="Size, mean and deviation, range and order of the channels."
    ):
        return None, False
    published = published_preprocessing(name)
    crop = published.crop[0]
    first, second = st.columns(2)
    words: dict[str, Any] = {
        "crop": first.number_input("Crop, pixels", 8, 1024, crop, key=f"models-crop-{name}"),
        "resize": second.number_input(
            "Shorter side before, pixels", 8, 2048, published.resize or crop, key=f"models-resize-{name}"
        ),
        "interpolation": published.interpolation,
        "range": first.segmented_control("Range", [1, 255], default=1, required=True, key="models-range"),
        "order": second.segmented_control("Channels", ["rgb", "bgr"], default="rgb", required=True, key="models-order"),
    }
    in_order = "In the order of the channels."
    mean = first.text_input("Mean", _listed(published.mean), key=f"models-mean-{name}", help=in_order)
    std = second.text_input("Deviation", _listed(published.std), key=f"models-deviation-{name}", help=in_order)
    try:
        words |= {"mean": _values(mean), "std": _values(std)}
        intake = read_intake(json.dumps(words).encode())
    except (ClassifierError, ValueError) as error:
        st.error(plain(error))
        return None
    return intake.preprocessing, intake.bgr


def _listed(values: tuple[float, ...]) -> str:
    return ", ".join(f"{value:g}" for value in values)


def _values(text: str) -> list[float]:
    return [float(value) for value in text.replace(",", " ").split()]
