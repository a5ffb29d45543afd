"""Every tokenizer on a real sentence; those of the extra that are not installed here are skipped."""

import pytest

from curation.metadata_build.segment import SEGMENTERS, find, joiner
from curation.metadata_build.words import cutter

SENTENCES = {
    "bo": ("བོད་ཀྱི་སྐད་ཡིག་ནི་ཧ་ཅང་ཡག་པོ་ཡོད།", {"བོད", "སྐད", "ཡིག"}),
    "dz": ("འབྲུག་གི་རྒྱལ་ཁབ་འདི།", {"འབྲུག", "རྒྱལ", "ཁབ"}),
    "ja": ("東京の公園で猫の写真を撮りました。", {"東京", "公園", "猫", "写真"}),
    "km": ("ប្រទេសកម្ពុជាជាប្រទេសដ៏ស្រស់ស្អាត", {"ប្រទេស", "កម្ពុជា"}),
    "lo": ("ປະເທດລາວເປັນປະເທດທີ່ສວຍງາມ", {"ປະເທດ", "ສວຍງາມ"}),
    "my": ("မြန်မာနိုင်ငံသည် အရှေ့တောင်အာရှတွင်", {"မြန်မာနိုင်ငံ", "သည်", "တွင်"}),
    "ryu": ("東京の猫", {"東京", "猫"}),
    "th": ("แมวสีดำนั่งอยู่บนโต๊ะในห้องครัว", {"แมว", "โต๊ะ", "บน"}),
    "zh": ("我们在北京的公园里拍了一张小猫的照片。", {"我们", "北京", "公园", "照片"}),
    "zh_classical": ("有朋自遠方來", {"遠方"}),
    "zh_yue": ("佢哋喺香港嘅公園影咗張貓仔相。", {"香港", "公園", "貓仔"}),
}


@pytest.mark.parametrize("language", sorted(SEGMENTERS))
def test_words_of_a_sentence(language):
    segmenter = SEGMENTERS[language]
    pytest.importorskip(segmenter.package.replace("-", "_"), reason=f"{segmenter.package} is of the extra `segment`")
    sentence, words = SENTENCES[language]
    found = {word for phrase in cutter(language)(sentence).to_pylist() for word in phrase}
    assert words <= found
    assert not any(mark in word for word in found for mark in "。།་ ")


def test_codes_find_their_tokenizer():
    assert find("zh-Hant") is find("zh_TW") is SEGMENTERS["zh"]
    assert find("yue") is SEGMENTERS["zh_yue"]
    assert find("zh_classical") is SEGMENTERS["zh_classical"]
    assert find("de") is find("ko") is find("vi") is None
    assert (joiner("zh"), joiner("bo"), joiner("de")) == ("", "་", " ")
