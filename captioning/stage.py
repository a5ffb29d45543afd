"""The caption stage: short, medium and long captions of every image, each with where it comes from."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import field
from functools import cached_property, partial
from typing import ClassVar

import pyarrow as pa
from pydantic import NonNegativeInt, PositiveFloat, PositiveInt

from captioning.captioner import Captioner, Row
from captioning.client import Client
from captioning.crew import Crew, Terms
from captioning.exchange import Sampling, Scalar
from captioning.flow import Background, Flow
from captioning.model import Model, resolve
from captioning.prompts import Prompt, load
from captioning.provenance import PROVENANCE
from captioning.schema import TextField
from captioning.vllm_command import ServerOptions
from pipeline.errors import ConfigError
from pipeline.recipe import Identity, execution, recipe
from pipeline.stage import Annotate, Stage

GRANULARITIES = ("short", "medium", "long")


@recipe
class Lengths:
    """Fewest and most characters of each caption. The server is held to them, and answers are checked."""

    short: tuple[int, int] = (1, 160)
    medium: tuple[int, int] = (1, 480)
    long: tuple[int, int] = (1, 1600)


@recipe
class Caption(Stage):
    """Captions images with a vision-language model behind an OpenAI-compatible server.

    The stage starts a vLLM server when the first row comes, unless `endpoints` name servers that run. An answer that is cut,
    empty, looping, a refusal or not JSON is asked for again, and in the end becomes the row's reason.

    Attributes:
        model: `demo` (shipped; a demonstration), a folder (its bytes are identity), or a name: on the hub, or on the endpoints.
            A folder is served under its last name.
        revision: of a model on the hub.
        prompt: id of a prompt in captioning/prompts.
        alt_text: the column that grounds captions, read only if the prompt wants it.
        image: the encoded image.
        seed: of all draws; each row and attempt has a seed of its own from it.
        temperature, top_p, max_tokens: of generation.
        sampling: further fields of the request, such as `top_k` or `presence_penalty`.
        lengths: bounds in characters.
        max_side: pixels; larger images are scaled down before they are sent.
        retries: further attempts at a row whose answer is faulty; each is hotter by `retry_step`.
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
    model: str = execution(default="demo")  # what it stands for is identity: see `identity`
    revision: str | None = execution(default=None)
    prompt: str = "multi"
    alt_text: str | None = "rows.caption"
    image: str = "download.image"
    seed: int = 0
    temperature: float = 0.7
    top_p: float = 0.8
    max_tokens: PositiveInt = 768
    sampling: Mapping[str, Scalar] = field(default_factory=dict)
    lengths: Lengths = Lengths()
    max_side: PositiveInt = 1024
    retries: NonNegativeInt = 2
    retry_step: float = 0.2
    endpoints: tuple[str, ...] = execution(default=())
    api_key_env: str | None = execution(default=None)
    server: ServerOptions = execution(default=ServerOptions())
    concurrency: PositiveInt | None = execution(default=None)
    timeout: PositiveFloat = execution(default=300.0)
    patience: float = execution(default=600.0)

    @property
    def reads(self) -> tuple[str, ...]:
        """The image, and the alt-text if the prompt wants it."""
        return (self.image, self.alt_text) if self.alt_text and load(self.prompt).wants_alt_text else (self.image,)

    @property
    def writes(self) -> pa.Schema:
        """The captions and their provenance."""
        return pa.schema([*(pa.field(name, pa.string()) for name in GRANULARITIES), *PROVENANCE])

    @property
    def fields(self) -> tuple[TextField, ...]:
        """The captions with their bounds."""
        return tuple(TextField(name, *getattr(self.lengths, name)) for name in GRANULARITIES)

    def identity(self, inputs: Mapping[str, str]) -> Identity:
        """Beside the literals: the model that the config's word stands for, and what the prompt says."""
        model = self._model()
        told = {"model": model.name, "revision": model.revision, "prompt_hash": load(self.prompt).hash}
        return super().identity(inputs) | told

    @contextmanager
    def open(self, tables: Mapping[str, pa.Table]) -> Iterator[Annotate]:
        """Give the streaming function; the server starts when the first row asks for it, and ends with this.

        Raises:
            ConfigError: for an unknown prompt or model, a missing key, or where vLLM is not installed.
        """
        prompt, model = self._prompt(), self._model()
        with Background() as background:
            crew = background.run(Crew.hire(self._terms(model)))
            try:
                yield partial(self._annotate, background, self._captioner(crew.client, model, prompt))
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
        images = batch[self.image].to_pylist()
        texts = batch[self.alt_text].to_pylist() if self.alt_text in self.reads else [None] * batch.num_rows
        return [Row(*row) for row in zip(batch["uid"].to_pylist(), images, texts, strict=True)]

    def _captioner(self, client: Client, model: Model, prompt: Prompt) -> Captioner:
        sampling = Sampling(self.seed, self.temperature, self.top_p, self.max_tokens, self.sampling)
        return Captioner(client, model, prompt, self.fields, sampling, self.retries, self.retry_step, self.max_side)

    def _terms(self, model: Model) -> Terms:
        return Terms(
            model,
            self.endpoints,
            self._key,
            self.server,
            self.resources.gpus,
            self.concurrency,
            self.timeout,
            self.patience,
        )

    def _model(self) -> Model:
        return resolve(self.model, self.revision, served=bool(self.endpoints))

    def _prompt(self) -> Prompt:
        prompt = load(self.prompt)
        if prompt.wants_alt_text and not self.alt_text:
            raise ConfigError(
                f"Prompt {prompt.id!r} wants the alt-text, but stage {self.name!r} is given none. Name a column in `alt_text`, "
                "for example rows.caption, or take another prompt."
            )
        return prompt

    @cached_property
    def _key(self) -> str | None:
        if self.api_key_env is None:
            return None
        if self.api_key_env not in os.environ:
            raise ConfigError(f"The environment variable {self.api_key_env} is not set. Set it, or drop `api_key_env`.")
        return os.environ[self.api_key_env]
