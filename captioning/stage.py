"""The caption stage: captions of every row by a prompt, each with where it comes from."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import field, replace
from functools import cached_property, partial
from typing import Any, ClassVar

import pyarrow as pa
from pydantic import NonNegativeInt, PositiveFloat, PositiveInt

from captioning.asking import Asker
from captioning.captioner import Captioner, Row, spread_names
from captioning.client import Client
from captioning.crew import Crew, Terms
from captioning.exchange import Sampling, Scalar
from captioning.faults import check_forgiven
from captioning.fit import check_names, check_slots
from captioning.flow import Background, Flow
from captioning.ladder import LADDER, Rung
from captioning.language import Language, languages, model_path
from captioning.model import DEMO, Model, pin
from captioning.prompts import load
from captioning.provenance import PROVENANCE, Maker
from captioning.regions import Units
from captioning.schema import Field
from captioning.settings import Settings
from captioning.vllm_command import ServerOptions
from pipeline.errors import ConfigError
from pipeline.parts import ColumnRef
from pipeline.recipe import Identity, digest_file, execution, literals, recipe
from pipeline.stage import Annotate, Stage

#: What a preset may stand for: in the identity it is what they come to.
RESOLVED = ("temperature", "top_p", "max_tokens", "sampling")


@recipe
class Trust:
    """When an alt-text is told to the model: where a column, such as a CLIP score of the alt-text, is at least `min`.

    Attributes:
        column: of numbers, as `step.column`; null is no trust.
        min: the threshold; it belongs to the model that scored, so there is no default.
    """

    column: str
    min: float


@recipe
class Caption(Stage):
    """Captions rows with a vision-language model behind an OpenAI-compatible server.

    The stage starts a vLLM server when the first row comes, unless `endpoints` name servers that run. An answer that is cut,
    empty, looping, a refusal, not JSON or otherwise faulty is asked for again, rung by rung of the ladder, and in the end becomes the
    row's reason. A row succeeds if any of its captions is good; the others are null, with their reasons in `missing`.

    Attributes:
        preset: a model of presets.yaml with its settings; what the step itself says goes before it.
        model: `demo` (shipped; a demonstration), a folder (its bytes are identity), or a name: on the hub, or on the endpoints.
            A folder is served under its last name.
        revision: of a model on the hub: a commit, or a name that is resolved when the step starts.
        licence: of the model's weights, to be recorded; known for the models of presets.
        prompt: id of a prompt in captioning/prompts.
        optional: further fields of the prompt that are asked for, such as `tags`.
        alt_text: the column that grounds captions, read only if the prompt wants it. Of a list of texts, such as rows.texts,
            the distinct ones are told.
        trust: when the alt-text is told; None: wherever there is one.
        given: slot of the prompt -> column: captions of an earlier step, `{caption: recap.long}`.
        language: ISO 639 code of the language to write in, or a column of codes (a code that is not known is English); only
            for prompts that ask for one.
        boxes: a column of boxes (left, top, right, bottom), for prompts about regions.
        box_units: `shares` of width and height, or `pixels` of the image as it is stored.
        image: the encoded image, read only if the prompt wants it.
        seed: of all draws; each row and attempt has a seed of its own from it.
        temperature, top_p, max_tokens: of generation; None: the preset's, or .7, .8 and 768.
        sampling: further fields of the request, such as `top_k` or `presence_penalty`, over those of the preset.
        lengths: bounds of fields in characters, over those of the prompt.
        forgive: faults by name that are let pass: see captioning/faults.py.
        max_side: pixels; larger images are scaled down before they are sent.
        ladder: what is tried after a faulty answer: see captioning/ladder.py.
        retries: how many rungs of the ladder are climbed; None: all.
        endpoints: addresses of servers that run, such as `http://node7:8000`. None given: an own server.
        api_key_env: the environment variable that holds the key of the endpoints.
        server: how an own server is started.
        concurrency: requests at each server; none given: as many as keep its queue from running empty.
        timeout: seconds that one request may take.
        patience: seconds that given endpoints may answer nothing at all before the run stops.
    """

    kind: ClassVar[str] = "caption"
    in_hand: ClassVar[int] = 2  # shards at once, so that the server does not run empty at a shard's end

    name: str = "captions"
    preset: str | None = execution(default=None)  # what it stands for is identity: see `identity`
    model: str = execution(default=DEMO)
    revision: str | None = execution(default=None)
    licence: str | None = None
    prompt: str = "grounded"
    optional: tuple[str, ...] = ()
    alt_text: str | None = "rows.caption"
    trust: Trust | None = None
    given: Mapping[str, str] = field(default_factory=dict)
    language: str = "en"
    boxes: str | None = None
    box_units: Units = "shares"
    image: str = "download.image"
    seed: int = 0
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: PositiveInt | None = None
    sampling: Mapping[str, Scalar] = field(default_factory=dict)
    lengths: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    forgive: tuple[str, ...] = ()
    max_side: PositiveInt = 1024
    ladder: tuple[Rung, ...] = LADDER
    retries: NonNegativeInt | None = None
    endpoints: tuple[str, ...] = execution(default=())
    api_key_env: str | None = execution(default=None)
    server: ServerOptions = execution(default=ServerOptions())
    concurrency: PositiveInt | None = execution(default=None)
    timeout: PositiveFloat = execution(default=300.0)
    patience: float = execution(default=600.0)

    @property
    def reads(self) -> tuple[str, ...]:
        """What the prompt has slots for: the image, the alt-text with what it is trusted by, earlier captions, language, boxes."""
        slots, grounds = load(self.prompt).slots, (self.trust.column,) if self.trust else ()
        wanted = {
            "image": (self.image,),
            "crop": (self.image, self.boxes),
            "boxes": (self.image, self.boxes),
            "alt_text": (self.alt_text, *grounds) if self.alt_text else (),
            "language": (self.language,) if "." in self.language else (),
        }
        refs = [ref for slot, found in wanted.items() if slot in slots for ref in found if ref]
        return tuple(dict.fromkeys([*refs, *self.given.values()]))

    @property
    def needs(self) -> tuple[str, ...]:
        """As of every stage, but a row whose alt-text nobody could score is captioned without it."""
        scored = {ColumnRef.parse(ref).step for ref in self.reads if not self.trust or ref != self.trust.column}
        return tuple(step for step in super().needs if step in scored)

    @property
    def writes(self) -> pa.Schema:
        """The captions, lists of a fixed number also as columns of their own, sentences, and provenance."""
        fields = [one for found in self.fields for one in found]
        lists = [(name, pa.string()) for one in fields for name in spread_names(one)]
        split = [(name, pa.list_(pa.string())) for name, _ in load(self.prompt).sentences]
        return pa.schema([*((one.name, one.type) for one in fields), *lists, *split, *PROVENANCE])

    @property
    def fields(self) -> tuple[tuple[Field, ...], ...]:
        """Of each pass, what is asked for, with its bounds."""
        return tuple(
            tuple(
                self._bounded(one) for one in told.fields if one.name not in told.optional or one.name in self.optional
            )
            for told in load(self.prompt).passes
        )

    def _bounded(self, one: Field) -> Field:
        minimum, maximum = self.lengths.get(one.name, (one.minimum, one.maximum))
        return replace(one, minimum=minimum, maximum=maximum)

    def identity(self, inputs: Mapping[str, str]) -> Identity:
        """Beside the literals: the model that the config's words stand for, its sampling, and what the prompt says."""
        model, sampling = self._model(), self._sampling()
        told = {"model": model.name, "revision": model.revision, "prompt_hash": load(self.prompt).hash}
        judged = {"language_model": digest_file(model_path())} if "language" in load(self.prompt).slots else {}
        found = super().identity(inputs)
        found["recipe"] |= {
            name: literals(getattr(sampling, "extra" if name == "sampling" else name)) for name in RESOLVED
        }
        return found | told | judged

    @contextmanager
    def open(self, tables: Mapping[str, pa.Table]) -> Iterator[Annotate]:
        """Give the streaming function; the server starts when the first row asks for it, and ends with this.

        Raises:
            ConfigError: for an unknown prompt or model, a missing key, or where vLLM is not installed.
        """
        self._check()
        model = self._model() if self.endpoints else pin(self._model())
        with Background() as background:
            crew = background.run(Crew.hire(self._terms(model)))
            try:
                yield partial(self._annotate, background, self._captioner(crew.client, model))
            finally:
                background.run(crew.dismiss())

    def _annotate(
        self, background: Background, captioner: Captioner, batches: Iterator[pa.RecordBatch]
    ) -> Iterator[pa.RecordBatch]:
        flow = Flow(background, self._rows, captioner, captioner.client.slots)
        schema = pa.schema([*self.writes, pa.field("error_message", pa.string())])
        for made in flow(batches):
            yield pa.RecordBatch.from_pylist(made, schema)

    def _rows(self, batch: pa.RecordBatch) -> list[Row]:
        columns = {name: batch[name].to_pylist() for name in batch.schema.names}
        return [self._row({name: column[at] for name, column in columns.items()}) for at in range(batch.num_rows)]

    def _row(self, found: Mapping[str, Any]) -> Row:
        alt_text = _text(found.get(self.alt_text)) if self.alt_text else None
        if self.trust and not _at_least(found.get(self.trust.column), self.trust.min):
            alt_text = None
        return Row(
            uid=found["uid"],
            image=found.get(self.image),
            alt_text=alt_text,
            texts={slot: _text(found[ref]) for slot, ref in self.given.items()},
            language=self._language(found) if "language" in load(self.prompt).slots else None,
            boxes=found.get(self.boxes) if self.boxes else None,
        )

    def _language(self, found: Mapping[str, Any]) -> Language:
        code = found.get(self.language) if "." in self.language else self.language
        return languages().get(str(code), languages()["en"])

    def _captioner(self, client: Client, model: Model) -> Captioner:
        prompt = load(self.prompt)
        asker = Asker(client, model.name, self._sampling(), self.ladder[: self.retries])
        licence = self._settings.licence(self.licence, model)
        maker = Maker(model.name, model.revision, licence, prompt.id, prompt.hash)
        forgives = (*prompt.forgives, *self.forgive)
        return Captioner(asker, maker, prompt, self.fields, forgives, self.max_side, self.box_units)

    def _sampling(self) -> Sampling:
        return self._settings.sampling(self.seed, self.temperature, self.top_p, self.max_tokens, self.sampling)

    def _terms(self, model: Model) -> Terms:
        return Terms(
            model,
            self.endpoints,
            self._key,
            self._settings.server(self.server),
            self.resources.gpus,
            self.concurrency,
            self.timeout,
            self.patience,
        )

    def _model(self) -> Model:
        return self._settings.model(self.model, self.revision, served=bool(self.endpoints))

    def _check(self) -> None:
        prompt = load(self.prompt)
        check_slots(self.name, prompt, self.alt_text, self.boxes, self.given)
        check_names(prompt, (*self.lengths, *self.optional), self.language)
        check_forgiven(self.forgive)

    @property
    def _settings(self) -> Settings:
        return Settings.of(self.preset)

    @cached_property
    def _key(self) -> str | None:
        if self.api_key_env is None:
            return None
        if self.api_key_env not in os.environ:
            raise ConfigError(f"The environment variable {self.api_key_env} is not set. Set it, or drop `api_key_env`.")
        return os.environ[self.api_key_env]


def _text(value: Any) -> str | None:
    """A text; of a list the distinct texts, `; ` between them, as Altogether (arXiv:2410.17251) joins alt-texts."""
    if not isinstance(value, list):
        return value if value is None else str(value)
    texts = (item.get("text") if isinstance(item, dict) else item for item in value)
    return "; ".join(dict.fromkeys(str(text) for text in texts if text))


def _at_least(value: Any, threshold: float) -> bool:
    return value is not None and value >= threshold
