"""The store's tables, column by column. Free of torch.

Strings are plain, never dictionaries; every float is a double; what does not apply is null.
"""

from __future__ import annotations

import pyarrow as pa

SCHEMA_VERSION = "1"

RUNS = pa.schema(
    [
        ("run_id", pa.string()),  # 16 hex digits: a hash of what affects the result
        ("phase", pa.string()),  # tune: for the choice of strengths; report: what is concluded from
        ("dataset", pa.string()),  # its name in the sweep
        ("per_class", pa.int64()),  # null: all examples
        ("model", pa.string()),  # as the sweep has it, with what it lists under `training`: mlp lr=0.05
        ("regularizer", pa.string()),  # the sweep's name for the entry
        ("strength", pa.string()),  # the chosen or tried one as text: 0.01, or l1=1e-05 l2=0.0001
        ("strength_value", pa.float64()),  # null where there is none or more than one
        ("seed", pa.int64()),  # of initial weights, split, order and every draw
        ("pack_key", pa.string()),  # runs with equal keys can train side by side
        ("evaluation", pa.string()),  # by which it is to be measured, as JSON
        ("planned", pa.bool_()),  # false: of an earlier version of the sweep file
        ("baseline", pa.bool_()),  # what the others are compared with; null in older stores
        ("repetition", pa.int64()),  # of choosing and reporting, 0 where there is one; null in older stores
        ("config", pa.string()),  # the whole configuration, as JSON
    ]
)
METRICS = pa.schema(
    [
        ("run_id", pa.string()),  # whose row it is
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
        ("run_id", pa.string()),  # whose row it is
        ("state", pa.string()),  # done | diverged
        ("diverged_step", pa.int64()),  # the last one, where only what came of it was not finite
        ("stopped_step", pa.int64()),  # the last one of a run that a technique ended before the others
        ("penalty_gradient", pa.float64()),  # see regularize.effects; of several penalties the least
        ("did_nothing", pa.string()),  # techniques whose penalty was nothing against the cross-entropy
        ("evaluated", pa.string()),  # which weights: the trained ones, or those of a technique, such as ema
        ("epochs", pa.float64()),  # completed
        ("steps", pa.int64()),  # completed
        ("train_loss", pa.float64()),  # mean cross-entropy at the end, in nats, without noise and dropout
        ("train_accuracy", pa.float64()),  # share in [0, 1]
        ("validation_loss", pa.float64()),  # the same of the validation part
        ("validation_accuracy", pa.float64()),  # strengths are chosen by its mean, unless told otherwise
        ("test_loss", pa.float64()),  # the same of the test part; null in runs measured for a choice alone
        ("test_accuracy", pa.float64()),  # what conclusions are drawn by unless a metric is named
        ("train_examples", pa.int64()),  # that the training loss and accuracy are measured on
        ("test_brier", pa.float64()),  # mean Σ_k (p_k − y_k)², in [0, 2]
        ("test_ece", pa.float64()),  # expected calibration error, 15 bins of equal width
        ("test_ece_mass", pa.float64()),  # the same with bins of equal numbers of examples
        ("temperature", pa.float64()),  # that logits are divided by, fitted on the validation split
        ("test_ece_scaled", pa.float64()),  # test_ece at that temperature
        ("test_ece_mass_scaled", pa.float64()),  # test_ece_mass at that temperature
        ("test_entropy", pa.float64()),  # mean, in nats
        ("test_confidence", pa.float64()),  # mean of the largest probability
        ("jacobian_norm", pa.float64()),  # mean ‖∂z/∂x‖_F over test examples; x as the network gets it
        ("jacobian_examples", pa.int64()),  # over how many
        ("sparsity", pa.float64()),  # share of weights (not biases) that are exactly 0
        ("weight_norm", pa.float64()),  # √Σ w², without biases
        ("spectral_norm_max", pa.float64()),  # of the layers' largest singular values
        ("spectral_norm_product", pa.float64()),  # of the same
        ("operator_norm_product", pa.float64()),  # of the layers as operators; null unless asked for
        ("evaluation", pa.string()),  # by which it was measured, as JSON
        ("parameters", pa.int64()),  # how many numbers were trained
        ("seconds", pa.float64()),  # as long as training took, divided by the pack's runs
        ("core_seconds", pa.float64()),  # of work in training, of all ranks, divided by the pack's runs
        ("evaluation_seconds", pa.float64()),  # the pack's time for all measurements divided by its runs
        ("pack_id", pa.string()),  # the pack that it trained in
        ("pack_runs", pa.int64()),  # how many runs that had
        ("world_size", pa.int64()),  # ranks that trained it together, at its end
        ("threads", pa.int64()),  # of each, at its end
        ("ranks", pa.string()),  # ranks x threads of each: 3x1, or 3x1+2x1 if it went on with two
        ("processor", pa.string()),  # its name, or a+b if it went on with another; likewise:
        ("device", pa.string()),  # cpu, or a GPU's name
        ("code", pa.string()),  # 16 hex digits of what trained and measured it, see `code_identity`
        ("data", pa.string()),  # 16 hex digits of images, labels, class names and split
        ("torch", pa.string()),  # its version
        ("numpy", pa.string()),  # its version
        ("classes", pa.int64()),  # of the data set
        ("training_size", pa.int64()),  # how many examples it learned from
        ("validation_size", pa.int64()),  # how many were held out to choose strengths by
        ("test_size", pa.int64()),  # how many conclusions are drawn from
        ("precision", pa.string()),  # of the training
        ("kernels", pa.string()),  # "fused <instructions>" or "torch: <why>"; on a GPU also what draws noise
        ("host", pa.string()),  # name of the machine
        ("finished_at", pa.string()),  # UTC, ISO 8601
    ]
)
PREDICTIONS = pa.schema(
    [
        ("run_id", pa.string()),  # whose row it is
        ("example", pa.int64()),  # row of the test split
        ("label", pa.int64()),  # the true class
        ("logits", pa.list_(pa.float32())),  # one per class
        ("jacobian_norm", pa.float64()),  # ‖∂z/∂x‖_F; null where this example's was not measured
    ]
)
SPECTRA = pa.schema(
    [
        ("run_id", pa.string()),  # whose row it is
        ("layer", pa.string()),  # its name
        ("index", pa.int64()),  # 0: the largest
        ("value", pa.float64()),  # singular value of the weight as a matrix (out, in·k·k)
        ("operator_value", pa.float64()),  # of the layer as an operator on images; null unless asked for
    ]
)
ROBUSTNESS = pa.schema(
    [
        ("run_id", pa.string()),  # whose row it is
        ("attack", pa.string()),  # noise | fgsm | pgd
        ("size", pa.float64()),  # in pixels of range [0, 1]; 0: the clean accuracy
        ("accuracy", pa.float64()),  # share in [0, 1] under that attack
        ("examples", pa.int64()),  # how many were attacked
        ("steps", pa.int64()),  # of PGD; null for the others and at size 0
        ("step_size", pa.float64()),  # how far each of them goes, in pixels; null likewise
        ("saturated", pa.int64()),  # examples without a cross-entropy gradient; null for noise
        ("correct", pa.string()),  # a 1 or 0 for each example, in the order that all runs have
    ]
)
CORRUPTIONS = pa.schema(
    [
        ("run_id", pa.string()),  # whose row it is
        ("corruption", pa.string()),  # as its file is called
        ("severity", pa.int64()),  # 0: the same test images as they are
        ("accuracy", pa.float64()),  # share in [0, 1]
        ("examples", pa.int64()),  # how many were classified
        ("content", pa.int64()),  # a hash of these images and labels, 48 bits; null at severity 0
        ("correct", pa.string()),  # a 1 or 0 for each example, the same ones in all rows
    ]
)
