"""Zero-shot classification: pictures against the names of classes, in every language that the names come in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import yaml
from pydantic import TypeAdapter, ValidationError

from pipeline.errors import ConfigError, DataError
from pipeline.recipe import recipe
from workflows.training.evaluate import text_features
from workflows.training.intervals import bootstrap
from workflows.training.judged import Judged
from workflows.training.model import Built
from workflows.training.retrieval import equal, expected, ranks

IMAGENET = "imagenet"
ANY = "*"  #: the language of names and templates that belong to none, or to all
KS = (1, 5)
Template = Callable[[str], str]
Label = str | int
Spoken = tuple[Sequence[str], Sequence[Template]]
Numbers = npt.NDArray[np.int64]


@recipe
class Listed:
    """A file of classes.

    Attributes:
        label: the json field that says which class a sample is.
        classes: class -> its name, or language -> name; or a list of names, which are the classes as well.
        templates: sentences with `{}` where the name goes, or language -> sentences. Their features are averaged.
    """

    classes: Mapping[Label, str | Mapping[str, str]] | tuple[str, ...]
    label: str = "label"
    templates: Mapping[str, tuple[str, ...]] | tuple[str, ...] = ("{}",)


@dataclass(frozen=True)
class Classes:
    """What pictures are to be told apart.

    Attributes:
        label: the json field that says which class a sample is.
        labels: its values, in the order of the names.
        names: language -> a name for every class, "" where it has none.
        templates: language -> how a name becomes a sentence; `*` for the languages that are not there.
    """

    label: str
    labels: Sequence[Label]
    names: Mapping[str, Sequence[str]]
    templates: Mapping[str, Sequence[Template]]

    @classmethod
    def read(cls, source: str | Path) -> Classes:
        """Classes from a YAML or JSON file in the form of `Listed`, from a text file of one name a line, or `imagenet`.

        `imagenet` are the 1,000 names and 80 templates that ship with open_clip (Radford et al. 2021), for labels 0 to 999 in
        the field `label`.

        Raises:
            ConfigError: if the file is not of that form.
        """
        if str(source) == IMAGENET:
            return _imagenet()
        path = Path(source)
        try:
            text = path.read_text(encoding="utf-8")
            given = (
                {"classes": text.splitlines()} if path.suffix == ".txt" else yaml.load(text, yaml.CSafeLoader)
            )  # JSON is YAML
            return _classes(TypeAdapter(Listed).validate_python(given))
        except (OSError, yaml.YAMLError, ValidationError, TypeError) as error:
            raise ConfigError(
                f"{path} is no list of classes: {error}. Give `classes`, and `label` and `templates` if you like; or one name "
                "a line in a .txt; or `imagenet`."
            ) from error

    def spoken(self, language: str) -> Spoken:
        """The names in a language, and its templates."""
        return self.names[language], self.templates_of(language)

    def templates_of(self, language: str) -> Sequence[Template]:
        """How a name in this language becomes a sentence: the name alone where nothing says so."""
        return self.templates.get(language) or self.templates.get(ANY) or [_template("{}")]


def classify(built: Built, judged: Judged, classes: Classes, seed: int = 0) -> dict[str, Any]:
    """Top-1 and top-5 accuracy by language, beside chance, each with a 95 % bootstrap interval over classes.

    Raises:
        DataError: if no sample is of one of the classes.
    """
    number = {label: place for place, label in enumerate(classes.labels)}
    labelled = [(place, number.get(fields.get(classes.label, None))) for place, fields in enumerate(judged.fields)]
    known = [(place, label) for place, label in labelled if label is not None]
    if not known:
        raise DataError(
            f"No held-out sample has one of {len(number)} classes in its field {classes.label!r}. Correct `label` or the list."
        )
    places, labels = (np.array(column, np.int64) for column in zip(*known, strict=True))
    told: dict[str, Any] = {"samples": len(known), "of_no_class": len(judged.fields) - len(known)}
    told["languages"] = {
        language: _accuracy(built, judged.images[places], labels, classes.spoken(language), seed)
        for language in classes.names
    }
    return told


def classifier(built: Built, names: Sequence[str], templates: Sequence[Template]) -> torch.Tensor:
    """classes x dimensions: the mean of the features of a name in every template, at unit length (Radford et al. 2021, 3.1.4)."""
    found = text_features(built, [template(name) for name in names for template in templates])
    return torch.nn.functional.normalize(found.reshape(len(names), len(templates), -1).mean(dim=1), dim=-1)


def _accuracy(built: Built, images: torch.Tensor, labels: Numbers, spoken: Spoken, seed: int) -> dict[str, Any]:
    """Classes of one name are right for each other; classes without one are left out, with their pictures."""
    names, templates = spoken
    named = np.array([bool(name.strip()) for name in names])
    meaning = equal(names)
    answers = np.flatnonzero(named)
    asked = named[labels]
    found = ranks(
        images[torch.from_numpy(asked)],
        classifier(built, [names[place] for place in answers], templates),
        meaning[labels[asked]],
        meaning[answers],
    )
    told: dict[str, Any] = {"samples": int(asked.sum()), "classes": len(answers)}
    told["chance"] = {f"top-{k}": expected(meaning[labels[asked]], meaning[answers], k) for k in KS}
    groups = np.unique(labels[asked], return_inverse=True)[1]
    return told | {f"top-{k}": bootstrap((found < k).astype(np.float64), seed, groups) for k in KS}


def _classes(listed: Listed) -> Classes:
    given = listed.classes
    if not given:
        raise TypeError("`classes` is empty")
    each = given if isinstance(given, Mapping) else {name: name for name in given if name.strip()}
    spoken = {label: {ANY: name} if isinstance(name, str) else name for label, name in each.items()}
    languages = sorted({language for names in spoken.values() for language in names})
    templates = listed.templates if isinstance(listed.templates, Mapping) else {ANY: listed.templates}
    wrong = [sentence for sentences in templates.values() for sentence in sentences if "{}" not in sentence]
    if wrong or not all(templates.values()):
        raise TypeError(f"a template needs {{}} where the name goes: {wrong}")
    return Classes(
        listed.label,
        list(spoken),
        {language: [names.get(language, "") for names in spoken.values()] for language in languages},
        {language: [_template(sentence) for sentence in sentences] for language, sentences in templates.items()},
    )


def _template(sentence: str) -> Template:
    return lambda name: sentence.replace("{}", name)


def _imagenet() -> Classes:
    from open_clip import IMAGENET_CLASSNAMES, OPENAI_IMAGENET_TEMPLATES

    names = list(IMAGENET_CLASSNAMES)
    return Classes("label", range(len(names)), {"en": names}, {ANY: list(OPENAI_IMAGENET_TEMPLATES)})
