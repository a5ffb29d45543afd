"""What planters of faults work on: the demo's folder, the server's routes, and all rows."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workflows.demo.rows import Row

#: What the server does under one path: `does` and its arguments, see server.py.
Route = dict[str, Any]


@dataclass
class World:
    """`rows` are all clean rows (to borrow texts from); `routes` maps a path to what is done there."""

    root: Path
    rows: list[Row]
    routes: dict[str, Route] = field(default_factory=dict)

    def image(self, row: Row) -> bytes:
        """The true picture of a row."""
        return (self.root / row.image).read_bytes()

    def serve(self, row: Row, content: bytes, **more: str) -> None:
        """Have the server send other bytes than the true picture under the row's path."""
        file = f"faults{row.where}"
        (self.root / file).parent.mkdir(parents=True, exist_ok=True)
        (self.root / file).write_bytes(content)
        self.routes[row.where] = {"does": "file", "file": file, "type": "image/png", **more}


#: Changes one row, and what the server does for it; `k` counts the rows of this fault.
Planter = Callable[[Row, World, int], None]


def mark(row: Row, detail: str, expected: str = "failed") -> None:
    """Leave behind what was done."""
    row.detail, row.expected = detail, expected
