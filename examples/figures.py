"""Figures that reports print: ROC AUC, average precision, tables. Standard library only."""


def roc_auc(labels, scores):
    """Area under the ROC curve: ties count half (Hanley and McNeil, 1982). None with one class."""
    pairs = sorted(zip(scores, labels))
    positives = sum(labels)
    negatives = len(labels) - positives
    if positives == 0 or negatives == 0:
        return None
    rank_sum, start = 0.0, 0
    while start < len(pairs):
        end, tied = start, 0
        while end < len(pairs) and pairs[end][0] == pairs[start][0]:
            tied += pairs[end][1]
            end += 1
        rank_sum += tied * (start + end + 1) / 2
        start = end
    return (rank_sum - positives * (positives + 1) / 2) / (positives * negatives)


def average_precision(labels, scores):
    """Precision averaged over recall, equal scores taken at once. None without positives."""
    pairs = sorted(zip(scores, labels), reverse=True)
    positives = sum(labels)
    if positives == 0:
        return None
    hits, area, start = 0, 0.0, 0
    while start < len(pairs):
        end, tied = start, 0
        while end < len(pairs) and pairs[end][0] == pairs[start][0]:
            tied += pairs[end][1]
            end += 1
        hits += tied
        area += tied / positives * hits / end
        start = end
    return area


def accuracy(labels, scores, threshold=0.5):
    return sum((s >= threshold) == bool(y) for y, s in zip(labels, scores)) / len(labels)


def mean(values):
    return sum(values) / len(values)


def median(values):
    ordered = sorted(values)
    middle = len(ordered) // 2
    if len(ordered) % 2:
        return ordered[middle]
    return (ordered[middle - 1] + ordered[middle]) / 2


def first_alarm(scores, threshold, confirm):
    """Index of the first score that is the `confirm`-th in a row at or above the threshold."""
    run = 0
    for i, score in enumerate(scores):
        run = run + 1 if score is not None and score >= threshold else 0
        if run == confirm:
            return i
    return None


def number(value, digits=3):
    return "-" if value is None else f"{value:.{digits}f}"


def table(head, rows):
    """Lines of a table, the first column to the left, the others to the right."""
    cells = [[str(c) for c in row] for row in [head] + rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    lines = []
    for n, row in enumerate(cells):
        first = row[0].ljust(widths[0])
        rest = [c.rjust(w) for c, w in zip(row[1:], widths[1:])]
        lines.append("  ".join([first] + rest).rstrip())
        if n == 0:
            lines.append("-" * len("  ".join("x" * w for w in widths)))
    return "\n".join(lines)
