"""Texts that say nothing about a picture."""

#: (kind, text); {name} is the true name, {n} a number of four digits.
JUNK = (
    ("camera file name", "IMG_{n}.jpg"),
    ("call to click", "click here to enlarge"),
    ("keyword heap", "free download {name} png clipart vector hd wallpaper best cheap free shipping {n}"),
    ("junk word", "hash"),
    ("camera file name", "DSC0{n}.JPG"),
    ("call to click", "Click to view larger image"),
    ("placeholder", "image"),
    ("placeholder", "untitled-{n}"),
    ("file name", "product-img-440x{n}-final_FINAL2.png"),
    ("placeholder", "Thumbnail {n}"),
    ("keyword heap", "cheap cheap cheap buy now buy now sale sale discount {n} % off"),
    ("boilerplate", "Copyright 2019 All rights reserved. Please enable JavaScript to view this image."),
    ("address", "https://cdn.example.com/uploads/2019/07/{n}.png?w=640"),
    ("markup", '<img src="spacer.gif" width="1" height="{n}">'),
)

#: No language, or several at once.
GARBLED = (
    "zxqv brrt 77 kkpl wmnt oq",
    "0x3F 7781 :: 12-44 // 9",
    "▲ 12 × 30 ▼ № 5 ✱✱✱",
    "qwertz asdf jklö yxcv uiop",
    "der cat est на table 猫 sopra",
    "Ã©tÃ© Ã  la plÃ¤ge naÃ¯ve",
    "la the und и 的 y och",
    "aaaaa bbbb aaaa bbbbb aaaa",
    "tlhIngan maH qapla' jIH nuqneH",
    "~ ~ ~ ??? ... !!! ???",
)


def filled(junk: tuple[str, str], name: str, drawn: float) -> tuple[str, str]:
    """(kind, text) with the name and a number of four digits put in; `drawn` is in [0, 1)."""
    kind, text = junk
    return kind, text.replace("{name}", name).replace("{n}", f"{1000 + int(drawn * 9000)}")
