"""One of SPU's two parties, as a process of its own.

Both processes draw the same shares from a common file that the first makes before anything is timed, so that the
network's time and bytes are the inference's alone. Randomness comes from the first party (SPU's default for SEMI2K: it
could decrypt everything, and moves no bytes for it).
"""

import argparse
import json
import pickle
import resource
import sys
import time

import jax
import numpy as np
from spu import api, libspu
from spu.utils import frontend

import networks


def config(profile):
    c = libspu.RuntimeConfig(protocol=libspu.ProtocolKind.SEMI2K, field=libspu.FieldType.FM64)
    c.enable_pphlo_profile = profile
    return c


def flat(name):
    network = networks.NETWORKS[name]
    arguments = (networks.weights(network), networks.example(network))
    return networks.forward(network), arguments, jax.tree_util.tree_leaves(arguments)


def prepare(name, path):
    """Shares of weights and input for both parties, and the float network's output, into a file."""
    function, arguments, leaves = flat(name)
    io = api.Io(2, config(False))
    shares = [io.make_shares(np.asarray(x), libspu.Visibility.VIS_SECRET) for x in leaves]
    expected = np.asarray(jax.jit(function)(*arguments))
    with open(path, "wb") as f:
        pickle.dump((shares, expected), f)


def check(path, outputs):
    """The largest distance between what both parties' shares give and the float network."""
    with open(path, "rb") as f:
        _, expected = pickle.load(f)
    shares = []
    for output in outputs:
        with open(output, "rb") as f:
            shares.append(pickle.load(f)[0])
    print(float(np.abs(api.Io(2, config(False)).reconstruct(shares) - expected).max()))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model", choices=networks.NETWORKS)
    parser.add_argument("--prepare", metavar="FILE")
    parser.add_argument("--rank", type=int)
    parser.add_argument("--shares", metavar="FILE")
    parser.add_argument("--address", nargs=2, help="where the first and the second party are reached from here")
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--profile", action="store_true", help="let SPU print rounds and bytes")
    parser.add_argument("--output", metavar="FILE")
    parser.add_argument("--check", nargs=2, metavar="FILE", help="outputs of both parties")
    arguments = parser.parse_args()
    if arguments.prepare:
        prepare(arguments.model, arguments.prepare)
        return
    if arguments.check:
        check(arguments.shares, arguments.check)
        return

    function, given, leaves = flat(arguments.model)
    names = [f"in{i}" for i in range(len(leaves))]
    options = libspu.CompilerOptions()
    # A quotient by a row sum then takes one reciprocal a row instead of one an entry.
    options.enable_optimize_denominator_with_broadcast = True
    began = time.perf_counter()
    executable, _ = frontend.compile(
        frontend.Kind.JAX,
        function,
        given,
        {},
        names,
        [libspu.Visibility.VIS_SECRET] * len(leaves),
        lambda out: [f"out{i}" for i in range(len(out))],
        copts=options,
    )
    compiled = time.perf_counter() - began
    with open(arguments.shares, "rb") as f:
        shares, expected = pickle.load(f)

    desc = libspu.link.Desc()
    desc.connect_retry_times = 100
    desc.connect_retry_interval_ms = 200
    desc.recv_timeout_ms = 600_000
    desc.http_timeout_ms = 600_000
    for i, address in enumerate(arguments.address):
        desc.add_party(f"id_{i}", address)
    link = libspu.link.create_brpc(desc, arguments.rank)
    runtime = api.Runtime(link, config(arguments.profile))
    for name, share in zip(executable.input_names, shares):
        runtime.set_var(name, share[arguments.rank])
    del shares

    seconds = []
    for _ in range(arguments.repeat):
        link.barrier()
        began = time.perf_counter()
        runtime.run(executable)
        link.barrier()
        seconds.append(time.perf_counter() - began)

    outputs = [runtime.get_var(name) for name in executable.output_names]
    with open(arguments.output, "wb") as f:
        pickle.dump(outputs, f)
    link.barrier()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    json.dump({"seconds": seconds, "compiled_seconds": compiled, "peak_bytes": peak}, sys.stdout)
    print()
    link.stop_link()


if __name__ == "__main__":
    main()
