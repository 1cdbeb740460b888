"""mpcc and SPU on the same networks, in one session on one machine, over the same links.

Every figure is of one inference in fresh processes: two parties, and for mpcc a dealer. The systems take turns, so that
whatever else the machine does meets both. On the wide-area link all TCP connections of both systems, mpcc's to its
dealer included, pass `wide_area`, which delays and paces them.
"""

import argparse
import contextlib
import datetime
import json
import os
import pathlib
import platform
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROUND_TRIP_MS, MEGABYTES_PER_SECOND = 40, 44
# mpcc's and SPU's names for networks are the same; what they are is said in the report.
TITLES = {
    "cifar-softmax": "CIFAR ViT, softmax + GeLU",
    "cifar-relu-softmax": "CIFAR ViT, ReLU-softmax + GeLU",
    "cifar-half": "CIFAR ViT, half ReLU-softmax, half scaling + GeLU",
    "cifar-scaling": "CIFAR ViT, scaling + GeLU",
    "cifar-2quad": "CIFAR ViT, 2Quad + Quad",
    "tiny-softmax": "Tiny-ImageNet ViT, softmax + GeLU",
    "tiny-relu-softmax": "Tiny-ImageNet ViT, ReLU-softmax + GeLU",
    "tiny-scaling": "Tiny-ImageNet ViT, scaling + GeLU",
    "bert-layer": "BERT-base layer, 128 tokens, softmax + GeLU",
    "bert-layer-2quad": "BERT-base layer, 128 tokens, 2Quad + Quad",
    "bert-base": "BERT-base, 12 layers, 128 tokens, softmax + GeLU",
}


def say(text):
    print(text, file=sys.stderr, flush=True)


class Program:
    """A process of its own whose output is kept and whose peak memory is known at its end.

    The peak that the system reports is at least what this process held when it started the other, so nothing large is
    imported here.
    """

    def __init__(self, name, command, **environment):
        self.name = name
        self.output, self.error = tempfile.TemporaryFile("w+"), tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=self.output,
            stderr=self.error,
            env={**os.environ, **environment},
        )
        self.status = self.peak_bytes = None

    def poll(self):
        """Whether it has ended."""
        if self.status is None:
            ended, status, usage = os.wait4(self.process.pid, os.WNOHANG)
            if ended:
                self.status = self.process.returncode = os.waitstatus_to_exitcode(status)
                self.peak_bytes = usage.ru_maxrss * 1024
        return self.status is not None

    def text(self, stream):
        stream.seek(0)
        return stream.read()

    def stop(self):
        if not self.poll():
            self.process.send_signal(signal.SIGKILL)
            while not self.poll():
                time.sleep(0.01)


@contextlib.contextmanager
def started(programs):
    """Programs that are gone afterwards."""
    try:
        yield programs
    finally:
        for program in programs:
            program.stop()


def wait(programs, seconds):
    """Waits until all have ended well."""
    end = time.monotonic() + seconds
    while not all([program.poll() for program in programs]):
        failed = [program for program in programs if program.status not in (None, 0)]
        if failed or time.monotonic() > end:
            # The others say why a moment later.
            time.sleep(1)
            for program in programs:
                say(f"--- {program.name}: {program.status}\n{program.text(program.error)[-2000:]}")
            raise SystemExit("error: a session failed" if failed else f"error: a session took more than {seconds} s")
        time.sleep(0.005)
    if any(program.status for program in programs):
        for program in programs:
            say(f"--- {program.name}: {program.status}\n{program.text(program.error)[-2000:]}")
        raise SystemExit("error: a session failed")


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def listening(port):
    """Whether somebody listens there; asks the system, since a connection would be taken for a peer's."""
    wanted = f":{port:04X}"
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(FileNotFoundError), open(table) as lines:
            for line in list(lines)[1:]:
                field = line.split()
                if field[1].endswith(wanted) and field[3] == "0A":
                    return True
    return False


def wait_for(ports, programs):
    end = time.monotonic() + 300
    while not all(listening(port) for port in ports):
        if any(program.poll() for program in programs) or time.monotonic() > end:
            for program in programs:
                say(f"--- {program.name}: {program.status}\n{program.text(program.error)[-2000:]}")
            raise SystemExit("error: a program does not listen")
        time.sleep(0.005)


class Link:
    """A link between two programs: none of its own on loopback, or proxies that delay and pace."""

    def __init__(self, arguments, network):
        self.command = [arguments.wide_area, ROUND_TRIP_MS, MEGABYTES_PER_SECOND]
        self.imitated = network == "wan"
        self.programs = []

    def reach(self, first=(), second=()):
        """Ports at which the programs behind these ports are reached from the other end of the link."""
        if not self.imitated:
            return [*first, *second]
        ports = free_ports(len(first) + len(second))
        pairs = [f"127.0.0.1:{port}=127.0.0.1:{target}" for port, target in zip(ports, [*first, *second])]
        groups = [*pairs[: len(first)], *(["--", *pairs[len(first) :]] if second else [])]
        self.programs.append(Program("the link", self.command + groups))
        wait_for(ports, self.programs)
        return ports


class Mpcc:
    name = "mpcc"

    def __init__(self, arguments, model, place):
        self.arguments, self.place = arguments, place / model
        self.binary, self.timeout = arguments.mpcc, arguments.timeout
        command = [self.binary, "bench", "models", "--model", model, "--net", "loopback,wan", "--repeat", "0"]
        command += ["--alpha", str(arguments.alpha), "--softmax", arguments.softmax, "--keep", place, "--json"]
        made = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        self.programs = {entry["network"]: entry["program"] for entry in made["entries"] if entry["model"] == model}
        self.identities, self.prints = {}, {}
        for role in ("model-owner", "data-owner", "dealer"):
            self.identities[role] = self.place / role
            keygen = [self.binary, "keygen", self.identities[role], "--json"]
            made = json.loads(subprocess.run(keygen, check=True, capture_output=True, text=True).stdout)
            self.prints[role] = made["fingerprint"]

    def inputs(self):
        files = sorted(self.place.glob("*.npy"))
        named = len(files) > 1
        return [f"{file.stem}={file}" if named else str(file) for file in files]

    def run(self, network):
        dealer, model_owner = free_ports(2)
        prints = self.prints
        with tempfile.TemporaryDirectory() as state, contextlib.ExitStack() as stack:

            def role(name, *options):
                command = [self.binary, "run", self.place / f"{network}.mpca", "--role", name, "--json"]
                # Reading weights takes a while, which is no part of what is measured.
                command += ["--net", network, "--identity", self.identities[name], "--timeout", "600"]
                command += ["--state", f"{state}/{name}"] if name != "dealer" else []
                return Program(name, command + [*options])

            def start(*begun):
                return stack.enter_context(started(list(begun)))

            dealing = role(
                *("dealer", "--listen", f"127.0.0.1:{dealer}"),
                *("--model-owner-fingerprint", prints["model-owner"]),
                *("--data-owner-fingerprint", prints["data-owner"]),
            )
            start(dealing)
            wait_for([dealer], [dealing])
            # The dealer reaches each party over a line of its own.
            links = [Link(self.arguments, network) for _ in range(3)]
            for link in links:
                stack.enter_context(started(link.programs))
            [dealer_of_model_owner] = links[0].reach([dealer])
            [dealer_of_data_owner] = links[1].reach([dealer])
            serving = role(
                *("model-owner", "--listen", f"127.0.0.1:{model_owner}"),
                *("--dealer", f"127.0.0.1:{dealer_of_model_owner}"),
                *("--peer", prints["data-owner"], "--dealer-fingerprint", prints["dealer"]),
                *("--weights", self.place / "weights.safetensors"),
            )
            start(serving)
            wait_for([model_owner], [serving, dealing])
            [peer] = links[2].reach([model_owner])
            asking = role(
                *("data-owner", "--connect", f"127.0.0.1:{peer}"),
                *("--dealer", f"127.0.0.1:{dealer_of_data_owner}"),
                *("--peer", prints["model-owner"], "--dealer-fingerprint", prints["dealer"]),
                *[part for given in self.inputs() for part in ("--input", given)],
            )
            start(asking)
            wait([asking, serving, dealing], self.timeout)
            measured = json.loads(asking.text(asking.output))["measured"]
            return {
                "online_seconds": measured["online_seconds"],
                "offline_seconds": measured["offline_seconds"],
                "setup_seconds": measured["setup_seconds"],
                "sent_bytes": max(measured["online_bytes"].values()),
                "dealt_bytes": sum(measured["offline_bytes"].values()),
                "exchanges": measured["hops"],
                "peak_bytes": max(asking.peak_bytes, serving.peak_bytes),
                "dealer_peak_bytes": dealing.peak_bytes,
            }


class Spu:
    name = "spu"

    def __init__(self, arguments, model, place):
        self.arguments, self.model = arguments, model
        self.timeout = arguments.timeout
        self.shares = place / f"{model}.shares"
        self.outputs = [place / f"{model}.output{rank}" for rank in range(2)]
        subprocess.run([*self.party(), "--prepare", self.shares], check=True, capture_output=True)

    def party(self):
        return [sys.executable, HERE / "spu_party.py", self.model]

    def run(self, network):
        first, second = free_ports(2)
        with contextlib.ExitStack() as stack:
            link = Link(self.arguments, network)
            stack.enter_context(started(link.programs))
            to_second, to_first = link.reach([second], [first])
            parties = []
            for rank, ports in enumerate([(first, to_second), (to_first, second)]):
                address = [f"127.0.0.1:{port}" for port in ports]
                command = [*self.party(), "--rank", rank, "--shares", self.shares, "--address", *address]
                command += ["--output", self.outputs[rank], "--profile"]
                parties.append(Program(f"SPU {rank}", command))
            stack.enter_context(started(parties))
            wait(parties, self.timeout)
            outputs = [party.text(party.output) for party in parties]
        results = [json.loads(output.strip().splitlines()[-1]) for output in outputs]
        link = re.findall(r"total send bytes (\d+).*send actions (\d+)", outputs[0])[-1]
        return {
            "online_seconds": max(result["seconds"][-1] for result in results),
            "offline_seconds": 0.0,
            "setup_seconds": 0.0,
            "sent_bytes": int(link[0]),
            "dealt_bytes": 0,
            "exchanges": int(link[1]),
            "peak_bytes": max(party.peak_bytes for party in parties),
            "error": self.error(),
        }

    def error(self):
        """The largest distance from the float network's output."""
        check = [*self.party(), "--shares", self.shares, "--check", *self.outputs]
        return float(subprocess.run(check, check=True, capture_output=True, text=True).stdout.split()[-1])


def summary(runs):
    """Medians of seconds, the most memory, and counts, which must not differ."""
    for key in ("sent_bytes", "dealt_bytes", "exchanges"):
        if len({run[key] for run in runs}) > 1:
            raise SystemExit(f"error: {key} differs between runs: {[run[key] for run in runs]}")
    result = {key: value for key, value in runs[0].items() if key in ("sent_bytes", "dealt_bytes", "exchanges")}
    for key in ("online_seconds", "offline_seconds", "setup_seconds"):
        result[key] = statistics.median(run[key] for run in runs)
    result["total_seconds"] = statistics.median(
        run["online_seconds"] + run["offline_seconds"] + run["setup_seconds"] for run in runs
    )
    online = [run["online_seconds"] for run in runs]
    result["online_extremes"] = [min(online), max(online)]
    for key in ("peak_bytes", "dealer_peak_bytes", "error"):
        values = [run[key] for run in runs if key in run]
        if values:
            result[key] = max(values)
    result["sessions"] = len(runs)
    return result


def setting(arguments):
    cpu, flags = "unknown", set()
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            cpu = value.strip()
        if name.strip() == "flags":
            flags = set(value.split())
    features = ["aes", "avx2", "avx512f", "avx512_vnni", "avx512ifma", "vaes", "gfni", "amx_int8"]

    def git(*command):
        done = subprocess.run(["git", "-C", str(HERE), *command], capture_output=True, text=True)
        return done.stdout.strip() if done.returncode == 0 else "unknown"

    changed = git("status", "--porcelain", "--untracked-files=no", "--", ":(top)", ":(top,exclude)benches/reports")
    packages = {}
    for line in (HERE / "requirements.txt").read_text().splitlines():
        name, _, version = line.partition("==")
        packages[name] = version
    return {
        "processor": cpu,
        "cores": os.cpu_count(),
        "features": [f for f in features if f in flags],
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d"),
        "commit": git("rev-parse", "--short=12", "HEAD") + (" with changes" if changed else ""),
        "spu": packages["spu"],
        "jax": packages["jax"],
        "alpha": arguments.alpha,
        "softmax": arguments.softmax,
    }


def report(results):
    s = results["setting"]
    text = f"""# mpcc and SPU, side by side

{s['date']}, commit {s['commit']}. Machine: {s['processor']}, {s['cores']} cores ({', '.join(s['features'])}), \
{s['memory_bytes'] / 2**30:.0f} GiB of memory, {s['system']}. SPU {s['spu']} with jax {s['jax']} on Python {s['python']}.

Both systems in one session, taking turns, one inference in fresh processes each time; medians. SPU runs SEMI2K with 64-bit
words and its usual 18 fraction bits between two parties, and its first party makes all correlated randomness: it could
decrypt everything, and nothing is counted for it. mpcc has a dealer that sees neither party's data, a process of its own on
the same cores; what it makes and sends before the input is known is "offline", and masked weights, once for a pair of
parties, are "setup". Both run the same architecture on random weights; mpcc's BERT-base also looks its tokens up in
secret, which SPU is spared. Protocols of mpcc are chosen with alpha = {s['alpha']} and softmax = {s['softmax']}. MB are those that a party sends online (of the party that sends
more), exchanges are hops of mpcc and send actions of SPU.

`wan` is {MEGABYTES_PER_SECOND} MB/s in each direction and a round trip of {ROUND_TRIP_MS} ms, by the same proxies for both systems
and for mpcc's links to its dealer. Repeat it with `benches/peers/run.sh`.
"""
    for network in results["networks"]:
        entries = [entry for entry in results["entries"] if entry["network"] == network]
        if not entries:
            continue
        text += f"""
## On {network}

| network | system | runs | online s | offline s | setup s | total s | MB sent | exchanges | peak memory MB, party (dealer) |
|---|---|---:|---:|---:|---:|---:|---:|---:|---:|
"""
        for entry in entries:
            for system in ("mpcc", "spu"):
                r = entry.get(system)
                if r is None:
                    continue
                memory = f"{r['peak_bytes'] / 1e6:.0f}"
                memory += f" ({r['dealer_peak_bytes'] / 1e6:.0f})" if "dealer_peak_bytes" in r else ""
                low, high = r["online_extremes"]
                text += (
                    f"| {TITLES[entry['model']]} | {'SPU' if system == 'spu' else system} | {r['sessions']} "
                    f"| {r['online_seconds']:.3f} ({low:.3f} to {high:.3f}) | {r['offline_seconds']:.3f} | {r['setup_seconds']:.3f} "
                    f"| {r['total_seconds']:.3f} | {r['sent_bytes'] / 1e6:.1f} | {r['exchanges']} | {memory} |\n"
                )
        both = [entry for entry in entries if "mpcc" in entry and "spu" in entry]
        if both:
            text += """
| network | SPU by mpcc online | SPU by mpcc with offline and setup | bytes | exchanges |
|---|---:|---:|---:|---:|
"""
        for entry in both:
            m, p = entry["mpcc"], entry["spu"]
            text += (
                f"| {TITLES[entry['model']]} | {p['online_seconds'] / m['online_seconds']:.1f} "
                f"| {p['total_seconds'] / m['total_seconds']:.1f} | {p['sent_bytes'] / m['sent_bytes']:.1f} "
                f"| {p['exchanges'] / m['exchanges']:.1f} |\n"
            )
    return text


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", default=list(TITLES), choices=TITLES, metavar="NAME")
    parser.add_argument("--nets", nargs="+", default=["loopback", "wan"], choices=["loopback", "wan"])
    parser.add_argument("--systems", nargs="+", default=["mpcc", "spu"], choices=["mpcc", "spu"])
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--spu-repeat", type=int, help="runs of SPU, if it is to have fewer")
    parser.add_argument("--alpha", type=float, default=1.0, help="as of `mpcc compile`")
    parser.add_argument("--softmax", choices=["auto", "static", "maximum"], default="auto", help="as of `mpcc compile`")
    parser.add_argument("--timeout", type=float, default=900, help="seconds for one run")
    parser.add_argument("--output", type=pathlib.Path, required=True, help="a report, with .json beside .md")
    parser.add_argument("--mpcc", type=pathlib.Path, required=True)
    parser.add_argument("--wide-area", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    spu_repeat = arguments.repeat if arguments.spu_repeat is None else arguments.spu_repeat

    results = {"schema": "mpcc.peers/1", "setting": setting(arguments), "networks": arguments.nets, "entries": []}

    def write():
        arguments.output.with_suffix(".json").write_text(json.dumps(results, indent=1) + "\n")
        arguments.output.with_suffix(".md").write_text(report(results))

    for model in arguments.models:
        with tempfile.TemporaryDirectory(prefix="mpcc-peers-") as place:
            systems = []
            for system in (Mpcc, Spu):
                if system.name in arguments.systems:
                    say(f"{model}: preparing {system.name}")
                    systems.append(system(arguments, model, pathlib.Path(place)))
            for network in arguments.nets:
                runs = {system.name: [] for system in systems}
                for index in range(max(arguments.repeat, spu_repeat)):
                    for system in systems:
                        if index < (spu_repeat if system.name == "spu" else arguments.repeat):
                            run = system.run(network)
                            runs[system.name].append(run)
                            say(f"{model} on {network}, {system.name}: {run['online_seconds']:.3f} s online")
                entry = {"model": model, "network": network}
                for name, taken in runs.items():
                    if taken:
                        entry[name] = {**summary(taken), "runs": taken}
                results["entries"].append(entry)
                write()
    say(f"wrote {arguments.output.with_suffix('.md')} and {arguments.output.with_suffix('.json')}")


if __name__ == "__main__":
    main()
