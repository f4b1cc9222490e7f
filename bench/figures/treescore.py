"""
Scoring cls1m with 100 trees of 31 leaves: on data in memory, from table to rows, row by row, one row.

In memory the engine (bench/engine.c) and the libraries score the same 1,000,000 rows with models learned from
them.  From table to rows the rival is the expert's way: COPY binary out, predict, COPY binary back in.
"""
import boosting
import lib
from figures import single

KERNEL_GOAL, BATCH_GOAL, EXPERT_GOAL, ROW_GOAL, ONE_GOAL = 1.0, 1.2e6, 2.0, 4e5, 15.0
MODEL = "bench_treescore"
ONE_REPEATS = 200


def kernel(figures, rivals):
    """Everybody in turns on the same rows; two threads."""
    with boosting.numbers("cls1m", "true") as rows, boosting.Engine() as engine:
        engine.load(rows)
        engine.fit(boosting.SETTINGS)
        actions = {"ours": lambda: engine.score()["seconds"]}
        for library, opened in rivals.items():
            opened.load(rows)
            opened.do("fit", **boosting.SETTINGS)
            actions[library] = lambda opened=opened: opened.do("predict")["seconds"]
        times = lib.in_turns(actions)
        losses = {library: opened.do("predict")["loss"] for library, opened in rivals.items()}
        lib.note(f"training log loss: ours {engine.score()['loss']:.5f}, "
                 + ", ".join(f"{boosting.LIBRARIES[library]} {loss:.5f}" for library, loss in losses.items()))
        alone = lib.in_turns({"ours": lambda: engine.score(1)["seconds"]})["ours"]
        lib.note(f"kernel on one thread: {lib.million(rows.count / alone)}")
        for library, taken in list(times.items())[1:]:
            ratio = taken / times["ours"]
            wanted = library == "xgboost"
            figures.add(f"scoring in memory : {boosting.LIBRARIES[library]}", lib.million(rows.count / times["ours"]),
                        lib.million(rows.count / taken), f"{ratio:.2f}x", f">= {KERNEL_GOAL}x" if wanted else "-",
                        ratio >= KERNEL_GOAL if wanted else None)


def table_to_rows(figures, connection, rivals):
    """As rows of a query, and written into a table."""
    batch = f"ml_predict_batch('{MODEL}', 'cls1m', 'id')"
    query = f"SELECT id, {lib.X_LIST} FROM cls1m"

    def write():
        lib.execute(connection, "DROP TABLE IF EXISTS bench_scored")
        return lib.seconds(lambda: lib.execute(
            connection, f"CREATE UNLOGGED TABLE bench_scored AS SELECT key::int AS key, probability FROM {batch}"))
    actions = {"rows": lambda: lib.seconds(lambda: lib.execute(connection, f"SELECT count(probability) FROM {batch}")),
               "write": write}
    for library in ("lightgbm", "xgboost"):
        if library in rivals:
            actions[library] = lambda opened=rivals[library], library=library: opened.do(
                "write_back", query=query, features=lib.FEATURES, table=f"bench_scored_{library}")["seconds"]
    times = lib.in_turns(actions)
    rows = lib.ROWS / times["rows"]
    figures.add("ml_predict_batch, table to rows", lib.million(rows), "-", "-", f">= {BATCH_GOAL / 1e6:.1f} M",
                rows >= BATCH_GOAL)
    best = min(list(times)[2:], key=times.get)
    for library in list(times)[2:]:
        ratio = times[library] / times["write"]
        figures.add(f"ml_predict_batch into a table : COPY binary, {boosting.LIBRARIES[library]}, COPY back",
                    lib.million(lib.ROWS / times["write"]), lib.million(lib.ROWS / times[library]), f"{ratio:.1f}x",
                    f">= {EXPERT_GOAL}x" if library == best else "-", ratio >= EXPERT_GOAL if library == best else None)


def row_by_row(figures, connection):
    """A plain SELECT on one core."""
    statements = {"x1, .., x20": f"SELECT sum(ml_predict('{MODEL}', {lib.X_LIST})) FROM cls1m",
                  "row": f"SELECT sum(ml_predict('{MODEL}', t)) FROM cls1m t"}
    times = lib.in_turns({name: lambda sql=sql: lib.seconds(lambda: lib.execute(connection, sql))
                          for name, sql in statements.items()})
    for name, taken in times.items():
        speed = lib.ROWS / taken
        wanted = name != "row"
        figures.add(f"sum(ml_predict(name, {name})), trees, one core", lib.million(speed), "-", "-",
                    f">= {ROW_GOAL / 1e6:.1f} M" if wanted else "-", speed >= ROW_GOAL if wanted else None)


def one_row(figures, connection, rivals):
    """By name in a prepared statement, above a statement that does nothing."""
    ours, empty = single.pairs("predict_trees.sql", "nothing_values.sql")
    figures.add(f"pgbench, trees, 20 values in order: microseconds above {single.FLOORS['nothing_values.sql']}",
                f"{ours - empty:.1f} us", f"{empty:.1f} us", f"{ours:.1f} in all", f"<= {ONE_GOAL:.0f} us",
                ours - empty <= ONE_GOAL)
    predict = single.loop(connection, f"ml_predict('{MODEL}', {lib.X_LIST})")
    nothing = single.loop(connection, "1")
    figures.add("loop in the server, trees, a cached plan each time", f"{predict:.1f} us",
                f"{nothing:.1f} us (PERFORM 1)", f"{predict - nothing:.1f} above it", f"<= {ONE_GOAL:.0f} us",
                predict - nothing <= ONE_GOAL)
    for library, opened in rivals.items():
        taken = opened.do("one", repeats=ONE_REPEATS)["microseconds"]
        lib.note(f"{boosting.LIBRARIES[library]}: one row {taken:.0f} us in Python, without the statement that"
                 " fetches it")


def run(figures):
    """One model for all that goes through the server."""
    lib.section("scoring cls1m with 100 trees of 31 leaves")
    connection = lib.connect(workers=0)
    by_default = lib.connect()
    boosting.train(by_default, MODEL, "cls1m_train", "cls1m", boosting.SETTINGS)
    with boosting.Rivals() as rivals:
        kernel(figures, rivals)
        one_row(figures, connection, rivals)
        table_to_rows(figures, by_default, rivals)
    row_by_row(figures, connection)
    for table in ("bench_scored", "bench_scored_lightgbm", "bench_scored_xgboost"):
        lib.execute(connection, f"DROP TABLE IF EXISTS {table}")
    connection.close()
    by_default.close()
