"""Identity: what changes the result and nothing else."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from pipeline.errors import ConfigError
from pipeline.recipe import content, differences, execution, fingerprint, literals, recipe


@recipe
class Inner:
    depth: int = 1


@recipe
class Outer:
    words: tuple[str, ...] = ()
    inner: Inner = Inner()
    workers: int = execution(default=1)
    model: Path | None = content(default=None)


def test_execution_is_not_identity_and_literals_are():
    assert literals(Outer(workers=1)) == literals(Outer(workers=64))
    assert fingerprint(literals(Outer(inner=Inner(depth=2)))) != fingerprint(literals(Outer()))


def test_the_bytes_of_a_model_are_identity_its_path_is_not(tmp_path):
    (tmp_path / "a").mkdir(), (tmp_path / "b").mkdir()
    for folder in "ab":
        (tmp_path / folder / "weights").write_bytes(b"123")
    same = [literals(Outer(model=tmp_path / folder)) for folder in "ab"]
    assert same[0] == same[1]
    (tmp_path / "b" / "weights").write_bytes(b"124")
    assert literals(Outer(model=tmp_path / "b")) != same[0]
    with pytest.raises(ConfigError, match="does not exist"):
        literals(Outer(model=tmp_path / "c"))


def test_unknown_keys_and_wrong_types_are_refused():
    with pytest.raises(ValidationError, match="colour"):
        Outer(colour="red")
    with pytest.raises(ValidationError, match="depth"):
        Inner(depth="deep")


def test_a_value_without_stable_bytes_is_refused():
    with pytest.raises(ConfigError, match="no stable bytes"):
        literals({"f": print})


def test_differences_name_the_field():
    before, after = literals(Outer(words=("a",))), literals(Outer(words=("a", "b"), inner=Inner(depth=3)))
    assert differences(before, after) == ["inner.depth: 1 -> 3", 'words: ["a"] -> ["a", "b"]']
