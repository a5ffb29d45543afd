"""`pairpool ablate CONFIG`: the same model on the same number of samples, each time from other rows or other captions of one pool.

`config` reads the experiment, `recipe` makes steps of it, `trial` is one training and its judgement, `split` proves that nothing
judged was learned from and `diet` counts what was, `numbers` puts intervals on the arms, `claims` says which claims hold and what
was measured of the others, `command` runs it all. Every step is committed once, by
the engine: a run that was killed goes on where it was, and on a cluster the trials run side by side.
"""
