"""What a picture looks like where it is transparent: as a browser shows it, on white."""

from __future__ import annotations

from PIL import Image


def on_white(image: Image.Image) -> Image.Image:
    """A picture without transparency, RGB: what is see-through lies on white."""
    if not image.has_transparency_data:
        return image.convert("RGB")
    rgba = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
