"""How pictures are cut into patches: the numbers that the training data and the model share."""

PATCH, MERGE, FRAMES = 14, 2, 2
CELL = PATCH * MERGE
# A square picture becomes 112 x 112: 64 patches, 16 tokens. The bounds stand clear of 112*112, where rounding could tip it.
MIN_PIXELS, MAX_PIXELS = 110 * 110, 114 * 114
Grid = tuple[int, int]
