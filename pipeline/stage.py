"""Stages: batches of rows in, the same rows out with new columns. The step that most people write."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import ContractError
from pipeline.parts import IMAGE, ColumnRef, Members, read_columns, read_shard, read_table
from pipeline.recipe import execution, recipe
from pipeline.rows import FAILED, FAILED_UPSTREAM, NOT_SELECTED, SUCCESS, write_parquet
from pipeline.step import Entry, Outcome, Step, Task, Work
from pipeline.store import Store

Annotate = Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]
ACCOUNT = pa.schema(
    [pa.field("uid", pa.string()), pa.field("status", pa.string()), pa.field("error_message", pa.string())]
)


@recipe
class Stage(Step):
    """Annotates rows. It sees each row once, with the columns that it `reads`, and never drops one.

    A subclass says `reads`, `writes` and `open`; nothing else. `error_message`, if `open`'s function gives that column,
    is null for a row that was done and says why for one that could not be.
    """

    batch_rows: int = execution(default=256)

    @property
    def reads(self) -> tuple[str, ...]:
        """The columns that it reads, as `step.column`; `step.image` are the encoded bytes of the row's image."""
        raise NotImplementedError(f"{type(self).__name__} does not say what it reads")

    @property
    def needs(self) -> tuple[str, ...]:
        """The steps at which a row must have succeeded to be worked on here. A stage that judges failures needs none."""
        return tuple(dict.fromkeys(ColumnRef.parse(ref).step for ref in self.reads))

    @property
    def tables(self) -> tuple[str, ...]:
        """The pool-wide steps whose tables `open` is given."""
        return ()

    @property
    def writes(self) -> pa.Schema:
        """The columns that it adds, aligned with the rows."""
        raise NotImplementedError(f"{type(self).__name__} does not say what it writes")

    def open(self, tables: Mapping[str, pa.Table]) -> AbstractContextManager[Annotate]:
        """Load the model, once per worker, and give the streaming function: batches in, the same rows out.

        Input batches have `uid` and every column of `reads` under its full reference; output batches have the columns of
        `writes` and may have `error_message`. Batches may be cut otherwise, but rows keep their order.
        """
        raise NotImplementedError(f"{type(self).__name__} does not say how it opens")

    @property
    def inputs(self) -> tuple[str, ...]:
        """The steps of `reads` and `tables`, and always the rows."""
        steps = (ColumnRef.parse(ref).step for ref in self.reads)
        return tuple(dict.fromkeys(["rows", *steps, *self.needs, *self.tables]))

    @property
    def supplements(self) -> bool:
        """New rows alone, unless the stage also judges rows that are not there yet."""
        return bool(self.needs)

    @contextmanager
    def start(self, store: Store, tables: Mapping[str, Entry]) -> Iterator[Work]:
        """Open the stage and give the function that annotates one shard."""
        given = {name: read_table(store, entry) for name, entry in tables.items()}
        with self.open(given) as annotate:
            yield lambda task, folder: annotate_shard(self, annotate, store, task, folder)


def annotate_shard(stage: Stage, annotate: Annotate, store: Store, task: Task, folder: Path) -> Outcome:
    """Do one shard: read, work on the rows that are due, and lay the result beside all rows of the shard.

    A stage with further files (a tar) overrides `start`, calls this, and adds them to the outcome if it has a part.
    """
    shard = task.shards[0]
    rows = read_shard(store, task, shard, _columns_to_read(stage))
    status = _status_before(stage, rows, _covered(store, task))
    todo = pc.indices_nonzero(pc.is_null(status))
    if len(todo) == 0 and task.own:
        return Outcome({}, 0, {})  # nothing new: the entry records that this basis was looked at
    made = _run(stage, annotate, store, task, rows.take(todo))
    table = _scatter(stage, rows, status, todo, made)
    path = folder / "part.parquet"
    write_parquet(table, path)
    return Outcome({"parquet": path}, rows.num_rows, *account(table))


def account(table: pa.Table) -> tuple[dict[str, int], dict[str, int]]:
    """Count the rows of a part by `status`, and those that failed or were rejected by the first line of their reason."""
    failed = table["error_message"].filter(pc.equal(table["status"], FAILED))
    rejected = table["reject_reason"].drop_null() if "reject_reason" in table.column_names else failed.slice(0, 0)
    reasons = Counter[str]()
    for text, rows in (*_tally(failed), *_tally(rejected)):
        reasons[(text or "no reason given").splitlines()[0][:120]] += rows
    return dict(sorted((status or "", rows) for status, rows in _tally(table["status"]))), dict(sorted(reasons.items()))


def _tally(column: pa.ChunkedArray) -> list[tuple[str | None, int]]:
    """Each value and its rows."""
    counted = pc.value_counts(column)
    return list(zip(counted.field("values").to_pylist(), counted.field("counts").to_pylist(), strict=True))


def _columns_to_read(stage: Stage) -> list[str]:
    statuses = [f"{step}.status" for step in stage.needs]
    selection = [f"{stage.only}.keep"] if stage.only else []
    key = ["rows.key"] if any(ColumnRef.parse(ref).column == IMAGE for ref in stage.reads) else []
    return ["rows.uid", *key, "rows.status", *stage.reads, *statuses, *selection]


def _covered(store: Store, task: Task) -> pa.Array | None:
    """Which rows earlier parts of this unit have worked on."""
    if not task.own:
        return None
    status = read_columns(store, task.own, ["status"])["status"].combine_chunks()
    return pc.is_in(status, pa.array([SUCCESS, FAILED]))


def _status_before(stage: Stage, rows: pa.Table, covered: pa.Array | None) -> pa.Array:
    """Null for a row that is to be worked on; otherwise why it is not."""
    status = pa.nulls(rows.num_rows, pa.string())
    for step in stage.needs:
        upstream = rows[f"{step}.status"].combine_chunks()
        waiting = pc.equal(upstream, NOT_SELECTED)
        status = pc.if_else(waiting, NOT_SELECTED, status)
        broken = pc.and_(pc.not_equal(upstream, SUCCESS), pc.invert(waiting))
        status = pc.if_else(pc.and_(broken, pc.is_null(status)), FAILED_UPSTREAM, status)
    if stage.only:
        keep = pc.fill_null(rows[f"{stage.only}.keep"].combine_chunks(), False)
        status = pc.if_else(keep, status, NOT_SELECTED)
    return status if covered is None else pc.if_else(covered, NOT_SELECTED, status)


def _run(stage: Stage, annotate: Annotate, store: Store, task: Task, todo: pa.Table) -> pa.Table:
    """Stream the rows through the stage and check that it gave back as many, with the promised columns."""
    made = [_checked(stage, batch) for batch in annotate(_batches(stage, store, task, todo))]
    schema = pa.schema([*stage.writes, pa.field("error_message", pa.string())])
    table = pa.Table.from_batches(made, schema)
    if table.num_rows != todo.num_rows:
        raise ContractError(
            f"Stage {stage.name!r} gave back {table.num_rows} rows for {todo.num_rows} in shard {task.shards[0]}. "
            "Every row must come out once, in order, with nulls and an error_message where it could not be done."
        )
    return table


def _batches(stage: Stage, store: Store, task: Task, todo: pa.Table) -> Iterator[pa.RecordBatch]:
    images = [ref for ref in map(ColumnRef.parse, stage.reads) if ref.column == IMAGE]
    members = {ref.step: Members(store, task.inputs[ref.step][task.shards[0]]) for ref in images}
    names = list(dict.fromkeys(ref for ref in stage.reads if ColumnRef.parse(ref).column != IMAGE))
    for start in range(0, todo.num_rows, stage.batch_rows):
        part = todo.slice(start, stage.batch_rows).combine_chunks()
        columns = {"uid": part["rows.uid"], **{name: part[name] for name in names}}
        for step, tar in members.items():
            columns[f"{step}.{IMAGE}"] = pa.array(
                [tar.get(key) for key in part["rows.key"].to_pylist()], pa.large_binary()
            )
        yield from pa.table(columns).to_batches()


def _checked(stage: Stage, batch: pa.RecordBatch) -> pa.RecordBatch:
    missing = [name for name in stage.writes.names if name not in batch.schema.names]
    if missing:
        raise ContractError(f"Stage {stage.name!r} promised the column {missing[0]!r} but gave {batch.schema.names}.")
    errors = batch["error_message"] if "error_message" in batch.schema.names else pa.nulls(batch.num_rows, pa.string())
    arrays = [batch[field.name].cast(field.type) for field in stage.writes]
    return pa.record_batch(
        [*arrays, errors.cast(pa.string())],
        pa.schema([*stage.writes, pa.field("error_message", pa.string())]),
    )


def _scatter(stage: Stage, rows: pa.Table, status: pa.Array, todo: pa.Array, made: pa.Table) -> pa.Table:
    """Lay the made rows beside all rows of the shard: null columns and a status for those that were not worked on."""
    full = made if made.num_rows == rows.num_rows else _spread(made, todo, rows.num_rows)
    done = pc.if_else(pc.is_null(full["error_message"].combine_chunks()), SUCCESS, FAILED)
    final = pc.if_else(pc.is_null(status), done, status)
    columns = {name: full[name] for name in stage.writes.names}
    return pa.table({"uid": rows["rows.uid"], "status": final, "error_message": full["error_message"], **columns})


def _spread(made: pa.Table, todo: pa.Array, rows: int) -> pa.Table:
    """The made rows at their places among all, nulls between them."""
    if not made.num_rows:
        return pa.table({field.name: pa.nulls(rows, field.type) for field in made.schema})
    place = np.full(rows, -1)
    place[todo.to_numpy()] = np.arange(len(todo))
    return made.take(pa.array(place, mask=place < 0))
