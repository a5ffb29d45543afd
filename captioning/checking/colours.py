"""Which colours a picture shows, as shares of its pixels: a measured check of colour words, meant for flat art.

Names are given by regions of hue, saturation and value for the eleven basic colour terms (Berlin & Kay 1969). Regions overlap
where people disagree (a dark orange is also a brown), so that shares may add up to more than 1: they answer "may one call
this blue?", not "which name is best?". In photographs light moves colours; there the model's word counts for more.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from captioning.checking.words import BASIC, COLOURS
from captioning.images import FORMATS
from pipeline.pictures import on_white

SIDE = 96  # pixels that the longer side is scaled down to
BAND = 0.06  # of the shorter side: the width of the border that is taken for the ground
PLAIN = 0.7  # of the border must have one colour name for a plain ground
APART = 40  # of 255: the difference in some channel by which a pixel is no ground
SMALLEST = 0.005  # of the picture: a figure smaller than this is not looked at by itself
Plane = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Shown:
    """Colour name -> share of the pixels that may be called so, in [0, 1].

    Attributes:
        border: of the band along the edges, which is taken for the ground.
        figure: of the pixels that do not look like the ground, if there is a plain one; else of all.
        plain: the names of a plain ground; none where the border has many colours.
    """

    border: dict[str, float]
    figure: dict[str, float]
    plain: frozenset[str]

    def share(self, word: str, *, ground: bool) -> float | None:
        """The share of pixels that a colour word may mean: of the border for the ground, else of the figure.

        None for a thing that is said to have the colour of the plain ground it stands on: pixels cannot tell it apart.

        Raises:
            KeyError: for a word that is no colour.
        """
        names = COLOURS[word]
        if not ground and self.plain & set(names):
            return None
        found = self.border if ground else self.figure
        return min(1.0, sum(found[name] for name in names))


def colours(data: bytes) -> Shown | None:
    """The colours of an encoded picture, transparency on white; None for one that cannot be decoded."""
    pixels = _small(data)
    if pixels is None:
        return None
    masks = named(pixels)
    border = np.ones(pixels.shape[:2], bool)
    band = max(1, round(BAND * min(border.shape)))
    border[band:-band, band:-band] = False
    around = _shares(masks, border)
    plain = frozenset(name for name, share in around.items() if share >= PLAIN)
    apart = np.abs(pixels.astype(np.int16) - np.median(pixels[border], axis=0)).max(axis=-1) > APART
    figure = apart if plain and apart.mean() >= SMALLEST else np.ones_like(border)
    return Shown(around, _shares(masks, figure), plain)


def _shares(masks: Mapping[str, Mask], where: Mask) -> dict[str, float]:
    return {name: round(float(mask[where].mean()), 4) for name, mask in masks.items()}


def _small(data: bytes) -> npt.NDArray[np.uint8] | None:
    """RGB pixels, at most SIDE a side. Each is one of the picture's own: averages at edges would be colours of their own."""
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            image.draft("RGB", (SIDE, SIDE))
            whole = image.convert("RGBA" if image.has_transparency_data else "RGB")
    except Exception:  # noqa: BLE001 - on damaged bytes a decoder raises almost anything
        return None
    whole.thumbnail((SIDE, SIDE), Image.Resampling.NEAREST)
    return np.asarray(on_white(whole), np.uint8)


def named(pixels: npt.NDArray[np.uint8]) -> dict[str, Mask]:
    """For each basic colour, which pixels (height x width x 3, RGB) may be called so. Every pixel has a name."""
    hue, saturation, value = hsv(pixels)
    pale, dark = saturation < 0.18, value < 0.25
    vivid = ~pale & ~dark
    masks: dict[str, Mask] = {
        "black": value < 0.28,
        "white": (saturation < 0.14) & (value > 0.85),
        "grey": (saturation < 0.22) & (value > 0.2) & (value < 0.92),
        "red": vivid & _between(hue, 340, 18) & (saturation > 0.35),
        "orange": vivid & _between(hue, 12, 46) & (saturation > 0.35) & (value > 0.55),
        "yellow": vivid & _between(hue, 38, 70) & (value > 0.45),
        "green": ~pale & (value > 0.15) & _between(hue, 62, 172),
        "blue": ~pale & (value > 0.15) & _between(hue, 168, 262),
        "purple": ~pale & (value > 0.15) & _between(hue, 248, 325),
        "pink": vivid & _between(hue, 295, 20) & (value > 0.6) & (saturation < 0.75),
        "brown": ~pale & (value > 0.12) & _between(hue, 355, 50) & (value < 0.75),
    }
    masks["grey"] |= ~np.logical_or.reduce([masks[name] for name in BASIC])
    return masks


def _between(hue: Plane, low: float, high: float) -> Mask:
    """Whether a hue lies from `low` to `high` degrees, going up."""
    inside: Mask = (hue >= low) & (hue < high) if low < high else (hue >= low) | (hue < high)
    return inside


def hsv(pixels: npt.NDArray[np.uint8]) -> tuple[Plane, Plane, Plane]:
    """Hue in degrees, saturation and value in [0, 1] (Smith 1978)."""
    rgb = pixels.astype(np.float32) / 255
    value, low = rgb.max(axis=-1), rgb.min(axis=-1)
    spread = value - low
    safe = np.where(spread > 0, spread, 1)
    red, green, blue = (rgb[..., channel] for channel in range(3))
    sector = np.where(
        value == red,
        (green - blue) / safe % 6,
        np.where(value == green, (blue - red) / safe + 2, (red - green) / safe + 4),
    )
    saturation = np.where(value > 0, spread / np.where(value > 0, value, 1), 0)
    return (60 * sector * (spread > 0)).astype(np.float32), saturation.astype(np.float32), value
