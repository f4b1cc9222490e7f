"""Logistic regression over the training rows of cls1m, beside scikit-learn's lbfgs to the same loss."""
import json

import lib

EXPERT_GOAL, CSV_GOAL = 2.5, 6
LOSS_TOLERANCE = 1e-6           # relative, of the training objective
TOLERANCES = ("1e-4", "1e-5", "1e-6", "1e-7", "1e-8")


def train(connection):
    """The training rows alone, with scikit-learn's penalty."""
    return lib.train(connection, "bench_logistic", "cls1m_train", "logistic_regression", {"split": "none"})


def rival_to_the_same_loss(ours):
    """
    scikit-learn's expert way at its default tolerance, or the loosest below it that comes as
    close to the minimum as ours does; with the losses of both.
    """
    for tolerance in TOLERANCES:
        expert = lib.rival("logistic", "expert", tolerance)
        losses = lib.rival("losses", json.dumps({"ours": ours, "scikit-learn": expert["result"]}))
        gap = losses["scikit-learn"]["objective"] / losses["ours"]["objective"] - 1.0
        if gap <= LOSS_TOLERANCE:
            break
    return tolerance, expert, losses


def run(figures):
    """End to end: from the table to the coefficients."""
    lib.section("logistic_regression, the training rows of cls1m (four fifths)")
    connection = lib.connect()
    trained, = lib.medians(lambda: train(connection))
    weights = lib.coefficients(connection, train(connection))
    tolerance, expert, losses = rival_to_the_same_loss([weights[f] for f in ["(intercept)", *lib.X]])
    csv = lib.rival("logistic", "csv", tolerance)
    for name, loss in losses.items():
        lib.note(f"{name}: training objective {loss['objective']:.9f}, held out: log loss {loss['held_out']:.6f},"
                 f" AUC {loss['auc']:.6f}")
    lib.ensure(losses["ours"]["objective"] <= losses["scikit-learn"]["objective"] * (1.0 + LOSS_TOLERANCE),
               "our training objective is above the rival's")
    for rival, goal, way in ((expert, EXPERT_GOAL, "COPY binary, lbfgs"), (csv, CSV_GOAL, "COPY csv, pandas, lbfgs")):
        lib.note(f"{way}, tolerance {tolerance}: fetch {rival['fetch']:.3f} s + fit {rival['work']:.3f} s,"
                 f" {rival['peak_mb']:.0f} MB")
        figures.times_faster(f"logistic ml_train : {way}", trained, rival["seconds"], goal)
    held_out, = lib.medians(lambda: lib.train(
        connection, "bench_logistic_split", "cls1m_split", "logistic_regression",
        {"split": "column", "column": "held_out"}))
    lib.note(f"ml_train over all rows with the fifth held out and scored: {held_out:.3f} s")
    connection.close()
