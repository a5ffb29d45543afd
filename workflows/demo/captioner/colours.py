"""Colour names measured from pixels, by one stated rule that both the training captions and the judge use.

A pixel is named from hue, saturation and value (HSV, hue in degrees):
    value < .22                                   black
    saturation < .13 (or < .22 where value < .45)  white where value > .88, else grey
    hue 15-50, saturation < .45, value > .72       beige
    hue < 15 or >= 340                             pink where value > .75 and saturation < .60;
                                                  brown where value < .60 and saturation < .65; else red
    hue 15-40                                      orange where value > .70, else brown
    hue 40-68                                      yellow where value > .55, else brown
    hue 68-165 green, 165-258 blue, 258-310 purple, 310-340 pink
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from captioning.checking.colours import hsv

COLOURS = ("black", "white", "grey", "beige", "pink", "red", "orange", "brown", "yellow", "green", "blue", "purple")
SIDE = 64  # pictures are measured at 64 px, so that a dithered or noisy surface has the colour that is seen
NEAR = 40.0  # RGB distance within which a pixel belongs to the background
PLAIN = 0.80  # share of the border that one colour must hold to be called a plain background
SECOND = 0.20  # share of the object that a second colour needs to be named

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Measured:
    """What the pixels say: the object's colours by share, the plain background or None, the share that the object covers.

    `shares` holds the share of each of COLOURS among the object's pixels, in their order.
    """

    colours: tuple[str, ...]
    background: str | None
    coverage: float
    shares: tuple[float, ...] = ()


def name_pixels(rgb: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Index into COLOURS of each pixel of `rgb` (..., 3)."""
    hue, saturation, value = hsv(rgb)
    pale = (saturation < 0.13) | ((saturation < 0.22) & (value < 0.45))
    reddish = (hue < 15) | (hue >= 340)
    rules = [
        (value < 0.22, "black"),
        (pale & (value > 0.88), "white"),
        (pale, "grey"),
        ((hue >= 15) & (hue < 50) & (saturation < 0.45) & (value > 0.72), "beige"),
        (reddish & (value > 0.75) & (saturation < 0.60), "pink"),
        (reddish & (value < 0.60) & (saturation < 0.65), "brown"),
        (reddish, "red"),
        ((hue < 40) & (value > 0.70), "orange"),
        ((hue >= 40) & (hue < 68) & (value > 0.55), "yellow"),
        (hue < 68, "brown"),
        (hue < 165, "green"),
        (hue < 258, "blue"),
        (hue < 310, "purple"),
    ]
    choices = [COLOURS.index(name) for _, name in rules]
    return np.select([rule for rule, _ in rules], choices, COLOURS.index("pink")).astype(np.int64)


def shares(rgb: NDArray[np.uint8], mask: Mask) -> dict[str, float]:
    """Share of each colour name among the masked pixels, largest first; empty where the mask is."""
    named = name_pixels(rgb[mask])
    counts = np.bincount(named, minlength=len(COLOURS)) / max(len(named), 1)
    return {COLOURS[i]: float(counts[i]) for i in np.argsort(-counts, kind="stable") if counts[i] > 0}


def leading(held: dict[str, float]) -> tuple[str, ...]:
    """The first of `held` (shares, largest first), and the second where it holds at least SECOND."""
    ranked = list(held.items())
    return tuple(name for i, (name, share) in enumerate(ranked[:2]) if i == 0 or share >= SECOND)


def measure(picture: Image.Image) -> Measured:
    """Colours, background and coverage of an RGB picture.

    The background is plain where at least PLAIN of the border (one pixel of 64) lies within NEAR of its median colour; the
    object is then what lies farther away. Without a plain background the object is the whole picture.
    """
    small = picture.convert("RGB")
    if max(small.size) > SIDE:
        scale = SIDE / max(small.size)
        small = small.resize(
            (max(1, round(small.width * scale)), max(1, round(small.height * scale))), Image.Resampling.BOX
        )
    rgb = np.asarray(small)
    border = np.concatenate([rgb[0], rgb[-1], rgb[:, 0], rgb[:, -1]])
    middle = np.median(border, axis=0)
    plain = float((_distance(border, middle) < NEAR).mean()) >= PLAIN
    mask = _distance(rgb, middle) >= NEAR if plain else np.ones(rgb.shape[:2], dtype=bool)
    ground = COLOURS[int(name_pixels(middle.astype(np.uint8)[None])[0])] if plain else None
    held = shares(rgb, mask)
    return Measured(leading(held), ground, float(mask.mean()), in_order(held))


def in_order(held: dict[str, float]) -> tuple[float, ...]:
    """The share of each of COLOURS, in their order."""
    return tuple(held.get(colour, 0.0) for colour in COLOURS)


def _distance(rgb: NDArray[np.uint8], point: NDArray[np.float64]) -> NDArray[np.float64]:
    difference: NDArray[np.float64] = np.sqrt(((rgb.astype(np.float64) - point) ** 2).sum(-1))
    return difference
