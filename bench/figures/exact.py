"""
Digits of agreement with the exact answers of NIST's StRD linear problems.

The problems (data, and answers in rational arithmetic) are in test/data/nist; powers are formed in
rational arithmetic and rounded once, so that every method starts from the same doubles.
"""
import csv
import json
import math
import os
from fractions import Fraction

import numpy as np

import lib

FOLDER = os.path.join(lib.HERE, os.pardir, "test", "data", "nist")
NINE_DIGITS = ("longley", "wampler1", "wampler2", "wampler3", "wampler4", "wampler5")
GOAL = 9.0
QR_ORDERS = 100
MOST_DIGITS = 15.0              # what is certified and what a double can hold


def problem(name, exact):
    """The target and the feature matrix of one problem."""
    with open(os.path.join(FOLDER, f"{name}.csv"), encoding="ascii") as lines:
        rows = list(csv.reader(lines))
    head, rows = rows[0], rows[1:]
    y = [float(row[0]) for row in rows]
    if exact["degree"]:
        x = [[float(Fraction(row[1]) ** k) for k in range(1, exact["degree"] + 1)] for row in rows]
    else:
        x = [[float(v) for v in row[1:len(head)]] for row in rows]
    return np.array(y), np.array(x)


def digits(found, exact):
    """The log relative error of the worst coefficient, at most MOST_DIGITS."""
    worst = MOST_DIGITS
    for estimate, truth in zip(found, exact):
        if estimate is None or not math.isfinite(estimate):
            return 0.0
        error = abs(estimate - truth) / abs(truth)
        worst = min(worst, MOST_DIGITS if error == 0.0 else -math.log10(error))
    return max(worst, 0.0)


def design(x, intercept):
    """The matrix with its column of ones when the problem has an intercept."""
    return np.column_stack([np.ones(len(x)), x]) if intercept else x


def numpy_qr(y, x, intercept):
    """Householder QR in double precision (LAPACK)."""
    q, r = np.linalg.qr(design(x, intercept))
    return np.linalg.solve(r, q.T @ y)


def qr_digits(y, x, intercept, truth):
    """
    The digits of QR in double precision, rows as they come, and the fewest that it gives when the
    rows come in other orders: on hard problems the order of the additions alone moves a digit.
    """
    rng = np.random.default_rng(1)
    orders = [rng.permutation(len(y)) for _ in range(QR_ORDERS)]
    as_given = digits(numpy_qr(y, x, intercept), truth)
    return as_given, min([as_given] + [digits(numpy_qr(y[o], x[o], intercept), truth) for o in orders])


def numpy_lstsq(y, x, intercept):
    """numpy.linalg.lstsq at the smallest cut-off it has."""
    return np.linalg.lstsq(design(x, intercept), y, rcond=None)[0]


def scikit(y, x, intercept):
    """LinearRegression as it comes."""
    from sklearn.linear_model import LinearRegression
    model = LinearRegression(fit_intercept=intercept).fit(x, y)
    return ([model.intercept_] if intercept else []) + list(model.coef_)


def ours(connection, y, x, intercept, by_train):
    """Our coefficients, by ml_train on a table or by ml_fit on the same rows."""
    names = [f"x{i}" for i in range(1, x.shape[1] + 1)]
    columns = ", ".join(f"{name} float8" for name in names)
    params = json.dumps({"fit_intercept": intercept})
    lib.execute(connection, "DROP TABLE IF EXISTS nist_problem")
    lib.execute(connection, f"CREATE TABLE nist_problem (y float8, {columns})")
    for target, row in zip(y, x):
        lib.execute(connection, f"INSERT INTO nist_problem VALUES ({', '.join(['%s'] * (len(row) + 1))})",
                    (float(target), *map(float, row)))
    if by_train:
        features = "ARRAY[" + ", ".join(f"'{name}'" for name in names) + "]"
        trained = lib.train(connection, "bench_nist", "nist_problem", "linear_regression", {"split": "none"},
                            features=features, params=params)
        found = lib.coefficients(connection, trained)
        values = [found.get(name) for name in (["(intercept)"] if intercept else []) + names]
    else:
        rows = lib.execute(connection, "SELECT estimate FROM ml_coefficients((SELECT ml_fit('linear_regression',"
                                       f" %s, y, {', '.join(names)}) FROM nist_problem))", (params,))
        values = [row[0] for row in rows][0 if intercept else -len(names):]
    lib.execute(connection, "DROP TABLE nist_problem")
    return values


def run(figures):
    """Every problem by every method; what QR in double cannot solve to the goal is held to QR."""
    lib.section("digits of agreement with the exact answers, worst coefficient")
    connection = lib.connect()
    with open(os.path.join(FOLDER, "exact.json"), encoding="ascii") as text:
        answers = json.load(text)
    for name, exact in sorted(answers.items()):
        y, x = problem(name, exact)
        intercept, truth = exact["intercept"], exact["coef"]
        qr, fewest = qr_digits(y, x, intercept, truth)
        svd, sk = [digits(method(y, x, intercept), truth) for method in (numpy_lstsq, scikit)]
        trained, fitted = [digits(ours(connection, y, x, intercept, way), truth) for way in (True, False)]
        goal = GOAL if name in NINE_DIGITS else min(GOAL, fewest)
        figures.add(f"digits {name}", f"{trained:.1f} ml_train, {fitted:.1f} ml_fit",
                    f"{qr:.1f} QR (at worst {fewest:.1f}), {svd:.1f} lstsq, {sk:.1f} scikit-learn", f"{min(trained, fitted) - qr:+.1f} to QR",
                    f">= {goal:.1f}", min(trained, fitted) >= goal, timed=False)
    connection.close()
