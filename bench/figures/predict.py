"""Scoring a whole table with a linear model: ml_predict on one core, ml_predict_batch as it comes."""
import json

import lib

SUM_GOAL, BATCH_GOAL = 2.5e6, 3.0e6

# Rows per second of MADlib 2.1's linregr_predict inside sum() over an array column, from another
# run on another machine of this kind: used when MADlib is not in the database.
MADLIB_RECORDED = 3.88e6
MADLIB_PREDICT = "madlib.linregr_predict(double precision[],double precision[])"


def madlib(connection, weights):
    """MADlib's rows per second here, or the recorded ones; and which of the two it is."""
    if lib.value(connection, "SELECT to_regprocedure(%s)", (MADLIB_PREDICT,)) is None:
        return MADLIB_RECORDED, "recorded elsewhere"
    sql = "SELECT sum(madlib.linregr_predict(%s::float8[], x)) FROM reg1m_array"
    taken, = lib.medians(lambda: lib.execute(connection, sql, (weights[1:],)))
    return lib.ROWS / taken, "measured here"


def add(figures, name, ours, rival, rival_note, goal, above):
    """A figure in rows per second; above: the goal itself is not enough."""
    reached = ours > goal if above else ours >= goal
    figures.add(name, lib.million(ours), f"{lib.million(rival)} ({rival_note})", f"{ours / rival:.1f}x",
                f"{'>' if above else '>='} {goal / 1e6:.2f} M", reached)


def run(figures):
    """Values in order, a set of keys, an array column."""
    lib.section("scoring reg1m with a linear model")
    connection = lib.connect(workers=0)
    by_default = lib.connect()
    trained = lib.train(connection, "bench_scoring", "reg1m", "linear_regression", {"split": "none"})
    weights = lib.coefficients(connection, trained)
    weights = [weights[feature] for feature in ["(intercept)", *lib.X]]
    statements = {
        "sum": f"SELECT sum(ml_predict('bench_scoring', {lib.X_LIST})) FROM reg1m",
        "batch": "SELECT count(*) FROM ml_predict_batch('bench_scoring', 'reg1m', 'id')",
        "array": "SELECT sum(ml_predict('bench_scoring', x)) FROM reg1m_array",
        "row": "SELECT sum(ml_predict('bench_scoring', t)) FROM reg1m t"}
    homes = dict.fromkeys(statements, connection)
    homes["batch"] = by_default
    times = lib.medians(*[lambda name=name, sql=sql: lib.execute(homes[name], sql) for name, sql in statements.items()])
    speed = {name: lib.ROWS / taken for name, taken in zip(statements, times)}
    fetched = lib.rival("scoring", json.dumps(weights))
    check(connection, statements, fetched["result"])
    python = lib.ROWS / fetched["seconds"]
    add(figures, "sum(ml_predict(name, x1, .., x20)), one core", speed["sum"], python, "Python, fetched", SUM_GOAL, False)
    add(figures, "ml_predict_batch", speed["batch"], python, "Python, fetched", BATCH_GOAL, False)
    rival, origin = madlib(connection, weights)
    add(figures, "sum(ml_predict(name, array column)), one core", speed["array"], rival, f"MADlib, {origin}", rival, True)
    lib.note(f"sum(ml_predict(name, row)), one core: {lib.million(speed['row'])}")
    connection.close()
    by_default.close()


def check(connection, statements, expected):
    """Stop unless every form gives the sum that Python gives."""
    sums = {name: lib.value(connection, sql) for name, sql in statements.items() if name != "batch"}
    sums["batch"] = lib.value(connection, "SELECT sum(prediction) FROM ml_predict_batch('bench_scoring', 'reg1m', 'id')")
    for name, found in sums.items():
        lib.ensure(abs(found - expected) <= 1e-9 * lib.ROWS, f"{name}: {found} is not {expected}")
