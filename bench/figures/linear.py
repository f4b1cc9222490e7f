"""Linear regression, by ml_train and by ml_fit, beside one scan of the same columns and beside Python."""
import lib

SUMS = "SELECT " + ", ".join(f"sum({x})" for x in lib.X) + " FROM reg1m"
FIT = f"SELECT ml_fit('linear_regression', '{{}}', y, {lib.X_LIST}) FROM reg1m"
SCAN_GOAL, EXPERT_GOAL, CSV_GOAL = 1.5, 4, 12


def train(connection):
    """Nothing held out: every row is learned from."""
    return lib.train(connection, "bench_linear", "reg1m", "linear_regression", {"split": "none"})


def check(connection, weights):
    """Stop unless our coefficients are those of the rivals."""
    ours = lib.coefficients(connection, train(connection))
    for feature, weight in zip(["(intercept)", *lib.X], weights):
        lib.ensure(abs(ours[feature] - weight) <= 1e-8 * max(1.0, abs(weight)),
                   f"coefficient of {feature} is {ours[feature]}, the rival's {weight}")


def run(figures):
    """At each parallel setting beside sum(); at the default setting beside Python."""
    lib.section("linear_regression, all rows of reg1m")
    for workers in (0, 2):
        connection = lib.connect(workers=workers)
        scan, trained, fitted = lib.medians(
            lambda: lib.execute(connection, SUMS),
            lambda: train(connection),
            lambda: lib.execute(connection, FIT))
        figures.at_most(f"linear ml_train : sum(x1) .. sum(x20), {workers} workers", trained, scan, SCAN_GOAL)
        figures.at_most(f"linear ml_fit : sum(x1) .. sum(x20), {workers} workers", fitted, scan, SCAN_GOAL)
    expert = lib.rival("linear", "expert")
    csv = lib.rival("linear", "csv")
    for rival, goal, way in ((expert, EXPERT_GOAL, "COPY binary, normal equations"),
                             (csv, CSV_GOAL, "COPY csv, pandas, LinearRegression")):
        lib.note(f"{way}: fetch {rival['fetch']:.3f} s + fit {rival['work']:.3f} s, {rival['peak_mb']:.0f} MB")
        check(connection, rival["result"])
        figures.times_faster(f"linear ml_train : {way}", trained, rival["seconds"], goal)
        figures.times_faster(f"linear ml_fit : {way}", fitted, rival["seconds"], goal)
    connection.close()
