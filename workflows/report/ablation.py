"""The same model trained on other rows and texts of the pool: the arms, the claims and the proof of the split, where there is one."""

from __future__ import annotations

import base64
import json

from workflows.report.sources import Numbers, Sources

NUMBERS, PICTURE = "ablation.json", "ablation.png"


def ablation(sources: Sources) -> Numbers | None:
    """What `pairpool ablate` left; None on the page of a recipe alone.

    The picture goes by the name of the thumbnails, which are on the page and not in its JSON.
    """
    entry = sources.pooled("ablation")
    if entry is None:
        return None
    told: Numbers = json.loads(sources.store.get(entry.files[NUMBERS][0]))
    picture = base64.b64encode(sources.store.get(entry.files[PICTURE][0])).decode()
    return told | {"thumbnail": f"data:image/png;base64,{picture}"}
