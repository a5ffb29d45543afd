"""The record of a training as it goes: metrics.jsonl, and TensorBoard where it is asked for."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from pipeline.errors import ConfigError

Line = dict[str, float]


class Log:
    """Lines of numbers, one a step that is logged. Going on from a step, what was written after it is forgotten.

    Args:
        path: of metrics.jsonl; None writes nothing, as all ranks but the first do.
        after: the step to go on from; 0 begins anew.
        tensorboard: a folder for event files.

    Raises:
        ConfigError: if TensorBoard is asked for and not installed.
    """

    def __init__(self, path: Path | None, after: int = 0, tensorboard: Path | None = None) -> None:
        self._file: TextIO | None = None
        self._board: Any = None
        if path is None:
            return
        staged = path.with_name(f".{path.name}.part")
        with staged.open("w", encoding="utf-8") as out:
            out.writelines(line + "\n" for line in _kept(path, after))
            out.flush()
            os.fsync(out.fileno())
        staged.replace(path)
        self._file = path.open("a", encoding="utf-8")
        self._board = _board(tensorboard, after) if tensorboard else None

    def write(self, line: Line) -> None:
        """Add a line; it has `step` and `samples`."""
        if self._file is None:
            return
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()
        for name, value in line.items() if self._board else ():
            if name != "step":
                self._board.add_scalar(f"train/{name}", value, int(line["step"]))

    def sync(self) -> None:
        """See to it that what was written outlives the machine: a checkpoint must not know more steps than the log."""
        if self._file is not None:
            os.fsync(self._file.fileno())

    def __enter__(self) -> Log:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for open_one in (self._file, self._board):
            if open_one is not None:
                open_one.close()


def _kept(path: Path, after: int) -> list[str]:
    """The lines up to a step; a line that a kill tore is none of them."""
    kept: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines() if after and path.is_file() else ():
        try:
            step = json.loads(line)["step"]
        except ValueError:
            break
        if step > after:
            break
        kept.append(line)
    return kept


def _board(folder: Path, after: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise ConfigError(
            "The config asks for TensorBoard, which is not installed: `pip install 'pairpool[tensorboard]'`, or leave "
            "`tensorboard` out. metrics.jsonl and curves.png hold the same numbers."
        ) from error
    return SummaryWriter(str(folder), purge_step=after + 1 if after else None)
