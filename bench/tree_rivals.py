"""
The rivals of trees, one library a process:

    tree_rivals.py LIBRARY THREADS      lightgbm, xgboost, hist (HistGradientBoosting) or sklearn (forests, trees)

Reads commands, one line of JSON each ("do" and its arguments), and answers each with a line of JSON.
The first answer is {"missing": true}, and the only one, when Python cannot import the library.  Imports
are not timed.
"""
import importlib
import json
import sys
import time

import numpy as np

import rival

MODULES = {"lightgbm": "lightgbm", "xgboost": "xgboost", "hist": "sklearn.ensemble", "sklearn": "sklearn.ensemble"}
THREADS = int(sys.argv[2])
LEAST_PROBABILITY = 1e-15
HIST_LEVELS = 255


class LightGBM:
    """lightgbm.train; settings that are absent are its defaults."""

    def __init__(self):
        self.library = importlib.import_module("lightgbm")
        self.model = None
        self.classes = 0

    def params(self, settings):
        """Our names in its words."""
        names = {"leaves": "num_leaves", "rate": "learning_rate", "bins": "max_bin", "min_rows": "min_data_in_leaf",
                 "min_hessian": "min_sum_hessian_in_leaf", "l2": "lambda_l2", "level_l2": "cat_l2"}
        params = {names[name]: value for name, value in settings.items() if name in names}
        objectives = {0: {"objective": "regression"}, 2: {"objective": "binary"}}
        multiclass = {"objective": "multiclass", "num_class": self.classes}
        return {**params, **objectives.get(self.classes, multiclass), "num_threads": THREADS, "verbose": -1}

    def fit(self, x, y, classes, settings):
        """Bins and trees."""
        self.classes = classes
        params = self.params(settings)
        self.model = self.library.train(params, self.library.Dataset(x, y, params=params, free_raw_data=True),
                                        num_boost_round=settings.get("rounds", 100))

    def predict(self, x):
        """The number, the probability of class 1, or the probabilities."""
        return self.model.predict(x, num_threads=THREADS)

    def contributions(self, x):
        """TreeSHAP, the start value last."""
        return self.model.predict(x, pred_contrib=True, num_threads=THREADS)

    def raw(self, x):
        """Scores before the link."""
        return self.model.predict(x, raw_score=True, num_threads=THREADS)


class XGBoost:
    """xgboost.train by histograms, leaf by leaf when a number of leaves is set."""

    def __init__(self):
        self.library = importlib.import_module("xgboost")
        self.model = None
        self.classes = 0

    def params(self, settings):
        """Our names in its words; the least hessian of a leaf is its fewest rows where a row's hessian is one."""
        names = {"rate": "eta", "bins": "max_bin", "min_hessian": "min_child_weight", "l2": "lambda"}
        params = {names[name]: value for name, value in settings.items() if name in names}
        if "leaves" in settings:
            params |= {"grow_policy": "lossguide", "max_leaves": settings["leaves"], "max_depth": 0}
        if "min_rows" in settings and self.classes == 0:
            params["min_child_weight"] = settings["min_rows"]
        objectives = {0: {"objective": "reg:squarederror"}, 2: {"objective": "binary:logistic"}}
        multiclass = {"objective": "multi:softprob", "num_class": self.classes}
        return {**params, **objectives.get(self.classes, multiclass), "tree_method": "hist", "nthread": THREADS,
                "verbosity": 0}

    def matrix(self, x, y=None):
        """Its form of the data."""
        return self.library.DMatrix(x, y, nthread=THREADS, enable_categorical=True)

    def fit(self, x, y, classes, settings):
        """Bins and trees."""
        self.classes = classes
        self.model = self.library.train(self.params(settings), self.matrix(x, y),
                                        num_boost_round=settings.get("rounds", 100))

    def predict(self, x):
        """As above, in place where the data are numbers."""
        if isinstance(x, np.ndarray):
            return self.model.inplace_predict(x)
        return self.model.predict(self.matrix(x))

    def contributions(self, x):
        """TreeSHAP, the start value last."""
        return self.model.predict(self.matrix(x), pred_contribs=True)

    def raw(self, x):
        """Scores before the link."""
        return self.model.predict(self.matrix(x), output_margin=True)


class Hist:
    """scikit-learn's HistGradientBoosting; a category of more levels than it takes is a number to it."""

    def __init__(self):
        self.library = importlib.import_module("sklearn.ensemble")
        self.model = None
        self.levels = None

    def frame(self, x):
        """Categories as the numbers of their levels, missing as NaN."""
        if isinstance(x, np.ndarray):
            return x
        columns = [x[name].cat.codes.where(x[name].notna(), np.nan) if self.levels[i] else x[name].astype("float64")
                   for i, name in enumerate(x.columns)]
        return np.column_stack([column.to_numpy("float64") for column in columns])

    def fit(self, x, y, classes, settings):
        """Bins and trees; nothing held out by itself where settings are given."""
        names = {"rounds": "max_iter", "leaves": "max_leaf_nodes", "rate": "learning_rate", "bins": "max_bins",
                 "min_rows": "min_samples_leaf", "l2": "l2_regularization"}
        params = {names[name]: value for name, value in settings.items() if name in names}
        if params:
            params["early_stopping"] = False
        if not isinstance(x, np.ndarray):
            self.levels = [str(kind) == "category" for kind in x.dtypes]
            params["categorical_features"] = [is_category and len(x[name].cat.categories) <= HIST_LEVELS
                                              for is_category, name in zip(self.levels, x.columns)]
        kind = self.library.HistGradientBoostingClassifier if classes else self.library.HistGradientBoostingRegressor
        self.model = kind(random_state=0, **params).fit(self.frame(x), y)

    def predict(self, x):
        """As above."""
        x = self.frame(x)
        if not hasattr(self.model, "classes_"):
            return self.model.predict(x)
        probabilities = self.model.predict_proba(x)
        return probabilities[:, 1] if probabilities.shape[1] == 2 else probabilities


class Sklearn:
    """scikit-learn's forests and single trees, named by settings["learner"]."""

    def __init__(self):
        self.ensemble = importlib.import_module("sklearn.ensemble")
        self.tree = importlib.import_module("sklearn.tree")
        self.model = None

    def fit(self, x, y, classes, settings):
        """All threads where the learner has any."""
        params = {name: value for name, value in settings.items() if name != "learner"}
        kind = getattr(self.ensemble, settings["learner"], None) or getattr(self.tree, settings["learner"])
        if kind.__module__.startswith("sklearn.ensemble"):
            params["n_jobs"] = THREADS
        self.model = kind(random_state=0, **params).fit(x, y)

    def predict(self, x):
        """The probability of class 1, or how normal a row is."""
        if hasattr(self.model, "predict_proba"):
            return self.model.predict_proba(x)[:, 1]
        return self.model.score_samples(x) if hasattr(self.model, "score_samples") else self.model.predict(x)


ADAPTERS = {"lightgbm": LightGBM, "xgboost": XGBoost, "hist": Hist, "sklearn": Sklearn}


def loss(y, predicted, classes):
    """Mean log loss, or the root of the mean squared error."""
    if classes == 0:
        return float(np.sqrt(np.mean((predicted - y) ** 2)))
    if classes == 2:
        predicted = np.column_stack([1.0 - predicted, predicted])
    chosen = predicted[np.arange(len(y)), y.astype(int)].astype(np.float64)
    return float(-np.mean(np.log(np.maximum(chosen, LEAST_PROBABILITY))))


def timed(action):
    """Seconds and the result."""
    begin = time.perf_counter()
    result = action()
    return time.perf_counter() - begin, result


class Session:
    """What the commands share: the rows that were loaded and the model."""

    def __init__(self, library):
        self.rival = ADAPTERS[library]()
        self.x = self.y = self.frame = self.target = None
        self.classes = 0

    def load(self, path, rows, columns, classes):
        """Numbers from a file of the engine's form."""
        values = np.fromfile(path, np.float64)
        self.x = np.ascontiguousarray(values[:rows * columns].reshape(columns, rows).T)
        self.y, self.classes = values[rows * columns:].copy(), classes
        return {}

    def fit(self, **settings):
        """Learn from what is loaded."""
        taken, _ = timed(lambda: self.rival.fit(self.x, self.y, self.classes, settings))
        return {"seconds": taken}

    def predict(self):
        """Score what is loaded."""
        taken, predicted = timed(lambda: self.rival.predict(self.x))
        return {"seconds": taken, "loss": loss(self.y, predicted, self.classes)}

    def held_out(self, path, rows):
        """The area under the curve on other rows of the same columns."""
        from sklearn.metrics import roc_auc_score
        values = np.fromfile(path, np.float64)
        x = np.ascontiguousarray(values[:-rows].reshape(-1, rows).T)
        return {"auc": float(roc_auc_score(values[-rows:], self.rival.predict(x)))}

    def one(self, repeats):
        """Microseconds of one row."""
        row = self.x[:1]
        self.rival.predict(row)
        taken, _ = timed(lambda: [self.rival.predict(row) for _ in range(repeats)])
        return {"microseconds": taken / repeats * 1e6}

    def explain(self, rows):
        """Contributions of some rows; error: how far they are from the scores."""
        part = self.x[:rows]
        taken, contributions = timed(lambda: self.rival.contributions(part))
        return {"seconds": taken, "error": float(np.abs(contributions.sum(axis=1) - self.rival.raw(part)).max())}

    def end_to_end(self, query, features, **settings):
        """Fetch the expert's way and learn."""
        begin = time.perf_counter()
        y, x = rival.fetch_binary(query, 4, features)
        fetched = time.perf_counter()
        self.rival.fit(x, y, 2, settings)
        return {"seconds": time.perf_counter() - begin, "fetch": fetched - begin}

    def write_back(self, query, features, table):
        """Fetch (the key first), score, and write keys and predictions into a table, the expert's way."""
        begin = time.perf_counter()
        key, x = rival.fetch_binary(query, 4, features)
        predicted = self.rival.predict(x)
        rows = np.empty(len(key), np.dtype([("fields", ">i2"), ("key_length", ">i4"), ("key", ">i4"),
                                            ("length", ">i4"), ("value", ">f8")]))
        rows["fields"], rows["key_length"], rows["key"] = 2, 4, key
        rows["length"], rows["value"] = 8, predicted
        rival.copy_binary(table, rows)
        return {"seconds": time.perf_counter() - begin}

    def fetch_frame(self, query, categories, target, labels):
        """Rows of mixed types by csv into pandas: categories as pandas has them, moments and booleans as numbers."""
        frame = rival.fetch_frame(query)
        y = frame.pop(target)
        if labels:
            y = y.astype(str).map({label: i for i, label in enumerate(labels)})
        self.target = y.to_numpy(np.float64)
        self.classes = len(labels)
        self.frame = frame.astype({name: "category" for name in categories})
        return {}

    def fit_frame(self, **settings):
        """Learn from all of the frame."""
        taken, _ = timed(lambda: self.rival.fit(self.frame, self.target, self.classes, settings))
        return {"seconds": taken}

    def csv_end_to_end(self, query, categories, target, labels, **settings):
        """Fetch by csv and learn."""
        taken, _ = timed(lambda: (self.fetch_frame(query, categories, target, labels), self.fit_frame(**settings)))
        return {"seconds": taken}

    def fold(self, fold, column, settings):
        """Learn from the rows of the other folds (column tells a row's); the loss on those of this one."""
        inside = self.frame[column].to_numpy() == fold
        x = self.frame.drop(columns=[name for name in self.frame.columns if name.startswith("fold")])
        self.rival.fit(x[~inside], self.target[~inside], self.classes, settings)
        return {"loss": loss(self.target[inside], self.rival.predict(x[inside]), self.classes)}


def main(library):
    """Answer until the input ends."""
    try:
        importlib.import_module(MODULES[library])
    except ImportError:
        print(json.dumps({"missing": True}), flush=True)
        return
    session = Session(library)
    print(json.dumps({"missing": False}), flush=True)
    for line in sys.stdin:
        command = json.loads(line)
        print(json.dumps(getattr(session, command.pop("do"))(**command)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
