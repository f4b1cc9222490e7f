"""What the figures of trees share: the same settings for everybody, the engine alone, the rivals, the rows in files."""
import json
import os
import sys
import tempfile

import numpy as np

import lib
import rival
import tables

# What is equal for all: rounds, leaves, rate, bins, the fewest rows of a leaf, the penalty, all rows, all columns; of
# categories no penalty of their own, and 10 rows of a level, which are fixed in HistGradientBoosting.
SETTINGS = {"rounds": 100, "leaves": 31, "rate": 0.1, "bins": 255, "min_rows": 20, "l2": 0.0, "rows": 1.0,
            "columns": 1.0, "level_l2": 0.0, "level_rows": 10}
OURS = {"rounds": "n_estimators", "leaves": "max_leaf_nodes", "rate": "learning_rate", "bins": "max_bins",
        "min_rows": "min_samples_leaf", "min_hessian": "min_child_weight", "l2": "l2",
        "rows": "subsample", "columns": "colsample_bytree", "level_l2": "cat_l2",
        "level_rows": "min_samples_category"}
LIBRARIES = {"lightgbm": "LightGBM", "xgboost": "XGBoost", "hist": "HistGradientBoosting"}
FEATURES = {"cls1m": lib.X, "cls200k_100": tables.WIDE, "churn200k": tables.CHURN_FEATURES}
ALGORITHM = "gradient_boosting"


def ours(settings):
    """Settings in our words, as JSON."""
    return json.dumps({OURS.get(name, name): value for name, value in settings.items()})


def offered(connection, algorithm):
    """Does the extension have this algorithm?"""
    return lib.value(connection, "SELECT count(*) FROM ml_algorithms() a WHERE a.name = %s", (algorithm,)) > 0


def features_array(names):
    """An array of column names in SQL."""
    return "ARRAY[" + ", ".join(f"'{name}'" for name in names) + "]"


def train(connection, name, source, table, settings, algorithm=ALGORITHM):
    """ml_train over a source with the columns of a table, nothing held out."""
    return lib.train(connection, name, source, algorithm, {"split": "none"},
                     features=features_array(FEATURES[table]), params=ours(settings))


class Engine(lib.Worker):
    """bench/engine.c: learning and scoring on data in memory, without a server."""

    def __init__(self):
        super().__init__([os.environ["BENCH_ENGINE"]])

    def load(self, rows):
        """Rows from a file."""
        self.ask(f"load {rows.classes} {rows.count} {rows.columns} {rows.path}")

    def fit(self, settings, algorithm=ALGORITHM, threads=lib.THREADS):
        """Learn; seconds, seconds until the first tree, bytes."""
        return self.ask(f"fit {threads} {algorithm} {ours(settings)}")

    def score(self, threads=lib.THREADS):
        """Score all rows."""
        return self.ask(f"score {threads}")


class Rival(lib.Worker):
    """bench/tree_rivals.py with one library; missing tells that Python cannot import it."""

    def __init__(self, library, threads):
        environment = {**lib.rival_environment(), "OMP_NUM_THREADS": str(threads)}
        super().__init__([sys.executable, os.path.join(lib.HERE, "tree_rivals.py"), library, str(threads)], environment)
        self.missing = json.loads(self.process.stdout.readline())["missing"]

    def do(self, command, **arguments):
        """One command of the session over there."""
        return self.ask(json.dumps({"do": command, **arguments}))

    def load(self, rows):
        """Rows from a file."""
        self.do("load", path=rows.path, rows=rows.count, columns=rows.columns, classes=rows.classes)


class Rivals(dict):
    """Library -> Rival for those that can be imported; the others are named once a run."""

    named = set()

    def __init__(self, libraries=tuple(LIBRARIES), threads=lib.THREADS):
        super().__init__()
        for library in libraries:
            opened = Rival(library, threads)
            if not opened.missing:
                self[library] = opened
                continue
            opened.__exit__()
            if library not in self.named:
                self.named.add(library)
                lib.note(f"Python cannot import {library}: no figures beside {LIBRARIES.get(library, library)}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for opened in self.values():
            opened.__exit__()


class Rows:
    """Rows in a file: columns of doubles one after the other, the target last."""

    def __init__(self, columns, y, classes):
        self.count, self.columns, self.classes = len(y), len(columns), classes
        handle, self.path = tempfile.mkstemp(prefix="bench-rows.")
        with os.fdopen(handle, "wb") as file:
            np.ascontiguousarray(columns).tofile(file)
            y.tofile(file)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.unlink(self.path)


def numbers(table, condition=lib.TRAINING_ROWS):
    """Rows of a table of numbers and an integer target."""
    names = FEATURES[table]
    y, x = rival.fetch_binary(f"SELECT y, {', '.join(names)} FROM {table} WHERE {condition}", 4, len(names))
    return Rows(x.T, y, 2)


def frame_query(connection, source, skip=()):
    """
    A table as Python wants it: booleans and moments as numbers.  Returns the query without condition and the
    names of the columns that are categories.
    """
    columns = lib.execute(connection, "SELECT attname, atttypid::regtype::text FROM pg_attribute"
                                      " WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped"
                                      " ORDER BY attnum", (source,))
    expressions, categories = [], []
    for name, kind in columns:
        if name in skip:
            continue
        column = f'"{name}"'
        if kind == "boolean":
            column = f"{column}::int AS {column}"
        elif kind.startswith("timestamp"):
            column = f"extract(epoch FROM {column}) AS {column}"
        elif kind == "text":
            categories.append(name)
        expressions.append(column)
    return f"SELECT {', '.join(expressions)} FROM {source}", categories
