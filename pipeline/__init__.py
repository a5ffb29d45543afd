"""The engine: rows, shards, steps, the ledger and the executors. It knows no image, no model and no caption.

A pool is a folder (or bucket) of rows cut into shards by the hash of their uid. A *step* turns committed inputs into
committed parts, one *unit* of work at a time: most steps have one unit a shard, a reduce has one for the whole pool.
A *stage* is the step most people write: batches of rows in, the same rows out with new columns. Every part is named by
the digest of its bytes, and one ledger entry, created only if absent, makes it exist.
"""
