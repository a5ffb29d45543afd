"""The report: one self-contained HTML page that says what became of a pool, with pictures, and report.json with its numbers.

`sources` reads committed parts shard by shard, `fates` says where each row left the pool, and each further module tallies one
section into plain numbers: `funnel`, `languages`, `concepts`, `scores`, `samples`, `faults`, `duplicates`, `captions`,
`training`, `effort`, `provenance`. `figures` draws, `page` renders, and `step` is the whole of it as a step of a recipe.

One pass: memory holds one shard, the entries of the metadata that texts match, the members of groups of duplicates, and the few
rows that are shown.
"""
