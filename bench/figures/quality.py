"""
How well the trees predict, beside the rivals: 5-fold on real tables, held out on the synthetic ones.

Everybody gets the same folds, native categories, and either the same settings or their own defaults; the loss is
the mean log loss, or the root of the mean squared error.  Small tables are divided more than once, so that the
figure is of the learners more than of one division.
"""
import csv
import io
import os
import statistics

import numpy as np

import boosting
import lib
import tables

GOAL = 1.005                    # times the best rival's loss
FOLDS = 5
SMALL, DIVISIONS = 10000, 10
FOLD_SEED = tables.SEED + 100   # no default of ours was chosen on the divisions that it gives
LEAST_PROBABILITY = 1e-15
SCHEMA = "quality"
# Table, target, its classes (none: a number).
REAL = (("telco_churn", "churn", ("No", "Yes")), ("credit", "status", ("bad", "good")),
        ("breast_cancer", "target", ("benign", "malignant")), ("digits", "digit", tuple(map(str, range(10)))),
        ("ames", "sale_price", ()), ("diamonds", "price", ()))
SYNTHETIC = ("cls1m", "cls200k_100", "churn200k")
LEAST_HESSIAN = 1.0             # of a leaf, of two classes, where settings are equal


def ways(classes):
    """
    Equal settings, and everybody's defaults.  XGBoost knows no fewest rows of a leaf, and for classes no setting of
    it says the same: of two classes its rule, a least hessian, is everybody's as well that has one.
    """
    equal = {**boosting.SETTINGS, "min_hessian": LEAST_HESSIAN} if len(classes) == 2 else boosting.SETTINGS
    return (("equal settings", equal), ("defaults", {}))


def find(name):
    """The file of a table: the project's own, or one of the folder that BENCH_DATA names."""
    for folder in (os.path.join(lib.HERE, os.pardir, "test", "data"), os.environ.get("BENCH_DATA", "")):
        path = os.path.join(folder, f"{name}.csv")
        if folder and os.path.exists(path):
            return path
    return None


def kind(values):
    """The type of a column by what is in it."""
    try:
        numbers = [float(value) for value in values if value != ""]
    except ValueError:
        return "text"
    return "int" if all(number.is_integer() and abs(number) < 2 ** 31 for number in numbers) else "float8"


def create(connection, name, target, classes, path):
    """The table of a file, with the columns fold1, fold2, ..; returns the values of each as (column, fold)."""
    with open(path, encoding="utf-8", newline="") as lines:
        rows = list(csv.reader(lines))
    head, rows = [column.lower() for column in rows[0]], rows[1:]
    kinds = [kind(values) for values in zip(*rows)]
    if classes:
        kinds[head.index(target)] = "text"
    divisions = DIVISIONS if len(rows) < SMALL else 1
    for division in range(divisions):
        order = np.random.default_rng(FOLD_SEED + division).permutation(len(rows))
        for row, place in zip(rows, order):
            row.append(str(place % FOLDS))
    columns = [f'"{column}" {of}' for column, of in zip(head, kinds)]
    columns += [f"fold{division} int" for division in range(1, divisions + 1)]
    lib.execute(connection, f"CREATE TABLE {SCHEMA}.{name} ({', '.join(columns)})")
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    text.seek(0)
    with connection.cursor() as cursor:
        cursor.copy_expert(f"COPY {SCHEMA}.{name} FROM STDIN (FORMAT csv)", text)
    return [(f"fold{division}", fold) for division in range(1, divisions + 1) for fold in range(FOLDS)]


def ours(connection, table, target, classes, folds, settings):
    """Our mean loss over the folds."""
    features = lib.value(connection, "SELECT array_agg(attname::text) FROM pg_attribute WHERE attrelid = %s::regclass"
                                     " AND attnum > 0 AND attname <> %s AND attname NOT LIKE 'fold%%'", (table, target))
    losses = []
    for column, fold in folds:
        trained = lib.train(connection, "bench_quality", f"SELECT * FROM {table} WHERE {column} <> {fold}",
                            boosting.ALGORITHM, {"split": "none"}, target=target,
                            features=boosting.features_array(features), params=boosting.ours(settings))
        model = f"{trained['name']}@{trained['version']}"
        loss = f"sqrt(avg((ml_predict('{model}', t) - {target}) ^ 2))"
        if classes:
            loss = f"avg(-ln(greatest(ml_probability('{model}', {target}, t), {LEAST_PROBABILITY})))"
        losses.append(lib.value(connection, f"SELECT {loss}::float8 FROM {table} t WHERE {column} = {fold}"))
    return statistics.mean(losses)


def theirs(rivals, connection, table, target, classes, folds, settings):
    """Library -> mean loss over the folds."""
    query, categories = boosting.frame_query(connection, table)
    categories = [name for name in categories if name != target]
    losses = {}
    for library, opened in rivals.items():
        opened.do("fetch_frame", query=query, categories=categories, target=target, labels=classes)
        losses[library] = statistics.mean(
            opened.do("fold", fold=fold, column=column, settings=settings)["loss"] for column, fold in folds)
    return losses


def compare(figures, connection, rivals, table, target, classes, folds):
    """Everybody on one table, with each way of settings."""
    for way, settings in ways(classes):
        found = ours(connection, f"{SCHEMA}.{table}", target, classes, folds, settings)
        losses = theirs(rivals, connection, f"{SCHEMA}.{table}", target, classes, folds, settings)
        lib.note(f"{table}, {way}: ours {found:.6g}, "
                 + ", ".join(f"{boosting.LIBRARIES[library]} {loss:.6g}" for library, loss in losses.items()))
        best = min(losses, key=losses.get)
        ratio = found / losses[best]
        figures.add(f"{'log loss' if classes else 'RMSE'} {table}, {way}", f"{found:.5g}",
                    f"{losses[best]:.5g} ({boosting.LIBRARIES[best]})", f"{ratio:.4f}", f"<= {GOAL}",
                    ratio <= GOAL, timed=False)


def run(figures):
    """One thread for the rivals, since nothing is timed here and their threads spin."""
    lib.section(f"quality of gradient boosting: {FOLDS}-fold, and held out on the synthetic tables")
    connection = lib.connect()
    lib.execute(connection, f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE; CREATE SCHEMA {SCHEMA}")
    with boosting.Rivals(threads=1) as rivals:
        for table, target, classes in REAL:
            path = find(table)
            if path is None:
                figures.skip(f"quality {table}", f"no {table}.csv in the folder that BENCH_DATA names")
                continue
            folds = create(connection, table, target, classes, path)
            compare(figures, connection, rivals, table, target, classes, folds)
        for table in SYNTHETIC:
            columns = ", ".join(boosting.FEATURES[table])
            lib.execute(connection, f"CREATE VIEW {SCHEMA}.{table} AS SELECT {columns}, y::text AS y,"
                                    f" (NOT ({lib.TRAINING_ROWS}))::int AS fold1 FROM {table}")
            compare(figures, connection, rivals, table, "y", ("0", "1"), [("fold1", 1)])
    lib.execute(connection, f"DROP SCHEMA {SCHEMA} CASCADE")
    connection.close()
