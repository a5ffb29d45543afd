"""The dataset card: a README beside the shards that says what a sample holds, how many there are and whose they are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workflows.export.account import Account
    from workflows.export.step import Export

CARD = """\
---
configs:
- config_name: default
  data_files: "*.tar"
license: other
---
# {title}

{written} samples in webdataset shards of up to {samples}, shuffled by a keyed hash within windows of {window} pool shards.

| Of {rows} rows of the pool | |
|---|---|
| exported | {written} |
| not selected by `{selection}` | {left} |
{failures}
Every sample has exactly three members: `KEY.{suffix}` (the stored image, bit for bit), `KEY.txt` (the default caption:
the first of {default} that is not empty) and `KEY.json` with these fields, always all of them, none null:

| field | from | empty |
|---|---|---|
| `uid` | identity of the row in the pool | |
| `key` | KEY | |
{fields}
What a row lacks is `""` in a text, `-1` in a number and `false` in a boolean.

`sizes.json` gives the samples of each tar. Read it with any webdataset reader:

```python
import webdataset
data = webdataset.WebDataset("00000000.tar", shardshuffle=False).decode("pil").to_tuple("{suffix}", "txt", "json")
```

## Licence

The pictures and their texts belong to their authors; this export grants no rights in them. Each sample names its source
where the pool knows it. Machine-made captions carry the terms of the model that wrote them.
"""


def card(path: Path, step: Export, account: Account) -> Path:
    """Write the card of an export, without dates: the same export gives the same card."""
    fields = [f"| `{name}` | {ref} | {account.empty[name]} |" for name, ref in sorted(step.texts.items())]
    fields += [f"| `{name}` | {ref} | |" for name, ref in sorted(step.columns.items())]
    fields += [f"| `{name}` | a list, of {ref} | |" for name, ref in sorted(step.lists.items())]
    failed = [f"| failed: {reason} | {count} |\n" for reason, count in sorted(account.failures.items())]
    text = CARD.format(
        title=step.title,
        rows=account.rows,
        written=account.written,
        left=account.left,
        failures="".join(failed),
        fields="".join(f"{line}\n" for line in fields),
        default=", ".join(f"`{name}`" for name in step.default),
        samples=step.shard_samples,
        window=step.window,
        selection=step.selection,
        suffix=step.suffix,
    )
    path.write_text(text, encoding="utf-8")
    return path
