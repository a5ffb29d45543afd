"""USTAR headers without a clock, an owner or a Python object for each: the same members give the same bytes."""

from pipeline.errors import ContractError

BLOCK = 512
END = bytes(2 * BLOCK)  #: what closes an archive
RECORD = 20 * BLOCK  #: tar pads an archive to whole records
_BEFORE_SIZE = b"0000644\x000000000\x000000000\x00"  # mode, uid, gid
_TAIL = b"0" + bytes(100) + b"ustar\x0000" + bytes(32 + 32 + 8 + 8 + 155 + 12)
_FIXED = sum(_BEFORE_SIZE) + sum(b"00000000000\x00") + sum(b" " * 8) + sum(_TAIL)


_PADS = [bytes(size) for size in range(BLOCK)]


def header(name: str, size: int) -> bytes:
    """The 512-byte header of a regular file: mode 0644, owner 0, modified at 0 (POSIX.1-1988, the ustar format).

    Raises:
        ContractError: if the name is not 1 to 100 ASCII characters, or the size does not fit 11 octal digits.
    """
    if not name.isascii() or not 0 < len(name) <= 100 or not 0 <= size < 8**11:
        raise ContractError(f"{name!r} of {size} bytes does not fit a USTAR header. Shorten the key, or the file.")
    raw, digits = name.encode("ascii"), b"%011o\x00" % size
    checksum = sum(raw) + _FIXED + sum(digits)
    return raw.ljust(100, b"\0") + _BEFORE_SIZE + digits + b"00000000000\x00%06o\x00 " % checksum + _TAIL


def padding(size: int) -> bytes:
    """The zeros that fill a member up to its block."""
    return _PADS[-size % BLOCK]


def closing(size: int) -> bytes:
    """The end of an archive whose members take `size` bytes."""
    return END + bytes(-(size + len(END)) % RECORD)
