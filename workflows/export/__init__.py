"""Materialise: the rows that a selection keeps, written once as webdataset shards that every reader accepts.

`gather` reads the selected rows of a window of shards and puts them in a keyed order, `sample` turns a row into the
members of its sample, `ustar` and `writer` lay samples into tars that are equal to the byte from run to run, `card`
describes the result, and `step` is the whole of it as a step of a recipe.
"""
