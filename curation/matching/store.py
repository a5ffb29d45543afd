"""An index as one file: a line of JSON that says what lies where, then the arrays. It is mapped, so that processes share it."""

import json
import mmap
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from curation.matching.tables import Index
from pipeline.errors import DataError
from pipeline.local import write_whole

FORMAT = 1
ALIGNMENT = 64

Array = npt.NDArray[Any]


def write_index(index: Index, path: Path) -> None:
    """Write an index; whoever reads the file sees all of it or none.

    Raises:
        OSError: if it cannot be written.
    """
    arrays = {name: np.ascontiguousarray(array) for name, array in index._asdict().items()}
    described = {name: [array.dtype.str, len(array), _crc(array)] for name, array in arrays.items()}

    def write(file: IO[bytes]) -> None:
        file.write(_head(described))
        for array in arrays.values():
            file.write(bytes(-file.tell() % ALIGNMENT))
            file.write(array.view(np.uint8).data)

    write_whole(path, write)


def _head(described: dict[str, list[object]]) -> bytes:
    return json.dumps({"pairpool-index": FORMAT, "arrays": described}).encode() + b"\n"


def _crc(array: Array) -> int:
    return zlib.crc32(array.view(np.uint8).data)


def read_index(path: Path) -> Index:
    """Map an index, and check every byte of it: the search trusts what it reads.

    Raises:
        DataError: if it is not whole, or was written in another format.
        OSError: if it cannot be read.
    """
    with path.open("rb") as file:
        head = file.readline(1 << 16)
        place = len(head)
        try:
            known = json.loads(head)
            if known["pairpool-index"] != FORMAT or tuple(known["arrays"]) != Index._fields:
                raise DataError(f"{path} is an index of another format. Remove it, and it is built again.")
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            arrays = []
            for kind, length, crc in known["arrays"].values():
                place += -place % ALIGNMENT
                arrays.append(np.frombuffer(mapped, np.dtype(kind), length, place))
                place += arrays[-1].nbytes
                if _crc(arrays[-1]) != crc:
                    raise DataError(f"{path} is damaged: its contents are not what was written. Remove it.")
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"{path} is not a whole index ({error}). Remove it, and it is built again.") from error
    return Index(*arrays)
