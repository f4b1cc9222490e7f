"""Run the figure groups named on the command line (all of them when none is) and print their table."""
import importlib
import sys
import time

GROUPS = ("linear", "logistic", "predict", "single", "memory", "exact", "trees", "forest", "treescore", "quality",
          "explain", "busy", "growth", "treememory", "preparation", "registry", "metrics", "rest")


def busy_share():
    """The share of all processors that others keep busy, over one second."""
    def ticks():
        with open("/proc/stat", encoding="ascii") as stat:
            fields = [int(field) for field in stat.readline().split()[1:]]
        return sum(fields), fields[3] + fields[4]
    total, idle = ticks()
    time.sleep(1)
    total_after, idle_after = ticks()
    return 1.0 - (idle_after - idle) / max(1, total_after - total)


def machine(lib):
    """One line on what the figures hold for."""
    with open("/proc/cpuinfo", encoding="utf-8") as cpuinfo:
        models = [line.split(":", 1)[1].strip() for line in cpuinfo if line.startswith("model name")]
    connection = lib.connect("postgres")
    version = lib.value(connection, "SHOW server_version")
    connection.close()
    print(f"{len(models)} x {models[0]}, PostgreSQL {version}, {lib.ROWS} rows x {lib.FEATURES} features,"
          f" medians of {lib.REPEATS}")


def warn_when_busy(warnings, moment):
    """Note when others keep the machine busy, at a moment when this run does nothing; are we alone?"""
    busy = busy_share()
    if busy > 0.1:
        warnings.append(f"WARNING: other processes kept {busy:.0%} of this machine busy {moment};"
                        " the figures are not to be trusted")
        print(warnings[-1], flush=True)
    return busy <= 0.1


def main(names):
    """Returns the exit status: 0 also when figures are missed, since a table is what is asked for."""
    if names == ["list"]:
        print("\n".join(GROUPS))
        return 0
    checking = names[:1] == ["check"]
    names = names[1:] if checking else names
    unknown = [name for name in names if name not in GROUPS]
    if unknown:
        print(f"bench: no figures named {', '.join(unknown)}; there are {', '.join(GROUPS)}", file=sys.stderr)
        return 2
    if checking:
        return 0
    import lib
    import tables
    machine(lib)
    tables.make()
    tables.warm()
    connection = lib.connect()
    lib.execute(connection, "DROP EXTENSION IF EXISTS mlaas CASCADE")
    lib.execute(connection, "CREATE EXTENSION mlaas")
    connection.close()
    figures = lib.Figures()
    warnings = []
    for name in names or GROUPS:
        alone = warn_when_busy(warnings, f"before {name}")
        importlib.import_module(f"figures.{name}").run(figures)
        figures.settle(warn_when_busy(warnings, f"after {name}") and alone)
    figures.table()
    print("\n".join(warnings))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
