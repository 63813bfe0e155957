#!/usr/bin/env python3
"""Draws the samples of findings again, with nothing but Python 3.

    redraw.py samples.json                    check the vectors beside this file
    redraw.py PACK.zip                        draw every sample of a pack again
    redraw.py PACK.zip CONTROL TEST N NONCE   draw one of your own: N items, by a
                                              nonce you chose after you held the
                                              pack's closing checkpoint

The method is evidenced-sample/v1, see docs/sampling.md. Exit codes: 0 all is as
drawn, 2 something is not, 64 the command line is off.
"""

import base64
import hashlib
import json
import struct
import sys
import zipfile


def sha(data):
    return hashlib.sha256(data).digest()


def length(n):
    return struct.pack(">Q", n)


def seed_of(checkpoint, randomness):
    return sha(b"evidenced/seed/v1" + length(len(checkpoint)) + checkpoint + length(len(randomness)) + randomness)


def population_hash(lines):
    return sha(b"".join(line + b"\n" for line in sorted(lines))).hex()


def draw(seed, lines, n):
    """Indices of the n lines of the lowest ranks, ascending."""
    seen, ranks = {}, []
    for i, line in enumerate(lines):
        k = seen.get(line, 0)
        seen[line] = k + 1
        ranks.append((sha(b"evidenced/rank/v1" + seed + line + (length(k) if k else b"")), i))
    return sorted(i for _, i in sorted(ranks)[: max(n, 0)])


def line_of(item):
    return ",".join(str(s) for s in [item["seq"]] + item.get("also", [])).encode()


def vectors(path):
    with open(path, encoding="utf-8") as f:
        cases = json.load(f)
    for c in cases:
        lines = [line.encode() for line in c["lines"]]
        seed = seed_of(bytes.fromhex(c["seed"]["checkpoint"]), base64.b64decode(c["seed"]["randomness"] or ""))
        if (seed.hex(), population_hash(lines), len(lines)) != (c["seed"]["value"], c["hash"], c["count"]):
            return "%s: another seed or population" % c["name"]
        if draw(seed, lines, c["size"]) != c["sample"]:
            return "%s: another sample" % c["name"]
    print("%d samples, all drawn again" % len(cases))


def closing(pack):
    """SHA-256 of the note text of the closing checkpoint: what stands before the blank line."""
    return sha(pack.read("checkpoint").split(b"\n\n")[0] + b"\n")


def packed(path):
    n = 0
    with zipfile.ZipFile(path) as pack:
        checkpoint = closing(pack)
        for f in json.loads(pack.read("findings.json")):
            s = f.get("sample")
            if not s:
                continue
            name = "%s/%s" % (f["control"], f["test"])
            lines = [line_of(i) for i in f["items"]]
            if population_hash(lines) != s["population"]["hash"]:
                return "%s: another population" % name
            if "seed" in s:
                if bytes.fromhex(s["seed"]["checkpoint"]) != checkpoint:
                    return "%s: the seed is of another checkpoint" % name
                seed = seed_of(checkpoint, base64.b64decode(s["seed"].get("randomness") or ""))
                if seed.hex() != s["seed"]["value"] or draw(seed, lines, len(s["items"])) != s["items"]:
                    return "%s: another sample" % name
            n += 1
    print("%d samples, all drawn again" % n)


def own(path, control, test, n, nonce):
    with zipfile.ZipFile(path) as pack:
        for f in json.loads(pack.read("findings.json")):
            if (f["control"], f["test"]) == (control, test):
                for i in draw(seed_of(closing(pack), nonce.encode()), [line_of(i) for i in f["items"]], int(n)):
                    it = f["items"][i]
                    print("%-12s record %d  %s  %s" % (it["verdict"], it["seq"], it["at"], it["label"]))
                return None
    return "the pack has no finding of %s and %s" % (control, test)


def main(args):
    if len(args) == 1:
        wrong = vectors(args[0]) if args[0].endswith(".json") else packed(args[0])
    elif len(args) == 5:
        wrong = own(*args)
    else:
        print(__doc__, file=sys.stderr)
        return 64
    if wrong:
        print("FAILED    " + wrong)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
