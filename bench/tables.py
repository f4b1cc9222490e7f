"""The tables, seeded: the same rows on every machine."""
import io

import numpy as np

import lib

SEED = 20240517
STEP = 100_000
TABLES = ("reg1m", "cls1m", "reg1m_array", "cls200k_100", "churn200k")

# The columns of churn200k: name, type, how many levels a text has, the share of NULLs.
CHURN = (("age", "int", 0, 0.05), ("tenure", "int", 0, 0.0), ("calls", "int", 0, 0.0), ("complaints", "int", 0, 0.0),
         ("monthly", "float8", 0, 0.0), ("total", "float8", 0, 0.02), ("usage", "float8", 0, 0.10),
         ("score", "float8", 0, 0.0), ("discount", "float4", 0, 0.30), ("plan", "text", 3, 0.0),
         ("payment", "text", 4, 0.0), ("channel", "text", 8, 0.10), ("region", "text", 50, 0.0),
         ("device", "text", 200, 0.05), ("city", "text", 1000, 0.0), ("autopay", "boolean", 0, 0.0),
         ("paperless", "boolean", 0, 0.0), ("senior", "boolean", 0, 0.15), ("signup", "timestamptz", 0, 0.0),
         ("last_seen", "timestamptz", 0, 0.20))
CHURN_FEATURES = [column[0] for column in CHURN]
SIGNUP_FROM = 1_500_000_000
ONE_HOT = {"numbers": 10, "texts": 26, "levels": 15}
WIDE = [f"x{i}" for i in range(1, lib.WIDE_FEATURES + 1)]


def smaller():
    """The rows of the tables that have a fifth of what the others have."""
    return lib.ROWS // 5


def layout(features):
    """The bytes of a row (id, x1 .. , y) in COPY's binary form."""
    return np.dtype([("fields", ">i2"), ("id_length", ">i4"), ("id", ">i4")]
                    + [part for i in range(features) for part in ((f"l{i}", ">i4"), (f"x{i}", ">f8"))]
                    + [("y_length", ">i4"), ("y", ">f8")])


def coefficients(rng, features):
    """True coefficients, none of them near zero."""
    return rng.uniform(0.2, 1.0, features) * rng.choice([-1.0, 1.0], features)


def regression_target(rng, x, beta):
    """Linear, with noise that leaves an R2 of about 0.83."""
    signal = x @ beta
    return 3.0 + signal + rng.normal(0.0, np.sqrt(beta @ beta * 0.21), len(x))


def class_target(rng, x, beta):
    """Labels that a line separates in part and products and squares separate further."""
    score = 0.45 * (x @ beta) + 0.8 * x[:, 0] * x[:, 1] + 0.5 * (x[:, 2] ** 2 - 1.0) \
        + 0.7 * np.sin(2.0 * x[:, 3]) * x[:, 4] - 0.3
    return (rng.random(len(x)) < 1.0 / (1.0 + np.exp(-score))).astype(np.float64)


def wide_target(rng, x, beta):
    """The same with as much of it linear, however many columns there are."""
    return class_target(rng, x, beta * np.sqrt(lib.FEATURES / len(beta)))


def copy_rows(connection, table, make_target, rng, total, features):
    """Fill table (id, x1 .. , y) by COPY in binary."""
    beta = coefficients(rng, features)
    columns = ", ".join(["id", *(f"x{i}" for i in range(1, features + 1)), "y"])
    for begin in range(0, total, STEP):
        n = min(STEP, total - begin)
        x = rng.normal(size=(n, features))
        rows = np.empty(n, layout(features))
        rows["fields"] = features + 2
        rows["id_length"] = 4
        rows["id"] = np.arange(begin + 1, begin + n + 1)
        rows["y_length"] = 8
        rows["y"] = make_target(rng, x, beta)
        for i in range(features):
            rows[f"l{i}"] = 8
            rows[f"x{i}"] = x[:, i]
        with connection.cursor() as cursor:
            cursor.copy_expert(f"COPY {table} ({columns}) FROM STDIN (FORMAT binary)",
                               io.BytesIO(lib.COPY_HEADER + rows.tobytes() + lib.COPY_TRAILER))


def create(connection, name, make_target, seed, total, features=lib.FEATURES):
    """One table of doubles and their target."""
    columns = ", ".join(f"x{i} float8 NOT NULL" for i in range(1, features + 1))
    lib.execute(connection, f"CREATE TABLE {name} (id int NOT NULL, {columns}, y float8 NOT NULL)")
    copy_rows(connection, name, make_target, np.random.default_rng(seed), total, features)


def create_classes(connection, name, make_target, seed, total, features):
    """The same with an integer target."""
    create(connection, "classes_filling", make_target, seed, total, features)
    columns = ", ".join(f"x{i}" for i in range(1, features + 1))
    lib.execute(connection, f"CREATE TABLE {name} AS SELECT id, {columns}, y::int AS y FROM classes_filling")
    lib.execute(connection, "DROP TABLE classes_filling")


def one_hot(n):
    """Numbers and the 0/1 columns of texts, [columns][n], and labels that depend on all of them; in no database."""
    rng = np.random.default_rng(SEED + 4)
    numbers, texts, levels = ONE_HOT.values()
    x = np.zeros((numbers + texts * levels, n))
    x[:numbers] = rng.normal(size=(numbers, n))
    score = coefficients(rng, numbers) @ x[:numbers] / 2 - 0.3
    for text in range(texts):
        level = np.minimum((levels * rng.random(n) ** 1.5).astype(int), levels - 1)
        x[numbers + text * levels + level, np.arange(n)] = 1.0
        score += rng.normal(0.0, 0.3, levels)[level]
    return x, (rng.random(n) < 1.0 / (1.0 + np.exp(-score))).astype(np.float64)


def churn_numbers(rng, n):
    """The columns of churn200k before NULLs: numbers, levels as numbers, moments as seconds."""
    columns = {"age": rng.integers(18, 90, n), "tenure": rng.geometric(0.03, n), "calls": rng.poisson(3.0, n),
               "complaints": rng.poisson(0.3, n), "monthly": np.round(rng.gamma(4.0, 15.0, n), 2),
               "usage": np.round(rng.lognormal(2.0, 1.0, n), 3), "score": rng.normal(size=n),
               "discount": np.round(rng.random(n) * 30.0, 1)}
    columns["total"] = np.round(columns["monthly"] * columns["tenure"] * rng.uniform(0.8, 1.1, n), 2)
    for name, kind, levels, _ in CHURN:
        if levels:
            columns[name] = np.minimum((levels * rng.random(n) ** 1.5).astype(int), levels - 1)
        elif kind == "boolean":
            columns[name] = rng.integers(0, 2, n)
    columns["signup"] = SIGNUP_FROM + rng.integers(0, 150_000_000, n)
    columns["last_seen"] = columns["signup"] + rng.integers(0, 50_000_000, n)
    return columns


def churn_target(rng, columns, nulls):
    """Labels that depend on numbers, on levels, on what is missing, and on products of them."""
    score = -0.9 - 0.03 * np.minimum(columns["tenure"], 60) + 0.5 * columns["complaints"] + 0.012 * columns["monthly"] \
        + 0.4 * columns["score"] * (columns["autopay"] - 0.5) + 0.6 * nulls["usage"] - 0.5 * nulls["last_seen"] \
        + 0.4 * (columns["calls"] > 5) * (1 - columns["paperless"])
    for name, _, levels, _ in CHURN:
        if levels:
            score += rng.normal(0.0, 0.45, levels)[columns[name]]
    return (rng.random(len(score)) < 1.0 / (1.0 + np.exp(-score))).astype(int)


def create_churn(connection, name, seed, total):
    """Numbers, text of few and of many levels, booleans, moments, NULLs."""
    import pandas
    rng = np.random.default_rng(seed)
    columns = churn_numbers(rng, total)
    nulls = {column: rng.random(total) < share for column, _, _, share in CHURN}
    frame = pandas.DataFrame({"id": np.arange(1, total + 1)})
    for column, kind, levels, _ in CHURN:
        values = pandas.Series(columns[column])
        if levels:
            values = f"{column} " + values.astype(str)
        elif kind == "timestamptz":
            values = pandas.to_datetime(values, unit="s", utc=True)
        frame[column] = values.mask(nulls[column])
        if kind in ("int", "boolean"):
            frame[column] = frame[column].astype("Int64")
    frame["y"] = churn_target(rng, columns, nulls)
    types = ", ".join(f"{column} {kind}" for column, kind, _, _ in CHURN)
    lib.execute(connection, f"CREATE TABLE {name} (id int NOT NULL, {types}, y int NOT NULL)")
    with connection.cursor() as cursor:
        cursor.copy_expert(f"COPY {name} FROM STDIN (FORMAT csv)", io.StringIO(frame.to_csv(header=False, index=False)))


def wanted():
    """What the tables hold, to know them again in a later run."""
    return f"rows {lib.ROWS}, seed {SEED}, layout 3"


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
    create(connection, "reg1m", regression_target, SEED, lib.ROWS)
    create_classes(connection, "cls1m", class_target, SEED + 1, lib.ROWS, lib.FEATURES)
    create_classes(connection, "cls200k_100", wide_target, SEED + 2, smaller(), lib.WIDE_FEATURES)
    create_churn(connection, "churn200k", SEED + 3, smaller())
    lib.execute(connection, f"CREATE TABLE reg1m_array AS SELECT id, ARRAY[{lib.X_LIST}] AS x, y FROM reg1m")
    for table in TABLES:
        lib.execute(connection, f"ALTER TABLE {table} ADD PRIMARY KEY (id)")
        lib.execute(connection, f"VACUUM (FREEZE, ANALYZE) {table}")
    for table in ("cls1m", "cls200k_100", "churn200k"):
        lib.execute(connection, f"CREATE VIEW {table}_train AS SELECT * FROM {table} WHERE {lib.TRAINING_ROWS}")
        lib.execute(connection, f"CREATE VIEW {table}_test AS SELECT * FROM {table} WHERE NOT ({lib.TRAINING_ROWS})")
    lib.execute(connection, f"CREATE VIEW cls1m_split AS SELECT *, NOT ({lib.TRAINING_ROWS}) AS held_out FROM cls1m")
    lib.execute(connection, "CHECKPOINT")
    connection.close()
    lib.execute(admin, f"COMMENT ON DATABASE {lib.DATABASE} IS %s", (wanted(),))
    admin.close()


def warm():
    """Read every page once so that all tables are in shared_buffers."""
    connection = lib.connect(workers=0)
    for table in TABLES:
        lib.value(connection, f"SELECT count(*) FROM {table}")
    connection.close()
