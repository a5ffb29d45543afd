"""Members of an archive as a stream of (path, bytes): nothing is written, so no path in it can do harm."""

import subprocess
import tarfile
from collections.abc import Callable, Iterator

from pipeline.errors import DataError
from workflows.demo.packages import Archive

#: No member that we ask for is larger (the largest, a WordNet data file, has 15 MB).
LIMIT_BYTES = 64 << 20


def members(archive: Archive, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    """Regular files whose path `wanted` accepts, in archive order; links and devices are passed over.

    Raises DataError where the archive cannot be read to its end.
    """
    if archive.path.suffix == ".tgz":
        with tarfile.open(archive.path, "r|gz") as tar:
            yield from regular(tar, wanted)
        return
    # dpkg-deb stands wherever apt does, and knows every compression that a distribution chose.
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(archive.path)], stdout=subprocess.PIPE) as process:
        with tarfile.open(fileobj=process.stdout, mode="r|") as tar:
            yield from regular(tar, wanted)
        assert process.stdout is not None
        process.stdout.read()
    if process.returncode != 0:
        raise DataError(f"{archive.path} cannot be unpacked: remove it and run again")


def regular(tar: tarfile.TarFile, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    """Read the wanted regular members of an open tar."""
    for member in tar:
        path = member.name.removeprefix("./")
        if not member.isfile() or not wanted(path):
            continue
        if member.size > LIMIT_BYTES:
            raise DataError(f"{path} has {member.size} bytes, more than {LIMIT_BYTES}: not what was expected")
        file = tar.extractfile(member)
        assert file is not None
        yield path, file.read()
