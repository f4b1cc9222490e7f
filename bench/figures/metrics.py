"""Metrics as aggregates beside aggregates of PostgreSQL's own over the same rows and the same plan."""
import threading
import time

import lib

RANK_GOAL = 2.0
SIMPLE_GOAL = 1.3
MANY = 10                       # times the rows, for the memory of a rank metric
WORK_MEM = "4MB"

# Metric -> its call, and the column whose mean it is beside: the last one that it reads, or the next number behind it, so that
# both take as much of a row apart.
SIMPLE = {
    "ml_log_loss": ("ml_log_loss(label, score)", "score"),
    "ml_expected_calibration_error": ("ml_expected_calibration_error(label, score)", "score"),
    "ml_mae": ("ml_mae(y, predicted)", "predicted"),
    "ml_smape": ("ml_smape(y, predicted)", "predicted"),
    "ml_r2, weighted": ("ml_r2(y, predicted, w)", "w"),
    "ml_accuracy, integers": ("ml_accuracy(k, predicted_k)", "behind_k"),
    "ml_accuracy, text": ("ml_accuracy(class, predicted_class)", "behind_class"),
    "ml_f1 macro, text": ("ml_f1(class, predicted_class, 'macro')", "behind_class"),
}
RANK = {
    "ml_roc_auc": "ml_roc_auc(label, score)",
    "ml_roc_auc, weighted": "ml_roc_auc(label, score, w)",
    "ml_average_precision": "ml_average_precision(label, score)",
    "ml_ks": "ml_ks(label, score)",
    "ml_median_absolute_error": "ml_median_absolute_error(y, predicted)",
}
PERCENTILE = "percentile_disc(0.5) WITHIN GROUP (ORDER BY score)"


def make(connection):
    """Rows of predictions."""
    lib.execute(connection, "DROP TABLE IF EXISTS judged")
    lib.execute(connection, f"""CREATE UNLOGGED TABLE judged AS
        SELECT random() < 0.3 AS label, random() AS score, 100 * random() AS y, 100 * random() AS predicted, 0.5 + random() AS w,
               (random() * 4)::bigint AS k, (random() * 4)::bigint AS predicted_k, random() AS behind_k,
               'class ' || (random() * 4)::int AS class, 'class ' || (random() * 4)::int AS predicted_class, random() AS behind_class
        FROM generate_series(1, {lib.ROWS})""")
    lib.execute(connection, "VACUUM ANALYZE judged")


def timed(connection, expression):
    """Seconds of one aggregate over all rows."""
    return lambda: lib.seconds(lambda: lib.value(connection, f"SELECT {expression} FROM judged"))


def plan(connection, expression):
    """The node types of a plan from the top down, which the two sides of a ratio share."""
    rows = lib.execute(connection, f"EXPLAIN (COSTS OFF) SELECT {expression} FROM judged")
    return [row[0].strip(" ->") for row in rows]


def simple(figures, connection, workers):
    """Simple metrics beside avg, in turns."""
    actions = {}
    for name, (expression, column) in SIMPLE.items():
        average = f"avg({column})"
        lib.ensure(plan(connection, expression) == plan(connection, average), f"{name} has another plan than avg")
        actions[average] = timed(connection, average)
        actions[name] = timed(connection, expression)
    times = lib.in_turns(actions, lib.REPEATS + 2)
    for name, (_, column) in SIMPLE.items():
        figures.at_most(f"{name} beside avg(x), {workers} workers", times[name], times[f"avg({column})"], SIMPLE_GOAL)


def rank(figures, connection, workers):
    """Rank metrics beside percentile_disc, in turns; it has no parallel plan, ours have."""
    actions = {PERCENTILE: timed(connection, PERCENTILE)}
    actions.update({name: timed(connection, expression) for name, expression in RANK.items()})
    times = lib.in_turns(actions)
    for name in RANK:
        figures.at_most(f"{name} beside percentile_disc, {workers} workers", times[name], times[PERCENTILE], RANK_GOAL)


def private_kb(pid):
    """The memory of a process that is its own."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("RssAnon"))
    except (FileNotFoundError, ProcessLookupError, StopIteration):
        return 0


def peak_kb(connection, statement):
    """How much the memory of a backend grows during a statement, and the seconds of it."""
    pid = lib.value(connection, "SELECT pg_backend_pid()")
    begin = private_kb(pid)
    peak = [begin]
    done = threading.Event()

    def watch():
        while not done.is_set():
            peak[0] = max(peak[0], private_kb(pid))
            time.sleep(0.005)
    watcher = threading.Thread(target=watch)
    watcher.start()
    taken = lib.seconds(lambda: lib.value(connection, statement))
    done.set()
    watcher.join()
    return peak[0] - begin, taken


def memory(figures):
    """Ten times the rows under a small work_mem."""
    source = f"(SELECT score + n AS score, label FROM judged, generate_series(1, {MANY}) n) s"
    connection = lib.connect(workers=0)
    lib.execute(connection, f"SET work_mem = '{WORK_MEM}'")
    grown, taken = peak_kb(connection, f"SELECT ml_roc_auc(label, score) FROM {source}")
    connection.close()
    connection = lib.connect(workers=0)
    lib.execute(connection, f"SET work_mem = '{WORK_MEM}'")
    rival, rival_taken = peak_kb(connection, f"SELECT {PERCENTILE} FROM {source}")
    connection.close()
    figures.add(f"ml_roc_auc of {MANY * lib.ROWS} rows, work_mem {WORK_MEM}: memory", f"{grown / 1024:.0f} MB",
                f"{rival / 1024:.0f} MB (percentile_disc)", f"{taken:.1f} s beside {rival_taken:.1f} s", "<= 32 MB",
                grown <= 32 * 1024, timed=False)


def run(figures):
    """One process first, then a parallel plan."""
    lib.section("metrics as aggregates")
    for workers in (0, 2):
        connection = lib.connect(workers=workers)
        if workers == 0:
            make(connection)
        simple(figures, connection, workers)
        rank(figures, connection, workers)
        connection.close()
    memory(figures)
