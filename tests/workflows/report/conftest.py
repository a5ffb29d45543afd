from __future__ import annotations

import pytest
from report_pool import Built, build


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """A pool of some 150 rows with everything in it, every row of which stands on the page."""
    return build(tmp_path_factory.mktemp("report"), 150, kept=500, each=500, reasons=50)
