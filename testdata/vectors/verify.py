#!/usr/bin/env python3
"""Checks evidence by the format pages alone, with nothing but Python 3.

    verify.py                 check the vectors beside this file
    verify.py DIR             check the vectors in a directory
    verify.py PACK.zip [--extends OLD.zip] [--log-key KEY] [--pack-key KEY]
                              check a pack, and that its log goes on from that
                              of an earlier pack; the keys, as you know them
                              from elsewhere, are note verifier keys

It is a second implementation of docs/formats/record.md, log.md, pack.md and
witness.md and shares no code with the first. It decrypts nothing (the standard
library has no AES): what it says about claims it says of disclosed ones. Of
the receipts in a pack it checks the log's own signature and place in the
history; time-stamp tokens and cosignatures there it leaves to other tools.

Exit codes: 0 all holds, 2 something does not, 3 the pack holds but is a
selection, 64 the command line is off.
"""

import base64
import calendar
import csv
import hashlib
import hmac
import io
import json
import os
import re
import struct
import sys
import time
import zlib

MAX_LEAF = 16384
MAX_INT = 1 << 53
CLAIMS = ["content", "text", "raw"]


class Bad(Exception):
    """Something does not hold; the text says what."""


def need(ok, what):
    if not ok:
        raise Bad(what)


def b64(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def unb64std(text):
    """Padded standard base64 in its one canonical spelling."""
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError:
        raise Bad("bad base64")
    need(base64.b64encode(raw).decode() == text, "base64 is not canonical")
    return raw


# ---- JSON that hides nothing ------------------------------------------------

def pairs(items):
    names = [k for k, _ in items]
    need(len(set(names)) == len(names), "a name stands twice")
    return dict(items)


def refuse_number(text):
    raise Bad("a number that is no integer: " + text)


def parse_json(raw, parse_float=refuse_number):
    try:
        return json.loads(raw, object_pairs_hook=pairs, parse_float=parse_float, parse_constant=refuse_number)
    except (ValueError, RecursionError) as e:
        raise Bad("not JSON: %s" % e)


# ---- record.md: the leaf ----------------------------------------------------

def plain(v, most):
    return isinstance(v, str) and 1 <= len(v) <= most and all("!" <= c <= "~" and c not in '"\\<>&' for c in v)


def matches(v, pattern):
    return isinstance(v, str) and re.fullmatch(pattern, v, re.ASCII) is not None


def integer(v, low=0, high=MAX_INT - 1):
    return isinstance(v, int) and not isinstance(v, bool) and low <= v <= high


def is_hash(v):
    return matches(v, "[0-9a-f]{64}")


def is_b64(v, size):
    if not matches(v, "[A-Za-z0-9_-]*"):
        return False
    try:
        raw = base64.urlsafe_b64decode(v + "=" * (-len(v) % 4))
    except ValueError:
        return False
    return len(raw) == size and b64(raw) == v


TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{0,8}[1-9]))?Z", re.ASCII)


def instant(v):
    """A time as a tuple that sorts; None when the text is not a time."""
    m = TIME.fullmatch(v) if isinstance(v, str) else None
    if not m:
        return None
    y, mo, d, h, mi, s = (int(x) for x in m.groups()[:6])
    nano = int((m.group(7) or "").ljust(9, "0"))
    if y < 1 or not 1 <= mo <= 12 or h > 23 or mi > 59 or s > 59:
        return None
    if not 1 <= d <= calendar.monthrange(y, mo)[1]:
        return None
    t = (y, mo, d, h, mi, s, nano)
    return None if t == (1, 1, 1, 0, 0, 0, 0) else t


def at_text(v, origin):
    need(isinstance(v, dict) and set(v) == ({"origin", "seq", "leaf"} if origin else {"seq", "leaf"}), "reference with other names")
    need(integer(v["seq"]) and is_hash(v["leaf"]) and (not origin or plain(v["origin"], 128)), "bad reference")
    head = '"origin":"%s",' % v["origin"] if origin else ""
    return '{%s"seq":%d,"leaf":"%s"}' % (head, v["seq"], v["leaf"])


def people_text(v):
    need(isinstance(v, list) and 1 <= len(v) <= 64, "bad list of people")
    out = []
    for p in v:
        need(isinstance(p, dict) and set(p) == {"role", "token", "proof"}, "person with other names")
        need(matches(p["role"], "[a-z-]{1,32}") and is_b64(p["token"], 16), "bad person")
        need(p["proof"] in ("claimed", "signed", "authenticated"), "bad proof")
        out.append('{"role":"%s","token":"%s","proof":"%s"}' % (p["role"], p["token"], p["proof"]))
    return "[" + ",".join(out) + "]"


def claims_text(v):
    need(isinstance(v, list) and len(v) <= 3, "bad list of claims")
    out, last = [], -1
    for c in v:
        need(isinstance(c, dict) and set(c) == {"name", "commit", "sealed", "size", "keys"}, "claim with other names")
        need(c["name"] in CLAIMS and CLAIMS.index(c["name"]) > last, "claim unknown or out of order")
        last = CLAIMS.index(c["name"])
        need(is_b64(c["commit"], 32) and is_b64(c["sealed"], 32) and integer(c["size"]), "bad claim")
        need(isinstance(c["keys"], list) and c["keys"] and all(plain(k, 64) for k in c["keys"]), "bad key ids")
        out.append('{"name":"%s","commit":"%s","sealed":"%s","size":%d,"keys":[%s]}' % (
            c["name"], c["commit"], c["sealed"], c["size"], ",".join('"%s"' % k for k in c["keys"])))
    return "[" + ",".join(out) + "]"


def is_time(v):
    return instant(v) is not None


REQUIRED = [  # in the leaf's order; optional names stand where REST and not_before say
    ("v", lambda v: integer(v, 1, 1)), ("origin", lambda v: plain(v, 128)), ("seq", integer), ("prev", is_hash),
    ("id", lambda v: is_b64(v, 16)), ("kind", lambda v: matches(v, "[a-z.-]{1,64}")), ("kv", lambda v: integer(v, 1, 65536)),
    ("op", lambda v: v in ("event", "set", "end", "amend")), ("source", lambda v: matches(v, "[a-z0-9][a-z0-9/-]{0,62}")),
    ("run", lambda v: is_b64(v, 16)), ("occurred", is_time), ("basis", lambda v: v in ("source", "claimed", "observed")),
    ("observed", is_time), ("recorded", is_time), ("claims", lambda v: True),
]


def decode_leaf(raw):
    """The leaf as a dict. Whatever is not written in the one way is refused."""
    need(len(raw) <= MAX_LEAF, "leaf of %d bytes" % len(raw))
    leaf = parse_json(raw)
    need(isinstance(leaf, dict), "not an object")
    out = []
    for name, good in REQUIRED:
        if name == "claims":
            if "people" in leaf:
                out.append('"people":' + people_text(leaf["people"]))
            need("claims" in leaf, "claims are missing")
            out.append('"claims":' + claims_text(leaf["claims"]))
            continue
        if name == "observed" and "not_before" in leaf:
            need(is_time(leaf["not_before"]), "bad not_before")
            out.append('"not_before":"%s"' % leaf["not_before"])
        need(name in leaf, name + " is missing")
        need(good(leaf[name]), "bad " + name)
        out.append('"%s":%s' % (name, json.dumps(leaf[name])))
    need(instant(leaf["recorded"])[6] % 1000 == 0, "recorded is finer than a microsecond")
    for name in ("amends", "carries", "from"):
        if name in leaf:
            out.append('"%s":%s' % (name, at_text(leaf[name], name == "from")))
    if "x" in leaf:
        need(plain(leaf["x"], 1024), "bad x")
        out.append('"x":"%s"' % leaf["x"])
    need(("{" + ",".join(out) + "}").encode() == raw, "not in canonical form")
    return leaf


def leaf_hash(raw):
    return hashlib.sha256(b"\0" + raw).digest()


def commitment(name, salt, text):
    head = struct.pack(">I", len(name)) + name.encode() + struct.pack(">Q", len(text))
    return hmac.new(salt, head + text, hashlib.sha256).digest()


def check_claim(leaf, d):
    need(isinstance(d, dict) and set(d) == {"seq", "name", "salt", "plain"}, "claim with other names")
    salt, text = unb64std(d["salt"]), unb64std(d["plain"] or "")
    need(d["seq"] == leaf["seq"], "claim of record %s at record %s" % (d["seq"], leaf["seq"]))
    need(len(salt) == 32, "salt of %d bytes" % len(salt))
    for c in leaf["claims"]:
        if c["name"] == d["name"]:
            need(b64(commitment(d["name"], salt, text)) == c["commit"], "record %d: %s does not match its commitment" % (leaf["seq"], d["name"]))
            return text
    raise Bad("record %d has no claim %s" % (leaf["seq"], d["name"]))


# ---- log.md: the tree (RFC 6962, RFC 9162) ---------------------------------

def node(left, right):
    return hashlib.sha256(b"\1" + left + right).digest()


class Frontier:
    def __init__(self, size=0, roots=()):
        need(bin(size).count("1") == len(roots), "frontier of %d with %d hashes" % (size, len(roots)))
        self.size, self.roots = size, list(roots)

    def append(self, h):
        n = self.size
        while n & 1:
            h = node(self.roots.pop(), h)
            n >>= 1
        self.roots.append(h)
        self.size += 1

    def root(self):
        if not self.roots:
            return hashlib.sha256(b"").digest()
        h = self.roots[-1]
        for r in reversed(self.roots[:-1]):
            h = node(r, h)
        return h


def check_inclusion(seq, size, leaf, root, proof):
    """RFC 9162 section 2.1.3.2."""
    need(0 <= seq < size, "record %d is not in a tree of %d" % (seq, size))
    fn, sn, r = seq, size - 1, leaf
    for p in proof:
        need(sn != 0, "proof is too long")
        if fn & 1 or fn == sn:
            r = node(p, r)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = node(r, p)
        fn, sn = fn >> 1, sn >> 1
    need(sn == 0 and r == root, "record %d is not in the tree" % seq)


def check_consistency(old, old_root, new, new_root, proof):
    """RFC 9162 section 2.1.4.2; every tree extends the empty one."""
    need(0 <= old <= new, "tree of %d cannot extend one of %d" % (new, old))
    if old == 0 or old == new:
        need(not proof and (old == 0 or old_root == new_root), "trees differ")
        return
    proof = list(proof)
    if old & (old - 1) == 0:
        proof.insert(0, old_root)
    need(proof, "proof is empty")
    fn, sn = old - 1, new - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    fr = sr = proof[0]
    for p in proof[1:]:
        need(sn != 0, "proof is too long")
        if fn & 1 or fn == sn:
            fr, sr = node(p, fr), node(p, sr)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = node(sr, p)
        fn, sn = fn >> 1, sn >> 1
    need(sn == 0 and fr == old_root and sr == new_root, "the new tree does not extend the old one")


def genesis_prev(origin):
    return hashlib.sha256(b"evidenced/genesis/v1" + struct.pack(">I", len(origin)) + origin.encode()).digest()


def check_leaves(lines, origin, start, each=None):
    """Leaves from the frontier on: form, place, links. The frontier grows."""
    prev, recorded = (genesis_prev(origin) if start.size == 0 else None), None
    for raw in lines:
        seq = start.size
        try:
            leaf = decode_leaf(raw)
        except Bad as e:
            raise Bad("record %d: %s" % (seq, e))
        need(leaf["origin"] == origin, "record %d belongs to log %s" % (seq, leaf["origin"]))
        need(leaf["seq"] == seq, "record %d stands where record %d must" % (leaf["seq"], seq))
        need(prev is None or leaf["prev"] == prev.hex(), "record %d does not follow its predecessor" % seq)
        now = instant(leaf["recorded"])
        need(recorded is None or now >= recorded, "record %d was recorded before its predecessor" % seq)
        prev, recorded = leaf_hash(raw), now
        start.append(prev)
        if each:
            each(leaf, raw)


# ---- Ed25519, RFC 8032 section 5.1, verification only ----------------------

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
I = pow(2, (P - 1) // 4, P)


def edwards_add(p, q):
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def edwards_mul(n, p):
    q = (0, 1, 1, 0)
    while n:
        if n & 1:
            q = edwards_add(q, p)
        p, n = edwards_add(p, p), n >> 1
    return q


def edwards_point(raw):
    y = int.from_bytes(raw, "little")
    sign, y = y >> 255, y & (1 << 255) - 1
    if y >= P:
        return None
    x2 = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(x2, (P + 3) // 8, P)
    if (x * x - x2) % P:
        x = x * I % P
    if (x * x - x2) % P or x == 0 and sign:
        return None
    if x & 1 != sign:
        x = P - x
    return (x, y, 1, x * y % P)


def base_point():
    y = 4 * pow(5, P - 2, P) % P
    return edwards_point(y.to_bytes(32, "little"))


def ed25519_verify(public, message, signature):
    if len(public) != 32 or len(signature) != 64:
        return False
    a, r = edwards_point(public), edwards_point(signature[:32])
    s = int.from_bytes(signature[32:], "little")
    if a is None or r is None or s >= L:
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % L
    left, right = edwards_mul(s, base_point()), edwards_add(r, edwards_mul(k, a))
    return (left[0] * right[2] - right[0] * left[2]) % P == 0 and (left[1] * right[2] - right[1] * left[2]) % P == 0


# ---- notes (C2SP signed-note) and checkpoints ------------------------------

def parse_key(text):
    """A note verifier key: name, hash, public key."""
    parts = text.split("+", 2)
    need(len(parts) == 3 and parts[0] and not re.search(r"[\s+]", parts[0]), "bad key")
    name, digest, raw = parts[0], parts[1], unb64std(parts[2])
    need(len(raw) == 33 and raw[0] == 1, "not an Ed25519 key")
    need(matches(digest, "[0-9a-f]{8}"), "bad key hash")
    need(hashlib.sha256(name.encode() + b"\n" + raw).digest()[:4].hex() == digest, "key hash is not the key's")
    return name, bytes.fromhex(digest), raw[1:]


def open_note(raw, key, alone=False):
    """The text, if the key signed it. With alone, one canonical signature and no other."""
    name, digest, public = parse_key(key)
    try:
        note = raw.decode("utf-8")
    except ValueError:
        raise Bad("note is not UTF-8")
    need(all(c >= " " or c == "\n" for c in note), "note holds control characters")
    cut = note.rfind("\n\n")
    need(cut >= 0, "note has no signatures")
    text, sigs = note[:cut + 1], note[cut + 2:]
    need(sigs.endswith("\n"), "note does not end in a signature line")
    good, lines = False, sigs[:-1].split("\n")
    need(len(lines) <= (1 if alone else 100), "note has too many signatures")
    for line in lines:
        need(line.startswith("\u2014 "), "bad signature line")
        who, _, sig64 = line[2:].partition(" ")
        sig = unb64std(sig64)
        need(who and len(sig) >= 5, "bad signature line")
        if who != name or sig[:4] != digest:
            continue  # somebody else's: says nothing to us
        need(ed25519_verify(public, text.encode(), sig[4:]), "signature of %s is not good" % name)
        good = True
    need(good, "not signed by " + name)
    return text


def open_checkpoint(raw, key, origin, alone=False):
    lines = open_note(raw, key, alone).split("\n")
    need(len(lines) == 4 and lines[3] == "", "checkpoint has not three lines")
    need(plain(lines[0], 128), "bad origin")
    need(lines[0] == origin, "checkpoint of another log: " + lines[0])
    need(matches(lines[1], "0|[1-9][0-9]{0,15}") and int(lines[1]) < MAX_INT, "bad size")
    root = unb64std(lines[2])
    need(len(root) == 32, "bad root")
    return int(lines[1]), root


# ---- witness.md: cosignatures, requests, receipts ---------------------------

MAX_NOTE = 65536


def parse_witness(text):
    """A witness's verifier key: name, hash, public key."""
    parts = text.split("+", 2)
    need(len(parts) == 3 and 0 < len(parts[0].encode()) <= 255 and not re.search(r"[\s+\x00-\x1f\x7f]", parts[0]), "bad key")
    name, digest, raw = parts[0], parts[1], unb64std(parts[2])
    need(len(raw) == 33 and raw[0] == 4, "not an Ed25519 cosignature key")
    need(matches(digest, "[0-9a-f]{8}"), "bad key hash")
    need(hashlib.sha256(name.encode() + b"\n" + raw).digest()[:4].hex() == digest, "key hash is not the key's")
    return name, bytes.fromhex(digest), raw[1:]


def cosigned(raw, keys):
    """[name, time] for each of the keys, by the note's order. The log's own signature is for open_checkpoint."""
    need(len(raw) <= MAX_NOTE, "note is too large")
    note = raw.decode("utf-8")
    cut = note.rfind("\n\n")
    need(cut >= 0 and note.endswith("\n"), "note has no signatures")
    text, known, got = note[:cut + 1], [parse_witness(k) for k in keys], []
    for line in note[cut + 2:-1].split("\n"):
        need(line.startswith("\u2014 "), "bad signature line")
        who, _, sig64 = line[2:].partition(" ")
        sig = unb64std(sig64)
        need(who and len(sig) >= 5, "bad signature line")
        for name, digest, public in known:
            if (who, sig[:4]) != (name, digest) or name in [g[0] for g in got]:
                continue
            need(len(sig) == 4 + 8 + 64, "cosignature has another length")
            at = int.from_bytes(sig[4:12], "big")
            need(0 < at < 253402300800, "time of a cosignature")
            message = "cosignature/v1\ntime %d\n%s" % (at, text)
            need(ed25519_verify(public, message.encode(), sig[12:]), "cosignature of %s is not good" % name)
            got.append([name, at])
    return got


def decimal(text):
    need(matches(text, "0|[1-9][0-9]{0,15}") and int(text) < MAX_INT, "bad number")
    return int(text)


def proof_lines(text):
    """The hashes up to the empty line, and what follows it."""
    got = []
    while True:
        line, end, text = text.partition("\n")
        need(end, "no empty line after the proof")
        if not line:
            need(0 < len(text.encode()) <= MAX_NOTE, "no checkpoint after the proof")
            return got, text
        h = unb64std(line)
        need(len(h) == 32 and len(got) < 63, "bad line of the proof")
        got.append(h)


def parse_request(text):
    first, _, rest = text.partition("\n")
    need(first.startswith("old "), "no old size")
    return [decimal(first[4:])] + list(proof_lines(rest))


def parse_size(text):
    need(text.endswith("\n"), "no line end")
    return decimal(text[:-1])


def parse_answer(body, note, key):
    need(body.endswith("\n") and all(x.startswith("\u2014 ") for x in body[:-1].split("\n")), "not signature lines alone")
    got = cosigned((note[:note.rfind("\n\n") + 2] + body).encode(), [key])
    need(got, "no cosignature by the witness")


def parse_receipt(text):
    head, _, rest = text.partition("\n")
    need(head == "c2sp.org/tlog-proof@v1", "no tlog-proof of version 1")
    line, _, rest = rest.partition("\n")
    if line.startswith("extra "):
        need(0 < len(unb64std(line[6:])) <= 32768, "bad extra data")
        line, _, rest = rest.partition("\n")
    need(line.startswith("index "), "no index")
    return [decimal(line[6:])] + list(proof_lines(rest))


def check_receipt(text, leaf, origin, key, witnesses):
    index, proof, note = parse_receipt(text)
    size, root = open_checkpoint(note.encode(), key, origin)
    check_inclusion(index, size, leaf, root, proof)
    return index, size, cosigned(note.encode(), witnesses)


# ---- references -------------------------------------------------------------

REF_PLAIN = set(range(0x21, 0x7F)) - set(b'%#"\\')


def ref_escape(raw, slash):
    return "".join(chr(c) if c in REF_PLAIN and not (slash and c == 0x2F) else "%%%02X" % c for c in raw)


def ref_unescape(text):
    need(re.fullmatch(r"(?:[^%]|%[0-9A-F]{2})*", text, re.ASCII | re.DOTALL), "bad escape")
    return re.sub(rb"%([0-9A-F]{2})", lambda m: bytes([int(m.group(1), 16)]), text.encode())


def parse_ref(text, schemes):
    scheme, colon, rest = text.partition(":")
    need(colon and scheme in schemes, "no known scheme")
    authority, slash, rest = rest.partition("/")
    need(slash, "no / after the authority")
    name, _, uid = rest.partition("#")
    parts = [ref_unescape(x) for x in (authority, name, uid)]
    again = "%s:%s/%s" % (scheme, ref_escape(parts[0], True), ref_escape(parts[1], False))
    if parts[2]:
        again += "#" + ref_escape(parts[2], False)
    need(again == text, "not in canonical form")
    return [scheme] + parts


# ---- the vectors ------------------------------------------------------------

class Count:
    def __init__(self):
        self.good = self.refused = 0

    def holds(self, what, fn, *args):
        try:
            got = fn(*args)
        except Bad as e:
            raise Bad("%s: %s" % (what, e))
        self.good += 1
        return got

    def refuses(self, what, fn, *args):
        try:
            fn(*args)
        except Bad:
            self.refused += 1
            return
        raise Bad("accepted, and must be refused: " + what)


def load(folder, name):
    with open(os.path.join(folder, name), "rb") as f:
        return json.loads(f.read())


def hashes(texts):
    need(all(is_hash(t) for t in texts), "bad hash")
    return [bytes.fromhex(t) for t in texts]


def vector_leaves(folder, n):
    v = load(folder, "leaves.json")
    for g in v["good"]:
        raw = g["leaf"].encode()
        n.holds("leaf, " + g["name"], decode_leaf, raw)
        need(leaf_hash(raw).hex() == g["hash"], "leaf, %s: another hash" % g["name"])
    for b in v["refused"]:
        raw = b["leaf"].encode() if "leaf" in b else base64.b64decode(b["leaf_base64"])
        n.refuses("leaf, " + b["why"], decode_leaf, raw)


def whole_chain(v, leaves):
    f = Frontier()
    check_leaves([s.encode() for s in leaves], v["origin"], f)
    need(f.size == v["size"] and f.root().hex() == v["root"], "the leaves do not make the root")


def vector_chain(folder, n):
    v = load(folder, "chain.json")
    need(genesis_prev(v["origin"]).hex() == v["genesis_prev"], "genesis prev")
    need([leaf_hash(s.encode()).hex() for s in v["leaves"]] == v["hashes"], "leaf hashes")
    n.holds("chain", whole_chain, v, v["leaves"])
    part = Frontier(v["range_from"], hashes(v["range_frontier"]))
    n.holds("range", check_leaves, [s.encode() for s in v["leaves"][v["range_from"]:]], v["origin"], part)
    need(part.size == v["size"] and part.root().hex() == v["root"], "the range does not make the root")

    def claims(list_):
        for d in list_:
            need(integer(d["seq"], 0, len(v["leaves"]) - 1), "claim of no record")
            check_claim(decode_leaf(v["leaves"][d["seq"]].encode()), d)
    n.holds("claims", claims, v["claims"])
    for r in v["refused"]:
        if "leaves" in r:
            n.refuses("chain, " + r["why"], whole_chain, v, r["leaves"])
        else:
            n.refuses("claims, " + r["why"], claims, r["claims"])


def vector_trees(folder, n):
    v, f = load(folder, "trees.json"), Frontier()
    for t in v["trees"]:
        need(f.size == t["size"] and f.root().hex() == t["root"] and [r.hex() for r in f.roots] == t["frontier"], "tree of %d" % t["size"])
        n.good += 1
        f.append(leaf_hash(b"leaf %d" % f.size))


def vector_proofs(folder, n):
    v = load(folder, "proofs.json")

    def inclusion(x):
        check_inclusion(x["seq"], x["size"], *hashes([x["leaf"], x["root"]]), hashes(x["proof"]))

    def consistency(x):
        old, new = hashes([x["old_root"], x["new_root"]])
        check_consistency(x["old_size"], old, x["new_size"], new, hashes(x["proof"]))
    for name, fn in (("inclusion", inclusion), ("consistency", consistency)):
        for x in v[name]:
            n.holds("%s proof" % name, fn, x)
        for x in v[name + "_refused"]:
            n.refuses("%s proof, %s" % (name, x["why"]), fn, x)


def vector_checkpoints(folder, n):
    v = load(folder, "checkpoints.json")
    for g in v["good"]:
        got = n.holds("checkpoint, " + g["name"], open_checkpoint, g["note"].encode(), v["key"], v["origin"])
        need(got == (g["size"], bytes.fromhex(g["root"])), "checkpoint, %s: other values" % g["name"])
    for b in v["refused"]:
        n.refuses("checkpoint, " + b["why"], open_checkpoint, b["note"].encode(), v["key"], v["origin"])


def lp(*parts):
    return b"".join(struct.pack(">I", len(p)) + p for p in parts)


def vector_claims(folder, n):
    for g in load(folder, "claims.json")["good"]:
        salt, text, sealed = (base64.b64decode(g[k] or "") for k in ("salt", "plain", "ciphertext"))
        need(commitment(g["claim"], salt, text).hex() == g["commit"], "claim, %s: commitment" % g["name"])
        need(hashlib.sha256(sealed).hexdigest() == g["sealed"], "claim, %s: hash of the ciphertext" % g["name"])
        ids = [k["id"].encode() for k in g["keys"]]
        rid = base64.urlsafe_b64decode(g["id"] + "==")
        aad = lp(b"evidenced/claim/v1", g["origin"].encode(), rid, g["claim"].encode(), *ids)
        need(aad.hex() == g["aad"], "claim, %s: additional data" % g["name"])
        # HKDF-SHA-256, RFC 5869, one block: no salt is 32 zero bytes.
        prk = hmac.new(bytes(32), b"".join(bytes.fromhex(k["key"]) for k in g["keys"]), hashlib.sha256).digest()
        need(hmac.new(prk, b"evidenced/claim/v1\1", hashlib.sha256).hexdigest() == g["derived_key"], "claim, %s: key" % g["name"])
        if g["flag"] == 0:
            need(len(sealed) == 12 + 1 + 32 + len(text) + 16, "claim, %s: size" % g["name"])
        n.good += 1


def vector_refs(folder, n):
    v = load(folder, "refs.json")
    for g in v["good"]:
        got = n.holds("reference " + g["text"], parse_ref, g["text"], v["schemes"])
        need(got == [g["scheme"]] + [bytes.fromhex(g[k]) for k in ("authority_hex", "name_hex", "uid_hex")], "reference %s: other parts" % g["text"])
    for b in v["refused"]:
        n.refuses("reference, " + b["why"], parse_ref, b["text"], v["schemes"])


def vector_witness(folder, n):
    v = load(folder, "witness.json")
    keys = [w["key"] for w in v["witnesses"]]

    def note(text):
        open_checkpoint(text.encode(), v["log_key"], v["origin"])
        return cosigned(text.encode(), keys)
    for g in v["checkpoints"]:
        got = n.holds("cosigned checkpoint, " + g["name"], note, g["note"])
        want = [[c["name"], calendar.timegm(time.strptime(c["time"], "%Y-%m-%dT%H:%M:%SZ"))] for c in g["cosigned"] or []]
        need(got == want, "cosigned checkpoint, %s: by others, or at another time" % g["name"])
    for g in v["add_checkpoint"]:
        got = n.holds("request", parse_request, g["text"])
        proof = hashes(g["proof"] or [])
        need(got == [g["old"], proof, g["signed"]], "request: other values")
    leaf = bytes.fromhex(v["proof_leaf"])
    for g in v["proofs"]:
        index, size, by = n.holds("receipt, " + g["name"], check_receipt, g["text"], leaf, v["origin"], v["log_key"], keys)
        need((index, size, len(by)) == (g["index"], g["size"], 2), "receipt, %s: other values" % g["name"])
    first = v["checkpoints"][0]["note"]
    for what, list_, fn in (("cosigned checkpoint", "checkpoints_refused", note), ("request", "add_checkpoint_refused", parse_request),
                            ("size", "sizes_refused", parse_size), ("answer", "answers_refused", lambda t: parse_answer(t, first, keys[0])),
                            ("witness key", "keys_refused", parse_witness),
                            ("receipt", "proofs_refused", lambda t: check_receipt(t, leaf, v["origin"], v["log_key"], keys))):
        for b in v[list_]:
            n.refuses("%s, %s" % (what, b["why"]), fn, b["text"])
    for b in v["proofs_refused"]:
        if b["parses"]:
            n.holds("receipt that can be read, " + b["why"], parse_receipt, b["text"])
        else:
            n.refuses("receipt that cannot be read, " + b["why"], parse_receipt, b["text"])


def verify_vectors(folder):
    n = Count()
    for step in (vector_leaves, vector_chain, vector_trees, vector_proofs, vector_checkpoints, vector_claims, vector_refs, vector_witness):
        step(folder, n)
    return "%d vectors hold, %d are refused as they must be" % (n.good, n.refused)


# ---- pack.md ----------------------------------------------------------------

STORED = ("manifest", "issued.tlog-proof")  # not compressed
FIXED = ("checkpoint", "frontier.json", "genesis.json", "leaves.jsonl", "claims.jsonl", "earlier.jsonl",
         "findings.json", "rules.json", "catalog.json", "judged.json", "coverage.json", "packs.json", "loosened.json", "consistency.json", "anchors.json", "VERIFY.txt")


class Zip:
    """The container: refused unless it is built in the one plain way."""

    def __init__(self, raw):
        need(len(raw) >= 22, "not a zip")
        sig, disks, here, count, length, start, comment = struct.unpack("<IIHHIIH", raw[-22:])
        need(sig == 0x06054B50 and disks == 0 and here == count and comment == 0, "bad end record")
        need(start + length == len(raw) - 22, "bytes outside the members")
        self.packed, self.plain, at, next_ = {}, {}, start, 0
        for _ in range(count):
            head = struct.unpack("<IHHHHHHIIIHHHHHII", raw[at:at + 46]) if at + 46 <= start + length else None
            need(head, "central directory is cut")
            crc, packed, size, name_len, offset = head[7], head[8], head[9], head[10], head[16]
            name = raw[at + 46:at + 46 + name_len].decode("ascii", "replace")
            method = 0 if name in STORED else 8
            need(head == (0x02014B50, 20, 20, 0, method, 0, 0x21, crc, packed, size, name_len, 0, 0, 0, 0, 0, offset), "member %s: unexpected header" % name)
            need(matches(name, r"[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)?") and not {".", ".."} & set(name.split("/")), "member name %r" % name)
            need(name.lower() not in {x.lower() for x in self.plain}, "member %s stands twice" % name)
            local = struct.pack("<IHHHHHIIIHH", 0x04034B50, 20, 0, method, 0, 0x21, crc, packed, size, name_len, 0) + name.encode()
            need(offset == next_ and raw[offset:offset + len(local)] == local, "member %s: local header differs" % name)
            body = raw[offset + len(local):offset + len(local) + packed]
            next_ = offset + len(local) + packed
            need(next_ <= start and size <= (packed + 64) * 1100, "member %s: sizes that cannot be" % name)
            text = body
            if method:
                z = zlib.decompressobj(-15)
                try:
                    text = z.decompress(body, size + 1)
                except zlib.error as e:
                    raise Bad("member %s: %s" % (name, e))
                need(z.eof and not z.unused_data, "member %s: bytes after its end" % name)
            need(len(text) == size and zlib.crc32(text) == crc, "member %s does not match its checksum" % name)
            self.packed[name], self.plain[name] = body, text
            at += 46 + name_len
        need(at == start + length and next_ == start, "bytes outside the members")


def lines_of(raw, name):
    need(raw == b"" or raw.endswith(b"\n"), "%s: last line has no end" % name)
    return raw.split(b"\n")[:-1]


def digest_member(z, m):
    raw = z.plain.get(m["name"])
    need(raw is not None, "member %s is missing" % m["name"])
    packed = z.packed[m["name"]]
    need((len(raw), len(packed)) == (m["size"], m["packed"]), "member %s has another size" % m["name"])
    need(hashlib.sha256(raw).hexdigest() == m["sha256"] and hashlib.sha256(packed).hexdigest() == m["packed_sha256"], "member %s was changed" % m["name"])


def check_members(z, m):
    names = [x["name"] for x in m["members"]]
    need(len(set(names)) == len(names), "manifest names a member twice")
    need(set(names) | set(STORED) == set(z.plain) and set(FIXED) <= set(names) and not set(STORED) & set(names), "the members are not those of the manifest")
    for x in m["members"]:
        digest_member(z, x)
    data = sorted("%s %d %s\n" % (x["name"], x["size"], x["sha256"]) for x in m["members"] if x["name"] != "report.pdf")
    need(hashlib.sha256("".join(data).encode()).hexdigest() == m["data"], "digest of the data members")


def facts_of(text):
    return json.loads(text)["facts"]


def check_single(s, m):
    raw = s["leaf"].encode()
    leaf = decode_leaf(raw)
    need(leaf["origin"] == m["origin"], "leaf of another log")
    check_inclusion(leaf["seq"], m["closing"]["size"], leaf_hash(raw), bytes.fromhex(m["closing"]["root"]), hashes(s["proof"]))
    return leaf, [check_claim(leaf, d) for d in s["claims"] or []]


def check_registers(z, kinds):
    csv.field_size_limit(1 << 26)
    have = {n for n in z.plain if n.startswith("registers/")}
    need(have == {"registers/%s.csv" % k for k in kinds}, "registers are not those of the kinds that occurred")
    for k, want in kinds.items():
        rows = list(csv.reader(io.StringIO(z.plain["registers/%s.csv" % k].decode("utf-8"), newline="")))
        need([(r[0], r[-1]) for r in rows[1:]] == want, "register of %s does not list exactly its records" % k)


OWN = ("log.genesis", "log.key", "log.checkpoints", "log.damage", "log.recovered", "log.segment", "log.hold", "tenant.offboard", "person",
       "collection.run", "collection.coverage", "platform.config", "platform.catalog", "platform.admin", "access.read", "finding.state",
       "waiver", "scope.statement", "attestation.manual", "remedy.plan", "pack.issued", "erasure", "incident.declared", "incident.updated",
       "incident.moment", "incident.decision", "incident.notice", "incident.contact", "incident.closed", "identity.link")


def seconds(t):
    return calendar.timegm(t[:6] + (0, 0, 0))


def check_range(z, m):
    start = json.loads(z.plain["frontier.json"])
    f = Frontier(start["size"], hashes(start["hashes"]))
    need((f.size, f.root().hex()) == (m["start"]["size"], m["start"]["root"]), "frontier is not the start's")
    low, high = instant(m["period"]["from"]), instant(m["period"]["to"])
    counts, kinds, leaves, hashed, roots = {}, {}, {}, {}, {}

    def each(leaf, raw):
        leaves[leaf["seq"]], hashed[leaf["seq"]] = leaf, leaf_hash(raw)
        roots[f.size] = f.root().hex()
        if low <= instant(leaf["occurred"]) < high:
            counts[leaf["kind"]] = counts.get(leaf["kind"], 0) + 1
            if leaf["kind"] not in OWN:
                kinds.setdefault(leaf["kind"], []).append((str(leaf["seq"]), leaf_hash(raw).hex()))
    check_leaves(lines_of(z.plain["leaves.jsonl"], "leaves.jsonl"), m["origin"], f, each)
    need((f.size, f.root().hex()) == (m["closing"]["size"], m["closing"]["root"]), "the leaves do not make the closing root")
    last = instant(leaves[max(leaves)]["recorded"])
    need(m["interim"] or seconds(last) >= seconds(high) + 86400, "the pack claims to be final, but records of the period could still come in")
    need(instant(m["made"]) >= last, "the pack was made before its newest record")
    need(len(leaves) == m["records"] and counts == m["counts"], "the manifest counts other records")
    check_registers(z, kinds)
    return leaves, hashed, roots


def check_claims(z, m, leaves, sealed, stated):
    last, opened = (-1, ""), set()
    for line in lines_of(z.plain["claims.jsonl"], "claims.jsonl"):
        d = parse_json(line)
        need(d["seq"] in leaves and d["seq"] >= last[0] and (d["seq"], d["name"]) not in opened, "claims.jsonl: claim out of order")
        text = check_claim(leaves[d["seq"]], d)
        if leaves[d["seq"]]["kind"] == "pack.issued" and d["name"] == "content":
            sealed[d["seq"]] = facts_of(text)
        if leaves[d["seq"]]["kind"] == "platform.catalog" and d["name"] == "content":
            stated[d["seq"]] = facts_of(text)
        last = (d["seq"], d["name"])
        opened.add(last)
    closed = sum(len(x["claims"]) for x in leaves.values()) - len(opened)
    need(closed == sum(m["withheld"].values()) + m["erased"], "the manifest counts other withheld claims")
    return len(opened)


def check_history(z, m):
    """Trees that the closing one extends, by size."""
    proved, closing = {}, m["closing"]
    for a in parse_json(z.plain["consistency.json"]):
        need(set(a) == {"size", "root", "proof"} and integer(a["size"], 1) and is_hash(a["root"]), "consistency.json: bad entry")
        need(not proved or a["size"] > max(proved), "consistency.json: size %d is out of order" % a["size"])
        check_consistency(a["size"], bytes.fromhex(a["root"]), closing["size"], bytes.fromhex(closing["root"]), hashes(a["proof"]))
        proved[a["size"]] = a["root"]
    need(not m["start"]["size"] or proved.get(m["start"]["size"]) == m["start"]["root"], "no proof from the starting checkpoint")
    return proved


def check_earlier_packs(z, m, proved, kinds, sealed):
    listed = []
    for e in parse_json(z.plain["packs.json"]):
        need(not listed or e["seq"] > listed[-1], "packs.json: out of order")
        need(kinds.get(e["seq"]) == "pack.issued", "record %d, which sealed an earlier pack, is not in this one" % e["seq"])
        need(e["seq"] not in sealed or sealed[e["seq"]] == e["facts"], "record %d says otherwise of the earlier pack" % e["seq"])
        need(proved.get(e["facts"]["size"]) == e["facts"]["root"], "no proof from the earlier pack that record %d sealed" % e["seq"])
        listed.append(e["seq"])
    low, high = instant(m["period"]["from"]), instant(m["period"]["to"])
    for seq, f in sealed.items():
        need(proved.get(f["size"]) == f["root"], "no proof from the earlier pack that record %d sealed" % seq)
        overlaps = instant(f["period"]["from"]) < high and low < instant(f["period"]["to"])
        need(seq in listed or not overlaps, "the earlier pack that record %d sealed is not listed" % seq)
    order = sorted(seq for seq, kind in kinds.items() if kind == "pack.issued")
    counted = [(i + 1, sealed[seq]["number"]) for i, seq in enumerate(order) if seq in sealed] + [(len(order) + 1, m["number"])]
    need(all(n - i == counted[0][1] - counted[0][0] >= 0 for i, n in counted), "an earlier pack is missing or numbered falsely")


def rules_in_force(m, stated):
    """What the newest platform.catalog record of the range says; those in the pack follow one another."""
    start = m["start"]["size"]
    for (_, was), (seq, now) in zip(stated, stated[1:]):
        need(seq < start or now.get("before") == was["catalog"], "record %d: a change of the rules is missing before it" % seq)
    need(stated and stated[-1][0] >= start, "no platform.catalog record stands in the range")
    return stated[-1][1]


def day(text):
    return instant(text + "T00:00:00Z")


def left_out(c, m, said):
    """Why a control is not judged, None when it is."""
    who = said.get("tenancy")
    if who is not None:
        if c.get("tiers") and who.get("tier") and who["tier"] not in c["tiers"]:
            return "tier"
        if c.get("tags") and not set(c["tags"]) & set(who.get("tags") or []):
            return "tags"
    low, high = instant(m["period"]["from"]), instant(m["period"]["to"])
    if c.get("valid_from") and day(c["valid_from"]) >= high or c.get("valid_to") and day(c["valid_to"]) <= low:
        return "wording"
    return None


def one_form(ids, what):
    need(all(isinstance(i, str) and i and i == i.lower() for i in ids), "%s: bad id" % what)
    need(all(a.encode() < b.encode() for a, b in zip(ids, ids[1:])), "%s: out of order" % what)


def without_space(raw):
    """JSON without the white space between its parts."""
    return re.sub(rb'("(?:[^"\\]|\\.)*")|\s+', lambda x: x.group(1) or b"", raw)


def text_hash(raw):
    return hashlib.sha256(without_space(raw)).hexdigest()


def rule_texts(z):
    """The hash of each test in rules.json, by its id."""
    parse_json(z.plain["rules.json"], float)
    text, out, at = without_space(z.plain["rules.json"]).decode(), {}, 1
    while text[at:at + 1] == "{":
        r, end = json.JSONDecoder().raw_decode(text, at)
        need(r["id"] not in out, "rules.json: a test twice")
        out[r["id"]] = hashlib.sha256(text[at:end].encode()).hexdigest()
        at = end + 1
    return out


def check_judged(z, m, said):
    """judged.json says what follows from the catalog in force, and there is one finding of each pair that is judged."""
    need(text_hash(z.plain["catalog.json"]) == said["table"], "catalog.json is another table than the record in force states")
    table = parse_json(z.plain["catalog.json"])
    rules = {t["test"]: t["rule"] for t in table["tests"]}
    one_form([t["test"] for t in table["tests"]], "catalog.json: tests")
    one_form([c["control"] for c in table["controls"]], "catalog.json: controls")
    want, weight = {t: {"test": t, "controls": []} for t in rules}, {}
    for c in table["controls"]:
        one_form([t["test"] for t in c.get("tests", [])], "catalog.json: tests of " + c["control"])
        why = left_out(c, m, said)
        for t in c.get("tests", []):
            entry = want[t["test"]]
            weight[c["control"], t["test"]] = (c["severity"], t["strength"])
            if why is None:
                entry["controls"].append(c["control"])
            else:
                entry.setdefault("left_out", []).append({"control": c["control"], "why": why})
    want = [w for _, w in sorted(want.items(), key=lambda x: x[0].encode()) if w["controls"] or "left_out" in w]
    need(parse_json(z.plain["judged.json"]) == want, "judged.json is not what follows from the catalog in force")
    listed = {(c, w["test"]) for w in want for c in w["controls"]}
    texts = rule_texts(z)
    need({w["test"] for w in want if w["controls"]} == set(texts), "rules.json holds other tests than those judged")
    need(all(texts[t] == rules[t] for t in texts), "a rule of rules.json is not that of the catalog in force")
    found = set()
    for f in parse_json(z.plain["findings.json"], float):
        p = (f["control"], f["test"])
        need(p in listed, "finding %s/%s is not of what was judged" % p)
        need(p not in found, "two findings %s/%s" % p)
        need(f["rule"] == rules[f["test"]], "finding %s/%s is by another rule than the catalog in force has" % p)
        need((f["severity"], f["strength"]) == weight[p], "finding %s/%s has another weight than the catalog in force gives it" % p)
        found.add(p)
    for p in sorted(listed - found):
        raise Bad("finding %s/%s is missing" % p)
    return len(listed)


MEMBERS = {"time-stamp": (".checkpoint", ".tst"), "witness": (".checkpoint",), "elsewhere": (".checkpoint",), "proof": (".tlog-proof",)}


def check_receipts(z, m, proved, hashed, keys):
    """The log's own part of each receipt; what others signed is not checked."""
    named, top = set(), 1
    for i, r in enumerate(parse_json(z.plain["anchors.json"])):
        need(set(r) == {"kind", "name", "rung", "size", "root", "members"} and r["kind"] in MEMBERS, "anchors.json: bad receipt")
        need(r["rung"] in {"time-stamp": (4,), "witness": (5,), "elsewhere": (2, 3), "proof": (1,)}[r["kind"]], "anchors.json: rung of another kind")
        need(r["members"] == ["anchors/%03d%s" % (i + 1, e) for e in MEMBERS[r["kind"]]], "anchors.json: other members")
        named |= set(r["members"])
        raw = z.plain[r["members"][0]]
        if r["kind"] == "proof":
            head, cut, note = raw.partition(b"\n\n")
            lines = head.decode("ascii", "replace").split("\n")
            need(cut and lines[0] == "c2sp.org/tlog-proof@v1" and matches(lines[1], "index (0|[1-9][0-9]*)"), "%s: bad form" % r["members"][0])
            index, raw = int(lines[1][6:]), note
            need(index in hashed, "%s: record %d is not in the range" % (r["members"][0], index))
            check_inclusion(index, r["size"], hashed[index], bytes.fromhex(r["root"]), [unb64std(t) for t in lines[2:]])
        need(open_checkpoint(raw, key_at(keys, r["size"]), m["origin"]) == (r["size"], bytes.fromhex(r["root"])), "%s: another checkpoint" % r["members"][0])
        need(proved.get(r["size"]) == r["root"], "%s: no proof from its checkpoint" % r["members"][0])
        if r["size"] == m["closing"]["size"]:
            top = max(top, r["rung"])
    need(named == {n for n in z.plain if n.startswith("anchors/")}, "members of anchors/ that no receipt names")
    need(0 <= m["anchor"]["rung"] <= top, "the manifest claims a rung that nothing in the pack shows")


def check_issued(z, m):
    head, cut, signed = z.plain["issued.tlog-proof"].partition(b"\n\n")
    lines = head.decode("ascii", "replace").split("\n")
    need(cut and len(lines) >= 3 and lines[0] == "c2sp.org/tlog-proof@v1" and lines[1].startswith("extra ") and matches(lines[2], "index (0|[1-9][0-9]*)"), "issued.tlog-proof: bad form")
    x, index = parse_json(unb64std(lines[1][6:])), int(lines[2][6:])
    size, root = open_checkpoint(signed, m["log_key"], m["origin"], alone=True)
    raw = x["leaf"].encode()
    leaf = decode_leaf(raw)
    need(leaf["kind"] == "pack.issued" and leaf["seq"] == index >= m["closing"]["size"] and leaf["origin"] == m["origin"], "issued.tlog-proof is of another record")
    check_inclusion(index, size, leaf_hash(raw), root, [unb64std(t) for t in lines[3:]])
    check_consistency(m["closing"]["size"], bytes.fromhex(m["closing"]["root"]), size, root, hashes(x["consistency"]))
    sealed = facts_of(check_claim(leaf, x["claim"]))
    need(sealed["manifest"] == hashlib.sha256(z.plain["manifest"]).hexdigest(), "another manifest was sealed")
    want = {k: m[k] for k in ("number", "period", "records", "complete", "interim", "purpose", "recipient") if k in m}
    want.update(size=m["closing"]["size"], root=m["closing"]["root"], withheld=sum(m["withheld"].values()) + m["erased"], issued=m["made"])
    need({k: v for k, v in sealed.items() if k not in ("manifest", "disclosed")} == want, "what was sealed says otherwise than the manifest")
    return index, leaf_hash(raw)


def key_chain(z, m, first, closing, known):
    """The log keys as (first size, key), from the genesis through keys.json; known must reach the one that signs."""
    keys, broken = [(0, first)], -1
    for c in parse_json(z.plain["keys.json"]) if "keys.json" in z.plain else []:
        leaf, opened = check_single(c, m)
        need(leaf["kind"] == "log.key" and len(opened) == 1, "keys.json: not a log.key record with its content")
        f, seq = facts_of(opened[0]), leaf["seq"]
        need(f["old"] == keys[-1][1] and seq >= keys[-1][0], "keys.json: it replaces a key that is not in force")
        need(all(f["new"] != k for _, k in keys) and parse_key(f["new"])[0] == parse_key(first)[0], "keys.json: bad new key")
        signed = c["handover"].encode()
        size, root = open_checkpoint(signed, f["new"], m["origin"])
        need(seq < size <= closing[0], "keys.json: handover of another size")
        if f.get("compromised"):
            broken = len(keys)
        else:
            open_checkpoint(signed, f["old"], m["origin"])
        if size < closing[0]:
            check_consistency(size, root, closing[0], closing[1], hashes(c["consistency"]))
        else:
            need((size, root) == closing and not c["consistency"], "keys.json: handover of another tree")
        keys.append((seq + 1, f["new"]))
    need(keys[-1][1] == m["log_key"] and keys[-1][0] <= closing[0], "the log was not handed over to the key that signs")
    if known is not None:
        at = [i for i, (_, k) in enumerate(keys) if k == known]
        need(at, "signed by other keys than those given")
        need(at[0] >= broken, "the key given was replaced as compromised")
    return keys


def key_at(keys, size):
    return [k for first, k in keys if first <= size][-1]


def verify_pack(raw, log_key, pack_key):
    z = Zip(raw)
    need("manifest" in z.plain and "issued.tlog-proof" in z.plain, "manifest or proof of issue is missing")
    text = z.plain["manifest"].partition(b"\n\n")[0].decode("utf-8", "replace")
    first, _, body = text.partition("\n")
    need(first == "evidenced-pack/v1", "not a manifest of version 1")
    m = parse_json(body)
    need(pack_key in (None, m["pack_key"]), "signed by other keys than those given")
    need(open_note(z.plain["manifest"], m["pack_key"], alone=True) == text + "\n", "manifest is not the signed text")
    check_members(z, m)
    closing = open_checkpoint(z.plain["checkpoint"], m["log_key"], m["origin"], alone=True)
    need(closing == (m["closing"]["size"], bytes.fromhex(m["closing"]["root"])), "closing checkpoint is not the manifest's")
    genesis, opened = check_single(parse_json(z.plain["genesis.json"]), m)
    need(genesis["seq"] == 0 and genesis["kind"] == "log.genesis" and len(opened) == 1, "genesis is not the first record")
    g = facts_of(opened[0])
    need([g["tenant"], g["origin"], g["pack_key"], g["clock"] == "simulated"] ==
         [m["tenant"], m["origin"], m["pack_key"], m["simulated"]], "the log began with another tenant, keys or clock")
    keys = key_chain(z, m, g["log_key"], closing, log_key)
    if m["start"]["size"]:
        start = open_checkpoint(z.plain.get("checkpoint-start", b""), key_at(keys, m["start"]["size"]), m["origin"], alone=True)
        need(start == (m["start"]["size"], bytes.fromhex(m["start"]["root"])), "starting checkpoint is not the manifest's")
    proved = check_history(z, m)
    leaves, hashed, roots = check_range(z, m)
    sealed, stated, kinds = {}, {}, {seq: x["kind"] for seq, x in leaves.items()}
    claims = len(opened) + check_claims(z, m, leaves, sealed, stated)
    check_receipts(z, m, proved, hashed, keys)
    for line in lines_of(z.plain["earlier.jsonl"], "earlier.jsonl"):
        single = parse_json(line)
        leaf, more = check_single(single, m)
        need(leaf["seq"] < m["start"]["size"], "earlier.jsonl: record of the range")
        kinds[leaf["seq"]], hashed[leaf["seq"]] = leaf["kind"], leaf_hash(single["leaf"].encode())
        for d, text in zip(single["claims"] or [], more):
            if leaf["kind"] == "pack.issued" and d["name"] == "content":
                sealed[leaf["seq"]] = facts_of(text)
            if leaf["kind"] == "platform.catalog" and d["name"] == "content":
                stated[leaf["seq"]] = facts_of(text)
        claims += len(more)
    check_earlier_packs(z, m, proved, kinds, sealed)
    judged = check_judged(z, m, rules_in_force(m, sorted(stated.items())))
    index, sealing = check_issued(z, m)
    known = "keys as given" if log_key and pack_key else "identity of the maker not established"
    text = "%s%s, %s to %s, %s: %d records, %d claims match, %d findings as judged, issued as record %d; %s" % (
        "DEMONSTRATION: " if m["simulated"] else "", m["tenant"], m["period"]["from"], m["period"]["to"],
        "complete" if m["complete"] else "a selection", len(leaves), claims, judged, index, known)
    facts = {"m": m, "proved": {**proved, **roots}, "hashed": hashed, "index": index, "sealing": sealing}
    return text, 0 if m["complete"] is True else 3, facts


def check_extends(new, old):
    """One history from two packs: the old tree is an ancestor of the new one."""
    a, b = old["m"], new["m"]
    for name in ("tenant", "origin", "log_key"):
        need(a[name] == b[name], "the earlier pack is of another %s" % name.replace("_", " "))
    size = a["closing"]["size"]
    need(size <= b["closing"]["size"], "the log became shorter: from size %d to %d" % (size, b["closing"]["size"]))
    root = b["closing"]["root"] if size == b["closing"]["size"] else new["proved"].get(size)
    need(root is not None, "nothing shows that the log extends the earlier pack's at size %d" % size)
    need(root == a["closing"]["root"], "two histories: another root at size %d" % size)
    if old["index"] < b["closing"]["size"]:
        need(new["hashed"].get(old["index"]) == old["sealing"], "two histories: record %d, which sealed the earlier pack, is not this log's" % old["index"])
    return "; extends the earlier pack from size %d" % size


def main(args):
    keys = {"--log-key": None, "--pack-key": None, "--extends": None}
    rest = []
    while args:
        a = args.pop(0)
        if a in keys and args:
            keys[a] = args.pop(0)
        elif a.startswith("-"):
            print(__doc__.strip(), file=sys.stderr)
            return 64
        else:
            rest.append(a)
    if len(rest) > 1:
        print(__doc__.strip(), file=sys.stderr)
        return 64
    what = rest[0] if rest else os.path.dirname(os.path.abspath(__file__))
    try:
        if os.path.isdir(what):
            print("OK  " + verify_vectors(what))
        else:
            with open(what, "rb") as f:
                text, code, facts = verify_pack(f.read(), keys["--log-key"], keys["--pack-key"])
            if keys["--extends"]:
                with open(keys["--extends"], "rb") as f:
                    _, earlier, old = verify_pack(f.read(), keys["--log-key"], keys["--pack-key"])
                text, code = text + check_extends(facts, old), max(code, earlier)
            print(("SELECTION  " if code else "OK  ") + text)
            return code
    except Bad as e:
        print("FAILED  %s" % e)
        return 2
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, struct.error) as e:
        print("FAILED  a member or vector is not of the form it must have: %s: %s" % (type(e).__name__, e))
        return 2
    except OSError as e:
        print("verify.py: %s" % e, file=sys.stderr)
        return 64
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
