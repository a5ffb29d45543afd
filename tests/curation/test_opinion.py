"""The second opinion: what letters settle, what they overrule, and that nothing breaks it."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.alphabets import LETTERS, ONE_LABEL
from curation.langid import LangId, default_model, identify, load, readable
from curation.languages import LABELS
from curation.letters import LOOKED_AT, Letters, Weights
from curation.scripts import NOBODY, SEVERAL, classes

ALONE = load(default_model(), None)
JUDGE = load(default_model(), Weights())


def said(*texts, judge=JUDGE):
    labels, probabilities, methods = identify(judge, pa.array(texts, pa.string()))
    assert all(0 <= one <= 1 for one in probabilities.to_pylist())
    return list(zip(labels.to_pylist(), methods.to_pylist(), strict=True))


def test_every_label_is_in_the_tables():
    written = {label for alphabets in LETTERS.values() for label in alphabets}
    assert written | set(ONE_LABEL.values()) | {"zh", "ja", "wuu", "yue"} == LABELS


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("메달", "ko"),
        ("หมา", "th"),
        ("σκύλος", "el"),
        ("שלום 2017 kitten", None),
        ("ಆಲಿವ್", "kn"),
        ("ወርቅ", "am"),
        ("ძაღლი", None),
        ("메달 cat", "ko"),
        ("ᏣᎳᎩ", "unknown"),
        ("ᱥᱟᱱᱛᱟᱲᱤ", "unknown"),
    ],
)
def test_a_script_of_one_label_settles_it_and_one_of_none_leaves_it_unknown(text, label):
    ((found, method),) = said(text)
    assert method == "script" if label else method != "script"
    assert label in (None, found)


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("黑龙江", "zh"),
        ("駅の写真", "ja"),
        ("їжа", "uk"),
        ("ђак", "sr"),
        ("ټولنه", "ps"),
        ("ڀيڻ", "sd"),
        ("đường", "vi"),
    ],
)
def test_letters_that_one_language_alone_writes_decide(text, label):
    assert said(text)[0][0] == label


def test_a_first_choice_that_no_letter_contradicts_stands():
    texts = [
        "A photo of a dog",
        "Ein kleiner Hund",
        "Собака сидит в траве",
        "photo of a café",
        "一只棕色的小狗坐在绿色的草地上",
    ]
    alone, both = said(*texts, judge=ALONE), said(*texts)
    assert alone == both and {method for _, method in both} == {"model"}


def test_a_stray_foreign_letter_does_not_turn_a_sentence():
    texts = ["A beautiful hand painted print of the character 福 on red paper", "Angle β of the triangle in the figure"]
    assert [label for label, _ in said(*texts)] == ["en", "en"]


def test_a_language_without_a_label_is_seldom_taken_for_the_one_that_has_its_letters():
    texts = pa.array(
        ["akpụ ụkwụ", "ọkụ na mmiri", "mma na ụkwụ", "nwa agbọghọ"]
    )  # Igbo; dots below are Vietnamese and Yoruba alone
    letters_only = load(default_model(), Weights(unseen=0))
    doubtful, sure = (identify(judge, texts) for judge in (JUDGE, letters_only))
    assert doubtful[0] == sure[0] and doubtful[2] == sure[2] and "letters" in sure[2].to_pylist()
    pairs = list(zip(doubtful[1].to_pylist(), sure[1].to_pylist(), sure[2].to_pylist(), strict=True))
    assert all((low < high) == (method == "letters") for low, high, method in pairs)


@settings(max_examples=150)
@given(st.lists(st.text(max_size=20), max_size=30))
def test_any_texts_get_a_label_alone_as_together(texts):
    together = identify(JUDGE, pa.array(texts, pa.string()))
    one_by_one = [identify(JUDGE, pa.array([text], pa.string())) for text in texts]
    for column, parts in zip(together, zip(*one_by_one, strict=True) if texts else ([], [], []), strict=True):
        assert column.to_pylist() == [part[0].as_py() for part in parts]
    assert {*together[0].to_pylist()} <= LABELS | {"unknown"}


def test_bytes_that_are_no_utf8_are_read_with_replacements():
    raw = [b"Ein Hund \xed\xa0\x80 im gr\xc3\xbcnen Gras", b"\xff\xfe", b"a photo of a dog", b""]
    offsets = pa.py_buffer(pa.array(np.cumsum([0, *map(len, raw)]), pa.int32()).buffers()[1])
    broken = pa.Array.from_buffers(pa.string(), 4, [None, offsets, pa.py_buffer(b"".join(raw))])
    assert readable(broken).to_pylist()[1:3] == ["\ufffd\ufffd", "a photo of a dog"]
    for second_opinion in (True, False):
        stage = LangId(name="lang", second_opinion=second_opinion)
        with stage.open({}) as annotate:
            (made,) = annotate(iter([pa.record_batch({"rows.texts": broken})]))
        assert made["language"].to_pylist() == ["de", "unknown", "en", "unknown"]
    assert readable(broken.slice(2)).to_pylist() == ["a photo of a dog", ""]


def test_long_texts_are_looked_at_in_their_beginning():
    table = classes(tuple(sorted(LABELS)))
    letters = Letters.of(pa.array(["é" * 1_000_000, "ы"]), table)
    assert letters.lengths.tolist() == [LOOKED_AT, 1]
    mixed = "Сообщение " * 100_000
    assert said(mixed, "ы" * 1_000_000, "\u202b" + "שלום עולם " * 20)[0][0] == "ru"


def test_nothing_speaks_against_labels_that_are_in_no_table():
    table = classes(("eng_Latn", "rus_Cyrl"))
    assert not table.against.any() and not table.unlatin.any() and not table.japanese.any()
    assert set(table.owner.tolist()) == {NOBODY, SEVERAL}


def test_line_feeds_and_nuls_do_not_split_a_text():
    assert said("Ein\nkleiner\r\nHund\0sitzt im Gras", "\n", "\0", "메\n달") == [
        ("de", "model"),
        ("unknown", None),
        ("unknown", None),
        ("ko", "script"),
    ]
