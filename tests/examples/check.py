"""check.py NAME --millwright PROGRAM: runs an example through the loop and holds its figures against
what they must at least be. Status 77, with the reason, when the data set is not there."""

import json
import os
import subprocess
import sys

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# Options of the run, and (what, where in the JSON, at least). Figures seen are a little above.
TURBOFAN = [(f"{kind} {figure}", ["models", kind, figure], least)
            for kind in ("logistic", "mlp")
            for figure, least in (("roc_auc", 0.987), ("average_precision", 0.940), ("predicted", 30))]
CHECKS = {
    "turbofan": ([], TURBOFAN),
    "mill": ([], [("logistic ROC AUC", ["models", "logistic", "roc_auc"], 0.885),
                  ("logistic average precision", ["models", "logistic", "average_precision"], 0.40),
                  ("perceptron ROC AUC", ["models", "mlp", "roc_auc"], 0.972),
                  ("perceptron average precision", ["models", "mlp", "average_precision"], 0.65)]),
    "pump": ([], [("mean AUC", ["mean"], 0.875), ("pooled AUC", ["pooled"], 0.87),
                  ("mean AUC behind the commissioning", ["mean_after"], 0.79)]),
    "hydraulic": (["--fold", "2"],
                  [("cooler AUC", ["findings", "cooler_fails", "roc_auc_pooled"], 0.99),
                   ("valve AUC", ["findings", "valve_lags", "roc_auc_pooled"], 0.78),
                   ("accumulator AUC", ["findings", "accumulator_leaks", "roc_auc_pooled"], 0.93),
                   ("models of the watched run", ["watch", "models"], 3)]),
    "bearing": ([], [("ROC AUC", ["roc_auc"], 0.99)]),
}


def ledgers(value):
    """All accounts in a result."""
    if isinstance(value, dict):
        if "missing" in value and "doubled" in value:
            yield value
        value = list(value.values())
    if isinstance(value, list):
        for part in value:
            yield from ledgers(part)


def dig(value, path):
    for key in path:
        value = value[key]
    return value


def main():
    name = sys.argv[1]
    options, checks = CHECKS[name]
    run = subprocess.run([sys.executable, os.path.join(SOURCE, "examples", name, "run.py"), "--json",
                          *options, *sys.argv[2:]], stdout=subprocess.PIPE, text=True)
    if run.returncode != 0:
        return run.returncode
    result = json.loads(run.stdout)
    wrong = 0
    for what, path, least in checks:
        value = dig(result, path)
        good = value >= least
        wrong += not good
        print(f"{'ok  ' if good else 'LOW '} {what}: {value:.4f}, at least {least}")
    accounts = list(ledgers(result))
    for account in accounts:
        lost = account["missing"] + account["doubled"] + account["dead"]
        if lost or not account["balanced"]:
            wrong += 1
            print(f"BAD  the ledger: {account}")
    if not accounts:
        wrong += 1
        print("BAD  no ledger in the result")
    print(f"{result['seconds']} s, {len(accounts)} plants")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
