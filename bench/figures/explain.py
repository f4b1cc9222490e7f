"""TreeSHAP of rows of cls1m by 100 trees of 31 leaves, beside the libraries' contributions on data in memory."""
import boosting
import lib

GOAL = 1.0
ROWS = min(10_000, lib.ROWS)
TOLERANCE = 1e-9
MODEL = "bench_explain"
SOURCE = f"SELECT * FROM cls1m WHERE id <= {ROWS}"
BATCH = f"ml_explain_batch('{MODEL}', '{SOURCE}', 'id')"


def check(connection):
    """Stop unless all are there and a row's add up to the log odds that its probability stands for."""
    found = lib.value(connection, f"SELECT count(contribution) FROM {BATCH}")
    lib.ensure(found == ROWS * (lib.FEATURES + 1), f"{found} contributions of {ROWS} rows")
    worst = lib.value(connection, f"""
        WITH raw AS (SELECT key::int AS id, sum(contribution) AS score FROM {BATCH} GROUP BY 1),
            said AS (SELECT id, ml_probability('{MODEL}', '1', t) AS p FROM cls1m t WHERE id <= {ROWS})
        SELECT max(abs(1 / (1 + exp(-score)) - p)) FROM raw JOIN said USING (id)""")
    lib.ensure(worst is not None and worst <= TOLERANCE, f"contributions are off the predictions by {worst}")
    return worst


def run(figures):
    """Ours from the table to rows of results, theirs from memory to memory."""
    lib.section(f"TreeSHAP of {ROWS} rows, 100 trees of 31 leaves, two threads each")
    connection = lib.connect()
    if lib.value(connection, "SELECT count(*) FROM pg_proc WHERE proname = 'ml_explain_batch'") == 0:
        figures.skip("TreeSHAP", "no ml_explain_batch here")
        connection.close()
        return
    boosting.train(connection, MODEL, "cls1m_train", "cls1m", boosting.SETTINGS)
    lib.note(f"contributions add up to the predictions within {check(connection):.1g}")
    with boosting.numbers("cls1m") as rows, boosting.Rivals(("lightgbm", "xgboost")) as rivals:
        actions = {"ours": lambda: lib.seconds(lambda: lib.execute(
            connection, f"SELECT count(contribution) FROM {BATCH}"))}
        for library, opened in rivals.items():
            opened.load(rows)
            opened.do("fit", **boosting.SETTINGS)
            actions[library] = lambda opened=opened: opened.do("explain", rows=ROWS)["seconds"]
        times = lib.in_turns(actions)
        for library, opened in rivals.items():
            figures.at_most(f"ml_explain_batch, table to rows : {boosting.LIBRARIES[library]} in memory",
                            times["ours"], times[library], GOAL)
            error = opened.do("explain", rows=ROWS)["error"]
            lib.note(f"{boosting.LIBRARIES[library]}: contributions add up to the scores within {error:.1g}")
    one = single_row(connection)
    lib.note(f"ml_explain of one row: {one:.0f} us in a query over many")
    connection.close()


def single_row(connection):
    """Microseconds a row of ml_explain in a lateral join."""
    rows = min(1000, ROWS)
    taken, = lib.medians(lambda: lib.execute(
        connection, f"SELECT sum(e.contribution) FROM cls1m t, ml_explain('{MODEL}', t) e WHERE t.id <= {rows}"))
    return taken / rows * 1e6
