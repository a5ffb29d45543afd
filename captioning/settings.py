"""What a caption step comes to: its preset, under what the step itself says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from captioning.exchange import Sampling, Scalar
from captioning.model import DEMO, Model, resolve
from captioning.presets import Preset, licence_of, preset_of
from captioning.vllm_command import ServerOptions

TEMPERATURE, TOP_P, MAX_TOKENS = 0.7, 0.8, 768  #: where neither the step nor its preset says otherwise


@dataclass(frozen=True)
class Settings:
    """A preset, or none, and how it yields to what a step says. The arguments are the step's fields of the same names."""

    preset: Preset | None

    @classmethod
    def of(cls, name: str | None) -> Settings:
        """Those of a preset.

        Raises:
            ConfigError: if there is none of that name.
        """
        return cls(preset_of(name) if name else None)

    def sampling(
        self,
        seed: int,
        temperature: float | None,
        top_p: float | None,
        max_tokens: int | None,
        extra: Mapping[str, Scalar],
    ) -> Sampling:
        """How a server draws."""
        base = self.preset
        return Sampling(
            seed=seed,
            temperature=_first(temperature, base.temperature if base else TEMPERATURE),
            top_p=_first(top_p, base.top_p if base else TOP_P),
            max_tokens=max_tokens or (base.max_tokens if base else MAX_TOKENS),
            extra={**(base.sampling if base else {}), **extra},
        )

    def model(self, model: str, revision: str | None, served: bool) -> Model:
        """Who captions; `demo` in a step with a preset stands for the preset's model.

        Raises:
            ConfigError: as `resolve`.
        """
        if self.preset and model == DEMO:
            model, revision = self.preset.model, revision or self.preset.revision
        return resolve(model, revision, served)

    def licence(self, licence: str | None, model: Model) -> str | None:
        """Of the model's weights, if anybody said."""
        return licence or licence_of(model.name)

    def server(self, server: ServerOptions) -> ServerOptions:
        """How an own server is started: the step's arguments come last, so they win."""
        if self.preset is None:
            return server
        length = server.max_model_len or self.preset.max_model_len
        return replace(server, args=(*self.preset.args, *server.args), max_model_len=length)


def _first(given: float | None, otherwise: float) -> float:
    return otherwise if given is None else given
