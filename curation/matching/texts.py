"""Arrow arrays of texts as the two buffers that they are."""

import numpy as np
import pyarrow as pa

from curation.matching.tables import Bytes, Places


def unpack(texts: pa.Array) -> tuple[Places, Bytes]:
    """Where each text begins (n + 1), and the bytes of all, which are not copied."""
    if isinstance(texts, pa.ChunkedArray):
        texts = texts.combine_chunks()
    large = pa.types.is_large_string(texts.type) or pa.types.is_large_binary(texts.type)
    if not (large or pa.types.is_string(texts.type) or pa.types.is_binary(texts.type)):
        texts = texts.cast(pa.string())
    _, places, data = texts.buffers()
    if not len(texts) or places is None:
        return np.zeros(1, np.int64), np.zeros(0, np.uint8)
    offsets = np.frombuffer(places, np.int64 if large else np.int32)[texts.offset : texts.offset + len(texts) + 1]
    return offsets.astype(np.int64), np.frombuffer(data or b"", np.uint8)
