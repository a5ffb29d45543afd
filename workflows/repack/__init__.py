"""Repack: the rows that a selection keeps, with all that is known of them, as a pool of their own with full shards.

After balancing, a shard of 10,000 rows may keep 900. The child has every column and image of its rows, needs its parent no more
once it is made, and runs further steps as any pool does. `origin` notes what of the parent it is made of, `rows` cuts its
shards, `carry` copies the columns and images of one step, `command` writes its config and runs it.
"""
