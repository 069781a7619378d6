"""What a fork of `forked.py` need not load and work out once more: commands, torch, which code this is."""

import gc
from importlib import import_module

from regularize.code_identity import code_of

for name in (
    "analysis.statistics.comparison_table",
    "analysis.text.conclusions",
    "jobs.commands.job_commands",
    "jobs.commands.result_commands",
    "jobs.commands.submit",
    "jobs.commands.sweep_commands",
    "jobs.remote.run_there",
    "jobs.status.plan_and_status_text",
    "jobs.verification.train_again",
    "pyarrow.pandas_compat",
    "regularize.fused.kernels",
    "regularize.measure_again",
    "regularize.models.mlp",
    "regularize.regularizers.l2",
    "regularize.train_pack",
    "rich._emoji_codes",
    "sklearn.datasets",
    "tests.faults.forked",
    "torch._dynamo",  # for the first optimizer
):
    import_module(name)

assert code_of("mlp").name
gc.collect()
gc.freeze()  # as every worker does, which takes long where much is loaded
