"""Are captions true of their pictures: claims and how each is checked, captions that repeat, and the weights that follow."""
