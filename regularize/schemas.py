"""The store's tables, column by column. Free of torch.

Strings are plain, never dictionaries; every float is a double; what does not apply is null.
"""

from __future__ import annotations

import pyarrow as pa

SCHEMA_VERSION = "1"

RUNS = pa.schema(
    [
        ("run_id", pa.string()),
        ("phase", pa.string()),  # tune | report
        ("dataset", pa.string()),
        ("per_class", pa.int64()),  # null: all examples
        ("model", pa.string()),
        ("regularizer", pa.string()),
        ("strength", pa.string()),  # RunConfig.strength
        ("strength_value", pa.float64()),  # null where there is none or more than one
        ("seed", pa.int64()),
        ("pack_key", pa.string()),
        ("evaluation", pa.string()),  # Evaluation.text, by which it is to be measured
        ("planned", pa.bool_()),  # false: of an earlier version of the sweep file
        ("baseline", pa.bool_()),  # what the others are compared with; null in older stores
        ("config", pa.string()),  # RunConfig.to_json
    ]
)
METRICS = pa.schema(
    [
        ("run_id", pa.string()),
        ("epoch", pa.float64()),  # epochs completed, a part of one where training ends within it
        ("step", pa.int64()),  # optimizer steps completed
        ("split", pa.string()),  # train | validation | test; always without noise and dropout
        ("examples", pa.int64()),  # how many of the split: the same sample at every row, but all at the last
        ("loss", pa.float64()),  # mean cross-entropy, in nats
        ("accuracy", pa.float64()),  # in [0, 1]
        ("objective", pa.float64()),  # train only: mean of what was minimised since the row before
        ("seconds", pa.float64()),  # train only: training time so far, divided by the pack's runs
    ]
)
RESULTS = pa.schema(
    [
        ("run_id", pa.string()),
        ("state", pa.string()),  # done | diverged
        ("diverged_step", pa.int64()),  # the last one, where only what came of it was not finite
        ("penalty_gradient", pa.float64()),  # see regularize.effects; of several penalties the least
        ("did_nothing", pa.string()),  # techniques whose penalty was nothing against the cross-entropy
        ("epochs", pa.float64()),  # completed
        ("steps", pa.int64()),
        *(
            (f"{split}_{name}", pa.float64())
            for split in ("train", "validation", "test")
            for name in ("loss", "accuracy")  # mean cross-entropy, in nats, and share in [0, 1]
        ),
        ("train_examples", pa.int64()),  # that the training loss and accuracy are measured on
        ("test_brier", pa.float64()),  # mean Σ_k (p_k − y_k)², in [0, 2]
        ("test_ece", pa.float64()),  # expected calibration error, 15 bins of equal width
        ("test_ece_mass", pa.float64()),  # the same with bins of equal numbers of examples
        ("test_entropy", pa.float64()),  # mean, in nats
        ("test_confidence", pa.float64()),  # mean of the largest probability
        ("jacobian_norm", pa.float64()),  # mean ‖∂z/∂x‖_F over test examples; x as the network gets it
        ("jacobian_examples", pa.int64()),  # over how many
        ("sparsity", pa.float64()),  # share of weights (not biases) that are exactly 0
        ("weight_norm", pa.float64()),  # √Σ w², without biases
        ("spectral_norm_max", pa.float64()),  # of the layers' largest singular values
        ("spectral_norm_product", pa.float64()),
        ("operator_norm_product", pa.float64()),  # of the layers as operators; null unless asked for
        ("evaluation", pa.string()),  # Evaluation.text, by which it was measured
        ("parameters", pa.int64()),
        ("seconds", pa.float64()),  # the pack's training time divided by its runs
        ("evaluation_seconds", pa.float64()),  # the pack's time for all measurements divided by its runs
        ("pack_id", pa.string()),
        ("pack_runs", pa.int64()),
        ("world_size", pa.int64()),
        ("threads", pa.int64()),
        ("processor", pa.string()),
        ("device", pa.string()),
        ("code", pa.string()),  # 16 hex digits of what trained and measured it, see `code_identity`
        ("data", pa.string()),  # 16 hex digits of images, labels, class names and split
        ("torch", pa.string()),  # versions
        ("numpy", pa.string()),
        ("classes", pa.int64()),
        ("precision", pa.string()),
        ("kernels", pa.string()),  # of LeNet's stages: "fused <instructions>", or "torch: <why>"
        ("host", pa.string()),
        ("finished_at", pa.string()),  # UTC, ISO 8601
    ]
)
PREDICTIONS = pa.schema(
    [
        ("run_id", pa.string()),
        ("example", pa.int64()),  # row of the test split
        ("label", pa.int64()),
        ("logits", pa.list_(pa.float32())),  # one per class
    ]
)
SPECTRA = pa.schema(
    [
        ("run_id", pa.string()),
        ("layer", pa.string()),
        ("index", pa.int64()),  # 0: the largest
        ("value", pa.float64()),  # singular value of the weight as a matrix (out, in·k·k)
        ("operator_value", pa.float64()),  # of the layer as an operator on images; null unless asked for
    ]
)
ROBUSTNESS = pa.schema(
    [
        ("run_id", pa.string()),
        ("attack", pa.string()),  # noise | fgsm | pgd
        ("size", pa.float64()),  # in pixels of range [0, 1]; 0: the clean accuracy
        ("accuracy", pa.float64()),
        ("examples", pa.int64()),
        ("steps", pa.int64()),  # of PGD, and how far each goes; null for the others and at size 0
        ("step_size", pa.float64()),
        ("saturated", pa.int64()),  # examples without a cross-entropy gradient; null for noise
        ("correct", pa.string()),  # a 1 or 0 for each example, in the order that all runs have
    ]
)
CORRUPTIONS = pa.schema(
    [
        ("run_id", pa.string()),
        ("corruption", pa.string()),  # as its file is called
        ("severity", pa.int64()),  # 0: the same test images as they are
        ("accuracy", pa.float64()),
        ("examples", pa.int64()),
    ]
)
