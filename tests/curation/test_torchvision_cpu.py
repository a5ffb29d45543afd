import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from curation.torchvision_cpu import install

PROBE = """
import site, sys
site.addsitedir(sys.argv[1])
assert "torch" not in sys.modules, "an interpreter must not pay for torch at its start"
sys.path.append(sys.argv[2])
import torchvision.transforms.v2
print("imported")
"""


def test_installing_again_changes_nothing(tmp_path: Path) -> None:
    first = install(tmp_path)
    stamps = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert install(tmp_path) == first
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == stamps


@pytest.mark.slow
def test_a_fresh_interpreter_imports_torchvision(tmp_path: Path) -> None:
    install(tmp_path)
    packages = sysconfig.get_path("purelib")
    command = [sys.executable, "-I", "-S", "-c", PROBE, str(tmp_path), packages]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.stdout.strip() == "imported", done.stderr
