"""Units that kill their workers: set aside with every row accounted for, so that the run goes on and says so."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import MachineError
from pipeline.executor import Died
from pipeline.parts import read_shard
from pipeline.plan import Plan
from pipeline.rows import QUARANTINED
from pipeline.stage import Stage
from pipeline.step import Entry, Outcome, Step


def quarantine(plan: Plan, step: Step, died: Died) -> Entry:
    """Commit a part in which no row was worked on and each says why.

    Raises:
        MachineError: for a step whose units are not rows: nothing downstream could go on without it.
    """
    if not isinstance(step, Stage):
        raise MachineError(
            f"Step {step.name!r} lost its worker on unit {died.task.unit} again and again ({died.reason}). "
            "Look at the memory and the logs of the node, give the step more resources, and run again."
        )
    with TemporaryDirectory() as folder:
        path = Path(folder) / "part.parquet"
        rows = read_shard(plan.store, died.task, died.task.shards[0], ["rows.uid"]).num_rows
        pq.write_table(_nothing(plan, step, died), path)
        reasons = {f"quarantined: {died.reason}"[:120]: rows}
        return plan.ledger.commit(step, died.task, Outcome({"parquet": path}, rows, {QUARANTINED: rows}, reasons))


def _nothing(plan: Plan, step: Stage, died: Died) -> pa.Table:
    uids = read_shard(plan.store, died.task, died.task.shards[0], ["rows.uid"])["rows.uid"]
    account = {"uid": uids, "status": [QUARANTINED] * len(uids), "error_message": [died.reason] * len(uids)}
    return pa.table(account | {field.name: pa.nulls(len(uids), field.type) for field in step.writes})
