"""Image-text similarity: towers of any open_clip model or of the shipped mini-CLIP, and the stage that scores with them."""
