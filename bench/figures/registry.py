"""A registry of many models: listing them, and one prediction beside the same in a small registry."""
import io

import lib

MODELS = 1000
VERSIONS = 20
GOAL = 0.020                    # seconds of a listing
SLOWER = 1.1                    # a prediction, as a multiple of that in a small registry
LOOPS = 10000
FULL = "bench_registry"
SMALL = "bench_registry_small"
OWNER = "bench_registry_owner"
GUEST = "bench_registry_guest"
TRAIN = ("SELECT count(*) FROM generate_series(%s, %s) m, LATERAL"
         " ml_train('model ' || m, 'sample', 'y', 'linear_regression', deploy => %s)")


def make(dbname, models, versions):
    """A database with so many models of the owner, of which the guest may use each."""
    server = lib.connect("postgres")
    lib.execute(server, f"DROP DATABASE IF EXISTS {dbname}")
    for role in (OWNER, GUEST):
        if not lib.execute(server, "SELECT 1 FROM pg_roles WHERE rolname = %s", (role,)):
            lib.execute(server, f"CREATE ROLE {role}")
    lib.execute(server, f"CREATE DATABASE {dbname}")
    server.close()
    connection = lib.connect(dbname)
    lib.execute(connection, "CREATE EXTENSION mlaas")
    lib.execute(connection, "CREATE TABLE sample AS SELECT i::float8 AS a, sin(i) AS b, cos(i) AS c, i % 7 AS d, i % 3 AS e,"
                " (ARRAY['x', 'y', 'z'])[1 + i % 3] AS f, 2.0 * i + sin(i) AS y FROM generate_series(1, 60) i")
    lib.execute(connection, "GRANT SELECT ON sample TO PUBLIC")
    lib.execute(connection, f"SET ROLE {OWNER}")
    for version in range(1, versions + 1):
        lib.execute(connection, TRAIN, (1, models, "always" if version == versions // 2 else "first"))
    lib.execute(connection, f"SELECT ml_grant('model ' || m, '{GUEST}', 'predict') FROM generate_series(1, {models}) m")
    lib.execute(connection, "RESET ROLE")
    lib.execute(connection, "VACUUM ANALYZE")
    return connection


def fetch(connection, view):
    """The rows of a view as text: Python's parsing of their JSON would take longer than they do."""
    rows = io.StringIO()
    with connection.cursor() as cursor:
        cursor.copy_expert(f"COPY (SELECT * FROM {view}) TO STDOUT", rows)
    return rows.getvalue().count("\n")


def listing(figures, connection, role, view):
    """Seconds of one listing with all its rows fetched."""
    lib.execute(connection, f"SET ROLE {role}")
    lib.ensure(fetch(connection, view) == MODELS, f"{role} does not see every model")
    taken, = lib.medians(lambda: fetch(connection, view), repeats=10 * lib.REPEATS)
    figures.add(f"{view} of {MODELS} models x {VERSIONS} versions, as {role.rsplit('_', 1)[1]}", f"{taken * 1e3:.1f} ms", "-", "-",
                f"<= {GOAL * 1e3:.0f} ms", taken <= GOAL)


def predictions(figures, full, small, role):
    """Microseconds of one prediction by name in a cached plan, in the full and in the small registry."""
    block = (f"DO $$ BEGIN FOR i IN 1..{LOOPS} LOOP PERFORM ml_predict('model 1', 1.0, 0.5, 0.5, 3, 2, 'x'); END LOOP; END $$")
    for connection in (full, small):
        lib.execute(connection, f"SET ROLE {role}")
    taken = lib.in_turns({connection: (lambda connection=connection: lib.seconds(lambda: lib.execute(connection, block)))
                          for connection in (full, small)}, repeats=4 * lib.REPEATS)
    ours, theirs = taken[full], taken[small]
    figures.add(f"one prediction by name, as {role.rsplit('_', 1)[1]}", f"{ours / LOOPS * 1e6:.1f} us",
                f"{theirs / LOOPS * 1e6:.1f} us (1 model)", f"{ours / theirs:.2f}", f"<= {SLOWER}", ours / theirs <= SLOWER)


def run(figures):
    """Listings and predictions, as the owner of all models and as a role that was granted each."""
    lib.section(f"a registry of {MODELS} models x {VERSIONS} versions")
    full = make(FULL, MODELS, VERSIONS)
    small = make(SMALL, 1, VERSIONS)
    for role in (OWNER, GUEST):
        for view in ("mlaas.models", "mlaas_api.models"):
            listing(figures, full, role, view)
        predictions(figures, full, small, role)
    for connection, dbname in ((full, FULL), (small, SMALL)):
        connection.close()
        server = lib.connect("postgres")
        lib.execute(server, f"DROP DATABASE {dbname}")
        server.close()
