"""What a report cannot show, said on the report itself."""

from __future__ import annotations

from workflows.report.sources import Numbers


def limits(numbers: Numbers) -> list[str]:
    """Sentences, as far as they apply."""
    said = [
        "Pictures and texts are drawn by a keyed hash: a fair sample, not an inspection. Thumbnails are scaled down and "
        "compressed again; texts longer than 600 characters are cut.",
        "A reason says which rule a row broke, not that the rule was right about it.",
        "Times are those of the last successful attempt at each unit; work that was lost with a killed worker is not in them.",
        "Library versions are those of the process that wrote this page; a worker elsewhere may have had others.",
        "Licences are repeated as the recipe and its packages state them. Nobody checked the rights in any single picture.",
    ]
    if numbers["faults"]:
        said.append(
            "Caught and missed are counted over planted faults alone. Real junk that came with the pool carries no label, so "
            "some rows counted as clean are not, and precision is a lower bound."
        )
    else:
        said.append(
            "Nothing is known of the truth of these rows, so the page cannot say how many decisions were right."
        )
    if numbers["scores"]:
        said.append(
            "A CLIP score is a scale of its model's own: it cannot be compared with scores of other models, and a low one is "
            "weak evidence against a single pair. Histograms count in steps of 0.005."
        )
    if numbers["checks"]:
        said.append(
            "Checks of captions are evidence, not truth: rules read the claims, pixels judge colours, a CLIP model or the asked model "
            "judges objects. Claims that nothing could check count neither for nor against a caption."
        )
    elif numbers["captions"]:
        said.append(
            "Whether a caption is true of its picture is not measured here. A caption score says that a caption is like the "
            "picture to the eye of one model."
        )
    if numbers["training"]:
        said.append(
            "Retrieval says how this one training went. Whether the dataset is better than another takes trainings on both, of "
            "the same length."
        )
    return said
