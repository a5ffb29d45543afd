"""What a download process is told: plain values that travel as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Limits:
    """What one fetch may cost and where it may go.

    Attributes:
        timeout: seconds for one whole attempt: redirects, headers and body together.
        retries: further attempts after a failure that may pass.
        max_bytes: of a body.
        max_redirects: that are followed; each is checked like the first address.
        allow_hosts: `host:port` that may be reached although their address is private.
        user_agent: as sent; what stands before its first slash is the token that X-Robots-Tag may name.
        disallowed_header_directives: of X-Robots-Tag that refuse the image.
        refuse_tdm_reservation: whether `tdm-reservation: 1` (W3C TDMRep) refuses it too.
    """

    timeout: float = 10
    retries: int = 1
    max_bytes: int = 20_000_000
    max_redirects: int = 5
    allow_hosts: tuple[str, ...] = ()
    user_agent: str = "pairpool"
    disallowed_header_directives: tuple[str, ...] = ("noai", "noimageai", "noindex", "noimageindex")
    refuse_tdm_reservation: bool = True


@dataclass(frozen=True)
class Canonical:
    """How an image is laid down, in img2dataset's words."""

    image_size: int
    resize_mode: str
    resize_only_if_bigger: bool
    encode_format: str
    encode_quality: int
    min_image_size: int
    max_aspect_ratio: float | None
    max_pixels: int


@dataclass(frozen=True)
class Job:
    """One attempt at some rows of a shard; `rows.arrow` with `row`, `url`, `caption` and `sha256` lies in `folder`."""

    folder: Path
    thread_count: int
    limits: Limits
    canonical: Canonical

    def save(self) -> Path:
        """Write the job into its folder."""
        path = self.folder / "job.json"
        path.write_text(json.dumps(asdict(self) | {"folder": str(self.folder)}))
        return path

    @classmethod
    def load(cls, path: Path) -> Job:
        """Read a job back."""
        raw = json.loads(path.read_text())
        limits: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in raw["limits"].items()}
        return cls(Path(raw["folder"]), raw["thread_count"], Limits(**limits), Canonical(**raw["canonical"]))
