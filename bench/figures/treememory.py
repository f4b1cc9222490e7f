"""Peak memory of a training of trees: a byte a value, 40 bytes a row, and 200 MB."""
import boosting
import lib
from figures import memory

BASE_MB, ROW_BYTES = 200.0, 40.0


def goal(rows, features):
    """MiB that a training may take."""
    return BASE_MB + rows * (features + ROW_BYTES) / memory.MIB


def run(figures):
    """Through the server, where rows are read too, and the engine alone."""
    lib.section("peak memory of gradient boosting")
    for table, rows in (("cls1m", lib.ROWS * 4 // 5), ("cls200k_100", lib.ROWS // 5 * 4 // 5)):
        features = len(boosting.FEATURES[table])
        for workers in (0, 2):
            memory.measure(figures, f"ml_train, trees, {table}_train", lambda connection, table=table: boosting.train(
                connection, "bench_treememory", f"{table}_train", table, {**boosting.SETTINGS, "rounds": 10}), workers,
                goal(rows, features), rows * features * 8 / memory.MIB, (table,))
        with boosting.Engine() as engine:
            engine.ask(f"synthetic 2 {rows} {features}")
            held = engine.fit({**boosting.SETTINGS, "rounds": 10})["peak"] / memory.MIB
            wanted = goal(rows, features)
            figures.add(f"memory fit alone, trees, {rows} x {features}", f"{held:.0f} MB",
                        f"{rows * features * 8 / memory.MIB:.0f} MB (features as float8)",
                        f"{(held - rows * features / memory.MIB) * memory.MIB / rows:.0f} bytes a row but bins",
                        f"<= {wanted:.0f} MB", held <= wanted, timed=False)
