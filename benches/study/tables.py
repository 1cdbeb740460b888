#!/usr/bin/env python3
"""Tables of a study's report on standard output, as Markdown: tables.py OUT/report/pareto.json

Every point on every network, the means of variants, and differences of variants seed by seed.
"""

import json
import statistics
import sys


def table(head, rows):
    print("| " + " | ".join(head) + " |")
    print("|---|" + "---:|" * (len(head) - 1))
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print()


def percent(counted):
    return 100 * counted["correct"] / counted["inputs"]


def private(point):
    """What private runs gave, if there were any."""
    return next((on["private"] for on in point["networks"] if "private" in on), None)


def spread(found, factor, digits):
    mean, least, most = (factor * found[which] for which in ("mean", "least", "most"))
    return f"{mean:.{digits}f} ({least:.{digits}f} to {most:.{digits}f})"


def difference(ours, theirs):
    """`ours` less `theirs`, seed by seed, with the standard error of the mean where there is one."""
    found = [a - b for a, b in zip(ours, theirs, strict=True)]
    error = f" ± {statistics.stdev(found) / len(found) ** 0.5:.2f}" if len(found) > 1 else ""
    return [", ".join(f"{d:+.2f}" for d in found), f"{statistics.mean(found):+.2f}{error}"]


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        report = json.load(file)
    points = {point["name"]: point for point in report["points"]}
    first = report["points"][0]
    inputs = (first["float"]["inputs"], first["float_on_private_inputs"]["inputs"])
    networks = [on["network"] for on in first["networks"]]

    for index, network in enumerate(networks):
        print(f"### On {network}\n")
        head = ["", f"float, {inputs[0]:,} images %", f"float, {inputs[1]} %", f"private, {inputs[1]} %", "labels as float"]
        head += ["hops", "MB sent, model / data owner", "MB dealt", "online s (predicted)", "offline s (predicted)"]
        rows = []
        for point in report["points"]:
            on, run = point["networks"][index], private(point)
            told, seen = on["predicted"], on.get("measured", on["predicted"])
            sent, dealt = seen["online_bytes"], sum(seen["offline_bytes"].values())
            rows.append([
                point["name"],
                f"{percent(point['float']):.2f}",
                f"{percent(point['float_on_private_inputs']):.1f}" if run else "–",
                f"{percent(run):.1f}" if run else "–",
                f"{run['agreeing']} of {run['inputs']}" if run else "–",
                str(seen["hops"]),
                f"{sent['model_owner'] / 1e6:.2f} / {sent['data_owner'] / 1e6:.2f}",
                f"{dealt / 1e6:.1f}",
                f"{seen['online_seconds']:.3f} ({told['online_seconds']:.3f})",
                f"{seen['offline_seconds']:.3f} ({told['offline_seconds']:.3f})",
            ])
        table(head, rows)

    print("### Means over seeds, with least and most\n")
    rows = []
    for variant in report["variants"]:
        each = variant["networks"]
        accuracy = each[0].get("private_accuracy")
        row = [variant["name"], str(len(variant["points"])), spread(variant["float_accuracy"], 100, 2)]
        row += [spread(accuracy, 100, 1) if accuracy else "–"] + [spread(on["online_seconds"], 1, 3) for on in each]
        rows.append(row)
    table(["", "seeds", "float %", "private %", *(f"online s on {network}" for network in networks)], rows)

    print("### Differences seed by seed, points of float accuracy\n")
    accuracy = {v["name"]: [percent(points[name]["float"]) for name in v["points"]] for v in report["variants"]}
    rows = []
    for variant in accuracy:
        if variant.endswith("-searched-distilled"):
            share = variant.removesuffix("-searched-distilled")
            for what, other in [("distilled less not", "searched"), ("searched less by chance", "random-distilled")]:
                rows.append([f"{share}: {what}", *difference(accuracy[variant], accuracy[f"{share}-{other}"])])
    table(["", "by seed", "mean, with its standard error"], rows)


if __name__ == "__main__":
    main()
