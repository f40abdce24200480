"""The sidebar's choices: photo, network, class."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache

import streamlit as st

from samp_core.archive import ENDING, ArchiveError, unpack
from samp_core.bundled import DEFAULT
from samp_core.classifiers import AVAILABLE, Classifier, ClassifierError, is_on_disk, network_info
from samp_core.devices import device_in_words
from samp_core.films import data_uri
from samp_core.images import SAMPLES, ImageError
from samp_core.scores import SCORES, scores_for
from samp_core.zoo_timm import PREFIX
from ui.shared import kept, shelf, state, travel
from ui.shared.state import Photo
from ui.shared.words import plain

PHOTOS = ["jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff", "avif", "jp2", "ppm"]
MOST = 25  # MB of a photo or a file of runs that is uploaded
_OTHER = -1
_KEPT_UPLOADS = 4  # photos of a session to which the browser's Back can return


@dataclass(frozen=True)
class Question:
    """What is to be explained: a photo, a network and a score of it."""

    photo: Photo
    network: str
    classifier: Classifier
    target: int
    contrast: int | None
    score: str


def sidebar(page: str) -> Question:
    """Show the choices and return them. Every error is shown where it arose, and the last good choice stays.

    Args:
        page: name in the navigation of the page that asks.
    """
    with st.sidebar:
        photo = _photo()
        _say_opened(photo, page)
        name = _network()
        try:
            classifier = state.network(name)
        except ClassifierError as error:
            st.error(plain(error))
            name, classifier = DEFAULT, state.network(DEFAULT)
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
      [class*="st-key-sample-"] button[kind="primary"] {{ box-shadow: 0 0 0 3px light-dark(#6d1fd0, #a878f0); }}
      .st-key-samples [data-testid="stHorizontalBlock"] {{ gap: 0.5rem; flex-wrap: nowrap; }}
      .st-key-samples [data-testid="stColumn"] {{ min-width: 0; flex: 1 1 0; }}
      {"".join(rules)}
    </style>"""


def _photo() -> Photo:
    st.subheader("Photo", anchor=False)
    gone = _keep_step()
    before = state.photo().fingerprint
    uploaded = gone or "~" in (kept.text("photo") or "")
    source = st.segmented_control(
        "Where from", ["Samples", "Upload", "Camera"], default="Upload" if uploaded else "Samples", required=True,
        key="photo_source", label_visibility="collapsed", width="stretch", persist_state="session",
    )  # fmt: skip
    if source == "Upload":
        # An uploader of its own for each photo: what it says of a file that it would not take stays as long as it.
        taken = st.session_state.get("uploads_taken", 0)
        key = f"upload-{taken}" if taken else "upload"
        file = st.file_uploader(
            "Upload a photo", [*PHOTOS, ENDING[1:]], key=key, label_visibility="collapsed", max_upload_size=MOST,
            help=f"A photo, or a file of runs ({ENDING}) from Explain, Compare or the command line.",
        )  # fmt: skip
        if _receive(file):
            st.session_state["uploads_taken"] = taken + 1
            choose(state.photo())
            st.rerun()
    elif source == "Camera":
        # Not kept: a camera is switched on here and now, by somebody who sees it.
        if st.toggle("Use the camera", key="camera-on", help="Your browser asks first. Leaving the page ends it."):
            _receive(st.camera_input("Take a photo", key="camera", label_visibility="collapsed"))
    else:
        _gallery()
    photo = state.photo()
    if photo.fingerprint != before:
        choose(photo)
    elif gone:
        st.warning(
            f"The photo of this link, `{gone.replace('`', ' ')}`, was uploaded in another browser, or longer ago than "
            "is remembered. Choose the file again; until then the cat stands in for it."
        )
    if source != "Samples":
        st.image(photo.thumbnail, width=132, alt=f"the chosen photo, {photo.name}")
    st.caption(f"{plain(photo.name)}, {photo.size}")
    return photo


def choose(photo: Photo) -> None:
    """Make a photo the session's, and part of its link; the class to explain is again the network's first choice."""
    word = _in_link(photo)
    st.session_state["photo"], st.session_state["photo_in_link"] = photo, word
    if word is not None and word not in SAMPLES:
        uploads: dict[str, Photo] = st.session_state.setdefault("uploads", {})
        uploads[word] = photo
        shelf.keep_photo(photo)
        while len(uploads) > _KEPT_UPLOADS:
            del uploads[next(iter(uploads))]
    if word != kept.text("photo"):
        kept.put("photo", word)
        for name in ("class", "against"):
            kept.put(name, None)


def _in_link(photo: Photo) -> str | None:
    """Return what a photo is called in a link: a sample by its name, an upload with a short fingerprint."""
    stem = photo.name.rpartition(".")[0]
    if stem in SAMPLES and Photo.sample(stem).fingerprint == photo.fingerprint:
        return None if stem == state.SAMPLE else stem
    return f"{photo.name[-40:]}~{photo.fingerprint[:8]}"


def _keep_step() -> str | None:
    """Keep photo and link in step, whichever was changed; return the name of a photo that is gone."""
    wanted, photo = kept.text("photo"), st.session_state.get("photo")
    if photo is not None and wanted == st.session_state.get("photo_in_link"):
        if wanted != _in_link(photo):
            choose(photo)
        return None
    st.session_state["photo_in_link"] = wanted
    uploads = st.session_state.get("uploads", {})
    if wanted is None or wanted in SAMPLES:
        st.session_state["photo"] = Photo.sample(wanted or state.SAMPLE)
    elif wanted in uploads:
        st.session_state["photo"] = uploads[wanted]
    elif re.fullmatch(r".+~[0-9a-f]{8}", wanted):
        remembered = shelf.photo_in_link(wanted[-8:])
        st.session_state["photo"] = remembered
        if remembered is not None and _in_link(remembered) == wanted:
            uploads[wanted] = remembered
            st.session_state["uploads"] = uploads
            return None
        st.session_state["photo"] = None
        return wanted.rpartition("~")[0]
    else:
        kept.reject("photo")
    return None


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
    choose(Photo.sample(name))


def _receive(file: object) -> bool:
    """Take in an uploaded file once, and say whether it was; a bad one is explained and changes nothing."""
    if file is None:
        return False
    received = (file.file_id, file.name)  # type: ignore[attr-defined]
    if st.session_state.get("received") != received:
        content = file.getvalue()  # type: ignore[attr-defined]
        try:
            if file.name.lower().endswith(ENDING):  # type: ignore[attr-defined]
                _open_runs(content)
            else:
                st.session_state["photo"] = Photo.read(file.name, content)  # type: ignore[attr-defined]
            st.session_state["photo_problem"] = None
            st.session_state["received"] = received
            return True
        except (ImageError, ArchiveError, ClassifierError) as error:
            st.session_state["photo_problem"] = str(error)
        st.session_state["received"] = received
    if problem := st.session_state.get("photo_problem"):
        st.error(plain(f"{problem} The photo below stays in use."))
    return False


def _open_runs(content: bytes) -> None:
    """Take in a file of runs: its photo, its network and all that was chosen for them.

    Raises:
        ArchiveError: it cannot be used; the message says why.
        ClassifierError: its network cannot be loaded.
    """
    archive = unpack(content)
    photo, classifier = travel.subject_of(archive)
    choose(photo)
    words = travel.take_in(archive, classifier, photo, class_words(classifier))
    st.session_state["runs_opened"] = photo.fingerprint, words, travel.is_filmed(archive)


def _say_opened(photo: Photo, page: str) -> None:
    """Say that runs on this photo were opened, and lead from this page to where they are shown."""
    fingerprint, words, filmed = st.session_state.get("runs_opened", ("", "", False))
    if fingerprint != photo.fingerprint:
        return
    st.success(plain(words))
    places = {"Explain": "Watch them on the stage", "Compare": "See them on Compare"}
    for number, (place, label) in enumerate(places.items(), 1):
        if place == page or (place == "Explain" and not filmed):
            continue
        if st.button(label, key=f"runs-on-{place}", width="stretch"):
            del st.session_state["runs_opened"]
            # Named, though it may be empty: Streamlit refuses to drop bound parameters by itself.
            st.switch_page(f"pages/{number}_{place}.py", query_params=kept.link())


def class_words(classifier: Classifier) -> Callable[[int], str]:
    """Return what says how a class is called in a link: its label, with its number where others are called the same."""
    count = Counter(classifier.labels)

    def word(c: int) -> str:
        label = classifier.label(c)
        return label if count[label] == 1 else f"{label} {c}"

    return word


def result_or_regret(title: str, question: Question) -> None:
    """Bring a page's lost result back from the browser's library, or say that it is gone."""
    if not shelf.bring_back(title.lower(), question.photo, question.network, question.classifier):
        st.info(
            "The last result is gone: it is not in this browser's Library. Its settings are here; press the button "
            "again to compute it anew."
        )


def _network() -> str:
    st.subheader("Network", anchor=False)
    infos, own = {info.name: info for info in AVAILABLE}, state.brought()
    linked = kept.text("network")
    if linked is not None and linked not in infos and "~" not in linked:
        with suppress(ClassifierError):  # the choice says that there is no such network
            infos[linked] = network_info(linked)

    # A choice travels as its words: what is called the same could not be chosen, and would change by itself.
    called = {name: f"{found.name}, {len(found.labels)} classes" for name, found in own.items()}
    count = Counter(called.values())

    def title(name: str) -> str:
        if name in own:
            return called[name] if count[called[name]] == 1 else f"{called[name]} ({name.rpartition('~')[2]})"
        # Said of fetched ones as well: a choice travels as its words, and these must not change under it.
        return infos[name].title + (f", {infos[name].megabytes:.0f} MB" if infos[name].file else "")

    name = kept.Choice("network", DEFAULT, [*infos, *own]).selectbox(
        "Network", key="network", label_visibility="collapsed", resets=("class", "against"), format_func=title,
    )  # fmt: skip
    if len(places := state.devices()) > 1:
        kept.Choice("device", places[0], places).segments(
            "Computes on", key="device", format_func=device_in_words,
            help="Rounding differs between devices, and it decides a search's path: results of each are kept apart.",
        )  # fmt: skip
    if name in own or is_on_disk(name):
        return name
    place = "huggingface.co" if name.startswith(PREFIX) else "download.pytorch.org"
    st.info(
        f"{infos[name].title} is not on this machine. Its weights, {infos[name].megabytes:.0f} MB, come from "
        f"{place}, and only if you ask for them. Until then the bundled network stays in use."
    )
    if st.button("Fetch the weights", key="fetch", width="stretch"):
        try:
            with st.spinner(f"Fetching {infos[name].megabytes:.0f} MB ..."):
                state.fetch(name)
            st.rerun()
        except ClassifierError as error:
            st.error(plain(error))
    return DEFAULT


def _class(photo: Photo, name: str, classifier: Classifier) -> Question:
    st.subheader("Class to explain", anchor=False)
    top = state.predictions(name, photo.fingerprint, photo.image)
    first = [p.index for p in top]

    word = class_words(classifier)
    classes = kept.Choice("class", first[0], range(len(classifier.labels)), word)
    target = classes.value()
    other = target if target not in first else next((c for c in classes.options if c not in first), target)
    captions = {p.index: f"{plain(word(p.index))} :gray[{100 * p.probability:.1f} %]" for p in top} | {
        _OTHER: "another class"
    }
    scope = f"{name}-{photo.fingerprint[:12]}"
    chosen = kept.Choice("class", first[0], list(captions), lambda c: word(other if c == _OTHER else c)).radio(
        "Class", key=f"class-{scope}", format_func=captions.__getitem__, label_visibility="collapsed",
        resets=("against",),
    )  # fmt: skip
    if chosen == _OTHER:
        chosen = classes.selectbox("Which class", key=f"other-{scope}", format_func=word, resets=("against",))
    contrast = None
    score = "logit"
    rivals = list(dict.fromkeys(c for c in (*first, *classes.options) if c != chosen))
    if rivals and kept.Flag("contrast").toggle(
        "rather than another class", key="contrast",
        help="Explains the difference of the two classes' logits: why this class and not that one.",
    ):  # fmt: skip
        contrast = kept.Choice("against", rivals[0], rivals, word).selectbox(
            "Rather than", key=f"rival-{scope}-{chosen}", format_func=word
        )
    else:
        fitting = scores_for(classifier.multi_label)
        score = kept.Choice("score", "logit", fitting).selectbox(
            "Explained score", key="score-alone" if classifier.multi_label else "score",
            format_func=lambda name: SCORES[name].title,
            help="The paper explains the logit. Probabilities saturate: near 100 % their gradient vanishes.",
        )  # fmt: skip
    return Question(photo, name, classifier, chosen, contrast, score)
