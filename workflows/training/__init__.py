"""The measuring instrument: it reads shards, trains a contrastive image-text model on them and judges it on held-out ones.

`shards` reads tars, `order` says which sample comes when, `images` and `captions` turn a sample into a picture and a text,
`data` makes batches of them; `model` builds and saves open_clip models, `loop` trains, `evaluate` measures retrieval.
Nothing here knows how the shards were made.
"""
