"""The sidebar's choices: photo, network, class."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import streamlit as st

from samp_core.classifiers import AVAILABLE, Classifier, ClassifierError, is_on_disk
from samp_core.images import SAMPLES, ImageError
from samp_core.methods import SCORES
from ui import state
from ui.pictures import data_uri
from ui.state import Photo
from ui.words import plain

UPLOADS = ["jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff", "avif"]
_OTHER = -1


@dataclass(frozen=True)
class Question:
    """What is to be explained: a photo, a network and a score of it."""

    photo: Photo
    network: str
    classifier: Classifier
    target: int
    contrast: int | None
    score: str


def sidebar() -> Question:
    """Show the choices and return them. Every error is shown where it arose, and the last good choice stays."""
    with st.sidebar:
        photo = _photo()
        name = _network()
        try:
            classifier = state.network(name)
        except ClassifierError as error:
            st.error(plain(error))
            name, classifier = state.BUNDLED, state.network(state.BUNDLED)
        return _class(photo, name, classifier)


@cache
def _thumbnails() -> str:
    rules = []
    for name in SAMPLES:
        image = Photo.sample(name).image
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        thumbnail = image.crop((left, top, left + side, top + side)).resize((132, 132))
        rules.append(f".st-key-sample-{name} button {{ background-image: url({data_uri(thumbnail)}); }}")
    return f"""<style>
      [class*="st-key-sample-"] button {{ aspect-ratio: 1; width: 100%; min-height: 0; padding: 0;
        background-size: cover; border-radius: 8px; border: 1px solid rgba(128, 128, 140, 0.35); }}
      [class*="st-key-sample-"] button p {{ position: absolute; width: 1px; height: 1px; overflow: hidden;
        clip-path: inset(50%); white-space: nowrap; }}
      [class*="st-key-sample-"] button:hover {{ filter: brightness(1.08); }}
      [class*="st-key-sample-"] button[kind="primary"] {{ box-shadow: 0 0 0 3px light-dark(#4338ca, #8f8bf5); }}
      .st-key-samples [data-testid="stHorizontalBlock"] {{ gap: 0.5rem; flex-wrap: nowrap; }}
      .st-key-samples [data-testid="stColumn"] {{ min-width: 0; flex: 1 1 0; }}
      {"".join(rules)}
    </style>"""


def _photo() -> Photo:
    st.subheader("Photo", anchor=False)
    st.session_state.setdefault("photo_source", "Samples")
    source = st.segmented_control(
        "Where from", ["Samples", "Upload", "Camera"], required=True, key="photo_source",
        label_visibility="collapsed", width="stretch", persist_state="session",
    )  # fmt: skip
    if source == "Samples":
        _gallery()
    elif source == "Upload":
        # An uploader of its own for each photo: what it says of a file that it would not take stays as long as it.
        taken = st.session_state.get("uploads_taken", 0)
        key = f"upload-{taken}" if taken else "upload"
        if _receive(st.file_uploader("Upload a photo", UPLOADS, key=key, label_visibility="collapsed")):
            st.session_state["uploads_taken"] = taken + 1
            st.rerun()
    else:
        _receive(st.camera_input("Take a photo", key="camera", label_visibility="collapsed"))
    photo = state.photo()
    if source != "Samples":
        st.image(photo.thumbnail, width=132, alt=f"the chosen photo, {photo.name}")
    st.caption(f"{plain(photo.name)}, {photo.size}")
    return photo


def _gallery() -> None:
    st.html(_thumbnails())
    shown = state.photo()
    with st.container(key="samples", gap="small"):
        names = list(SAMPLES)
        for row in range(0, len(names), 3):
            for column, name in zip(st.columns(3), names[row : row + 3], strict=False):
                chosen = Photo.sample(name).fingerprint == shown.fingerprint
                column.button(
                    SAMPLES[name].title, key=f"sample-{name}", help=SAMPLES[name].title, width="stretch",
                    type="primary" if chosen else "secondary", on_click=_choose_sample, args=(name,),
                )  # fmt: skip


def _choose_sample(name: str) -> None:
    st.session_state["photo"] = Photo.sample(name)


def _receive(file: object) -> bool:
    """Take in an uploaded file once, and say whether it was; a bad one is explained and changes nothing."""
    if file is None:
        return False
    received = (file.file_id, file.name)  # type: ignore[attr-defined]
    if st.session_state.get("received") != received:
        try:
            st.session_state["photo"] = Photo.read(file.name, file.getvalue())  # type: ignore[attr-defined]
            st.session_state["photo_problem"] = None
            st.session_state["received"] = received
            return True
        except ImageError as error:
            st.session_state["photo_problem"] = str(error)
        st.session_state["received"] = received
    if problem := st.session_state.get("photo_problem"):
        st.error(plain(f"{problem} The photo below stays in use."))
    return False


def _network() -> str:
    st.subheader("Network", anchor=False)
    infos = {info.name: info for info in AVAILABLE}
    name = st.selectbox(
        "Network", list(infos), key="network", label_visibility="collapsed", persist_state="session",
        format_func=lambda n: infos[n].title + ("" if is_on_disk(n) else f" ({infos[n].megabytes:.0f} MB to fetch)"),
    )  # fmt: skip
    if is_on_disk(name):
        return str(name)
    st.info(
        f"{infos[name].title} is not on this machine. Its weights, {infos[name].megabytes:.0f} MB, come from "
        "download.pytorch.org, and only if you ask for them. Until then the bundled network stays in use."
    )
    if st.button("Fetch the weights", key="fetch", width="stretch"):
        try:
            with st.spinner(f"Fetching {infos[name].megabytes:.0f} MB ..."):
                state.fetch(name)
            st.rerun()
        except ClassifierError as error:
            st.error(plain(error))
    return state.BUNDLED


def _class(photo: Photo, name: str, classifier: Classifier) -> Question:
    st.subheader("Class to explain", anchor=False)
    top = state.predictions(name, photo.fingerprint, photo.image)
    words = {p.index: f"{plain(p.label)} :gray[{100 * p.probability:.1f} %]" for p in top}
    words[_OTHER] = "another class"
    scope = f"{name}-{photo.fingerprint[:12]}"
    chosen = st.radio(
        "Class", list(words), format_func=words.__getitem__, key=f"class-{scope}", label_visibility="collapsed",
        persist_state="session",
    )  # fmt: skip
    classes = range(len(classifier.labels))
    target = chosen
    if chosen == _OTHER:
        target = st.selectbox(
            "Which class", classes, format_func=classifier.label, key=f"other-{scope}", persist_state="session"
        )
    contrast = None
    if st.toggle(
        "rather than another class", key="contrast", persist_state="session",
        help="Explains the difference of the two classes' logits: why this class and not that one.",
    ):  # fmt: skip
        rivals = [p.index for p in top if p.index != target] + [c for c in classes if c != target]
        contrast = st.selectbox(
            "Rather than", list(dict.fromkeys(rivals)), format_func=classifier.label, key=f"rival-{scope}-{target}",
            persist_state="session",
        )  # fmt: skip
        score = "logit"
    else:
        score = st.selectbox(
            "Explained score", list(SCORES), format_func=SCORES.__getitem__, key="score", persist_state="session",
            help="The paper explains the logit. Probabilities saturate: near 100 % their gradient vanishes.",
        )  # fmt: skip
    return Question(photo, name, classifier, int(target), contrast, str(score))
