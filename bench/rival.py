"""
What a user would do in Python instead, each way in a process of its own:

    rival.py linear expert|csv
    rival.py logistic expert|csv TOLERANCE
    rival.py scoring WEIGHTS        (JSON: intercept first)
    rival.py losses MODELS          (JSON: name -> weights, intercept first)

Prints one line of JSON.  Imports are not timed; connecting, fetching and fitting are.
"""
import io
import json
import resource
import statistics
import sys
import time

import numpy as np

import lib



def fetch_binary(query, first_width, width=lib.FEATURES):
    """
    The expert's way: COPY in binary, read in place by strides.  Returns the first column (an
    int4 or a float8: first_width bytes) and the matrix of the features, width of them.
    """
    connection = lib.connect()
    buffer = io.BytesIO()
    with connection.cursor() as cursor:
        cursor.copy_expert(f"COPY ({query}) TO STDOUT (FORMAT binary)", buffer)
    connection.close()
    raw = buffer.getbuffer()
    record = 2 + 4 + first_width + 12 * width
    rows = (len(raw) - len(lib.COPY_HEADER) - len(lib.COPY_TRAILER)) // record
    first_at = len(lib.COPY_HEADER) + 2 + 4
    first = np.ndarray((rows,), f">{'f' if first_width == 8 else 'i'}{first_width}", raw, first_at, (record,))
    features = np.ndarray((rows, width), ">f8", raw, first_at + first_width + 4, (record, 12))
    return first.astype(np.float64), features.astype(np.float64)


def copy_binary(table, rows):
    """Rows of COPY's binary form into a new table of a key and a number."""
    connection = lib.connect()
    lib.execute(connection, f"DROP TABLE IF EXISTS {table}")
    lib.execute(connection, f"CREATE UNLOGGED TABLE {table} (key int, prediction float8)")
    with connection.cursor() as cursor:
        cursor.copy_expert(f"COPY {table} FROM STDIN (FORMAT binary)",
                           io.BytesIO(lib.COPY_HEADER + rows.tobytes() + lib.COPY_TRAILER))
    connection.close()


def fetch_frame(query):
    """COPY csv into pandas.read_csv; only an empty field is missing."""
    import pandas
    connection = lib.connect()
    buffer = io.BytesIO()
    with connection.cursor() as cursor:
        cursor.copy_expert(f"COPY ({query}) TO STDOUT (FORMAT csv, HEADER)", buffer)
    connection.close()
    buffer.seek(0)
    return pandas.read_csv(buffer, keep_default_na=False, na_values=[""])


def fetch_csv(query):
    """The csv way to y and the features."""
    frame = fetch_frame(query)
    return frame["y"].to_numpy(), frame[lib.X]


def normal_equations(y, x):
    """Least squares by the normal equations of the centred columns: intercept first."""
    center = x.mean(axis=0)
    gram = x.T @ x - len(x) * np.outer(center, center)
    moment = x.T @ y - len(x) * center * y.mean()
    slope = np.linalg.solve(gram, moment)
    return np.concatenate(([y.mean() - center @ slope], slope))


def repeated(action):
    """Median of the seconds that action reports step by step, after one run that does not count."""
    action()
    runs = [action() for _ in range(lib.REPEATS)]
    result = dict(runs[-1])
    for step in ("fetch", "work", "seconds"):
        result[step] = statistics.median(run[step] for run in runs)
    result["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return result


def stepwise(fetch, work):
    """One end-to-end run: the seconds of fetching, of working, of both, and work's result."""
    begin = time.perf_counter()
    y, x = fetch()
    fetched = time.perf_counter()
    result = work(y, x)
    done = time.perf_counter()
    return {"fetch": fetched - begin, "work": done - fetched, "seconds": done - begin, "result": result}


def linear(way):
    """Linear regression over reg1m."""
    query = f"SELECT y, {lib.X_LIST} FROM reg1m"
    if way == "expert":
        return repeated(lambda: stepwise(lambda: fetch_binary(query, 8), lambda y, x: normal_equations(y, x).tolist()))
    from sklearn.linear_model import LinearRegression

    def work(y, x):
        model = LinearRegression().fit(x, y)
        return [float(model.intercept_), *map(float, model.coef_)]
    return repeated(lambda: stepwise(lambda: fetch_csv(query), work))


def logistic(way, tolerance):
    """Logistic regression by lbfgs over the training rows of cls1m."""
    from sklearn.linear_model import LogisticRegression
    query = f"SELECT y, {lib.X_LIST} FROM cls1m WHERE {lib.TRAINING_ROWS}"
    fetch = (lambda: fetch_binary(query, 4)) if way == "expert" else (lambda: fetch_csv(query))

    def work(y, x):
        model = LogisticRegression(tol=tolerance, max_iter=1000).fit(x, y)
        return [float(model.intercept_[0]), *map(float, model.coef_[0])]
    return repeated(lambda: stepwise(fetch, work))


def scoring(weights):
    """Fetch all rows of reg1m the expert's way and add up a linear model's predictions."""
    weights = np.array(weights)
    query = f"SELECT id, {lib.X_LIST} FROM reg1m"
    return repeated(lambda: stepwise(lambda: fetch_binary(query, 4),
                                     lambda y, x: float((weights[0] + x @ weights[1:]).sum())))


def losses(models):
    """
    For each model over cls1m: the objective that scikit-learn minimises (C = 1: the sum of the log
    losses plus half the squared length of the coefficients) per training row, and the mean log loss
    and the area under the curve on the held-out rows.
    """
    from sklearn.metrics import roc_auc_score
    parts = {}
    for part, condition in (("train", lib.TRAINING_ROWS), ("test", f"NOT ({lib.TRAINING_ROWS})")):
        parts[part] = fetch_binary(f"SELECT y, {lib.X_LIST} FROM cls1m WHERE {condition}", 4)
    result = {}
    for name, weights in models.items():
        weights = np.array(weights)

        def log_loss(y, x):
            margin = weights[0] + x @ weights[1:]
            return float(np.sum(np.logaddexp(0.0, margin) - y * margin)), margin
        train_loss, _ = log_loss(*parts["train"])
        test_loss, margin = log_loss(*parts["test"])
        result[name] = {
            "objective": (train_loss + 0.5 * float(weights[1:] @ weights[1:])) / len(parts["train"][0]),
            "held_out": test_loss / len(margin),
            "auc": float(roc_auc_score(parts["test"][0], margin))}
    return result


def main(arguments):
    """Dispatch on the first argument."""
    ways = {"linear": linear,
            "logistic": lambda way, tolerance: logistic(way, float(tolerance)),
            "scoring": lambda weights: scoring(json.loads(weights)),
            "losses": lambda models: losses(json.loads(models))}
    print(json.dumps(ways[arguments[0]](*arguments[1:])))


if __name__ == "__main__":
    main(sys.argv[1:])
