"""Caption quality: what each rule calls junk, and what none of them may, in many scripts."""

import time

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.boilerplate import PHRASES, WHOLE, plain
from curation.caption_quality import CaptionQuality
from curation.junk import count_words, junk_reason
from pipeline.rows import TEXT

JUNK = {
    "empty": ["", " ", "\t\r\n", "\u200b\ufeff", "\0\0", "\u3000"],
    "url": ["https://x.org/a.jpg", "www.foo.de", "HTTP://X.ORG/a?b=c", "example.com", "- https://x.org -"],
    "file_name": [
        "IMG_2034.jpg",
        "DSC 0042",
        "DSCN0042.JPG",
        "P1010023",
        "red-fox.png",
        "Screenshot 2021-03-04 at 10.11.12.png",
    ],
    "hash_like": [
        "d41d8cd98f00b204e9800998ecf8427e",
        "123e4567-e89b-12d3-a456-426614174000",
        "aGV1sbG8gd29ybGQ1a2b3c4d5",
    ],
    "no_letters": ["2017", "...", "😀", "12 × 34", "№ 5", "٢٠٢٤", "1234567890123456789"],
    "boilerplate": [
        "Click here to enlarge",
        "CLICK TO ENLARGE!",
        "Click image to enlarge (opens)",
        "Bild vergrößern",
        "Bild vergro\u0308ßern",
        "Cliquez pour agrandir",
        "クリックで拡大",
        "点击放大",
        "انقر للتكبير",
        "Нажмите, чтобы увеличить",
        "Thumbnail",
        "No image available.",
        "Copyright 2019 All rights reserved. Please enable JavaScript to view this image.",
    ],
    "markup": ['<img src="spacer.gif" width="1">', "<br/>", "<b></b> - <i>"],
    "keywords": [
        "free download kiwi fruit png clipart vector hd wallpaper best cheap free shipping 1514",
        "Cheap cheap shoes, buy now, buy now, sale",
    ],
    "repetition": [
        "cat cat cat cat",
        "shoes, cheap shoes, buy shoes, shoes online, shoes",
        "哈哈哈哈哈哈",
        "hahahahaha",
        "ดีดีดีดีดี",
        "red blue green " * 5,
        "cat,dog,cat,cat,fish",
    ],
    "too_short": ["cat", "ab d", "猫", "東京", "x\ud800", "é\u0301t"],
}
GOOD = [
    "A photo of a cat, sitting.",
    "cats!",
    "New York, New York",
    "猫の絵",
    "東京タワーの夜景",
    "一只猫坐在沙发上",
    "แมวสีดำบนโซฟา",
    "고양이 사진",
    "قطة سوداء على الأريكة",
    "חתול שחור",
    "काली बिल्ली",
    "हरी घास में बैठा एक छोटा भूरा कुत्ता",
    "Черная кошка",
    "e\u0301te\u0301 \ufb01n",
    "Visit example.com for pictures of cats",
    "How-to-Find-the-Finest-Electric-Car-Companies",
    "Skirmisher-Main-440x412",
    "The image of a lost summer",
    "Photo of the day: a red fox",
    "iPhone 12 Pro Max",
    "Boeing 747-400",
    "<b>A red fox</b>",
    "Red fox in snow, free stock photo",
    "Photo of a cat. Copyright Jane Doe",
]


@pytest.mark.parametrize(("reason", "text"), [(reason, text) for reason, texts in JUNK.items() for text in texts])
def test_junk_is_told_with_its_reason(reason, text):
    assert junk_reason(text) == reason


@pytest.mark.parametrize("text", GOOD)
def test_captions_are_no_junk(text):
    assert junk_reason(text) is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", 0),
        ("a red fox, running", 4),
        ("... - 12", 1),
        ("東京タワーの夜景", 4),
        ("猫", 1),
        ("cat猫cat", 3),
        ("고양이 사진", 2),
        ("a\u00a0b\u3000c", 3),
    ],
)
def test_words_with_and_without_spaces(text, words):
    assert count_words(text) == words


def test_the_lists_are_in_the_form_that_texts_are_brought_to():
    for phrase in WHOLE | PHRASES:
        assert phrase and phrase == plain(phrase)


@given(st.text(st.characters(codec=None), max_size=60))
def test_any_text_has_an_answer(text):
    reason = junk_reason(text)
    assert reason is None or reason in JUNK
    assert count_words(text) >= 0


@pytest.mark.slow
@pytest.mark.parametrize("piece", ["a ", "x", "word and more ", "猫", "ab1", "http://", "IMG_1", "\u200b", "a.", "1-"])
def test_a_megabyte_takes_no_longer_than_its_length_says(piece):
    text = piece * (1_000_000 // len(piece))
    begun = time.perf_counter()
    assert junk_reason(text) in {"repetition", "empty", "no_letters", "keywords"}
    count_words(text)
    assert time.perf_counter() - begun < 20


def test_the_stage_speaks_of_the_first_text_and_lists_all():
    rows = [["A red fox in snow", "IMG_1.jpg"], ["image"], [], None, [None, "cats in snow"]]
    stage = CaptionQuality(name="words")
    texts = pa.array([r and [{"text": t, "kind": "alt"} for t in r] for r in rows], pa.list_(TEXT))
    with stage.open({}) as annotate:
        made = pa.Table.from_batches(annotate(iter([pa.record_batch({"uid": list("abcde"), "rows.texts": texts})])))
    assert made.schema == stage.writes
    assert made["words"].to_pylist() == [5, 1, 0, 0, 0]
    assert made["characters"].to_pylist() == [17, 5, 0, 0, 0]
    assert made["junk"].to_pylist() == [None, "boilerplate", "empty", "empty", "empty"]
    assert made["junks"].to_pylist() == [[None, "file_name"], ["boilerplate"], [], [], ["empty", None]]
