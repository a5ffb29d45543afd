"""The pool that the tests of ablations share, and copies of it."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from laboratory import Lab, write_holdout
from report_pool import make_rows, write_metadata


@pytest.fixture(scope="session")
def done(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """A folder with a pool on which the recipe was run; never changed."""
    lab = Lab(tmp_path_factory.mktemp("ablation"))
    rows, truth = make_rows(90)
    pq.write_table(pa.Table.from_pylist(rows), lab.root / "urls.parquet")
    told = [row | {"group": row["same_as"] or row["uid"]} for row in truth]
    pq.write_table(pa.Table.from_pylist(told), lab.root / "truth.parquet")
    write_metadata(lab.root / "metadata")
    write_holdout(lab)
    lab.describe()
    lab.command("run", str(lab.recipe))
    return lab


@pytest.fixture(scope="session")
def make_lab(done: Lab, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Lab]:
    """`make_lab()`: a folder of its own with a copy of that pool."""

    def make() -> Lab:
        root = tmp_path_factory.mktemp("lab") / "lab"
        shutil.copytree(done.root, root)
        lab = Lab(root)
        lab.describe()
        return lab

    return make
