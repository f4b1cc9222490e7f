"""
scikit-learn's preparation, in a process of its own:

    prep_rivals.py

Reads commands, one line of JSON each ("do" and its arguments), and answers each with a line of JSON.  Imports are
not timed.
"""
import contextlib
import json
import os
import sys
import tempfile
import time

import joblib
import numpy as np
import pandas
from sklearn.compose import ColumnTransformer
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (KBinsDiscretizer, MinMaxScaler, OneHotEncoder, PowerTransformer, QuantileTransformer,
                                   RobustScaler, StandardScaler)

import rival

# The categories that our default keeps.
MIN_FREQUENCY = 0.001


def timed(action):
    """Seconds and the result."""
    begin = time.perf_counter()
    result = action()
    return time.perf_counter() - begin, result


def step(name):
    """What comes nearest to a step of ours, on numbers."""
    return {"standard": StandardScaler, "minmax": MinMaxScaler, "robust": RobustScaler,
            "quantiles": lambda: KBinsDiscretizer(10, encode="ordinal", strategy="quantile"),
            "uniform": lambda: KBinsDiscretizer(10, encode="ordinal", strategy="uniform"),
            "ranks": lambda: QuantileTransformer(n_quantiles=10),
            "box_cox": lambda: PowerTransformer("box-cox"),
            "yeo_johnson": lambda: PowerTransformer("yeo-johnson")}[name]()


class Session:
    """The columns, in all forms that pandas has for them, and the matrix made last."""

    def __init__(self):
        self.frames = {}
        self.numbers = self.categories = self.gaps = self.references = None
        self.matrix = self.fitted = None

    def take(self, frame, numbers, categories):
        """Numbers as doubles in one block; categories as text and as pandas' own."""
        self.numbers, self.categories = numbers, categories
        self.gaps = [name for name in numbers if frame[name].isna().any()]
        self.references = [frame[name].value_counts().sort_index().idxmax() for name in categories]
        text = pandas.concat([frame[numbers].astype("float64"), frame[categories].astype(object)], axis=1)
        self.frames = {"object": text, "category": text.astype({name: "category" for name in categories})}

    def load(self, path, rows, numbers, categories):
        """A table of test/data, repeated until there are enough rows."""
        frame = pandas.read_csv(path, keep_default_na=False, na_values=[""])
        self.take(frame.iloc[np.arange(rows) % len(frame)].reset_index(drop=True), numbers, categories)
        return {}

    def transformer(self, output, threads):
        """
        The default preparation: numbers are scaled by those that are there, missing ones become the mean and are told
        of; categories become columns.
        """
        sparse = output == "sparse"
        return ColumnTransformer([
            ("number", make_pipeline(StandardScaler(), SimpleImputer(copy=False)), self.numbers),
            ("missing", MissingIndicator(features="missing-only"), self.gaps),
            ("category", OneHotEncoder(drop=self.references, min_frequency=MIN_FREQUENCY,
                                       handle_unknown="infrequent_if_exist", sparse_output=sparse), self.categories)],
            sparse_threshold=1.0 if sparse else 0.0, n_jobs=threads)

    def fit_transform(self, dtype, output, threads):
        """Fit and transform what is loaded; threads: of Python, over the three parts."""
        transformer = self.transformer(output, threads)
        with joblib.parallel_backend("threading") if threads > 1 else contextlib.nullcontext():
            taken, self.matrix = timed(lambda: transformer.fit_transform(self.frames[dtype]))
        self.fitted = transformer
        return {"seconds": taken}

    def names(self):
        """The columns of the matrix as ours are named, when features are called c0, c1, ..."""
        feature = {name: f"c{i}" for i, name in enumerate(self.numbers + self.categories)}
        encoder = self.fitted.named_transformers_["category"]
        levels = [f"{feature[name]}={level}" for i, name in enumerate(self.categories)
                  for level in encoder.categories_[i] if level != self.references[i]]
        return [feature[name] for name in self.numbers] + [f"{feature[name]} is null" for name in self.gaps] + levels

    def difference(self, path, names):
        """The largest difference from a matrix of ours in a file; none when it has other columns."""
        theirs = {name: i for i, name in enumerate(self.names())}
        if set(theirs) != set(names):
            return {"difference": None}
        matrix = self.matrix.tocsc() if hasattr(self.matrix, "tocsc") else self.matrix
        ours = np.memmap(path, np.float64, "r").reshape(len(names), -1)
        largest = 0.0
        for j, name in enumerate(names):
            column = matrix[:, theirs[name]]
            column = column.toarray().ravel() if hasattr(column, "toarray") else column
            largest = max(largest, float(np.abs(column - ours[j]).max()))
        return {"difference": largest}

    def end_to_end(self, query, numbers, categories, dtype, output, threads):
        """Fetch by csv, fit and transform."""
        begin = time.perf_counter()
        frame = rival.fetch_frame(query)
        frame[numbers] = frame[numbers].astype("float64")
        self.frames = {dtype: frame.astype({name: dtype for name in categories})}
        self.fit_transform(dtype, output, threads)
        return {"seconds": time.perf_counter() - begin}

    def step(self, name, path, rows):
        """One step on numbers from a file of the engine's form."""
        x = np.ascontiguousarray(np.fromfile(path, np.float64).reshape(-1, rows).T)
        taken, _ = timed(lambda: step(name).fit_transform(x))
        return {"seconds": taken}


def main():
    """Answer until the input ends."""
    session = Session()
    for line in sys.stdin:
        command = json.loads(line)
        print(json.dumps(getattr(session, command.pop("do"))(**command)), flush=True)


if __name__ == "__main__":
    main()
