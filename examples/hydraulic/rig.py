"""The recording of the hydraulic rig as records: features of each cycle and what was wrong in it."""

import os
import random

SENSORS = ("TS1", "TS2", "TS3", "TS4", "VS1", "CE", "CP", "SE")
FILES = [s + ".txt" for s in SENSORS] + ["profile.txt"]
STEPS = (732, 1464)  # cycles at which the cooler's condition changes
GAP = 10             # cycles between a held-out block and what the model learns from
VALIDATION = 0.3     # model.validation_share in plant.yaml

# What each inspection looks for: column of profile.txt, and when it is a fault.
FINDINGS = {"cooler_fails": (0, lambda percent: percent == 3),      # close to total failure
            "valve_lags": (1, lambda percent: percent < 100),       # any lag
            "accumulator_leaks": (3, lambda bar: bar < 130)}        # below the optimal pressure

# Mean, deviation and slope over the cycle of each sensor; and the course of the efficiency factor
# within the cycle, second by second from its mean: it shows how valve and accumulator react to the
# load, and does not wander with the oil's temperature as levels do.
LEVELS = [f"{s}_{f}" for s in SENSORS for f in ("mean", "std", "slope")]
COURSE = [f"SE_{second:02d}" for second in range(60)]
COOLING = ["CE_mean", "CP_mean"]  # the cooler's efficiency and power
FEATURES = {"cooler_fails": LEVELS, "valve_lags": COURSE, "accumulator_leaks": COURSE}


def cycle_features(rows):
    """rows: 60 samples of each sensor, in the order of SENSORS."""
    out = []
    for samples in rows:
        n = len(samples)
        mean = sum(samples) / n
        middle = (n - 1) / 2
        out += [mean, (sum((x - mean) ** 2 for x in samples) / n) ** 0.5,
                sum((i - middle) * x for i, x in enumerate(samples))
                / sum((i - middle) ** 2 for i in range(n))]
    efficiency = rows[SENSORS.index("SE")]
    mean = sum(efficiency) / len(efficiency)
    return out + [x - mean for x in efficiency]


class Rig:
    def __init__(self, data):
        def table(name):
            with open(os.path.join(data, name)) as file:
                return [[float(v) for v in line.split()] for line in file]

        sensors = [table(f"{s}.txt") for s in SENSORS]
        profile = table("profile.txt")
        self.cycles = len(profile)
        self.features = [cycle_features([s[i] for s in sensors]) for i in range(self.cycles)]
        self.labels = {name: [int(fault(row[column])) for row in profile]
                       for name, (column, fault) in FINDINGS.items()}
        self.blocks = self._blocks([row[3] for row in profile])

    @staticmethod
    def _blocks(pressure):
        """(level, first, end) of each run of cycles with one accumulator pressure."""
        blocks, first = [], 0
        for i in range(1, len(pressure) + 1):
            if i == len(pressure) or pressure[i] != pressure[first]:
                blocks.append((pressure[first], first, i))
                first = i
        return blocks

    def folds(self):
        """Three ways to hold out one whole block of each pressure level, with the cooler in
        different conditions among them: [(cycles to learn from, cycles held out)]."""
        by_level = {}
        for block in self.blocks:
            by_level.setdefault(block[0], []).append(block)
        levels = sorted(by_level, reverse=True)  # 130, 115, 100, 90 bar; three blocks each
        folds = []
        for fold in range(3):
            held = [by_level[level][(2 - n % 3 + fold) % 3] for n, level in enumerate(levels)]
            out = {i for _, first, end in held for i in range(first, end)}
            near = {i for _, first, end in held for i in range(first - GAP, end + GAP)}
            folds.append((self.play(near), sorted(out)))
        return folds

    def play(self, left_out):
        """All other cycles, accumulator block by block (cut at the cooler's steps), the blocks in a
        drawn order. The newest share judges a candidate before it is published: the first order is
        taken in which that share has its part of faulty and of healthy cycles of each kind."""
        pieces = []
        for _, first, end in self.blocks:
            for low, high in zip((0, *STEPS), (*STEPS, self.cycles)):
                pieces.append([i for i in range(max(first, low), min(end, high))
                               if i not in left_out])
        for seed in range(1000):
            random.Random(seed).shuffle(order := [p for p in pieces if p])
            cycles = [i for piece in order for i in piece]
            if all(self.is_fair(cycles, labels) for labels in self.labels.values()):
                return cycles
        raise ValueError("no order of the blocks has all conditions on both sides")

    @staticmethod
    def is_fair(cycles, labels):
        """Of each class, between half and twice its part is among the newest."""
        newest = cycles[int(len(cycles) * (1 - VALIDATION)):]
        for label in (0, 1):
            share = sum(labels[i] == label for i in newest) / sum(labels[i] == label for i in cycles)
            if not 0.5 < share / VALIDATION < 2:
                return False
        return True

    def write(self, path, cycles):
        """Writes these cycles in this order, with all findings."""
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(",".join([*FINDINGS, *LEVELS, *COURSE]) + "\n")
            for i in cycles:
                labels = [self.labels[name][i] for name in FINDINGS]
                file.write(",".join([*map(str, labels),
                                     *(f"{x:.7g}" for x in self.features[i])]) + "\n")
