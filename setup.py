"""Dependencies of the package, read from requirements.txt, the one place where versions stand."""

from pathlib import Path

from setuptools import setup


def read(name: str) -> dict[str, list[str]]:
    """Return the requirements of a file, by the heading (``# == heading ==``) that they stand under."""
    found: dict[str, list[str]] = {"": []}
    heading = ""
    for line in (Path(__file__).parent / name).read_text(encoding="utf-8").splitlines():
        if line.startswith("# == "):
            heading = line.strip("#= ")
            found[heading] = []
        elif line and not line.startswith(("#", "-")):
            found[heading].append(line.split(" #", 1)[0].strip())
    return found


requirements = read("requirements.txt")
setup(
    install_requires=requirements["engine"],
    extras_require={
        "app": requirements["app"],
        "ray": read("requirements-ray.txt")[""],
        "video": read("requirements-video.txt")[""],
        "timm": read("requirements-timm.txt")[""],
        "dev": [
            *requirements["app"],
            *read("requirements-ray.txt")[""],
            *read("requirements-video.txt")[""],
            *read("requirements-timm.txt")[""],
            *read("requirements-dev.txt")[""],
        ],
    },
)
