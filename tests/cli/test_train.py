import importlib.util
import json
import signal
from pathlib import Path

import jax
import numpy as np
import pytest

import jaxmlp
from jaxmlp import _cli, _init, _placement
from jaxmlp._cli import _train
from jaxmlp._cli._compared import Comparison, Parted
from jaxmlp._cli._dataset import dataset, GATES
from jaxmlp._cli._metrics import Metrics
from jaxmlp._cli._terminal import CommandError
from jaxmlp._run import _memory

from ..helpers import ACTIVATIONS, LOSSES
from ..run.problem import PARAMS, X, Y


@pytest.fixture(autouse=True)
def promotion():
    """A command runs with JAX as it comes; optax's adam mixes its float32 counter with float64."""
    with jax.numpy_dtype_promotion("standard"):
        yield


def train(capsys, *arguments):
    status = _cli.main(["train", *map(str, arguments)])
    printed = capsys.readouterr()
    return status, printed.out, printed.err


def test_the_choices_offered_are_those_there_are():
    assert set(_train.ACTIVATIONS) == {activation.name for activation in ACTIVATIONS}
    assert set(_train.LOSSES) == {loss.name for loss in LOSSES}
    assert set(_train.INITS) == set(_init._INITS)
    assert (_train.PLATFORMS, _train.DTYPES) == (_placement.PLATFORMS, _placement.DTYPES)
    assert set(GATES) == {"and", "or", "nand", "nor", "xor", "xnor"}


def test_xor_is_learned_and_shown_as_a_truth_table(capsys):
    status, out, err = train(capsys, "xor", "--steps", 500, "--set", "learning_rate=0.1")
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[:3] == [
        "data     xor: 4 examples, 2 inputs, 2 classes",
        "network  2-8-1, tanh, then sigmoid; bce; 33 parameters in float32",
        "training 500 steps of adam(learning_rate=0.1), the whole batch a step, seed 0; gradient by hand",
    ]
    assert lines[3].startswith("finished after 500 steps in ") and lines[4].endswith("accuracy 100.0% (4 of 4)")
    assert lines[5] == "x1  x2  target  output"
    assert [line.split()[:3] for line in lines[6:]] == [
        ["0", "0", "0"],
        ["0", "1", "1"],
        ["1", "0", "1"],
        ["1", "1", "0"],
    ]
    assert all(abs(float(line.split()[3]) - float(line.split()[2])) < 0.1 for line in lines[6:])


def test_every_loss_has_its_form_of_the_targets():
    gate = dataset("xor", target=None)
    np.testing.assert_array_equal(gate.targets("bce"), [[0], [1], [1], [0]])
    np.testing.assert_array_equal(gate.targets("softmax_cross_entropy"), [0, 1, 1, 0])
    digits = dataset("spirals:6", target=None)
    np.testing.assert_array_equal(digits.targets("bce_with_logits")[:, 0], digits.labels)
    assert dataset("parity:3", target=None).x.shape == (8, 3)


@pytest.mark.parametrize("loss", ("bce_with_logits", "mean_squared_error", "softmax_cross_entropy"))
def test_every_kind_of_loss_learns_and_counts(capsys, loss):
    options = ("--loss", loss, "--steps", 300, "--set", "learning_rate=0.1")
    status, out, _ = train(capsys, "xor", *options)
    assert status == 0 and "accuracy 100.0% (4 of 4)" in out


def test_an_ensemble_counts_those_that_solve_it(capsys, tmp_path):
    options = ("--seeds", 3, "--hidden", 3, "--steps", 60, "--chunk", 30, "--metrics", tmp_path / "m.jsonl")
    status, out, _ = train(capsys, "or", *options, "--set", "learning_rate=0.2")
    assert status == 0 and "seeds 0 to 2" in out and "3 of 3 have every example right; mean accuracy 100.0%" in out
    rows = [json.loads(line) for line in (tmp_path / "m.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [30, 60] and len(rows[0]["loss"]) == len(rows[0]["accuracy"]) == 3


def test_a_file_of_the_user(capsys, tmp_path):
    path = tmp_path / "flowers.csv"
    path.write_text("length,width,kind\n1,2,rose\n2,1,tulip\n1.1,2.2,rose\n2.2,0.9,tulip\n", encoding="utf-8")
    status, out, _ = train(capsys, path, "--steps", 100)
    assert status == 0 and "a header; to predict: kind, 2 classes (rose, tulip)" in out and "(4 of 4)" in out
    np.savez(tmp_path / "curve.npz", x=np.arange(4.0)[:, None] / 4, y=np.arange(4.0) ** 2 / 16)
    status, out, _ = train(capsys, tmp_path / "curve.npz", "--steps", 100, "--dtype", "float64")
    assert status == 0 and "half_squared_error" in out and "in float64" in out and "accuracy" not in out


def test_a_training_is_resumed_and_its_metrics_are_those_of_one(capsys, tmp_path):
    pytest.importorskip("orbax.checkpoint")
    options = ("xor", "--batch-size", 2, "--chunk", 10)
    saved = ("--checkpoint", tmp_path / "c", "--metrics", tmp_path / "m.jsonl")
    status, out, _ = train(capsys, *options, "--steps", 20, *saved)
    assert status == 0 and f"saved in {tmp_path / 'c'} at step 20." in out
    with (tmp_path / "m.jsonl").open("a") as file:
        file.write('{"step": 30, "lo')  # killed in the middle of a line
    status, out, _ = train(capsys, *options, "--steps", 40, *saved, "--resume")
    assert status == 0 and "went on from step 20" in out
    status, _, _ = train(capsys, *options, "--steps", 40, "--metrics", tmp_path / "whole.jsonl")
    resumed, whole = (
        [{k: v for k, v in json.loads(line).items() if k != "seconds"} for line in file.read_text().splitlines()]
        for file in (tmp_path / "m.jsonl", tmp_path / "whole.jsonl")
    )
    assert resumed == whole and [row["step"] for row in whole] == [10, 20, 30, 40]
    status, _, err = train(capsys, *options, "--steps", 40, *saved)
    assert status == 2 and "holds a training of 40 steps: add --resume to go on with it, or name another folder" in err


@pytest.mark.usefixtures("usual_signals")
def test_ctrl_c_ends_it_with_a_word(capsys, monkeypatch):
    measured = []

    def interrupting(*args):
        measured.append(signal.raise_signal(signal.SIGINT))

    monkeypatch.setattr(Comparison, "__call__", interrupting)
    status, out, _ = train(capsys, "xor", "--steps", 500, "--chunk", 100, "--gradient", "both")
    assert (status, len(measured)) == (130, 1) and "interrupted after 100 steps" in out


def test_it_stops_below_a_loss(capsys):
    options = ("--steps", 1000, "--chunk", 50, "--stop-below", "0.1", "--set", "learning_rate=0.1")
    status, out, _ = train(capsys, "or", *options)
    assert status == 0 and "stopped after " in out


def test_a_training_that_diverges_is_explained(capsys, monkeypatch):
    options = ("--loss", "mean_squared_error", "--optimizer", "sgd", "--set", "learning_rate=1e30")
    status, out, _ = train(capsys, "xor", *options)
    assert status == 1 and "not finite after 1 step" in out and "The first NaN" in out and "in step 2" in out


@pytest.mark.skipif(importlib.util.find_spec("matplotlib") is None, reason="matplotlib is an extra")
@pytest.mark.parametrize("suffix", ("png", "svg"))
def test_the_plot_is_a_picture(capsys, tmp_path, suffix):
    path = tmp_path / f"loss.{suffix}"
    status, _, _ = train(capsys, "and", "--steps", 20, "--plot", path)
    assert status == 0 and path.read_bytes().startswith(b"\x89PNG" if suffix == "png" else b"<?xml")


# The two gradients, compared.


def test_by_hand_and_by_autodiff_agree_along_a_training(capsys):
    status, out, _ = train(capsys, "xor", "--steps", 40, "--chunk", 20, "--gradient", "both")
    assert status == 0 and "compared with autodiff" in out
    by_hand = train(capsys, "xor", "--steps", 40)[1].splitlines()[4]
    assert by_hand == train(capsys, "xor", "--steps", 40, "--gradient", "autodiff")[1].splitlines()[4]


def test_where_they_part_it_stops_with_a_report(capsys, monkeypatch):
    def wrong(params, *batch, **options):
        loss, grads = right(params, *batch, **options)
        return loss, (grads[0]._replace(w=-grads[0].w), *grads[1:])

    right = jaxmlp.loss_and_grads
    monkeypatch.setattr(jaxmlp, "loss_and_grads", wrong)
    status, out, _ = train(capsys, "xor", "--steps", 40, "--chunk", 20, "--gradient", "both")
    assert status == 1 and "The gradient by hand and that of autodiff part." in out and "1 of 4 leaves" in out


def test_a_wrong_gradient_is_told_apart_and_a_right_one_is_not():
    right = jaxmlp.loss_and_grads
    Comparison(jaxmlp.loss_value, right, (X, Y), ensemble=False)(PARAMS)

    def wrong(params, *batch):
        loss, grads = right(params, *batch)
        return loss, (grads[0]._replace(w=grads[0].w * (1 + 1e-6)), *grads[1:])

    with pytest.raises(Parted, match=r"part\.\n.*is wrong: 1 of 4 leaves") as parted:
        Comparison(jaxmlp.loss_value, wrong, (X, Y), ensemble=False)(PARAMS)
    assert [leaf.path for leaf in parted.value.report.leaves if not leaf.ok] == ["0.w"]
    members = jax.tree.map(lambda leaf: np.stack([leaf, 2 * leaf]), jax.device_get(PARAMS))
    with pytest.raises(Parted):
        Comparison(jaxmlp.loss_value, wrong, (X, Y), ensemble=True)(members)


# Errors.


@pytest.mark.parametrize(
    ("arguments", "message"),
    (
        (
            ["qwe"],
            "there is no data set qwe. Choose from and, or, nand, nor, xor, xnor, parity:BITS, spirals, digits, ",
        ),
        (["parityy:3"], "there is no data set parityy:3. Did you mean parity? Choose from"),
        (["spirals:x"], "spirals:x must have a whole number from 2 to 10000000 behind the colon, as spirals:500."),
        (["none.csv"], "there is no file none.csv."),
        (["parity:x"], "parity:x must have a whole number from 1 to 16 behind the colon"),
        (["parity"], "parity must have a whole number from 1 to 16"),
        (["xor", "--target", "y"], "--target names a column of a .csv file, and there is none."),
        (["xor", "--batch-size", "9"], "--batch-size is 9, but xor has 4 examples."),
        (["xor", "--resume"], "--resume needs --checkpoint DIR"),
        (["xor", "--plot", "loss.txt"], "--plot loss.txt must end in .png, .svg or .pdf."),
        (["xor", "--metrics", "none/m.jsonl"], "cannot write none/m.jsonl: there is no directory none."),
        (["xor", "--optimizer", "adamm"], "optax has no function adamm. Did you mean adam?"),
        (["xor", "--devices", "999"], "--devices is 999, but JAX has "),
        (
            ["spirals:9", "--loss", "mean_squared_error", "--activation", "relu", "--platform", "tpu"],
            "JAX has no tpu device",
        ),
    ),
)
def test_wrong_usage_is_a_sentence_and_status_2(capsys, arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, out, err = train(capsys, *arguments)
    assert (status, out) == (2, "") and err.startswith("jaxmlp: ") and message in err and err.count("\n") == 1


@pytest.mark.parametrize(
    ("arrays", "message"),
    (
        (dict(x=np.zeros((3, 2))), "must hold the arrays x and y, and y is missing: it has ['x']."),
        (dict(x=np.zeros((3, 2)), y=np.zeros(4)), "x of shape (3, 2) and y of shape (4,) must be (n, inputs) and (n,)"),
        (dict(x=np.array([[1.0], [np.nan]]), y=np.zeros(2)), "x[1, 0] is missing or infinite."),
        (dict(x=np.zeros((2, 1)), y=np.array(["a", "b"])), "y has dtype <U1, but must hold numbers."),
        (dict(x=np.zeros((2, 1)), y=np.array([None, 1])), "is no .npz file of plain arrays"),
    ),
)
def test_arrays_that_cannot_be_used_are_refused_with_a_sentence(tmp_path, arrays, message):
    np.savez(tmp_path / "data.npz", **arrays)
    with pytest.raises(CommandError) as refused:
        dataset(str(tmp_path / "data.npz"), target=None)
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("data", "loss", "message"),
    (
        ("digits", "bce", "digits has 10 classes, and --loss bce is for two: take softmax_cross_entropy."),
        ("curve.npz", "softmax_cross_entropy", "curve.npz has numbers for targets, and --loss softmax_cross_entropy"),
    ),
)
def test_a_loss_that_does_not_fit_the_data_is_refused(tmp_path, data, loss, message):
    np.savez(tmp_path / "curve.npz", x=np.zeros((2, 1)), y=np.array([0.5, 0.25]))
    spec = data if Path(data).suffix == "" else str(tmp_path / data)
    with pytest.raises(CommandError) as refused:
        dataset(spec, target=None).targets(loss)
    assert message in str(refused.value)


def test_metrics_are_strict_json(tmp_path):
    history = jaxmlp.History(
        np.zeros(2), np.array([2]), {"loss": np.array([np.nan]), "each": np.array([[1.0, np.inf]])}
    )
    with Metrics(tmp_path / "m.jsonl", resume=False) as metrics:
        metrics.write(history)
    row = json.loads((tmp_path / "m.jsonl").read_text(), parse_constant=pytest.fail)
    assert (row["step"], row["loss"], row["each"]) == (2, None, [1.0, None])


@pytest.mark.parametrize(
    ("arguments", "said"),
    (
        (("xor", "--hidden", "300000,300000"), "at least 2.0 TiB of memory, and 8.0 GiB are free"),
        (("xor", "--seeds", 2 * 10**9), "Make the ensemble smaller."),
        (("xor", "--steps", 10**13), "the losses of 10,000,000,000,000 steps take 36 TiB of memory"),
        (("parity:16", "--hidden", 10**6), "Make the batch smaller."),
    ),
)
def test_what_does_not_fit_into_memory_is_refused_at_once(arguments, said, capsys, monkeypatch):
    monkeypatch.setattr(_memory, "_free_here", lambda: 8 * 2**30)
    monkeypatch.setattr(_memory, "_free", lambda devices: _memory._free_here())  # wherever the state lies
    status, out, err = train(capsys, *arguments)
    assert (status, out) == (2, "") and said in err and err.count("\n") == 1


def test_a_device_that_runs_out_of_memory_after_all_is_said_in_a_sentence(capsys, monkeypatch):
    def full(*_, **__):
        raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 8 bytes.\nBufferAssignment: ...")

    monkeypatch.setattr(jaxmlp, "run", full)
    status, _, err = train(capsys, "xor")
    assert status == 2 and err == "jaxmlp: the device has not enough memory: Out of memory allocating 8 bytes.\n"
