"""scikit-learn: `fit` of an `MLPClassifier` by plain gradient descent, the whole data one batch."""

import warnings
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning  # pyright: ignore[reportMissingImports]
from sklearn.neural_network import MLPClassifier  # pyright: ignore[reportMissingImports]

from . import Problem, Program


def train(problem: Problem, steps: int) -> Program:
    kind: Any = MLPClassifier  # whose types allow no number for `batch_size`
    model = kind(
        problem.sizes[1:-1],
        activation="relu" if problem.classes else "logistic",
        solver="sgd",
        alpha=0,
        batch_size=len(problem.x),
        learning_rate_init=problem.rate,
        max_iter=steps,
        momentum=0,
        n_iter_no_change=steps,
        shuffle=False,
        tol=0,
        warm_start=True,
    )
    y = np.ravel(problem.y).astype(int)
    model.partial_fit(problem.x, y, classes=np.arange(max(2, problem.sizes[-1])))  # makes what `fit` goes on from

    def run():
        model.coefs_ = [w.copy() for w, _ in problem.params]
        model.intercepts_ = [b.copy() for _, b in problem.params]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # "Maximum iterations reached", as asked
            model.fit(problem.x, y)
        return model, np.asarray(model.loss_curve_[-steps:])

    return run
