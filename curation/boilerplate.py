"""What web pages write where a caption should be. Plain data: extend the lists where your pool shows more.

Texts are compared in the form of `plain`: case-folded, letters and single spaces alone.
"""

import re
import unicodedata

_NO_LETTERS = re.compile(r"[\W\d_]+")


def plain(text: str) -> str:
    """A text without case, digits, marks and normal forms: what two spellings of one phrase share."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return _NO_LETTERS.sub(" ", folded).strip()


def _phrases(text: str) -> frozenset[str]:
    return frozenset(filter(None, map(plain, text.replace("\n", "/").split("/"))))


#: Captions that say nothing when they stand alone. Names of things that a picture may show (home, back, menu) are not here.
WHOLE = _phrases(
    """
    image / images / img / photo / photos / picture / pictures / pic / thumbnail / thumb / logo / icon / banner / avatar
    placeholder / untitled / unnamed / no title / no description / no image / no image available / no photo available
    image not available / image not found / image coming soon / coming soon / not available / default / default image
    featured image / cover image / header image / background image / profile picture / profile photo / user avatar
    product image / main image / alt text / alt / caption / description / null / none / undefined / n a / loading
    advertisement / sponsored / read more / learn more / view more / see more / show more / next / previous / share
    share on facebook / share on twitter / pin it / click here
    bild / foto / kein bild / kein bild verfügbar / vorschaubild / imagen / imagen no disponible / sin título / sin imagen
    image non disponible / sans titre / aucune image / immagine / senza titolo / immagine non disponibile / imagem
    sem título / sem imagem / imagem não disponível / afbeelding / geen afbeelding / zonder titel / obrázek / zdjęcie
    obraz / brak zdjęcia / bez tytułu / фото / изображение / картинка / нет фото / нет изображения / без названия / resim
    resim yok / başlıksız / kuva / ei kuvaa / ingen bild / billede / صورة / لا توجد صورة / بدون عنوان / תמונה / 画像 / 写真
    無題 / 画像なし / 图片 / 圖片 / 照片 / 无标题 / 無標題 / 暂无图片 / 이미지 / 사진 / 제목 없음 / 이미지 없음 / ภาพ / รูปภาพ / hình ảnh
    """
)

#: Orders to the visitor and legal notes. A caption of which they make up at least half is boilerplate.
PHRASES = _phrases(
    """
    click here to enlarge / click to enlarge / click on image to enlarge / click image to enlarge / tap to enlarge
    click for larger image / click for larger view / click to view larger / click to zoom / click to view full size
    view larger image / view full size image / view full size / enlarge image / enlarge this image / hover to zoom
    all rights reserved / copyright / please enable javascript / javascript is disabled / to view this image
    your browser does not support / alle rechte vorbehalten / tous droits réservés / todos los derechos reservados
    tutti i diritti riservati / todos os direitos reservados / все права защищены / 版权所有 / 無断転載禁止
    right click to download / click here to view / click here for more / opens in a new window / image may contain
    zum vergrößern klicken / klicken zum vergrößern / zum vergrössern klicken / bild vergrößern / vergrößerte ansicht
    cliquez pour agrandir / cliquer pour agrandir / cliquez ici pour agrandir / agrandir l image
    haga clic para ampliar / haz clic para ampliar / clic para ampliar / pulse para ampliar / ampliar imagen
    clicca per ingrandire / ingrandisci immagine / clique para ampliar / clique para aumentar / ampliar imagem
    klik om te vergroten / klik voor een grotere afbeelding / klicka för att förstora / klik for at forstørre
    klikk for å forstørre / suurenna kuva / kliknij aby powiększyć / powiększ zdjęcie / klikněte pro zvětšení
    kattintson a nagyításhoz / faceți clic pentru a mări / κάντε κλικ για μεγέθυνση / нажмите чтобы увеличить
    увеличить изображение / натисніть щоб збільшити / büyütmek için tıklayın / resmi büyüt / انقر للتكبير
    اضغط للتكبير / לחץ להגדלה / クリックで拡大 / クリックすると拡大 / 画像を拡大 / 点击放大 / 點擊放大 / 点击查看大图 / 查看大图
    클릭하면 확대 / 이미지 확대 / คลิกเพื่อขยาย / nhấn để phóng to / klik untuk memperbesar
    """
)
_LONGEST_FIRST = sorted(PHRASES, key=lambda phrase: (-len(phrase), phrase))
_LONGEST_TEXT = 300  # letters: a longer one is no boilerplate, whatever it begins with

#: What shops and wallpaper sites heap up, in English. Of six or more words, half in this list make a heap.
HEAP = frozenset(
    """
    free download downloads cheap cheapest buy now sale sales discount discounts best price prices deal deals offer offers shop
    shipping online store order wholesale hot new hd 4k hq wallpaper wallpapers background backgrounds desktop png jpg jpeg svg
    clipart vector vectors stock photo photos image images pictures pics royalty premium quality coupon off
    """.split()  # noqa: SIM905 - a list of words reads better as words
)


def is_boilerplate(text: str) -> bool:
    """Whether a text is one of `WHOLE`, or at least half of it are `PHRASES`."""
    found = plain(text[: 4 * _LONGEST_TEXT])
    if len(found) > _LONGEST_TEXT:
        return False
    rest = found
    for phrase in _LONGEST_FIRST:
        rest = rest.replace(phrase, "")
    return found in WHOLE or (rest != found and 2 * len(rest) <= len(found))


def is_heap(words: list[str]) -> bool:
    """Whether the case-folded words of a text are keywords of `HEAP` for the most part."""
    return len(words) >= 6 and 2 * sum(word in HEAP for word in words) >= len(words)
