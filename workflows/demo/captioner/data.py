"""Training pictures: the art of one split, drawn anew at every step on white or on coloured grounds, with true captions.

Everything about step `n` follows from (seed, n), so that a training can be cut off and taken up again.
"""

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.pictures import on_white
from workflows.demo.captioner.captions import Relation, Sight, Thing, describe
from workflows.demo.captioner.colours import COLOURS, measure
from workflows.demo.captioner.pieces import Art, Generator, turned
from workflows.demo.captioner.shape import PATCH, Grid

SQUARE = 112
GROUNDS: dict[str, tuple[tuple[int, int, int], ...]] = {
    "white": ((255, 255, 255), (245, 245, 245)),
    "black": ((0, 0, 0), (25, 25, 25)),
    "grey": ((128, 128, 128), (170, 170, 170), (90, 90, 90)),
    "beige": ((245, 222, 179), (232, 214, 180)),
    "pink": ((255, 182, 193), (250, 130, 170)),
    "red": ((220, 20, 40), (200, 40, 40), (255, 0, 0)),
    "orange": ((255, 140, 0), (240, 130, 40)),
    "brown": ((139, 69, 19), (120, 72, 40)),
    "yellow": ((255, 230, 0), (250, 220, 80)),
    "green": ((40, 160, 70), (0, 128, 0), (130, 200, 120)),
    "blue": ((30, 90, 220), (70, 130, 180), (135, 196, 235)),
    "purple": ((128, 0, 160), (150, 90, 200)),
}
Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Placed:
    """Where a piece of art (by index) stands, in patches: top, left, down, right; and the share of each colour in it."""

    index: int
    box: Box
    shares: tuple[float, ...]


@dataclass(frozen=True)
class Sample:
    """One training example: pixels (3, H, W) uint8, what they show, and where each piece of art stands."""

    pixels: NDArray[np.uint8]
    sight: Sight
    placed: tuple[Placed, ...]

    @property
    def captions(self) -> tuple[str, str, str]:
        """Short, medium and long."""
        return describe(self.sight)


def set_apart(name: str, ground: str) -> bool:
    """Whether this object is never trained on this ground: an eighth of the pairs, kept for evaluation."""
    return hashlib.blake2b(f"{name}\0{ground}".encode(), digest_size=1).digest()[0] % 8 == 0


class Easel:
    """Draws batches: of one grid of pictures on white, or of scenes composed on plain coloured grounds.

    With `apart`, scenes hold only pairs of object and ground that are set apart; without, none of them. With `validation` only
    the art that chooses a recipe is drawn, as it is; without, only the rest, mirrored and tinted at random.
    """

    def __init__(
        self, art: list[Art], seed: int = 0, scenes: float = 0.5, apart: bool = False, validation: bool = False
    ) -> None:
        self.art, self.seed, self.scenes, self.apart, self.validation = art, seed, scenes, apart, validation
        weights = np.array([piece.weight * (piece.validation == validation) for piece in art])
        self.by_grid: dict[Grid, NDArray[np.int64]] = {}
        for grid in sorted({piece.grid for piece in art}):
            self.by_grid[grid] = np.array([i for i, piece in enumerate(art) if piece.grid == grid])
        self.solo = np.array([i for i, piece in enumerate(art) if piece.solo and weights[i]])
        self.emoji = np.array([i for i in self.solo if art[i].kind == "emoji"])
        self.emoji = self.emoji if len(self.emoji) else self.solo
        self.weights = weights
        self.grids = list(self.by_grid)
        self.mass = np.array([weights[index].sum() for index in self.by_grid.values()])

    def batch(self, step: int, size: int) -> tuple[Grid, list[Sample]]:
        """The `size` samples of a step: all of one grid, so that they stack. Square batches mix pictures and scenes."""
        rng = np.random.default_rng([self.seed, step])
        square = (SQUARE // PATCH, SQUARE // PATCH)
        # Scenes are square: their share of all samples is held by drawing square batches more often.
        alone = self.mass / self.mass.sum() * (1 - self.scenes)
        chance = alone + self.scenes * np.array([grid == square for grid in self.grids])
        grid = self.grids[int(rng.choice(len(self.grids), p=chance))]
        share = self.scenes / float(chance[self.grids.index(square)]) if grid == square else 0.0
        return grid, [self.sample(rng, grid, bool(rng.random() < share)) for _ in range(size)]

    def sample(self, rng: Generator, grid: Grid, scene: bool) -> Sample:
        """One picture on white, or one scene of one or two objects."""
        if scene:
            return self.two(rng) if rng.random() < 0.45 else self.one(rng)
        return self.alone(rng, grid)

    def pick(self, rng: Generator, among: NDArray[np.int64]) -> int:
        """Index of a piece of art, by weight."""
        chance = self.weights[among]
        return int(rng.choice(among, p=chance / chance.sum()))

    def alone(self, rng: Generator, grid: Grid) -> Sample:
        """A picture as the web shows it: on white, with a little more or less margin; colours measured from these pixels."""
        index = self.pick(rng, self.by_grid[grid])
        piece = self.turn(index, rng)
        wide, high = piece.picture.size
        grow = 1 + max(0.0, rng.normal(0, 0.08))
        canvas = Image.new("RGBA", (round(wide * grow), round(high * grow)))
        spare = canvas.width - wide, canvas.height - high
        canvas.paste(piece.picture, (int(rng.integers(spare[0] + 1)), int(rng.integers(spare[1] + 1))))
        picture = _recompress(on_white(canvas), rng)
        seen = measure(picture)
        colours, held = (seen.colours, seen.shares) if seen.colours else (piece.colours, piece.shares)
        sight = Sight(piece.kind, (Thing(piece.name, colours),), seen.background, seen.coverage)
        return Sample(_fit(picture, grid), sight, (Placed(index, (0, 0, grid[0], grid[1]), held),))

    def turn(self, index: int, rng: Generator) -> Art:
        """The piece as this drawing shows it."""
        return self.art[index] if self.validation else turned(self.art[index], rng)

    def one(self, rng: Generator) -> Sample:
        """One object somewhere on a plain ground that its main colour differs from."""
        (index,), pieces, ground, canvas = self._stage(rng, 1)
        side = int(rng.integers(46, 100))
        column = int(rng.integers(3))
        left = (4, (SQUARE - side) // 2, SQUARE - side - 4)[column]
        box = self._paint(canvas, pieces[0], side, left, int(rng.integers(2, SQUARE - side - 1)))
        place = "in the middle" if side > 80 else ("on the left", "in the middle", "on the right")[column]
        sight = Sight("scene", _things(pieces), ground, place=place)
        return self._finish(canvas, sight, (Placed(index, box, pieces[0].shares),), rng)

    def two(self, rng: Generator) -> Sample:
        """Two objects side by side or one above the other."""
        pair, pieces, ground, canvas = self._stage(rng, 2)
        beside = bool(rng.random() < 0.6)
        placed = []
        for slot, (index, piece) in enumerate(zip(pair, pieces, strict=True)):
            side = int(rng.integers(38, 53))
            along = slot * SQUARE // 2 + int(rng.integers(0, SQUARE // 2 - side + 1))
            across = int(rng.integers(10, SQUARE - side - 10))
            left, top = (along, across) if beside else (across, along)
            placed.append(Placed(index, self._paint(canvas, piece, side, left, top), piece.shares))
        relation: Relation = "left of" if beside else "above"
        return self._finish(canvas, Sight("scene", _things(pieces), ground, relation=relation), tuple(placed), rng)

    def _stage(self, rng: Generator, count: int) -> tuple[list[int], list[Art], str, Image.Image]:
        """Objects, and a ground that differs from their main colours and keeps the pairs set apart where they belong."""
        while True:
            chosen = [self.pick(rng, self.emoji if rng.random() < 0.7 else self.solo) for _ in range(count)]
            pieces = [self.turn(index, rng) for index in chosen]
            taken = {piece.colours[0] for piece in pieces}
            apart = {colour: any(set_apart(piece.name, colour) for piece in pieces) for colour in COLOURS}
            free = [colour for colour in COLOURS if colour not in taken and apart[colour] == self.apart]
            if free:
                name = free[int(rng.integers(len(free)))]
                tones = GROUNDS[name]
                tone = np.clip(tones[int(rng.integers(len(tones)))] + rng.integers(-11, 12, 3), 0, 255)
                return chosen, pieces, name, Image.new("RGBA", (SQUARE, SQUARE), (*(int(value) for value in tone), 255))

    def _paint(self, canvas: Image.Image, piece: Art, side: int, left: int, top: int) -> Box:
        picture = piece.picture
        scale = side / max(picture.size)
        small = picture.resize(
            (max(1, round(picture.width * scale)), max(1, round(picture.height * scale))), Image.Resampling.BICUBIC
        )
        canvas.alpha_composite(small, (left, top))
        down, across = -(-(top + small.height) // PATCH), -(-(left + small.width) // PATCH)
        return top // PATCH, left // PATCH, down, across

    def _finish(self, canvas: Image.Image, sight: Sight, placed: tuple[Placed, ...], rng: Generator) -> Sample:
        grid = (SQUARE // PATCH, SQUARE // PATCH)
        return Sample(_fit(_recompress(canvas.convert("RGB"), rng), grid), sight, placed)


def _things(pieces: Sequence[Art]) -> tuple[Thing, ...]:
    return tuple(Thing(piece.name, piece.colours) for piece in pieces)


def _fit(picture: Image.Image, grid: Grid) -> NDArray[np.uint8]:
    size = grid[1] * PATCH, grid[0] * PATCH
    fitted = picture if picture.size == size else picture.resize(size, Image.Resampling.BICUBIC)
    return np.asarray(fitted).transpose(2, 0, 1)


def _recompress(picture: Image.Image, rng: Generator) -> Image.Image:
    """Half of the pictures pass through JPEG once, as those that a downloader stores do."""
    if rng.random() < 0.5:
        return picture
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=int(rng.integers(80, 97)))
    with Image.open(buffer) as opened:
        return opened.convert("RGB")
