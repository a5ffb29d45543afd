"""Numbers and figures to one page. Every text of the pool is hostile: autoescape is on, and the page may run or load nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from workflows.report.sources import Numbers

FOLDER = Path(__file__).parent / "templates"
LANGUAGE = re.compile(r"[a-z]{2,3}")


def render(numbers: Numbers, figures: Mapping[str, Markup | None]) -> str:
    """The page.

    Raises:
        jinja2.UndefinedError: if a section lacks a number that the template shows.
    """
    return environment().get_template("page.html.j2").render(**numbers, figures=figures)


def environment() -> Environment:
    """The templates with their filters."""
    made = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= FILTERS
    made.globals["width"] = width
    return made


def count(value: float | None) -> str:
    """A whole number with separators of thousands; a dash for none."""
    return "–" if value is None else f"{value:,.0f}"


def decimals(value: float | None, places: int = 3) -> str:
    """A number with so many decimals; a dash for none."""
    return "–" if value is None else f"{round(value, places) + 0.0:,.{places}f}"  # + 0.0: no minus before 0.000


def share(part: float | None, whole: float | None = 1) -> str:
    """A share as a percentage, with a decimal where it is needed to see anything."""
    if part is None or not whole:
        return "–"
    found = 100 * part / whole
    places = 0 if found == round(found) else 1
    return f"{found:.{places}f}\N{NO-BREAK SPACE}%"


def width(part: float | None, whole: float | None) -> str:
    """The width of a bar, in percent of its track."""
    return f"{100 * min(max((part or 0) / whole, 0), 1):.2f}%" if whole else "0%"


def seconds(value: float | None) -> str:
    """A duration in words: 0.4 s, 12 s, 3 min 20 s, 2 h 05 min."""
    if value is None:
        return "–"
    if value < 10:
        return f"{value:.1f}\N{NO-BREAK SPACE}s"
    minutes, rest = divmod(round(value), 60)
    if not minutes:
        return f"{rest}\N{NO-BREAK SPACE}s"
    words = f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"
    return words.replace(" ", "\N{NO-BREAK SPACE}")


def speech(language: Any) -> Markup:
    """The `lang` attribute of a text in an identified language: it decides how Han characters are drawn."""
    known = isinstance(language, str) and LANGUAGE.fullmatch(language)
    return Markup(f' lang="{language}"') if known else Markup("")


def pretty(value: Any) -> str:
    """JSON for reading; unlike Jinja's own filter a plain text, so that it is escaped like any other."""
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False)


FILTERS = {
    "n": count,
    "share": share,
    "time": seconds,
    "f": decimals,
    "speech": speech,
    "pretty": pretty,
}
