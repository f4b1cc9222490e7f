"""
The default preparation of telco_churn's columns, repeated to 1,000,000 rows, beside scikit-learn's ColumnTransformer.

In memory: from doubles and strings to the matrix that a learner gets.  The engine (bench/engine.c) begins with the
strings, of which it has to make categories; the rival with whichever form of pandas is faster for it, and ends with
whichever matrix is, dense or sparse, by one thread or two.  In the database: fitting by ml_fit_preprocess and a
ml_transform for each row on one core, less what reading all columns twice takes.  Every number of both matrices is
compared, and the arrays of the first rows with ours.
"""
import csv
import json
import os
import sys
import tempfile

import numpy as np

import boosting
import lib

GOAL = 5.0
TABLE = "telco1m"
CSV = os.path.join(os.path.dirname(lib.HERE), "test", "data", "telco_churn.csv")
NUMBERS = ["female", "senior_citizen", "partner", "dependents", "tenure", "phone_service", "paperless_billing",
           "monthly_charges", "total_charges"]
CATEGORIES = ["multiple_lines", "internet_service", "online_security", "online_backup", "device_protection",
              "tech_support", "streaming_tv", "streaming_movies", "contract", "payment_method"]
FEATURES = NUMBERS + CATEGORIES
TYPES = {"tenure": "int", "monthly_charges": "float8", "total_charges": "float8"}
TOLERANCE = 1e-9
CHECKED = 10_000
STEP_COLUMNS = 4
# Steps of ours and what comes nearest to them.
STEPS = {"standard": {"scale": "standard"}, "minmax": {"scale": "minmax"}, "robust": {"scale": "robust"},
         "quantiles": {"bin": 10, "scale": "none"}, "uniform": {"bin": {"n": 10, "method": "uniform"}, "scale": "none"},
         "box_cox": {"transform": "box_cox", "scale": "standard"},
         "yeo_johnson": {"transform": "yeo_johnson", "scale": "standard"}}


class Engine(boosting.Engine):
    """The part of the engine that prepares."""

    def load_frame(self, rows, numbers, categories, path):
        """Columns from a file."""
        self.ask(f"frame {rows} {numbers} {categories} {path}")

    def prepare(self, preprocess="{}", threads=lib.THREADS):
        """From columns to the matrix of a learner."""
        return self.ask(f"prepare {threads} {preprocess}")


class Rival(lib.Worker):
    """bench/prep_rivals.py."""

    def __init__(self):
        environment = {**lib.rival_environment(), "OMP_NUM_THREADS": str(lib.THREADS)}
        super().__init__([sys.executable, os.path.join(lib.HERE, "prep_rivals.py")], environment)

    def do(self, command, **arguments):
        """One command of the session over there."""
        return self.ask(json.dumps({"do": command, **arguments}))


def columns():
    """The columns as they are in the file, and which of its rows each row repeats."""
    with open(CSV, encoding="utf-8", newline="") as file:
        records = list(csv.DictReader(file))
    return {name: [record[name] for record in records] for name in FEATURES}, np.arange(lib.ROWS) % len(records)


def write_frame(path):
    """Doubles and strings in the form of bench/engine.c."""
    given, rows = columns()
    with open(path, "wb") as file:
        for name in NUMBERS:
            np.array([float(text) if text else np.nan for text in given[name]])[rows].tofile(file)
        for name in CATEGORIES:
            strings = np.array([text.encode() for text in given[name]], dtype=object)
            lengths = np.array([len(text) for text in strings], np.uint64)
            np.cumsum(lengths[rows], dtype=np.uint64).tofile(file)
            file.write(b"".join(strings[rows]))


def make(connection):
    """The same rows as a table."""
    types = ", ".join(f"{name} {TYPES.get(name, 'boolean') if name in NUMBERS else 'text'}" for name in FEATURES)
    lib.execute(connection, f"DROP TABLE IF EXISTS {TABLE}, telco_once")
    with open(CSV, encoding="utf-8") as file, connection.cursor() as cursor:
        header = file.readline().strip().replace('"', "")
        file.seek(0)
        cursor.execute(f"CREATE TEMP TABLE telco_once ({types}, churn text, row int GENERATED ALWAYS AS IDENTITY)")
        cursor.copy_expert(f"COPY telco_once ({header}) FROM STDIN (FORMAT csv, HEADER)", file)
    lib.execute(connection, f"CREATE UNLOGGED TABLE {TABLE} AS SELECT {', '.join(FEATURES)} FROM telco_once,"
                            f" generate_series(0, {lib.ROWS} / (SELECT count(*) FROM telco_once)) AS round"
                            f" ORDER BY round, row LIMIT {lib.ROWS}")
    lib.execute(connection, "DROP TABLE telco_once")
    lib.execute(connection, f"VACUUM ANALYZE {TABLE}")


def fastest_form(rival):
    """The rival's fastest way, each tried twice: the type of categories, the matrix, the threads."""
    times = {}
    for dtype in ("object", "category"):
        for output in ("dense", "sparse"):
            for threads in (1, lib.THREADS):
                way = {"dtype": dtype, "output": output, "threads": threads}
                times[json.dumps(way)] = min(rival.do("fit_transform", **way)["seconds"] for _ in range(2))
    for way, taken in times.items():
        lib.note(f"ColumnTransformer {', '.join(map(str, json.loads(way).values()))} threads: {taken:.2f} s")
    return json.loads(min(times, key=times.get))


def check(rival, way, path, names):
    """Stop unless the rival's matrix is ours."""
    rival.do("fit_transform", **way)
    difference = rival.do("difference", path=path, names=names)["difference"]
    lib.ensure(difference is not None, "ColumnTransformer made other columns")
    lib.ensure(difference < TOLERANCE, f"ColumnTransformer's numbers differ by {difference}")
    lib.note(f"{len(names)} columns, largest difference from ColumnTransformer's {difference:.1e}")


def in_memory(figures, rival, engine, path):
    """The engine, whose matrix goes to a file, and the rival in turns; returns the rival's way and its seconds."""
    way = fastest_form(rival)
    answers = []

    def ours():
        answers.append(engine.prepare())
        return answers[-1]["seconds"]
    times = lib.in_turns({"ours": ours, "theirs": lambda: rival.do("fit_transform", **way)["seconds"]})
    best = min(answers, key=lambda answer: answer["seconds"])
    lib.note(f"of ours: strings and numbers read {best['read']:.3f} s, fitted after {best['fitted']:.3f} s,"
             f" all on one thread {min(engine.prepare(threads=1)['seconds'] for _ in range(lib.REPEATS)):.3f} s")
    engine.ask(f"prepared {path}")
    check(rival, way, path, answers[0]["columns"])
    figures.times_faster("preparation in memory : ColumnTransformer", times["ours"], times["theirs"], GOAL)
    return way, times["theirs"]


def check_arrays(connection, transformed, path):
    """Stop unless the first arrays are rows of the matrix in the file; how many columns there are."""
    rows = np.array([row for row, in lib.execute(connection, f"SELECT {transformed} FROM {TABLE} LIMIT {CHECKED}")])
    matrix = np.memmap(path, np.float64, "r").reshape(rows.shape[1], -1)[:, :len(rows)].T
    lib.ensure(np.array_equal(rows, matrix), "ml_transform gives other numbers than the engine alone")
    return rows.shape[1]


def in_database(figures, connection, rival, way, theirs, path):
    """ml_fit_preprocess and ml_transform; what reading takes is a scan that stops at the last column."""
    model = "bench_preparation"
    listed = ", ".join(FEATURES)
    array = boosting.features_array(FEATURES)

    def fit():
        lib.execute(connection, f"DROP TABLE IF EXISTS {model}")
        return lib.seconds(lambda: lib.execute(
            connection, f"CREATE TABLE {model} AS SELECT ml_fit_preprocess('{TABLE}', features => {array}) AS model"))

    def transform(row):
        return f"ml_transform((SELECT model FROM {model}), {row})"

    def counted(expression):
        return lambda: lib.seconds(lambda: lib.execute(connection, f"SELECT count({expression}) FROM {TABLE} t"))
    query, categories = boosting.frame_query(connection, TABLE)
    times = lib.in_turns({
        "fit": fit, "values": counted(transform(listed)), "row": counted(transform("t")),
        "read": counted(FEATURES[-1]),
        "rival": lambda: rival.do("end_to_end", query=query, numbers=NUMBERS, categories=categories, **way)["seconds"]})
    count = check_arrays(connection, transform(listed), path)
    lib.note(f"{count} columns; fit {times['fit']:.3f} s, transform {times['values']:.3f} s (of whole rows"
             f" {times['row']:.3f} s), reading all columns {times['read']:.3f} s")
    figures.times_faster("ml_fit_preprocess + ml_transform, less reading : ColumnTransformer",
                         times["fit"] + times["values"] - 2 * times["read"], theirs, GOAL)
    figures.compare("the same with reading : COPY csv, ColumnTransformer", times["fit"] + times["values"],
                    times["rival"])
    lib.execute(connection, f"DROP TABLE {model}")


def steps(rival, engine, path):
    """Steps on numbers that are all different, for what it is worth."""
    x = np.random.default_rng(1).lognormal(size=(STEP_COLUMNS, lib.ROWS))
    x.tofile(path)
    engine.load_frame(lib.ROWS, STEP_COLUMNS, 0, path)
    for name, wanted in STEPS.items():
        preprocess = json.dumps({"number": wanted})
        times = lib.in_turns({
            "ours": lambda: engine.prepare(preprocess)["seconds"],
            "theirs": lambda: rival.do("step", name=name, path=path, rows=lib.ROWS)["seconds"]}, 2, False)
        lib.note(f"{name} of {STEP_COLUMNS} columns: ours {times['ours']:.3f} s, scikit-learn {times['theirs']:.3f} s,"
                 f" {times['theirs'] / times['ours']:.1f}x")


def run(figures):
    """In memory, in the database, step by step."""
    lib.section(f"preparation of telco_churn's columns, {lib.ROWS} rows, two threads each")
    connection = lib.connect(workers=0)
    make(connection)
    with tempfile.TemporaryDirectory(prefix="bench-preparation.") as folder, Rival() as rival, Engine() as engine:
        path = os.path.join(folder, "columns")
        write_frame(path)
        engine.load_frame(lib.ROWS, len(NUMBERS), len(CATEGORIES), path)
        rival.do("load", path=CSV, rows=lib.ROWS, numbers=NUMBERS, categories=CATEGORIES)
        matrix = os.path.join(folder, "matrix")
        way, theirs = in_memory(figures, rival, engine, matrix)
        in_database(figures, connection, rival, way, theirs, matrix)
        steps(rival, engine, path)
    lib.execute(connection, f"DROP TABLE {TABLE}")
    connection.close()
