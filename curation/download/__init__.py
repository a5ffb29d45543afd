"""URL lists to images: img2dataset behind a guarded fetch, in watched processes, one for each shard.

stage.py     the step: todo rows out, columns, tar and statistics back
attempts.py  the rows of a shard, tried until each has an image or a reason
watch.py     one process for each attempt, killed when it stands still
nursery.py   the process that has img2dataset loaded and forks a child for each shard
runner.py    what the child does: img2dataset's own Downloader with our fetch and our decoder
fetch.py     one guarded GET: deadlines, byte and redirect limits, back-off
address.py, connection.py   which addresses may be reached, and one deadline for all that happens there
journal.py   what a child did, line by line, so that nothing is lost when it dies
reserved.py  what owners say in headers
rekey.py     the tar, rewritten with our keys in row order and bytes that never vary
"""
