"""One prediction by name in a prepared statement: microseconds inside the server."""
import os
import re
import subprocess

import lib

GOAL = 15.0
SECONDS = 3
LOOPS = 20000
VALUES = [round(-1.0 + 0.1 * i, 1) for i in range(lib.FEATURES)]
MODEL = "bench_single"
VALUES_SCRIPTS = ("predict_values.sql", "nothing_values.sql")
FLOORS = {"nothing.sql": "SELECT 1", "nothing_values.sql": "num_nonnulls of the same values"}


def pgbench(script):
    """Average latency in microseconds of one client with prepared statements."""
    binaries = subprocess.run([os.environ.get("PG_CONFIG", "pg_config"), "--bindir"],
                              stdout=subprocess.PIPE, check=True, text=True).stdout.strip()
    command = [os.path.join(binaries, "pgbench"), "-n", "-M", "prepared", "-c", "1", "-T", str(SECONDS),
               "-f", os.path.join(lib.HERE, "sql", script),
               *[f"-Dx{i}={x}" for i, x in enumerate(VALUES, 1)], lib.DATABASE]
    out = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=True, text=True).stdout
    failed = re.search(r"number of failed transactions: (\d+)", out)
    lib.ensure(failed is None or int(failed.group(1)) == 0, f"pgbench reports failures:\n{out}")
    return 1e6 / float(re.search(r"tps = ([0-9.]+) \(without", out).group(1))


def pairs(script, floor, repeats=None):
    """Median latency of a script and of one that does nothing with what it is given, the two taking turns."""
    ours, empty = [], []
    for _ in range(repeats or lib.REPEATS):
        ours.append(pgbench(script))
        empty.append(pgbench(floor))
    middle = len(ours) // 2
    return sorted(ours)[middle], sorted(empty)[middle]


def loop(connection, expression):
    """Microseconds of one execution of a cached plan, in a loop inside the server."""
    declare = ", ".join(f"x{i} float8 := {x}" for i, x in enumerate(VALUES, 1)).replace(", x", "; x")
    block = (f"DO $$ DECLARE {declare}; BEGIN FOR i IN 1..{LOOPS} LOOP PERFORM {expression}; END LOOP; END $$")
    taken, = lib.medians(lambda: lib.execute(connection, block))
    return taken / LOOPS * 1e6


def run(figures):
    """Over the protocol and in a loop; the rival is a statement that does nothing."""
    lib.section("one prediction by name, linear model, prepared statement")
    connection = lib.connect()
    lib.train(connection, MODEL, "reg1m", "linear_regression", {"split": "none"})
    for name, script, floor, goal in (("20 values in order", *VALUES_SCRIPTS, GOAL),
                                      ("one row of a table by key", "predict_row.sql", "nothing.sql", None),
                                      ("one JSON object", "predict_json.sql", "nothing.sql", None)):
        ours, empty = pairs(script, floor)
        figures.add(f"pgbench, {name}: microseconds above {FLOORS[floor]}", f"{ours - empty:.1f} us",
                    f"{empty:.1f} us", f"{ours:.1f} in all", f"<= {goal:.0f} us" if goal else "-",
                    ours - empty <= goal if goal else None)
    predict = loop(connection, f"ml_predict('{MODEL}', {lib.X_LIST})")
    nothing = loop(connection, "1")
    figures.add("loop in the server, a cached plan each time", f"{predict:.1f} us", f"{nothing:.1f} us (PERFORM 1)",
                f"{predict - nothing:.1f} above it", f"<= {GOAL:.0f} us", predict <= GOAL)
    connection.close()
