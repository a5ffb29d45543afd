from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from workflows.demo.scenes import COLOURS, SHIFT, caption, compose, subjects


def test_a_scene_shows_what_its_truth_says(demo: Path) -> None:
    things = subjects(demo / "art.parquet", "pool")
    assert things
    assert all(":" not in thing.name for thing in things)
    assert len({thing.group for thing in things}) == len(things)
    seen = set()
    for key in range(60):
        picture, truth = compose(key, things, demo / "art")
        assert picture.size == (224, 224)
        assert picture.getpixel((0, 0)) == tuple(truth["rgb"])
        assert all(abs(a - b) <= SHIFT for a, b in zip(truth["rgb"], COLOURS[truth["colour"]], strict=True))
        assert truth["positions"] == (["centre"] if len(truth["names"]) == 1 else ["left", "right"])
        assert len(set(truth["names"])) == len(truth["names"])
        seen.add((truth["colour"], len(truth["names"])))
    assert len({colour for colour, _ in seen}) >= 9
    assert {count for _, count in seen} == {1, 2}


def test_the_two_things_stand_in_their_halves(demo: Path) -> None:
    things = subjects(demo / "art.parquet", "pool")
    scenes = (compose(key, things, demo / "art") for key in range(40))
    picture, truth = next((p, t) for p, t in scenes if len(t["names"]) == 2)
    ground = tuple(truth["rgb"])
    middle = [picture.getpixel((x, y)) for x in (111, 112) for y in range(224)]
    assert middle.count(ground) > 200
    for left, right in ((0, 112), (112, 224)):
        half = picture.crop((left, 0, right, 224))
        assert any(count < 224 * 112 and colour != ground for count, colour in half.getcolors(224 * 224) or [])


def test_equal_keys_give_equal_pixels(demo: Path) -> None:
    things = subjects(demo / "art.parquet", "model")
    assert compose(7, things, demo / "art")[0].tobytes() == compose(7, things, demo / "art")[0].tobytes()
    assert compose(7, things, demo / "art")[1] != compose(8, things, demo / "art")[1]


@given(st.lists(st.sampled_from(["cat", "dog"]), min_size=1, max_size=2, unique=True), st.sampled_from(list(COLOURS)))
def test_captions_name_the_colour_or_leave_it_out(names: list[str], colour: str) -> None:
    truth = {"names": names, "positions": ["left", "right"][: len(names)], "colour": colour}
    said = caption(truth)
    assert said.endswith(f" {colour} background")
    assert (" an " in said) == (colour == "orange")
    assert all(name in said for name in names)
    assert colour not in caption(truth, colour=False)
