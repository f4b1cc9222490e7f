"""
Serving one row, many rows and keys: over PostgREST beside a function that does nothing, and over
PostgreSQL's protocol beside Flask with the same kind of model.

Clients are 16 and keep their connections.  Over HTTP wrk counts, over the protocol pgbench.  What is compared
takes turns; PostgREST (POSTGREST or on the path), wrk and gunicorn take part where they are installed.
"""
import contextlib
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

import lib

CLIENTS, SECONDS, POOL = 16, 4, 4
FLOOR_GOAL, P99_GOAL, BATCH_GOAL, KEY_GOAL, SHARE_GOAL = 0.9, 1.1, 1e5, 0.8, 60.0
PROTOCOL_GOALS = {"logistic": 3.0, "trees": 10.0}
BATCH = 100
SHARE_TURNS = 3                 # short ones, whose least counts: what is compared differs by microseconds
ROWS = min(lib.ROWS, 50000)
SOURCE = f"SELECT {lib.X_LIST}, y FROM cls1m WHERE id <= {ROWS}"
MODELS = {"logistic": ("bench_rest_logistic", "logistic_regression", "{}"),
          "trees": ("bench_rest_trees", "gradient_boosting", '{"n_estimators": 100, "max_leaf_nodes": 31, "learning_rate": 0.1}')}
VALUES = [round(-1.0 + 0.1 * i, 1) for i in range(lib.FEATURES)]
INPUT = dict(zip(lib.X, VALUES))


def free_port():
    """A port of TCP that nobody listens on."""
    with socket.socket() as tried:
        tried.bind(("127.0.0.1", 0))
        return tried.getsockname()[1]


@contextlib.contextmanager
def serving(command, environment, port, path):
    """A server that answers at the path while the block runs."""
    with subprocess.Popen(command, env={**os.environ, **environment}, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL) as process:
        try:
            for _ in range(300):
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5).read()
                    break
                except urllib.error.HTTPError as error:
                    if error.code < 500:
                        break
                    time.sleep(0.1)
                except OSError:
                    time.sleep(0.1)
            yield
        finally:
            process.terminate()
            process.wait()


def load(port, path, body, headers=None):
    """Requests per second and the 99th percentile in milliseconds of 16 clients that send the same body."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        fields = {"Content-Type": "application/json", **(headers or {})}
        script.write('wrk.method = "POST"\n' + "".join(f'wrk.headers["{k}"] = "{v}"\n' for k, v in fields.items())
                     + f"wrk.body = [==[{json.dumps(body)}]==]\n")
        script.flush()
        out = subprocess.run(["wrk", "-t1", f"-c{CLIENTS}", f"-d{SECONDS}s", "--latency", "-s", script.name,
                              f"http://127.0.0.1:{port}{path}"], stdout=subprocess.PIPE, check=True, text=True).stdout
    lib.ensure("Non-2xx" not in out, f"requests to {path} failed:\n{out}")
    number, unit = re.search(r"99%\s+([0-9.]+)(us|ms|s)", out).groups()
    return float(re.search(r"Requests/sec:\s+([0-9.]+)", out).group(1)), float(number) * {"us": 1e-3, "ms": 1, "s": 1e3}[unit]


def pgbench(script, clients, seconds=SECONDS):
    """Transactions per second of prepared statements."""
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
        file.write(script)
        file.flush()
        binaries = subprocess.run([os.environ.get("PG_CONFIG", "pg_config"), "--bindir"],
                                  stdout=subprocess.PIPE, check=True, text=True).stdout.strip()
        out = subprocess.run([os.path.join(binaries, "pgbench"), "-n", "-M", "prepared", "-c", str(clients),
                              "-j", "2" if clients > 1 else "1", "-T", str(seconds), "-f", file.name,
                              *[f"-Dx{i}={x}" for i, x in enumerate(VALUES, 1)], lib.DATABASE],
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=True, text=True).stdout
    failed = re.search(r"number of failed transactions: (\d+)", out)
    lib.ensure(failed is None or int(failed.group(1)) == 0, f"pgbench reports failures:\n{out}")
    return float(re.search(r"tps = ([0-9.]+) \(without", out).group(1))


def request(schema, function):
    """What PostgREST sends for a POST to /rpc/function, as statements for pgbench."""
    settings = ", ".join(f"set_config('{name}', '{value}', true)" for name, value in (
        ("search_path", '"mlaas_api", "public"'), ("role", "bench_anon"), ("request.jwt.claims", '{"role":"bench_anon"}'),
        ("request.method", "POST"), ("request.path", f"/rpc/{function}"), ("request.headers", '{"accept":"*/*"}'),
        ("request.cookies", "{}")))
    body = json.dumps({"model": MODELS["logistic"][0], "input": INPUT})
    return f"""BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY;
SELECT {settings};
WITH pgrst_source AS (SELECT pgrst_call.pgrst_scalar FROM (SELECT '{body}'::json AS json_data) pgrst_payload, LATERAL (SELECT "model", "input" FROM json_to_record(pgrst_payload.json_data) AS _("model" text, "input" json) LIMIT 1) pgrst_body , LATERAL (SELECT "{schema}"."{function}"("model" := pgrst_body."model", "input" := pgrst_body."input") pgrst_scalar) pgrst_call) SELECT null::bigint AS total_result_set, 1 AS page_total, coalesce(json_agg(_postgrest_t.pgrst_scalar)->0, 'null') AS body, nullif(current_setting('response.headers', true), '') AS response_headers, nullif(current_setting('response.status', true), '') AS response_status, '' AS response_inserted FROM (SELECT "{function}".* FROM "pgrst_source" AS "{function}") _postgrest_t;
COMMIT;
"""


def prepare(connection):
    """Models, roles, keys, and the function that does nothing."""
    for name, algorithm, params in MODELS.values():
        lib.train(connection, name, SOURCE, algorithm, {"split": "none"}, params=params)
    for role in ("bench_authenticator", "bench_anon"):
        lib.execute(connection, f"DO $$ BEGIN DROP OWNED BY {role}; EXCEPTION WHEN undefined_object THEN NULL; END $$")
        lib.execute(connection, f"DROP ROLE IF EXISTS {role}")
    lib.execute(connection, "SELECT ml_rest_setup('bench_authenticator', 'bench_anon')")
    lib.execute(connection, "SELECT ml_grant(name, 'bench_anon', 'predict') FROM mlaas.models WHERE name LIKE 'bench_rest_%'")
    lib.execute(connection, "DROP TABLE IF EXISTS bench_keyed; DROP SCHEMA IF EXISTS bench_api CASCADE; CREATE SCHEMA bench_api")
    lib.execute(connection, f"CREATE TABLE bench_keyed AS SELECT id, {lib.X_LIST} FROM cls1m WHERE id <= {ROWS};"
                " ALTER TABLE bench_keyed ADD PRIMARY KEY (id); ANALYZE bench_keyed;"
                " GRANT SELECT ON bench_keyed TO bench_anon; GRANT USAGE ON SCHEMA bench_api TO bench_anon;"
                " CREATE FUNCTION bench_api.nothing(model text, input json) RETURNS json LANGUAGE sql STABLE"
                " AS $$ SELECT '{\"prediction\": 1}'::json $$")
    lib.execute(connection, "SELECT ml_publish(%s, source => 'bench_keyed', key => 'id')", (MODELS["logistic"][0],))


def http(figures):
    """Through PostgREST, everything in turns with the function that does nothing."""
    program = os.environ.get("POSTGREST") or shutil.which("postgrest")
    if not program or not shutil.which("wrk"):
        figures.skip("one prediction through PostgREST", "postgrest or wrk is not installed")
        return
    port = free_port()
    model = MODELS["logistic"][0]
    environment = {"PGRST_DB_URI": f"user=bench_authenticator dbname={lib.DATABASE}", "PGRST_DB_SCHEMAS": "mlaas_api, bench_api",
                   "PGRST_DB_ANON_ROLE": "bench_anon", "PGRST_DB_POOL": str(POOL), "PGRST_SERVER_PORT": str(port),
                   "PGRST_SERVER_HOST": "127.0.0.1", "PGRST_LOG_LEVEL": "crit"}
    calls = {
        "nothing": ("/rpc/nothing", {"model": model, "input": INPUT}, {"Content-Profile": "bench_api"}),
        "predict": ("/rpc/predict", {"model": model, "input": INPUT}, None),
        "key": ("/rpc/predict_by_key", {"model": model, "key": 17}, None),
        "published": (f"/rpc/{model}", INPUT, None),
        "batch": ("/rpc/predict?columns=model,input", {"model": model, "input": [INPUT] * BATCH}, None),
        "rows": ("/rpc/predict_batch?columns=model,rows", {"model": model, "rows": [INPUT] * BATCH}, None)}
    with serving([program], environment, port, "/"):
        taken = {name: [] for name in calls}
        for turn in range(lib.REPEATS + 1):
            for name, call in calls.items():
                measured = load(port, *call)
                if turn > 0:
                    taken[name].append(measured)
    rate = {name: statistics.median(r for r, _ in runs) for name, runs in taken.items()}
    p99 = {name: statistics.median(p for _, p in runs) for name, runs in taken.items()}
    floor = f"{rate['nothing']:.0f}/s, p99 {p99['nothing']:.1f} ms"
    for name, what, goal in (("predict", "one prediction through PostgREST", FLOOR_GOAL), ("key", "a prediction by key", KEY_GOAL),
                             ("published", "a published function", None)):
        ratio = rate[name] / rate["nothing"]
        figures.add(what, f"{rate[name]:.0f}/s, p99 {p99[name]:.1f} ms", floor, f"{ratio:.2f}",
                    f">= {goal}" if goal else "-", ratio >= goal if goal else None)
    ratio = p99["predict"] / p99["nothing"]
    figures.add("p99 of one prediction", f"{p99['predict']:.1f} ms", f"{p99['nothing']:.1f} ms", f"{ratio:.2f}",
                f"<= {P99_GOAL}", ratio <= P99_GOAL)
    for name, what in (("batch", f"{BATCH} rows a request, an array"), ("rows", f"{BATCH} rows a request, rows")):
        rows = rate[name] * BATCH
        figures.add(what, f"{rows:.0f} rows/s", "-", "-", f">= {BATCH_GOAL:.0f}", rows >= BATCH_GOAL)


def flask_service(name, connection):
    """Requests per second of Flask with the model, in turns with ours over the protocol; None without gunicorn."""
    ours = f"SELECT ml_probability('{MODELS[name][0]}', '1', " + ", ".join(f":x{i}::float8" for i in range(1, lib.FEATURES + 1)) + ");\n"
    if not shutil.which("gunicorn") or not shutil.which("wrk"):
        return pgbench(ours, CLIENTS), None
    port = free_port()
    environment = {"MODEL": name, "QUERY": f"SELECT y, {lib.X_LIST} FROM cls1m WHERE id <= {ROWS}", "PYTHONPATH": lib.HERE,
                   "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "gunicorn", "--preload", "-w", "2", "--threads", "8", "-b", f"127.0.0.1:{port}", "service:app"]
    with serving(command, environment, port, "/"):
        measured = [(pgbench(ours, CLIENTS), load(port, "/predict", {"input": VALUES})[0]) for _ in range(lib.REPEATS + 1)][1:]
    return tuple(statistics.median(column) for column in zip(*measured))


def run(figures):
    """The protocol always, HTTP where PostgREST is."""
    lib.section(f"serving, {CLIENTS} clients that keep their connections")
    connection = lib.connect()
    prepare(connection)
    pairs = [(1e6 / pgbench(request("mlaas_api", "predict"), 1, 1), 1e6 / pgbench(request("bench_api", "nothing"), 1, 1))
             for _ in range(SHARE_TURNS * lib.REPEATS + 1)][1:]
    share = min(ours for ours, _ in pairs) - min(floor for _, floor in pairs)
    figures.add("a request's prediction in the database, above a function that does nothing", f"{share:.0f} us",
                f"{min(floor for _, floor in pairs):.0f} us", "-", f"<= {SHARE_GOAL:.0f} us", share <= SHARE_GOAL)
    for name, goal in PROTOCOL_GOALS.items():
        ours, rival = flask_service(name, connection)
        what = f"one prediction over PostgreSQL's protocol, prepared: {name}"
        if rival is None:
            figures.add(what, f"{ours:.0f}/s", "-", "-", f">= {goal:.0f}x Flask", None)
        else:
            figures.add(what, f"{ours:.0f}/s", f"{rival:.0f}/s (Flask)", f"{ours / rival:.1f}x", f">= {goal:.0f}x", ours / rival >= goal)
    http(figures)
    connection.close()
