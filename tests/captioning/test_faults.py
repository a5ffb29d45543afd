"""Each fault with true examples and near misses: what looks like it and is a caption."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captioning.exchange import Answer
from captioning.faults import FORGIVABLE, Judge, check_forgiven, same, unfinished
from captioning.language import foreign, language_of, languages, wrong_language
from captioning.loops import loops, says_again
from captioning.parse import Fault, read
from captioning.phrases import boilerplate, placeholder, refuses, speaks_of_its_task
from captioning.schema import Field, ListField, TextField
from pipeline.errors import ConfigError

REFUSALS = [
    "I'm sorry, but I can't help with that.",
    "I’m sorry, I cannot describe people in this image.",
    "Sorry, but I can't assist with this request.",
    "Sorry, as an AI I do not identify people.",
    "I cannot identify the person shown.",
    "Unfortunately, I am unable to see the image.",
    "I apologize for the inconvenience.",
    "As an AI language model, I do not see pictures.",
    "No image was provided.",
    "There is no image attached.",
    "Unable to describe the content.",
    "Please provide an image so that it can be captioned.",
    "Es tut mir leid, aber ich kann das Bild nicht beschreiben.",
    "Ich kann dieses Bild leider nicht beschreiben.",
    "Leider kann ich auf dem Bild nichts erkennen, das ich nicht beschreiben darf.",
    "Je suis désolé, mais je ne peux pas décrire cette image.",
    "Je ne peux pas identifier cette personne.",
    "Lo siento, pero no puedo ayudar con eso.",
    "No puedo describir la imagen.",
    "Desculpe, mas não posso ajudar com isso.",
    "Não consigo descrever a imagem.",
    "Mi dispiace, ma non posso descrivere l'immagine.",
    "Het spijt me, maar ik kan deze afbeelding niet beschrijven.",
    "Przepraszam, ale nie mogę opisać tego obrazu.",
    "Üzgünüm, bu konuda yardımcı olamam.",
    "Извините, но я не могу описать это изображение.",
    "Я не вижу изображения.",
    "На жаль, я не можу описати це зображення.",
    "عذراً، لا أستطيع وصف الصورة",
    "मुझे खेद है, मैं इस चित्र का वर्णन नहीं कर सकता",
    "很抱歉，我无法描述这张图片。",
    "我无法提供帮助",
    "申し訳ありませんが、画像を説明できません。",
    "죄송합니다. 이미지를 설명할 수 없습니다.",
    "Xin lỗi, tôi không thể mô tả hình ảnh này.",
    "Maaf, saya tidak dapat menjelaskan gambar ini.",
]
NO_REFUSALS = [
    "A sign that says I'm sorry, we are closed.",
    '"Sorry, we are closed" on a shop door',
    "Sorry board game with red and blue pawns",
    "A child who cannot reach the shelf",
    "Iced tea in a tall glass",
    "An AI conference poster on a wall",
    "A no parking sign",
    "No Image record sleeve by the band of that name, 1979",
    "Please Mr. Postman single cover",
    "Ein Mann, der nicht lächelt, sitzt auf einer Bank",
    "Als Kind gekleideter Schauspieler auf der Bühne",
    "Comme une étoile, une lampe brille au plafond",
    "Cómo plantar un árbol, cartel azul",
    "Como un rey, un hombre con una corona",
    "Non-stop bus with open doors",
    "Nie wieder Krieg, Plakat von Käthe Kollwitz",
    "一只红色的小船停在沙滩上",
    "赤い船が砂浜にある",
    "붉은 배가 모래 위에 있다",
    "Unable Manufacturing logo in red",
    "I can't get no satisfaction, record sleeve with five men",
    "I don't have a gun, words on a grey T-shirt",
    "Ich kann nicht mehr, Graffito auf einer Mauer",
    "No puedo vivir sin ti, cubierta de un disco",
    "Não posso parar, capa de um livro azul",
    "Non posso fermarmi, copertina rossa",
    "Je ne regrette rien, pochette de disque",
    "Я не могу без тебя, обложка пластинки",
    "Nie mogę przestać, plakat filmu",
]
BOILERPLATE = [
    "The image shows a red boat.",
    "This image depicts a boat.",
    "In this picture, a boat lies on sand.",
    "The photograph captures a boat.",
    "This is a photo of a boat.",
    "This is a black and white image of a boat.",
    "A photo of a boat.",
    "An image showing a boat.",
    "A picture of a boat on sand.",
    "Here is a description of the boat.",
    "Sure! A red boat.",
    "We can see a boat.",
    "Caption: a red boat",
    '"The image shows a boat',
    "Das Bild zeigt ein Boot.",
    "Auf dem Bild ist ein Boot zu sehen.",
    "L’image montre un bateau.",
    "Sur cette photo on voit un bateau.",
    "La imagen muestra un barco.",
    "A imagem mostra um barco.",
    "Nell'immagine si vede una barca.",
    "De afbeelding toont een boot.",
    "Na zdjęciu widać łódź.",
    "На изображении лодка.",
    "这张图片显示一只船。",
    "图中是一只船",
    "この画像には船が写っています。",
    "이 이미지는 배를 보여줍니다.",
    "الصورة تظهر قاربا",
]
NO_BOILERPLATE = [
    "A red boat on sand.",
    "Photo album with leather cover",
    "Picture frame with gold leaf",
    "A photographer in a red coat",
    "An image stabiliser for a camera",
    "Black-and-white photograph of a harbour at dusk",
    "The Image of the City, book cover in blue",
    "Here we come, carol singers in the snow",
    "Bildschirm mit blauem Hintergrund",
    "Imagens is written on a shop window",
    "船の写真が壁に掛かっている",
    "Captain: a man with a white beard",
]
PLACEHOLDERS = [
    "N/A",
    "none",
    "string",
    "...",
    "<short caption>",
    "[caption]",
    "No caption.",
    "short caption",
    "-",
    "Insert caption here",
]
NO_PLACEHOLDERS = [
    "Nun at a window",
    "String quartet on stage",
    "A text on a wall",
    "None of the chairs is taken",
    "Caption contest winner",
]
TASK_TALK = [
    "A boat, as described in the alt-text.",
    "A boat that is mentioned in the caption.",
    "The provided caption says that it is a boat.",
    "A boat in at most 80 characters.",
    "The first description is right.",
]
NO_TASK_TALK = [
    "A balloon with the word JSON on it",
    'A poster that says "alt-text matters"',
    "A caption below a cartoon",
    "A page with the original text in Latin",
    "A cartoon with a caption a boy reads aloud",
    "A text on a wall",
]


@pytest.mark.parametrize(
    ("told", "found", "missed"),
    [
        (refuses, REFUSALS, NO_REFUSALS),
        (boilerplate, BOILERPLATE, NO_BOILERPLATE),
        (placeholder, PLACEHOLDERS, NO_PLACEHOLDERS),
        (speaks_of_its_task, TASK_TALK, NO_TASK_TALK),
    ],
)
def test_phrases_are_told_and_near_misses_are_not(told, found, missed) -> None:  # type: ignore[no-untyped-def]
    assert [text for text in found if not told(text)] == []
    assert [text for text in missed if told(text)] == []


@given(st.text(max_size=200))
def test_no_text_upsets_the_phrases(text: str) -> None:
    for told in (refuses, boilerplate, placeholder, speaks_of_its_task, unfinished, says_again):
        assert told(text) in {True, False}


@given(st.sampled_from(REFUSALS), st.sampled_from(["", " ", '"', "**", "- "]))
def test_a_refusal_stays_one_in_any_case_and_behind_marks(text: str, before: str) -> None:
    assert refuses(before + text.upper()) or not text.isascii()
    assert refuses(before + text)
    assert not refuses(f"A poster that says {text}")


SENTENCE = "A red boat lies on the grey sand under a low sky, and two people walk beside it."
LANGUAGES = {
    "en": SENTENCE,
    "de": "Ein rotes Boot liegt auf dem grauen Sand unter einem tiefen Himmel, und zwei Leute gehen daneben.",
    "fr": "Un bateau rouge repose sur le sable gris sous un ciel bas, et deux personnes marchent à côté.",
    "es": "Un barco rojo descansa sobre la arena gris bajo un cielo bajo, y dos personas caminan a su lado.",
    "ru": "Красная лодка лежит на сером песке под низким небом, а рядом идут два человека.",
    "el": "Μια κόκκινη βάρκα βρίσκεται στην γκρίζα άμμο κάτω από έναν χαμηλό ουρανό.",
    "ar": "قارب أحمر على الرمال الرمادية تحت سماء منخفضة وبجانبه شخصان يمشيان",
    "zh": "一只红色的小船停在灰色的沙滩上，天空很低，旁边有两个人在走路。",
    "ja": "赤い船が低い空の下の灰色の砂浜にあり、そのそばを二人の人が歩いている。",
    "ko": "낮은 하늘 아래 회색 모래 위에 붉은 배가 있고 그 옆을 두 사람이 걷고 있다.",
    "hi": "धूसर रेत पर एक लाल नाव पड़ी है और उसके पास दो लोग चल रहे हैं।",
    "th": "เรือสีแดงจอดอยู่บนหาดทรายสีเทาใต้ท้องฟ้าต่ำ และมีคนสองคนเดินอยู่ข้าง ๆ",
}


@pytest.mark.parametrize("asked", LANGUAGES)
def test_a_caption_is_in_its_own_language_and_in_no_other(asked: str) -> None:
    found = {code: wrong_language(text, language_of(asked)) for code, text in LANGUAGES.items()}
    assert found.pop(asked) is None
    assert None not in found.values()


@pytest.mark.parametrize(
    ("asked", "text", "fault"),
    [
        ("en", "A red boat 在沙滩上 with a large white sail", "wrong script"),
        ("en", "A red boat лежит на сером песке", "wrong script"),
        ("en", "A sushi bar named 寿司 above the door of a narrow house", None),
        ("en", 'A sign that says "ВХОД ЗАПРЕЩЁН" on a wall', None),
        ("en", "A sign that says «ВХОД ЗАПРЕЩЁН» on a wall", None),
        ("en", "Flag of Åland", None),
        ("en", "Café au lait", None),
        ("en", "42 · 7 → ∞", None),
        ("ja", "赤いTシャツを着た男性がiPhoneを持っている", None),
        ("ru", "Красная Toyota Corolla на парковке у магазина", None),
        ("ru", "Red Toyota Corolla", "wrong script"),
        ("zh", "A red boat", "wrong script"),
        ("sr", "Crveni čamac na pesku", None),
        ("sr", "Црвени чамац на песку", None),
    ],
)
def test_scripts_of_names_and_of_legible_text_are_no_drift(asked: str, text: str, fault: str | None) -> None:
    assert wrong_language(text, language_of(asked)) == fault


@given(st.text(st.characters(categories=["Nd", "Zs", "Po", "Sm"])), st.sampled_from(sorted(languages())))
def test_what_has_no_letters_has_no_language(text: str, asked: str) -> None:
    assert foreign(text, language_of(asked)) == 0
    assert wrong_language(text, language_of(asked)) is None


@pytest.mark.parametrize(
    "text", ["A red boat, a blue one,", "A boat and a", "A house with the", "Two dogs (", "一只船，"]
)
def test_what_stops_in_the_middle_was_cut(text: str) -> None:
    assert unfinished(text)


@pytest.mark.parametrize(
    "text", ["Vitamin A", "A red boat", "The box it came in", "Plan a", "A boat and a house.", "A sign that reads THE."]
)
def test_what_ends_is_not_cut(text: str) -> None:
    assert not unfinished(text)


def test_a_sentence_that_comes_again_and_again_is_a_loop() -> None:
    one, other = "There is a red boat on the sand.", "Behind it stands a white house with a roof."
    assert loops(f"{one} {other} {one} A tree is near. {one}")
    assert not loops(f"{one} {other} {one}")
    assert not loops("Yes. No. Yes. No. Yes. It is a comic strip.")
    assert loops("天空中有几朵白色的云彩在慢慢地飘动着看起来很美。旁边有树。" * 3)


JUDGE = Judge(
    prompt_text="Say only what can be seen in it and nothing else at all please, thank you.",
    differ=("short", "long", "alt_text"),
)
TEXT = TextField("long", 5, 200)


def fault(text: str, judge: Judge = JUDGE, field: Field = TEXT) -> str | None:
    return judge.fault(text, field)


def test_bounds_are_the_first_fault() -> None:
    assert fault("") == "empty"
    assert fault("boat") == "too short"
    assert fault("x" * 201) == "too long"
    assert fault("xyzab") is None
    assert fault("a boat, " * 25 + "x") == "too long"


@given(st.text(min_size=1, max_size=30), st.integers(1, 15), st.integers(0, 30))
def test_a_text_within_bounds_is_never_called_too_long_or_short(text: str, low: int, more: int) -> None:
    found = Judge().fault(text, TextField("short", low, low + more))
    assert (found == "too short") == (len(text) < low)
    assert (found == "too long") == (len(text) > low + more)


def test_copies_of_what_the_row_brings_are_faults() -> None:
    alt = "Sunset over the old harbour of Marseille with fishing boats and the fort in the background, 2019"
    told = Judge(differ=("long", "alt_text"), told={"alt_text": alt})
    assert fault(alt.lower() + ".", told) == "copy of alt_text"
    assert fault("Fishing boats in the old harbour of Marseille at sunset", told) is None
    assert fault("A red boat", Judge(differ=("long", "alt_text"), told={"alt_text": "a red boat"})) is None
    rewrites = ListField("rewrites", 1, 100, 1, 2)
    both = Judge(differ=("rewrites", "alt_text"), told={"alt_text": "a red boat"})
    assert fault("A red boat.", both, rewrites) == "copy of alt_text"


@given(st.text(), st.integers(1, 20))
def test_nothing_is_the_same_as_no_text(text: str, words: int) -> None:
    assert not same(text, "", words)
    assert not same("", text, words)


def test_captions_that_should_differ_and_do_not() -> None:
    fields = [TextField("short", 1, 80), TextField("long", 1, 200)]
    said = '{"short": "A red boat.", "long": "a red boat"}'
    found = read(Answer(said, "stop", 1, 1, "x"), fields, JUDGE)
    assert found == Fault("same text: long\nas short")
    assert isinstance(read(Answer(said, "stop", 1, 1, "x"), fields, Judge()), dict)


def test_lists_are_held_to_their_number_and_each_item_to_its_bounds() -> None:
    field = ListField("rewrites", 3, 40, 2, 3)

    def said(text: str, judge: Judge | str = "") -> object:
        found = read(Answer(f'{{"rewrites": {text}}}', "stop", 1, 1, "x"), [field], judge)
        return found.kind if isinstance(found, Fault) else found["rewrites"]

    assert said('["a red boat", " a boat in  red "]') == ["a red boat", "a boat in red"]
    assert said('["a red boat"]') == "wrong number of items: rewrites"
    assert said('["a red boat", "ab"]') == "too short: rewrites"
    assert said('["a red boat", 7]') == said('"a red boat"') == "no list of texts in field rewrites"
    assert said('["a red boat", "N/A"]') == "placeholder: rewrites"
    assert said('["a red boat", "A red boat!"]', Judge(differ=("rewrites",))) == "same text: rewrites"


def test_faults_are_forgiven_by_name() -> None:
    assert fault("The image shows a red boat on sand.") == "boilerplate opening"
    assert fault("The image shows a red boat on sand.", Judge(forgives=("boilerplate opening",))) is None
    assert fault("I'm sorry, the image shows nothing.", Judge(forgives=("boilerplate opening",))) == "refusal"
    check_forgiven(FORGIVABLE)
    with pytest.raises(ConfigError, match="There is no fault 'empty' to forgive"):
        check_forgiven(["empty"])


def test_notes_on_the_way_are_held_to_their_bounds_alone() -> None:
    note = TextField("draft", 5, 80, note=True)
    assert fault("The image shows a red boat on", field=note) is None
    assert fault("boat", field=note) == "too short"


def test_an_unknown_language_names_the_known() -> None:
    with pytest.raises(ConfigError, match=r"There is no language 'xx'. There are: af, am"):
        language_of("xx")
