"""The tables, seeded: the same rows on every machine."""
import io

import numpy as np

import lib

SEED = 20240517
STEP = 100_000

LAYOUT = np.dtype([("fields", ">i2"), ("id_length", ">i4"), ("id", ">i4")]
                  + [part for i in range(lib.FEATURES)
                     for part in ((f"l{i}", ">i4"), (f"x{i}", ">f8"))]
                  + [("y_length", ">i4"), ("y", ">f8")])
HEADER = b"PGCOPY\n\xff\r\n\0" + b"\0" * 8
TRAILER = b"\xff\xff"


def coefficients(rng):
    """True coefficients, none of them near zero."""
    return rng.uniform(0.2, 1.0, lib.FEATURES) * rng.choice([-1.0, 1.0], lib.FEATURES)


def regression_target(rng, x, beta):
    """Linear, with noise that leaves an R2 of about 0.83."""
    signal = x @ beta
    return 3.0 + signal + rng.normal(0.0, np.sqrt(beta @ beta * 0.21), len(x))


def class_target(rng, x, beta):
    """Labels that a line separates in part and products and squares separate further."""
    score = 0.45 * (x @ beta) + 0.8 * x[:, 0] * x[:, 1] + 0.5 * (x[:, 2] ** 2 - 1.0) \
        + 0.7 * np.sin(2.0 * x[:, 3]) * x[:, 4] - 0.3
    return (rng.random(len(x)) < 1.0 / (1.0 + np.exp(-score))).astype(np.float64)


def copy_rows(connection, table, make_target, rng):
    """Fill table (id, x1 .. x20, y) by COPY in binary."""
    beta = coefficients(rng)
    columns = f"id, {lib.X_LIST}, y"
    for begin in range(0, lib.ROWS, STEP):
        n = min(STEP, lib.ROWS - begin)
        x = rng.normal(size=(n, lib.FEATURES))
        rows = np.empty(n, LAYOUT)
        rows["fields"] = lib.FEATURES + 2
        rows["id_length"] = 4
        rows["id"] = np.arange(begin + 1, begin + n + 1)
        rows["y_length"] = 8
        rows["y"] = make_target(rng, x, beta)
        for i in range(lib.FEATURES):
            rows[f"l{i}"] = 8
            rows[f"x{i}"] = x[:, i]
        with connection.cursor() as cursor:
            cursor.copy_expert(f"COPY {table} ({columns}) FROM STDIN (FORMAT binary)",
                               io.BytesIO(HEADER + rows.tobytes() + TRAILER))


def create(connection, name, make_target, seed):
    """One table of lib.ROWS rows; y is float8 while it is filled."""
    columns = ", ".join(f"{x} float8 NOT NULL" for x in lib.X)
    lib.execute(connection, f"CREATE TABLE {name} (id int NOT NULL, {columns}, y float8 NOT NULL)")
    copy_rows(connection, name, make_target, np.random.default_rng(seed))


def wanted():
    """What the tables hold, to know them again in a later run."""
    return f"rows {lib.ROWS}, seed {SEED}, layout 2"


def present():
    """True when the database of an earlier run holds just these tables."""
    admin = lib.connect("postgres")
    found = lib.value(admin, "SELECT count(*) FROM pg_database WHERE datname = %s"
                             " AND shobj_description(oid, 'pg_database') = %s",
                      (lib.DATABASE, wanted()))
    admin.close()
    return found == 1


def make():
    """Make the database and its tables unless an earlier run left them."""
    if present():
        return
    print(f"making tables of {lib.ROWS} rows", flush=True)
    admin = lib.connect("postgres")
    lib.execute(admin, f"DROP DATABASE IF EXISTS {lib.DATABASE}")
    lib.execute(admin, f"CREATE DATABASE {lib.DATABASE}")
    connection = lib.connect()
    create(connection, "reg1m", regression_target, SEED)
    create(connection, "cls_filling", class_target, SEED + 1)
    lib.execute(connection, f"CREATE TABLE cls1m AS SELECT id, {lib.X_LIST}, y::int AS y FROM cls_filling")
    lib.execute(connection, "DROP TABLE cls_filling")
    lib.execute(connection, f"CREATE TABLE reg1m_array AS SELECT id, ARRAY[{lib.X_LIST}] AS x, y FROM reg1m")
    for table in ("reg1m", "cls1m", "reg1m_array"):
        lib.execute(connection, f"ALTER TABLE {table} ADD PRIMARY KEY (id)")
        lib.execute(connection, f"VACUUM (FREEZE, ANALYZE) {table}")
    lib.execute(connection, f"CREATE VIEW cls1m_train AS SELECT * FROM cls1m WHERE {lib.TRAINING_ROWS}")
    lib.execute(connection, f"CREATE VIEW cls1m_split AS SELECT *, NOT ({lib.TRAINING_ROWS}) AS held_out FROM cls1m")
    lib.execute(connection, "CHECKPOINT")
    connection.close()
    lib.execute(admin, f"COMMENT ON DATABASE {lib.DATABASE} IS %s", (wanted(),))
    admin.close()


def warm():
    """Read every page once so that all tables are in shared_buffers."""
    connection = lib.connect(workers=0)
    for table in ("reg1m", "cls1m", "reg1m_array"):
        lib.value(connection, f"SELECT count(*) FROM {table}")
    connection.close()
