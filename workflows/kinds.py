"""The kinds of step that a config may name, in the order of the data. A step of your own is named `module:Class` instead."""

from __future__ import annotations

from importlib import import_module

from pipeline.errors import ConfigError
from pipeline.step import Step

#: kind -> where its class lies. Imported only when a config names it, so that `pairpool plan` stays light.
KINDS = {
    "intake": "curation.intake:Intake",
    "langid": "curation.langid:LangId",
    "caption-quality": "curation.caption_quality:CaptionQuality",
    "match": "curation.match:Match",
    "match-counts": "curation.balance:MatchCounts",
    "balance": "curation.balance:Balance",
    "quantile": "curation.select:Quantile",
    "select": "curation.select:Select",
    "download": "curation.download.stage:Download",
    "image-quality": "curation.look:ImageQuality",
    "clip-score": "curation.clip.score:ClipScore",
    "duplicates": "curation.duplicates:Duplicates",
    "unique": "curation.duplicates:Unique",
    "caption": "captioning.stage:Caption",
    "caption-claims": "captioning.checking.reading:CaptionClaims",
    "caption-repeats": "captioning.checking.repeats:CaptionRepeats",
    "distinct-captions": "captioning.distinct:DistinctCaptions",
    "check-captions": "captioning.checking.stage:CheckCaptions",
    "export": "workflows.export.step:Export",
    "train": "workflows.train:Train",
    "report": "workflows.report.step:Report",
    "repack": "workflows.repack.rows:Repack",
    "carried": "workflows.repack.carry:Carried",
}

#: Steps that `pairpool repack` writes into the config of a child: no commands of their own.
OF_CHILDREN = ("repack", "carried")


def step_class(kind: str, name: str) -> type[Step]:
    """The class of a kind.

    Args:
        kind: a name of `KINDS`, or `module:Class`.
        name: of the step in the config, for the error.

    Raises:
        ConfigError: if there is no such kind, or it is no step.
    """
    module, colon, attribute = KINDS.get(kind, kind).partition(":")
    if not colon:
        raise ConfigError(
            f"steps.{name}: there is no kind {kind!r}. Kinds: {', '.join(KINDS)}; or name your own as module:Class."
        )
    try:
        found = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"steps.{name}: kind {kind!r} cannot be loaded: {error}.") from error
    if not (isinstance(found, type) and issubclass(found, Step)):
        raise ConfigError(f"steps.{name}: {kind} is no step. Derive it from pipeline.stage.Stage, Reduce or Step.")
    return found
