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

Of a pack it says the same as evidence-verify does, line by line, but of what
stands on the auditor's own files (trust, policy, roots). Each check names the
section of pack.md that it follows.

Exit codes: 0 all holds, 2 something does not, 3 the pack holds but is a
selection, 64 the command line is off.
"""

import base64
import bisect
import calendar
import hashlib
import hmac
import json
import os
import re
import struct
import sys
import time
import unicodedata
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
            need(b64(commitment(d["name"], salt, text)) == c["commit"], "record %d (%s, %s): %s content does not match its commitment" % (
                leaf["seq"], leaf["kind"], leaf["occurred"], d["name"]))
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
        if who != name or sig[:4] != digest or good:
            continue  # somebody else's, or said before: says nothing to us
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

SCHEMES = ("account", "alert", "alertrule", "app", "artifact", "branch", "cert", "change", "check", "commit",
           "config", "control", "copy", "device", "entity", "finding", "hold", "host", "image", "imagetag",
           "incident", "key", "label", "line", "log", "member", "mount", "namespace", "node", "ns", "object", "pack",
           "path", "person", "pipeline", "pod", "policy", "project", "release", "remedy", "repo", "request", "result",
           "review", "robot", "role", "rule", "secret", "server", "silence", "source", "statement", "sync", "tenant",
           "tfrun", "tfstate", "workload", "workspace")

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


def is_ref(v):
    """A reference, or none."""
    try:
        return v == "" or isinstance(v, str) and len(v) <= 16 << 10 and bool(parse_ref(v, SCHEMES))
    except Bad:
        return False


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
    need(set(v["schemes"]) == set(SCHEMES), "other schemes than are known here")
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


# ---- pack.md section 2: members say one thing to every reader ---------------

MOST_ELEMENTS, FEW_ELEMENTS, MOST_NAMES, DEEPEST = 1 << 20, 1 << 17, 1 << 16, 64
LONG = ("findings.json", "coverage.json", "claims.jsonl", "earlier.jsonl")
TOKEN = re.compile(r'("[^"\\]*(?:\\.[^"\\]*)*")(\s*:)?|[\[\]{},]', re.DOTALL)
PAIRED = re.compile(r"\\(?:u[dD][89abAB]..\\u[dD][c-fC-F]..|u(?![dD][89a-fA-F])|[^u])")


def fold(name):
    return name.lower()  # names are ASCII


def quoted(text):
    return json.dumps(text, ensure_ascii=False)


def pairs_once(items):
    names = set()
    for k, _ in items:
        need(fold(k) not in names, "name %s stands twice in one object" % quoted(k))
        names.add(fold(k))
    need(len(names) <= MOST_NAMES, "an object of more than %d names" % MOST_NAMES)
    return dict(items)


def elements_in(name):
    """How many elements the arrays of a member may have together."""
    return MOST_ELEMENTS if name in LONG else FEW_ELEMENTS


def scan(text, plain_names, most):
    """Refuses names with escapes, and what is small in a file and large in memory. Counts the elements of arrays."""
    inside, elements = [], 0
    for t in TOKEN.finditer(text):
        c = t.group(0)[0]
        if c == '"':
            need("\\" not in PAIRED.sub("", t.group(1)), "a string with half of a surrogate pair")
        if c == '"' and t.group(2):
            name = t.group(1)[1:-1]
            need(matches(name, "[a-z0-9_./-]*" if plain_names else r"[ -\[\]-~]*"), "name %s is not written as it must be" % quoted(name))
        elif c in "[{":
            need(len(inside) < DEEPEST, "nested more than %d deep" % DEEPEST)
            inside.append(c)
        elif c in "]}" and inside:
            inside.pop()
        elements += c == "[" or c == "," and inside[-1:] == ["["]
        need(elements <= most, "more than %d elements" % most)
    return elements


def whole(text):
    need(text != "-0", "a number that is written as -0")
    return int(text) if len(text) < 64 else -MAX_INT**2 if text[0] == "-" else MAX_INT**2  # no number is as large


def one_meaning(raw, what, plain_names, most=FEW_ELEMENTS):
    return counted_meaning(raw, what, plain_names, most)[0]


def counted_meaning(raw, what, plain_names, most):
    """JSON that says one thing to every reader, and how many elements its arrays have."""
    try:
        text = raw.decode("utf-8")
        elements = scan(text, plain_names, most)
        return json.loads(text, object_pairs_hook=pairs_once, parse_int=whole, parse_constant=refuse_number), elements
    except UnicodeDecodeError:
        raise Bad("%s: text that is not UTF-8" % what)
    except (Bad, ValueError, RecursionError) as e:
        raise Bad("%s: %s" % (what, e))


class Scalar:
    """A value that is no list and no object: what it is when it is missing, and how it is read."""

    def __init__(self, zero, good, take=lambda v: v):
        self.zero, self.good, self.take = zero, good, take


SECOND = 10**9


def nanos(t):
    """Nanoseconds since 1970 of an instant."""
    return calendar.timegm(t[:6] + (0, 0, 0)) * SECOND + t[6]


def no_time(v):
    return v == "0001-01-01T00:00:00Z"


STAMP = re.compile(r"(.{19})(\.\d+)?(Z|([+-])([01]\d|2[0-3]):([0-5]\d))", re.ASCII)


def rfc3339(v, what, utc):
    """Nanoseconds since 1970 of a time in JSON, None of the unset one. In members it is in UTC."""
    if no_time(v):
        return None
    m = STAMP.fullmatch(v) if isinstance(v, str) else None
    whole = m and instant(m.group(1) + "Z")
    need(whole, "%s: bad value %.80r" % (what, v))
    need(not utc or m.group(3) == "Z", "%s: time %s is not written in UTC" % (what, v))
    east = (int(m.group(5)) * 3600 + int(m.group(6)) * 60) * (-1 if m.group(4) == "-" else 1) if m.group(4) else 0
    return nanos(whole) + int((m.group(2) or ".0")[1:10].ljust(9, "0")) - east * SECOND


TEXT = Scalar("", lambda v: isinstance(v, str))
WHOLE = Scalar(0, lambda v: integer(v, -(1 << 63), (1 << 63) - 1))
COUNT = Scalar(0, lambda v: integer(v, 0, (1 << 64) - 1))
NUMBER = Scalar(0, lambda v: isinstance(v, (int, float)) and not isinstance(v, bool) and v - v == 0)
TRUTH = Scalar(False, lambda v: isinstance(v, bool))
HASH = Scalar("0" * 64, is_hash)
BYTES = Scalar(b"", lambda v: isinstance(v, str), unb64std)
REF = Scalar("", is_ref)
TOKEN_ID = Scalar("A" * 22, lambda v: is_b64(v, 16))
TIME_AT = Scalar(None, None)  # read by rfc3339
ANY = Scalar(None, lambda v: True)


class Maybe:
    """An object that may be missing; then it is None."""

    def __init__(self, shape):
        self.shape = shape


class Map:
    """An object with any names."""

    def __init__(self, shape):
        self.shape = shape


def read(v, shape, what, strict=True, utc=True):
    """A value by its shape, with what is missing filled in. Strict, other names
    are refused; else they are left away, and a name counts in any case. With
    utc, times are written in UTC."""
    if isinstance(shape, Maybe):
        return None if v is None else read(v, shape.shape, what, strict, utc)
    if shape is TIME_AT:
        return None if v is None else rfc3339(v, what, utc)
    if isinstance(shape, Scalar):
        need(v is None or shape.good(v), "%s: bad value %.80r" % (what, v))
        return shape.zero if v is None else shape.take(v)
    if isinstance(shape, list):
        need(v is None or isinstance(v, list), "%s: no list" % what)
        return [read(x, shape[0], what, strict, utc) for x in v or []]
    need(v is None or isinstance(v, dict), "%s: no object" % what)
    v = v or {}
    if isinstance(shape, Map):
        return {k: read(x, shape.shape, what, strict, utc) for k, x in v.items()}
    if not strict:
        v = {fold(k): x for k, x in v.items()}
    other = [k for k in v if k not in shape]
    need(not strict or not other, "%s: unknown name %r" % (what, other[0] if other else ""))
    return {k: read(v.get(k), s, what, strict, utc) for k, s in shape.items()}


PERIOD = {"from": TIME_AT, "to": TIME_AT}
TREE = {"size": COUNT, "root": HASH}
MANIFEST = {
    "tenant": TEXT, "origin": TEXT, "simulated": TRUTH, "number": COUNT, "period": PERIOD, "start": TREE, "closing": TREE, "complete": TRUTH,
    "interim": TRUTH, "purpose": TEXT, "recipient": TEXT, "made": TIME_AT, "program": TEXT, "log_key": TEXT, "pack_key": TEXT,
    "anchor": {"rung": WHOLE, "what": TEXT, "open": TEXT}, "withheld": Map(WHOLE), "erased": WHOLE, "records": COUNT, "counts": Map(WHOLE),
    "rules": HASH, "config": TEXT, "data": HASH,
    "members": [{"name": TEXT, "size": COUNT, "sha256": HASH, "packed": COUNT, "packed_sha256": HASH}]}
CLAIM = {"seq": ANY, "name": ANY, "salt": ANY, "plain": ANY}
SINGLE = {"leaf": TEXT, "proof": [HASH], "claims": [CLAIM]}
KEY_CHANGE = dict(SINGLE, handover=TEXT, consistency=[HASH])
PACK_FACTS = {
    "manifest": HASH, "number": COUNT, "period": PERIOD, "size": COUNT, "root": HASH, "records": COUNT, "complete": TRUTH, "interim": TRUTH,
    "purpose": TEXT, "recipient": TEXT, "disclosed": [TOKEN_ID], "withheld": WHOLE, "issued": TIME_AT}
ITEM = {"seq": COUNT, "also": [COUNT], "kind": TEXT, "at": TIME_AT, "label": TEXT, "why": TEXT, "verdict": TEXT}
SAMPLE = {
    "method": TEXT, "population": {"view": TEXT, "query": TEXT, "count": WHOLE, "hash": HASH},
    "seed": Maybe({"checkpoint": HASH, "source": TEXT, "randomness": BYTES, "value": HASH}), "confidence": NUMBER, "tolerable": NUMBER, "items": [WHOLE]}
WAIVED = {"all": TRUTH, "items": WHOLE, "of": WHOLE, "until": TIME_AT, "waivers": [COUNT]}
REMEDY = {
    "record": COUNT, "items": [COUNT], "cause": TEXT, "due": TEXT, "first_due": TEXT, "late_from": TIME_AT, "said_done": TRUTH, "closed": TIME_AT}
FINDING = {
    "tenant": TEXT, "control": TEXT, "article": TEXT, "title": TEXT, "test": TEXT, "rule": HASH, "period": PERIOD, "size": COUNT, "status": TEXT,
    "reason": TEXT, "summary": TEXT, "severity": TEXT, "strength": TEXT, "preparing": TEXT, "view": TEXT, "query": TEXT, "assertion": TEXT,
    "population": WHOLE, "passed": WHOLE, "failed": [ITEM], "undetermined": [ITEM],
    "uncovered": [{"source": TEXT, "kind": TEXT, "period": PERIOD, "class": TEXT, "cause": TEXT}], "class": TEXT, "newest": TIME_AT,
    "newest_of": TEXT, "limits": TEXT, "items": [ITEM], "sample": Maybe(SAMPLE), "waived": Maybe(WAIVED), "remedies": [REMEDY]}
RULE = {
    "id": TEXT, "view": TEXT, "population": TEXT, "assertion": TEXT, "window": WHOLE, "freshness": WHOLE, "empty": TEXT, "shared": TRUTH}
CONTROL = {
    "control": TEXT, "article": TEXT, "severity": TEXT, "in_force_since": TEXT, "tiers": [TEXT], "tags": [TEXT], "entities": [TEXT],
    "valid_from": TEXT, "valid_to": TEXT, "tests": [{"test": TEXT, "strength": TEXT}]}
CATALOG = {"controls": [CONTROL], "tests": [{"test": TEXT, "rule": HASH}]}
JUDGED = {"test": TEXT, "controls": [TEXT], "left_out": [{"control": TEXT, "why": TEXT}]}
LOOSENED = {"seq": COUNT, "at": TIME_AT, "kind": TEXT, "by": TEXT, "loosens": [TEXT], "rewritten": [TEXT]}
RUNS = {"expected": WHOLE, "done": WHOLE, "empty": WHOLE, "partial": WHOLE, "failed": WHOLE, "missed": WHOLE}
CHART = {
    "tenant": TEXT, "origin": TEXT, "size": COUNT, "period": PERIOD,
    "rows": [{"source": TEXT, "kinds": [TEXT], "strips": [{"from": TIME_AT, "to": TIME_AT, "class": TEXT, "cause": TEXT}]}],
    "runs": RUNS, "runs_by_source": Map(RUNS),
    "blind": [{"source": TEXT, "kinds": [TEXT], "from": TIME_AT, "to": TIME_AT, "cause": TEXT, "looked": TRUTH}]}
RECEIPT = {"kind": TEXT, "name": TEXT, "rung": WHOLE, "size": COUNT, "root": HASH, "members": [TEXT]}

# Facts in the content of records, as far as a verdict stands on them.
GENESIS = {"origin": TEXT, "tenant": TEXT, "log_key": TEXT, "pack_key": TEXT, "clock": TEXT,
           "predecessor": Maybe({"origin": TEXT, "size": COUNT})}
KEY_FACTS = {"old": TEXT, "new": TEXT, "compromised": TRUTH}
PERSON = {"native_id": TEXT, "names": {"login": TEXT, "display": TEXT, "mail": TEXT, "bot": TRUTH, "shared": TRUTH}}
APPROVAL = {"maker": WHOLE, "approver": WHOLE}
WAIVER = {
    "controls": [TEXT], "tests": [{"test": TEXT, "rule": HASH}], "records": [COUNT], "subjects": [REF], "from": TIME_AT, "until": TIME_AT,
    "approval": APPROVAL}
SCOPE = {"control": TEXT, "from": TIME_AT, "until": TIME_AT, "approval": APPROVAL}
PLAN = {
    "for": [{"test": TEXT, "records": [COUNT]}], "cause": TEXT, "due": TEXT, "first_due": TEXT, "late_from": TIME_AT, "said_done": TRUTH}
VERDICT = {"control": TEXT, "test": TEXT, "rule": HASH, "failed": [COUNT], "status": TEXT, "uncovered": [{"kind": TEXT}]}
LINK = {"a": WHOLE, "b": WHOLE}
COVERAGE = {
    "source": TEXT, "period": PERIOD, "runs": RUNS,
    "spans": [{"kinds": [TEXT], "from": TIME_AT, "to": TIME_AT, "class": TEXT, "cause": TEXT, "looks_ms": [WHOLE], "every_ms": WHOLE}]}
CONFIG = {"by": TEXT, "loosens": [TEXT], "rewritten": [TEXT]}
RULES = dict(CONFIG, catalog=HASH, before=HASH, table=HASH, tenancy=Maybe({"tier": TEXT, "tags": [TEXT]}), entities=[TEXT])
ERASURE = {"keys": [TEXT]}
SEGMENT = {"act": TEXT, "newest": TIME_AT}
NOTICE = {"stage": TEXT, "act": TEXT, "at": TIME_AT}
REOPEN = {"reopen": TRUTH}


MOST_KEPT, WEIGHT, WEIGHT_EACH = 1 << 28, 256, 32  # of what is kept of contents, of a record, of an element of its arrays


def facts_of(text, shape, what):
    """Subject and facts of a content claim that a verdict stands on, and what it weighs."""
    said, elements = counted_meaning(text, what, False, MOST_ELEMENTS)
    c = read(said, {"key": TEXT, "subject": REF, "facts": ANY}, what, False, False)
    need(shape is None or c["facts"] is not None, "%s: no facts" % what)
    return c["subject"], None if shape is None else read(c["facts"], shape, what, False, False), WEIGHT + len(text) + WEIGHT_EACH * elements


def member(p, name, shape, strict=True):
    need(len(p.z.plain[name]) <= 64 << 20, "member %s is too large" % name)
    return read(one_meaning(p.z.plain[name], "member " + name, strict, elements_in(name)), shape, "member " + name, strict)


def told_time(ns):
    """RFC 3339 with as many digits of the second as it needs."""
    if ns is None:
        return ""
    whole, part = divmod(ns, SECOND)
    digits = (".%09d" % part).rstrip("0") if part else ""
    return "%04d-%02d-%02dT%02d:%02d:%02d" % time.gmtime(whole)[:6] + digits + "Z"


def told_period(period):
    return told_time(period["from"]) + "/" + told_time(period["to"])


UNSET = nanos((1, 1, 1, 0, 0, 0, 0))  # the unset time, as the instant that it is written as


def set_times(x):
    """The same with its begin and end as instants, though they may be unset."""
    return dict(x, **{k: UNSET if x[k] is None else x[k] for k in ("from", "to")})


def overlaps(a, b):
    a, b = set_times(a), set_times(b)
    return a["from"] < b["to"] and b["from"] < a["to"]


# ---- pack.md section 1: the container --------------------------------------------

STORED = ("manifest", "issued.tlog-proof")  # not compressed
FIXED = ("checkpoint", "frontier.json", "genesis.json", "leaves.jsonl", "claims.jsonl", "earlier.jsonl",
         "findings.json", "rules.json", "catalog.json", "judged.json", "coverage.json", "packs.json", "loosened.json", "consistency.json", "anchors.json", "VERIFY.txt")


class Zip:
    """The container: refused unless it is built in the one plain way."""

    def __init__(self, raw):
        need(len(raw) >= 22, "not a zip")
        sig, disks, here, count, length, start, comment = struct.unpack("<IIHHIIH", raw[-22:])
        need(len(raw) <= 4 << 30 and 0 < count <= 4096, "%d members in %d bytes" % (count, len(raw)))
        need(sig == 0x06054B50 and disks == 0 and here == count and comment == 0, "bad end record")
        need(start + length == len(raw) - 22, "bytes outside the members")
        self.packed, self.plain, at, next_, total = {}, {}, start, 0, 0
        for _ in range(count):
            head = struct.unpack("<IHHHHHHIIIHHHHHII", raw[at:at + 46]) if at + 46 <= start + length else None
            need(head, "central directory is cut")
            crc, packed, size, name_len, offset = head[7], head[8], head[9], head[10], head[16]
            name = raw[at + 46:at + 46 + name_len].decode("ascii", "replace")
            method = 0 if name in STORED else 8
            need(head == (0x02014B50, 20, 20, 0, method, 0, 0x21, crc, packed, size, name_len, 0, 0, 0, 0, 0, offset), "member %s: unexpected header" % name)
            need(name_len <= 200 and matches(name, r"[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)?") and not {".", ".."} & set(name.split("/")), "member name %r" % name)
            need(name.lower() not in {x.lower() for x in self.plain}, "member %s stands twice" % name)
            local = struct.pack("<IHHHHHIIIHH", 0x04034B50, 20, 0, method, 0, 0x21, crc, packed, size, name_len, 0) + name.encode()
            need(offset == next_ and raw[offset:offset + len(local)] == local, "member %s: local header differs" % name)
            body = raw[offset + len(local):offset + len(local) + packed]
            next_ = offset + len(local) + packed
            total += size
            need(next_ <= start and total <= 16 << 30 and size <= (packed + 64) * 1100, "member %s: sizes that cannot be" % name)
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


MOST_LINE = {"leaves.jsonl": MAX_LEAF + 1, "claims.jsonl": 3 << 20, "earlier.jsonl": 6 << 20}


def lines_of(raw, name):
    lines = raw.split(b"\n")
    need(all(len(line) < MOST_LINE[name] for line in lines), "member %s: a line has more than %d bytes" % (name, MOST_LINE[name]))
    need(lines[-1] == b"", "member %s: last line has no end" % name)
    return lines[:-1]


class Pack:
    """A pack while it is checked, and what its records told so far."""

    def __init__(self, z, log_key, pack_key):
        self.z, self.log_key, self.pack_key = z, log_key, pack_key
        self.leaves, self.hashed, self.roots = {}, {}, {}  # of the range; hashes of earlier records too
        self.kinds, self.occurred = {}, {}  # of all records in the pack; of those of the range
        self.shut = set()  # records whose content is not disclosed
        self.opened = 0
        self.names, self.sealed, self.rules, self.erased = {}, {}, [], set()
        self.waivers, self.scopes, self.ends = {}, [], {}
        self.plans, self.verdicts, self.loosened, self.incidents = {}, {}, [], {}
        self.links = {}
        self.by_kind, self.needed, self.planned, self.failing, self.one = None, None, None, None, None  # made of these when all are known
        self.spans, self.runs, self.retired, self.looks, self.laid = {}, [], 0, {}, 0
        self.kept, self.known_kinds = 0, set()
        self.receipts, self.statuses, self.cited = [], {}, set()
        self.waived, self.remedies, self.counted = None, None, set()
        self.sampled, self.seed_says = 0, ""


# ---- sections 1 to 3: container and manifest ---------------------------------

def check_manifest(p):
    z = p.z
    need("manifest" in z.plain, "member manifest is missing")
    need(len(z.plain["manifest"]) <= 8 << 20, "member manifest is too large")
    text = z.plain["manifest"].partition(b"\n\n")[0]
    first, _, body = text.partition(b"\n")
    need(first == b"evidenced-pack/v1", "manifest: want a signed note that begins with evidenced-pack/v1")
    said = one_meaning(body, "manifest", True)
    p.m = m = read(said, MANIFEST, "manifest")
    need(open_note(z.plain["manifest"], m["pack_key"], alone=True).encode() == text + b"\n", "manifest is not the signed text")
    again = json.dumps(said, indent=1, ensure_ascii=False).translate({ord(c): "\\u%04x" % ord(c) for c in "<>&\u2028\u2029"})
    times = all(t == told_time(read(t, TIME_AT, "manifest")) for t in (said["made"], said["period"]["from"], said["period"]["to"]) if not no_time(t))
    need(times and again.encode() == body and [k for k in MANIFEST if k in said] == list(said), "manifest: not in canonical form")
    need(p.pack_key in (None, m["pack_key"]), "the pack is signed by other keys than those given")
    parse_key(m["log_key"])
    need(m["period"]["from"] is not None and m["period"]["to"] is not None and m["period"]["from"] < m["period"]["to"], "manifest: period %s is none" % told_period(m["period"]))
    need(m["start"]["size"] < m["closing"]["size"] < MAX_INT, "manifest: range from %d to %d" % (m["start"]["size"], m["closing"]["size"]))


def check_members(p):
    z, m = p.z, p.m
    names = [x["name"] for x in m["members"]]
    need(len(set(names)) == len(names) and not set(STORED) & set(names), "manifest names a member twice")
    for x in m["members"]:
        need(holds(m, x["name"]), "member %s is none that such a pack holds: nothing says that it is true" % x["name"])
        digest_member(z, x)
        need(x["name"] != "rules.json" or x["sha256"] == m["rules"], "the rules are not those the manifest names")
    for name in z.plain:
        need(name in names or name in STORED, "member %s is not in the manifest" % name)
    for name in FIXED + STORED:
        need(name in z.plain, "member %s is missing" % name)
    data = sorted("%s %d %s\n" % (x["name"], x["size"], x["sha256"]) for x in m["members"] if x["name"] != "report.pdf")
    need(hashlib.sha256("".join(data).encode()).hexdigest() == m["data"], "the digest of the data members is not the manifest's")


def holds(m, name):
    """A pack of this range has a member of the name. Any other would be signed with the rest and read by nobody."""
    if name == "checkpoint-start":
        return m["start"]["size"] > 0
    return name in FIXED + ("keys.json", "report.pdf") or name.startswith(("registers/", "anchors/"))


def digest_member(z, m):
    raw = z.plain.get(m["name"])
    need(raw is not None, "member %s is missing" % m["name"])
    packed = z.packed[m["name"]]
    need((len(raw), len(packed)) == (m["size"], m["packed"]), "member %s was changed: it has another size" % m["name"])
    need(hashlib.sha256(raw).hexdigest() == m["sha256"] and hashlib.sha256(packed).hexdigest() == m["packed_sha256"], "member %s was changed" % m["name"])


# ---- sections 4 and 7: checkpoints, genesis, keys, history ---------------------

def check_single(p, s):
    """A leaf that stands alone, with its proof and the claims disclosed of it."""
    raw = s["leaf"].encode()
    leaf = decode_leaf(raw)
    need(leaf["origin"] == p.m["origin"], "record %d belongs to log %s" % (leaf["seq"], leaf["origin"]))
    check_inclusion(leaf["seq"], p.m["closing"]["size"], leaf_hash(raw), bytes.fromhex(p.m["closing"]["root"]), hashes(s["proof"]))
    claims = []
    for d in s["claims"]:
        need(d["name"] not in [name for name, _ in claims], "record %d: claim %s stands twice" % (leaf["seq"], d["name"]))
        claims.append((d["name"], check_claim(leaf, d)))
    return leaf, claims


def content_alone(p, s, kind, shape):
    leaf, claims = check_single(p, s)
    need(leaf["kind"] == kind and [name for name, _ in claims] == ["content"], "record %d is not a %s with its content" % (leaf["seq"], kind))
    return leaf["seq"], facts_of(claims[0][1], shape, "record %d" % leaf["seq"])[1]


def check_checkpoints(p):
    m = p.m
    p.closing = open_checkpoint(p.z.plain["checkpoint"], m["log_key"], m["origin"], alone=True)
    need(p.closing == (m["closing"]["size"], bytes.fromhex(m["closing"]["root"])), "closing checkpoint is not the manifest's")
    seq, p.genesis = content_alone(p, member(p, "genesis.json", SINGLE), "log.genesis", GENESIS)
    need(seq == 0, "genesis: record %d is not the first" % seq)
    p.opened += 1
    p.keys = key_chain(p)
    if m["start"]["size"]:
        need("checkpoint-start" in p.z.plain, "member checkpoint-start is missing")
        start = open_checkpoint(p.z.plain["checkpoint-start"], key_at(p.keys, m["start"]["size"]), m["origin"], alone=True)
        need(start == (m["start"]["size"], bytes.fromhex(m["start"]["root"])), "starting checkpoint is not the manifest's")


def check_genesis(p):
    """Tenant and keys are tied to the log: they stand in its first leaf."""
    g, m = p.genesis, p.m
    need((g["tenant"], g["origin"]) == (m["tenant"], m["origin"]), "the log is that of %s, the manifest says %s" % (g["tenant"], m["tenant"]))
    need(g["pack_key"] == m["pack_key"], "the keys are not those the log began with")
    need(g["clock"] in ("real", "simulated") and (g["clock"] == "simulated") == m["simulated"], "the log's clock is %s, the manifest says otherwise" % g["clock"])


def key_chain(p):
    """The log keys as (first size, key), from the genesis through keys.json; a key that is known must reach the one that signs."""
    m, closing = p.m, p.closing
    first = p.genesis["log_key"]
    keys, broken = [(0, first)], -1
    for c in member(p, "keys.json", [KEY_CHANGE]) if "keys.json" in p.z.plain else []:
        seq, f = content_alone(p, c, "log.key", KEY_FACTS)
        need(f["old"] == keys[-1][1] and seq >= keys[-1][0], "keys.json: record %d replaces a log key that is not in force" % seq)
        need(all(f["new"] != k for _, k in keys) and parse_key(f["new"])[0] == parse_key(first)[0], "keys.json: bad new key")
        signed = c["handover"].encode()
        size, root = open_checkpoint(signed, f["new"], m["origin"])
        need(seq < size <= closing[0], "keys.json: handover of another size")
        if f["compromised"]:
            broken = len(keys)
        else:
            open_checkpoint(signed, f["old"], m["origin"])
        if size < closing[0]:
            check_consistency(size, root, closing[0], closing[1], hashes(c["consistency"]))
        else:
            need((size, root) == closing and not c["consistency"], "keys.json: handover of another tree")
        keys.append((seq + 1, f["new"]))
    need(keys[-1][1] == m["log_key"] and keys[-1][0] <= closing[0], "the log key is not the one the log began with, nor one it was handed over to")
    if p.log_key is not None:
        at = [i for i, (_, k) in enumerate(keys) if k == p.log_key]
        need(at, "the pack is signed by other keys than those given")
        need(at[0] >= broken, "the key given was given up as compromised")
    return keys


def key_at(keys, size):
    return [k for first, k in keys if first <= size][-1]


def check_history(p):
    """Trees that the closing one extends, by size."""
    m, p.proved, last = p.m, {}, 0
    for a in member(p, "consistency.json", [{"size": COUNT, "root": HASH, "proof": [HASH]}]):
        need(a["size"] > last, "consistency.json: size %d is out of order" % a["size"])
        last = a["size"]
        try:
            check_consistency(a["size"], bytes.fromhex(a["root"]), p.closing[0], p.closing[1], hashes(a["proof"]))
        except Bad as e:
            raise Bad("consistency.json: the log does not extend its tree of size %d: %s" % (a["size"], e))
        p.proved[a["size"]] = a["root"]
    need(not m["start"]["size"] or p.proved.get(m["start"]["size"]) == m["start"]["root"], "consistency.json: no proof from the starting checkpoint")


# ---- section 4, steps 5 to 7: leaves and claims ---------------------------------

OWN = ("log.genesis", "log.key", "log.checkpoints", "log.damage", "log.recovered", "log.segment", "log.hold", "tenant.offboard", "person",
       "collection.run", "collection.coverage", "platform.config", "platform.catalog", "platform.admin", "access.read", "finding.state",
       "waiver", "scope.statement", "attestation.manual", "remedy.plan", "pack.issued", "erasure", "incident.declared", "incident.updated",
       "incident.moment", "incident.decision", "incident.notice", "incident.contact", "incident.closed", "identity.link")


def within(m, t):
    return m["period"]["from"] <= t < m["period"]["to"]


def check_range(p):
    m = p.m
    start = member(p, "frontier.json", {"size": COUNT, "hashes": [HASH]})
    f = Frontier(start["size"], hashes(start["hashes"]))
    need((f.size, f.root().hex()) == (m["start"]["size"], m["start"]["root"]), "frontier is not that of the starting checkpoint")
    p.roots[f.size], p.counts = f.root().hex(), {}

    def each(leaf, raw):
        seq = leaf["seq"]
        p.leaves[seq], p.hashed[seq] = leaf, leaf_hash(raw)
        note_kind(p, seq, leaf["kind"])
        p.roots[f.size] = f.root().hex()
        p.occurred[seq] = nanos(instant(leaf["occurred"]))
        if within(m, p.occurred[seq]):
            p.counts[leaf["kind"]] = p.counts.get(leaf["kind"], 0) + 1
    check_leaves(lines_of(p.z.plain["leaves.jsonl"], "leaves.jsonl"), m["origin"], f, each)
    need((f.size, f.root().hex()) == (m["closing"]["size"], m["closing"]["root"]), "the %d records do not make the tree that the closing checkpoint signs" % (f.size - m["start"]["size"]))
    last = nanos(instant(p.leaves[f.size - 1]["recorded"]))
    final = m["period"]["to"] + 86400 * SECOND
    need(last >= final or m["interim"], "the pack claims to be final, but its newest record is of %s: records of the period could still come in until %s" % (told_time(last), told_time(final)))
    need(m["made"] is not None and m["made"] >= last, "the pack says that it was made at %s, but its newest record is of %s" % (told_time(m["made"]), told_time(last)))
    need(len(p.leaves) == m["records"] and p.counts == m["counts"], "the manifest counts other records than there are")


MOST_KINDS = 4096  # a register each


def note_kind(p, seq, kind):
    need(kind in p.known_kinds or len(p.known_kinds) < MOST_KINDS, "record %d is of one more kind than the %d that a pack may hold" % (seq, MOST_KINDS))
    p.known_kinds.add(kind)
    p.kinds[seq] = kind


def check_earlier(p):
    """Records from before the range."""
    m, last, begins = p.m, -1, p.m["start"]["size"] == 0
    for line in lines_of(p.z.plain["earlier.jsonl"], "earlier.jsonl"):
        s = read(one_meaning(line, "member earlier.jsonl", True, MOST_ELEMENTS), SINGLE, "member earlier.jsonl")
        leaf, claims = check_single(p, s)
        seq = leaf["seq"]
        need(last < seq < m["start"]["size"], "earlier.jsonl: record %d is out of place" % seq)
        last = seq
        if seq + 1 == m["start"]["size"]:
            at = nanos(instant(leaf["recorded"]))
            need(at <= m["period"]["from"], "the range begins after the period: record %d, before it, is of %s" % (seq, told_time(at)))
            need(p.leaves[seq + 1]["prev"] == leaf_hash(s["leaf"].encode()).hex(), "record %d does not follow its predecessor" % (seq + 1))
            begins = True
        p.hashed[seq] = leaf_hash(s["leaf"].encode())
        note_kind(p, seq, leaf["kind"])
        p.opened += len(claims)
        learn_all(p, leaf, claims)
    need(begins, "earlier.jsonl: record %d, the last before the range, is missing: nothing shows that the range begins at or before the period" % (m["start"]["size"] - 1))


def learn_all(p, leaf, claims):
    for name, text in claims:
        if name == "content":
            p.kept += learn(p, leaf, text)
            need(p.kept <= MOST_KEPT, "record %d: what a verifier must keep of the records up to here weighs more than %d: make packs of shorter periods" % (leaf["seq"], MOST_KEPT))
    if leaf["kind"] != "person" and "content" not in [name for name, _ in claims]:
        p.shut.add(leaf["seq"])


def disclosed_claims(p):
    """The disclosed claims of the range, by record."""
    by, last = {}, p.m["start"]["size"]
    for line in lines_of(p.z.plain["claims.jsonl"], "claims.jsonl"):
        d = read(one_meaning(line, "member claims.jsonl", True, MOST_ELEMENTS), CLAIM, "member claims.jsonl")
        need(d["seq"] in p.leaves, "claims.jsonl: claim of record %s, which is not in the range" % d["seq"])
        need(d["name"] in CLAIMS, "claims.jsonl: record %s has no claim %s" % (d["seq"], quoted(d["name"])))
        mine = by.setdefault(d["seq"], [])
        need(d["seq"] >= last and d["name"] not in [name for name, _ in mine], "claims.jsonl: claim %s of record %d is out of order" % (d["name"], d["seq"]))
        last = d["seq"]
        mine.append((d["name"], check_claim(p.leaves[d["seq"]], d)))
        p.opened += 1
    return by


def check_claims(p):
    m, absent = p.m, {}
    p.claims = disclosed_claims(p)
    for seq, leaf in p.leaves.items():
        mine = p.claims.get(seq, [])
        learn_all(p, leaf, mine)
        names = [name for name, _ in mine]
        for c in leaf["claims"]:
            if c["name"] not in names:
                absent[c["name"]] = absent.get(c["name"], 0) + 1
        need(leaf["kind"] not in OWN or leaf["kind"] == "person" or "content" in names,
             "record %d is a %s whose content is withheld: what it says of the evidence cannot be told" % (seq, leaf["kind"]))
    for name, n in m["withheld"].items():
        need(0 <= n <= absent.get(name, 0), "the manifest says %d %s claims are withheld, %d are not there" % (n, name, absent.get(name, 0)))
    closed, said = sum(absent.values()), sum(m["withheld"].values()) + m["erased"]
    need(m["erased"] >= 0 and closed == said, "%d claims are not disclosed, the manifest says %d" % (closed, said))


def check_erased(p):
    """No more claims are called erased than those of which a record says that a key was destroyed."""
    gone = 0
    for seq, leaf in p.leaves.items():
        names = [name for name, _ in p.claims.get(seq, [])]
        gone += sum(c["name"] not in names and not p.erased.isdisjoint(c["keys"]) for c in leaf["claims"])
    need(p.m["erased"] <= gone, "the manifest says that %d claims are erased, by the erasure records of the pack at most %d can be" % (p.m["erased"], gone))


# ---- what the content of a record tells ------------------------------------------

def learn(p, leaf, text):
    """Keeps what checks stand on, and returns what that weighs. Records come in log order, those of before the range first."""
    kind, seq, what = leaf["kind"], leaf["seq"], "record %d" % leaf["seq"]
    start = p.m["start"]["size"]
    ends = leaf["op"] == "end"
    recorded = nanos(instant(leaf["recorded"]))
    if kind == "person":
        _, f, weight = facts_of(text, PERSON, what)
        learn_person(p, leaf, f)
        return weight
    elif kind == "pack.issued":
        _, p.sealed[seq], weight = facts_of(text, PACK_FACTS, what)
        return weight
    elif kind in ("waiver", "scope.statement"):
        subject, f, weight = facts_of(text, None if ends else WAIVER if kind == "waiver" else SCOPE, what)
        if ends:
            mine = p.ends.setdefault(subject, [])
            while mine and mine[-1][1] >= recorded:
                mine.pop()  # ends the same later, or not earlier
            mine.append((seq, recorded))
        else:
            f.update(seq=seq, subject=subject, people=leaf.get("people", []), recorded=recorded)
            if kind == "waiver":
                p.waivers[seq] = f
            else:
                p.scopes.append(f)
            weight += WEIGHT_EACH * len(f["people"])
        return weight
    elif kind == "remedy.plan":
        subject, f, weight = facts_of(text, None if ends else PLAN, what)
        was, p.plans[subject] = p.plans.get(subject, (0, None, 0)), (seq, f, weight)
        return weight - was[2]
    elif kind == "finding.state":
        subject, f, weight = facts_of(text, VERDICT, what)
        was, p.verdicts[subject] = p.verdicts.get(subject, {"weight": 0}), dict(f, seq=seq, weight=weight)
        return weight - was["weight"]
    elif kind == "identity.link":
        (_, f, weight), people = facts_of(text, LINK, what), leaf.get("people", [])
        if 0 <= min(f["a"], f["b"]) and max(f["a"], f["b"]) < len(people):
            pair = tuple(sorted(people[f[x]]["token"] for x in "ab"))
            p.links[pair] = (nanos(instant(leaf["occurred"])), ends)
        return weight
    elif kind == "erasure":
        _, f, weight = facts_of(text, ERASURE, what)
        p.erased.update(f["keys"])
        return weight
    elif kind.startswith("incident.") and seq >= start:
        return learn_incident(p, leaf, text)
    elif kind == "log.segment":
        f = facts_of(text, SEGMENT, what)[1]
        if f["act"] == "retired" and f["newest"] is not None:
            p.retired = max(p.retired, f["newest"])
    elif kind == "collection.coverage":
        return learn_coverage(p, facts_of(text, COVERAGE, what)[1], what)
    elif kind == "platform.catalog" or kind == "platform.config" and seq >= start:
        _, f, weight = facts_of(text, CONFIG if kind == "platform.config" else RULES, what)
        if kind == "platform.catalog":
            tags = (f["tenancy"] or {"tags": []})["tags"]
            need(max(len(f["entities"]), len(tags)) <= MOST_SAID, "%s: it says more than %d things of what the tenant is" % (what, MOST_SAID))
            p.rules.append((seq, f))
        rewritten = f["rewritten"] if kind == "platform.catalog" else []
        if seq >= start and (f["loosens"] or rewritten):
            p.loosened.append({"seq": seq, "at": nanos(instant(leaf["occurred"])), "kind": kind, "by": f["by"], "loosens": f["loosens"], "rewritten": rewritten})
        return weight
    return 0


MOST_SAID = 1000  # tags of a tenant, sorts of entities


def learn_person(p, leaf, f):
    n = f["names"]
    if len(leaf.get("people", [])) == 1:
        token = leaf["people"][0]["token"]
        known = n["login"] or n["display"] or n["mail"] or n["bot"] or n["shared"]
        p.names[token] = n["login"] or n["display"] or n["mail"] or (not known and f["native_id"]) or "unknown person " + token[:6]


MOST_RUNS, LONGEST_PAUSE = 1 << 32, 1 << 41  # the pause in milliseconds
MOST_LAID, MOST_LOOKS, MOST_STRETCHES = 1 << 28, 1 << 22, 1 << 26
WEIGHT_SPAN, WEIGHT_KIND, WEIGHT_LOOK = 128, 64, 4


def learn_coverage(p, f, what):
    need(all(0 <= n <= MOST_RUNS for n in f["runs"].values()), "%s: it counts runs of %s that cannot be" % (what, f["source"]))
    weight = WEIGHT + len(f["source"].encode())
    for s in map(set_times, f["spans"]):
        need(all(0 <= ms <= LONGEST_PAUSE for ms in s["looks_ms"]), "%s: it tells of looks at %s that cannot be" % (what, f["source"]))
        looks = []
        if s["class"] == "instants":
            looks.append(s["from"])
            for ms in s["looks_ms"]:
                looks.append(looks[-1] + ms * 10**6)
        for kind in s["kinds"]:
            key = (f["source"], kind)
            p.spans.setdefault(key, []).append(dict(s, looks=looks))
            p.looks[key] = p.looks.get(key, 0) + len(looks)
            need(p.looks[key] <= MOST_LOOKS, "%s: the coverage records up to here tell of more than %d looks at %s, %s, which is more than a pack is checked for" % (
                (what, MOST_LOOKS) + key))
            weight += WEIGHT_KIND + len(kind.encode())
        if s["kinds"]:
            weight += WEIGHT_SPAN + len(s["cause"].encode()) + WEIGHT_LOOK * len(looks)
        p.laid += len(s["kinds"]) * (1 + len(looks))
        need(p.laid <= MOST_LAID, "%s: the coverage records up to here tell of more than %d looks, which is more than a pack is checked for" % (what, MOST_LAID))
    p.runs.append((f["source"], set_times(f["period"]), f["runs"]))
    return weight


def learn_incident(p, leaf, text):
    kind, what, at = leaf["kind"], "record %d" % leaf["seq"], nanos(instant(leaf["occurred"]))
    if kind not in ("incident.declared", "incident.moment", "incident.notice", "incident.closed"):
        return 0
    subject, _, weight = facts_of(text, None, what)
    x = p.incidents.setdefault(subject, {"declared": None, "closed": None, "notices": []})
    if kind == "incident.declared":
        x["declared"] = at
    elif kind == "incident.notice":
        f = facts_of(text, NOTICE, what)[1]
        x["notices"].append((f["stage"], f["act"], f["at"], leaf["seq"]))
    elif kind == "incident.closed":
        x["closed"] = None if facts_of(text, REOPEN, what)[1]["reopen"] else at
    return weight


# ---- section 5: registers, made again ---------------------------------------------

COLUMNS = ("seq", "occurred", "basis", "op", "observed", "recorded", "source", "subject", "people", "facts", "leaf")
UNSEEN = re.compile("[\0-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def cell(text):
    """Keeps a spreadsheet from taking evidence for a formula; then as CSV."""
    text = UNSEEN.sub("\ufffd", text)
    if text[:1] and text[0] in "=+-@":
        text = "'" + text
    if text == "\\." or re.search('[,"]', text) or text[:1].isspace():
        return '"' + text.replace('"', '""') + '"'
    return text


DEEP = 512  # more than any content nests


def content_of(raw, what):
    """Subject and facts of a content as its register shows them, the facts as they are written. The names of the content itself are clear."""
    text, any_ = raw.decode("utf-8", "surrogateescape"), lambda n: 0
    try:
        need(text.lstrip(" \t\r\n")[:1] == "{", "no object")
        depth = 0
        for t in TOKEN.finditer(text):
            depth += (t.group(0) in ("[", "{")) - (t.group(0) in ("]", "}"))
            need(depth <= DEEP, "nested more than %d deep" % DEEP)
        json.loads(text, parse_int=any_, parse_constant=refuse_number)
        got = raw_members(text, json.JSONDecoder(parse_int=any_).raw_decode)
    except (Bad, ValueError) as e:
        raise Bad("%s: %s" % (what, e))
    c = {"key": "null", "subject": "null", "facts": ""}
    c.update(got)
    return read({"subject": json.loads(c["subject"]), "key": json.loads(c["key"])}, {"key": TEXT, "subject": REF}, what)["subject"], c["facts"]


def raw_members(text, read_next):
    """The members of a JSON object as they are written."""
    skip, out = re.compile(r"[ \t\r\n]*"), {}
    at = skip.match(text, text.index("{") + 1).end()
    while text[at] != "}":
        name, end = read_next(text, at)
        need(text[at:end] == '"%s"' % name and matches(name, "[a-z0-9_./-]*"), "name %s is not written as it must be" % quoted(text[at + 1:end - 1]))
        need(name not in out, "name %s stands twice in one object" % quoted(name))
        at = skip.match(text, skip.match(text, end).end() + 1).end()  # past the colon
        value, end = at, read_next(text, at)[1]
        out[name] = text[value:end]
        at = skip.match(text, end).end()
        at = skip.match(text, at + (text[at] == ",")).end()
    return out


def register_line(p, seq, leaf, claims):
    subject = facts = "(closed)"
    for name, raw in claims:
        if name == "content":
            subject, facts = content_of(raw, "record %d" % seq)
    people = ["%s %s (%s)" % (x["role"], p.names.get(x["token"], "person " + x["token"]), x["proof"]) for x in leaf.get("people", [])]
    row = (str(seq), leaf["occurred"], leaf["basis"], leaf["op"], leaf["observed"], leaf["recorded"], leaf["source"], subject, "; ".join(people),
           facts, p.hashed[seq].hex())
    return ",".join(cell(x) for x in row) + "\n"


def check_registers(p):
    made = {}
    for kind in sorted(p.counts):
        need(kind in OWN or "registers/%s.csv" % kind in p.z.plain, "register of %s is missing, although %d records occurred in the period" % (kind, p.counts[kind]))
    for seq, leaf in p.leaves.items():
        if leaf["kind"] not in OWN and within(p.m, p.occurred[seq]):
            made.setdefault(leaf["kind"], [",".join(COLUMNS) + "\n"]).append(register_line(p, seq, leaf, p.claims.get(seq, [])))
    for kind, lines in sorted(made.items(), key=lambda x: x[0]):
        got = p.z.plain["registers/%s.csv" % kind]
        need(got == "".join(lines).encode("utf-8"), "register of %s does not list exactly the %d records of the period" % (kind, p.counts[kind]))
    for name in p.z.plain:
        need(not name.startswith("registers/") or name[10:-4] in made and name.endswith(".csv"), "register %s lists records that did not occur in the period" % name)


def check_loosened(p):
    listed = member(p, "loosened.json", [LOOSENED])
    need(listed == p.loosened, "loosened.json does not list exactly what loosened the evidence in the range: it has %d changes, the records %d" % (len(listed), len(p.loosened)))


# ---- section 4, step 8: earlier packs ------------------------------------------------

def check_earlier_packs(p):
    m, listed = p.m, []
    for e in member(p, "packs.json", [{"seq": COUNT, "facts": PACK_FACTS}]):
        need(not listed or e["seq"] > listed[-1], "packs.json: record %d is out of order" % e["seq"])
        need(p.kinds.get(e["seq"]) == "pack.issued", "packs.json: record %d, which sealed an earlier pack, is not in this one" % e["seq"])
        need(e["seq"] in p.sealed, "packs.json: record %d, which sealed an earlier pack, is not disclosed: nothing shows what it says of it" % e["seq"])
        need(p.sealed[e["seq"]] == e["facts"], "packs.json: record %d says otherwise of the earlier pack" % e["seq"])
        proved_from(p, e["seq"], e["facts"])
        listed.append(e["seq"])
    for seq, f in sorted(p.sealed.items()):
        need(seq in listed or not overlaps(f["period"], m["period"]), "packs.json: the earlier pack that record %d sealed is not listed, although its period overlaps" % seq)
        proved_from(p, seq, f)
    order = sorted(seq for seq, kind in p.kinds.items() if kind == "pack.issued")
    counted = [(i + 1, p.sealed[seq]["number"], "the pack that record %d sealed" % seq) for i, seq in enumerate(order) if seq in p.sealed]
    counted.append((len(order) + 1, m["number"], "this pack"))
    p.unshown = counted[0][1] - counted[0][0]
    for i, n, what in counted:
        need(n - i == p.unshown >= 0, "%s is number %d of its log, the pack holds the records of %d packs up to it: one is missing or numbered falsely" % (what, n, i))


def proved_from(p, seq, f):
    root = p.proved.get(f["size"])
    need(root is not None, "consistency.json: no proof from size %d, where the pack closed that record %d sealed" % (f["size"], seq))
    need(root == f["root"], "consistency.json: the pack that record %d sealed closed at size %d with another root" % (seq, f["size"]))


# ---- section 8: receipts -----------------------------------------------------------

MEMBERS = {"time-stamp": (".checkpoint", ".tst"), "witness": (".checkpoint",), "elsewhere": (".checkpoint",), "proof": (".tlog-proof",)}
RUNGS = {"time-stamp": (4,), "witness": (5,), "elsewhere": (2, 3), "proof": (1,)}


def check_receipts(p):
    """The log's own part of each receipt; what others signed is not checked."""
    m, named, top = p.m, set(), 1
    for name, raw in p.z.plain.items():
        need(not name.startswith("anchors/") or not name.endswith(".tlog-proof") or len(raw) <= 128 << 10, "member %s is too large" % name)
    for i, r in enumerate(member(p, "anchors.json", [RECEIPT])):
        need(r["rung"] in RUNGS.get(r["kind"], ()) and 0 < len(r["name"].encode()) <= 128, "anchors.json: receipt %s of kind %s and rung %d" % (quoted(r["name"]), quoted(r["kind"]), r["rung"]))
        need(r["members"] == ["anchors/%03d%s" % (i + 1, e) for e in MEMBERS[r["kind"]]], "anchors.json: receipt %d names other members" % (i + 1))
        named |= set(r["members"])
        try:
            p.receipts.append((r, check_receipt_of(p, r)))
        except Bad as e:
            raise Bad("receipt %d (%s): %s" % (i + 1, r["name"], e))
        if r["size"] == m["closing"]["size"]:
            top = max(top, r["rung"])
    for name in p.z.plain:
        need(not name.startswith("anchors/") or name in named, "member %s is no receipt that anchors.json names" % name)
    need(0 <= m["anchor"]["rung"] <= top, "the manifest claims anchor rung %d, but nothing in the pack shows more than rung %d" % (m["anchor"]["rung"], top))


def check_receipt_of(p, r):
    """What can be said of a receipt by one who knows no authority and no witness."""
    m, first = p.m, r["members"][0]
    for name in r["members"]:
        need(len(p.z.plain[name]) <= 128 << 10, "member %s is too large" % name)
    raw, says = p.z.plain[first], "the maker's word, a place outside holds this checkpoint, says the maker; ask there"
    if r["kind"] == "proof":
        head, cut, note = raw.partition(b"\n\n")
        lines = head.decode("ascii", "replace").split("\n")
        need(cut and lines[0] == "c2sp.org/tlog-proof@v1" and matches(lines[1], "index (0|[1-9][0-9]*)"), "%s: bad form" % first)
        index, raw = int(lines[1][6:]), note
        need(index in p.leaves, "it is of record %d, which is not in the range" % index)
        check_inclusion(index, r["size"], p.hashed[index], bytes.fromhex(r["root"]), [unb64std(t) for t in lines[2:]])
        says = "verified, record %d is in the log" % index
    got = open_checkpoint(raw, key_at(p.keys, r["size"]), m["origin"])
    need(got == (r["size"], bytes.fromhex(r["root"])), "its checkpoint is of another log or size")
    need(p.proved.get(r["size"]) == r["root"], "consistency.json: no proof from its checkpoint of size %d" % r["size"])
    lines = raw.count(b"\n\xe2\x80\x94 ") - 1
    if r["kind"] == "witness":
        need(lines > 0, "no witness signed the checkpoint")
        says = "not checked, %d cosignatures; your policy names no witnesses" % lines
    if r["kind"] == "time-stamp":
        name, digest, _ = parse_key(key_at(p.keys, r["size"]))
        own = [x for x in raw.split(b"\n") if x.startswith("\u2014 {} ".format(name).encode()) and base64.b64decode(x.split(b" ")[-1])[:4] == digest]
        note = raw.partition(b"\n\n")[0] + b"\n\n" + own[0] + b"\n"
        need(hashlib.sha256(note).digest() in p.z.plain[r["members"][1]], "the token is not for this checkpoint")
        says = "not checked, no roots of time-stamping authorities were given (--tsa-roots)"
    return says


# ---- section 10: the catalog in force and what was judged -----------------------------

def day(text):
    t = instant(text + "T00:00:00Z")
    return None if t is None else nanos(t)


def rules_in_force(p):
    """What the newest platform.catalog record of the range says; those in the pack follow one another."""
    start = p.m["start"]["size"]
    for (old, was), (seq, now) in zip(p.rules, p.rules[1:]):
        need(seq < start or now["before"] == was["catalog"], "record %d says that catalog %s was in force before it, record %d that it was %s: a change of the rules is missing" % (
            seq, now["before"], old, was["catalog"]))
    need(p.rules and p.rules[-1][0] >= start, "no platform.catalog record stands in the range: nothing shows by which rules the tenant is judged")
    return p.rules[-1]


def one_form(what, ids):
    for before, i in zip([""] + ids, ids):
        need(i and i == i.lower(), "member catalog.json: %s %s: want an id in small letters" % (what, quoted(i)))
        need(before != i, "member catalog.json: %s %s stands there twice" % (what, i))
        need(before.encode() < i.encode(), "member catalog.json: %s %s stands after %s; they must be sorted" % (what, i, before))


def without_space(raw):
    """JSON without the white space between its parts."""
    return re.sub(rb'("[^"\\]*(?:\\.[^"\\]*)*")|\s+', lambda x: x.group(1) or b"", raw)


def text_hash(raw):
    return hashlib.sha256(without_space(raw)).hexdigest()


def check_catalog(p):
    """The table is the one that the record in force states; says of each pair of control and test why it is left out."""
    p.ruled, said = rules_in_force(p)
    table = member(p, "catalog.json", CATALOG)
    got = text_hash(p.z.plain["catalog.json"])
    need(got == said["table"], "catalog.json is another table than that of the catalog in force: record %d states %s, this one is %s" % (p.ruled, said["table"], got))
    one_form("test", [t["test"] for t in table["tests"]])
    one_form("control", [c["control"] for c in table["controls"]])
    p.rule_hashes = {t["test"]: t["rule"] for t in table["tests"]}
    p.said, p.pairs, p.controls = said, {}, len(table["controls"])
    p.by_test = {t["test"]: [] for t in table["tests"]}
    for c in table["controls"]:
        one_form("control %s: test" % c["control"], [t["test"] for t in c["tests"]])
        for t in [c["in_force_since"], c["valid_from"], c["valid_to"]]:
            need(not t or day(t) is not None, "member catalog.json: control %s: %s is no date" % (c["control"], quoted(t)))
        binds = not c["entities"] or not said["entities"] or not set(c["entities"]).isdisjoint(said["entities"])
        for t in c["tests"]:
            need(t["test"] in p.rule_hashes, "member catalog.json: control %s has test %s, which is not in the list of tests" % (c["control"], t["test"]))
            out = left_out(c, said["tenancy"], p.m["period"])
            p.pairs[c["control"], t["test"]] = dict(c, strength=t["strength"], out=out, binds=binds)
            p.by_test[t["test"]].append((c["control"], out))


def left_out(c, who, period):
    """Why a control is not judged, "" when it is."""
    if who is not None:
        if c["tiers"] and who["tier"] and who["tier"] not in c["tiers"]:
            return "tier"
        if c["tags"] and set(c["tags"]).isdisjoint(who["tags"]):
            return "tags"
    if c["valid_from"] and day(c["valid_from"]) >= period["to"] or c["valid_to"] and day(c["valid_to"]) <= period["from"]:
        return "wording"
    return ""


def rule_texts(p):
    """Each test in rules.json by its id, with the hash of its text."""
    name = "member rules.json"
    tests = one_meaning(p.z.plain["rules.json"], name, False)
    need(tests is None or isinstance(tests, list), name + ": no list")
    if not tests:
        return {}
    text, out, at = without_space(p.z.plain["rules.json"]).decode(), {}, 1
    while text[at:at + 1] not in ("]", ""):
        r, end = json.JSONDecoder().raw_decode(text, at)
        r = read(r, RULE, name, False)
        need(0 <= min(r["window"], r["freshness"]) and max(r["window"], r["freshness"]) <= 36525 * 86400 * SECOND, "test %s looks at a time that no test does" % r["id"])
        need(r["id"] and r["id"] not in out, "member rules.json: test %s has no name of its own" % quoted(r["id"]))
        r["hash"] = hashlib.sha256(text[at:end].encode()).hexdigest()
        out[r["id"]] = r
        at = end + 1
    return out


def check_rules(p):
    """rules.json holds just the tests that are judged, each as the catalog in force has it."""
    p.texts = rule_texts(p)
    for i, r in sorted(p.texts.items(), key=lambda x: x[0]):
        need(p.rule_hashes.get(i) == r["hash"], "test %s of rules.json is not that of the catalog in force, which record %d states" % (i, p.ruled))
    for test, mine in p.by_test.items():
        n = sum(not out for _, out in mine)
        need(not mine or bool(n) == (test in p.texts), "test %s was judged for %d controls, and stands among the rules: %s" % (test, n, str(test in p.texts).lower()))


def check_judged(p, findings):
    """judged.json says what follows from the catalog in force, and there is one finding of each pair that is judged."""
    said = {}
    list_ = member(p, "judged.json", [JUDGED])
    for j in list_:
        for control, why in [(c, "") for c in j["controls"]] + [(x["control"], x["why"]) for x in j["left_out"]]:
            pair = "%s/%s" % (control, j["test"])
            want = p.pairs.get((control, j["test"]))
            need(want is not None, "judged.json names %s, which the catalog of record %d does not have" % (pair, p.ruled))
            need((control, j["test"]) not in said, "judged.json names %s twice" % pair)
            need(why == want["out"] or want["out"], 'judged.json leaves %s out ("%s"), but it applies by the catalog of record %d and what the tenant is' % (pair, why, p.ruled))
            need(why == want["out"], 'judged.json says of %s "%s", but by the catalog of record %d it is left out: %s' % (pair, why, p.ruled, want["out"]))
            said[control, j["test"]] = why
    for pair in sorted(p.pairs, key=lambda x: (x[1].encode(), p.pairs[x]["out"] != "", x[0].encode())):
        need(pair in said, "judged.json does not name %s/%s, which the catalog of record %d has" % (pair + (p.ruled,)))
    one = []
    for test, mine in p.by_test.items():
        if mine:
            one.append({"test": test, "controls": [c for c, out in mine if not out], "left_out": [{"control": c, "why": out} for c, out in mine if out]})
    need(list_ == one, "judged.json is not in its one form: sorted by test and control, no test without a control")
    found = set()
    for f in findings:
        pair = (f["control"], f["test"])
        need(said.get(pair) == "", "finding %s/%s is of a control and a test that judged.json does not name as judged" % pair)
        need(pair not in found, "there are two findings %s/%s" % pair)
        found.add(pair)
    for j in list_:
        for c in j["controls"]:
            need((c, j["test"]) in found, "there is no finding %s/%s, although judged.json names that control and test as judged" % (c, j["test"]))
    p.judged = (len({c for c, _ in found}), len({t for _, t in found}), len(found), sum(len(j["left_out"]) for j in list_))


# ---- section 4, step 9: coverage ---------------------------------------------------

RANK = {"continuous": 3, "instants": 2, "reconstructed": 1}
CLASSES = ("blind", "reconstructed", "instants", "continuous")
NEAR, LEAST_SEAM = 48 * 3600 * SECOND, 900 * SECOND
LONGEST_INTERVAL = 10 * 366 * 24 * 3600 * 1000  # milliseconds: no schedule has a longer one


def check_coverage(p):
    m, c = p.m, member(p, "coverage.json", CHART, False)
    need((c["tenant"], c["origin"], c["size"], c["period"]) == (m["tenant"], m["origin"], m["closing"]["size"], m["period"]),
         "member coverage.json is of another tenant, log, size or period")
    p.rows = chart_rows(c)
    for key, spans in sorted(p.spans.items(), key=lambda x: x[0]):
        need(key in p.rows or not any(overlaps(s, c["period"]) for s in spans), "coverage.json has no row of %s, %s, of which records of the pack tell" % key)
    for key, row in sorted(p.rows.items(), key=lambda x: x[0]):
        need(key in p.spans, "coverage.json has a row of %s, %s, of which no record of the pack tells" % key)
        check_row(key, row, p.spans.get(key, []), c["period"])
    by = counted_runs(p, c)
    check_blind(c, by, p.retired)
    check_runs(c, by)


def chart_rows(c):
    """The rows by source and kind. The stretches of each fill the period in order."""
    rows, stretches = {}, 0
    for row in c["rows"]:
        stretches += len(row["kinds"]) * len(row["strips"])
        need(stretches <= MOST_STRETCHES, "coverage.json has more than %d stretches of all kinds, which is more than a pack is checked for" % MOST_STRETCHES)
        at = c["period"]["from"]
        for s in row["strips"]:
            need(s["from"] == at and s["from"] < s["to"], "coverage.json: stretches of %s do not follow one another at %s" % (row["source"], told_time(s["from"])))
            at = s["to"]
        need(at == c["period"]["to"], "coverage.json: stretches of %s end at %s" % (row["source"], told_time(at)))
        need(row["kinds"], "coverage.json has a row of %s without kinds" % row["source"])
        for kind in row["kinds"]:
            need((row["source"], kind) not in rows, "coverage.json has two rows of %s, %s" % (row["source"], kind))
            rows[row["source"], kind] = row
    return rows


def usual_interval(spans):
    """How far apart looks usually lie: the median; 0 without two."""
    looks = sorted(t for s in spans for t in s["looks"])
    gaps = sorted(b - a for a, b in zip(looks, looks[1:]) if b > a)
    return gaps[len(gaps) // 2] if gaps else 0


def interval(spans, at):
    """How often looks were due at a time, as the newest claim that ends by then and says so tells; else how far apart they usually lie."""
    every = 0
    for s in sorted((s for s in spans if 0 < s["every_ms"] <= LONGEST_INTERVAL and s["to"] <= at), key=lambda s: s["from"]):
        if not every or s["to"] >= newest:
            newest, every = s["to"], s["every_ms"] * 10**6
    return every or usual_interval(spans)


def lay_out(spans, period):
    """The best class that spans claim, as [from, to, class] that fill the period; "" where none does."""
    edges = []
    for s in spans:
        low, high = max(s["from"], period["from"]), min(s["to"], period["to"])
        if low < high:
            edges += [(low, RANK.get(s["class"], 0), 1), (high, RANK.get(s["class"], 0), -1)]
    edges.sort(key=lambda e: e[0])
    strips, open_, at = [], [0, 0, 0, 0], period["from"]
    for t, rank, by in edges + [(period["to"], 0, 0)]:
        if at < t:
            class_ = ([""] + [name for name, n in zip(CLASSES, open_) if n])[-1]
            if strips and strips[-1][2] == class_:
                strips[-1][1] = t
            else:
                strips.append([at, t, class_])
            at = t
        open_[rank] += by
    return strips


def near(s, period):
    """Does a span count for what is said of the period? Twice its interval and NEAR around it."""
    around = NEAR + (2 * s["every_ms"] * 10**6 if 0 < s["every_ms"] <= LONGEST_INTERVAL else 0)
    wide = {"from": period["from"] - around, "to": period["to"] + around}
    return overlaps({"from": s["from"], "to": s["to"] + (s["class"] == "instants")}, wide)


def ended_best(spans, at):
    """The spans that end at a time, those of the best class; none when that is a class that does not go on."""
    ended = [s for s in spans if s["to"] == at]
    best = max((RANK.get(s["class"], 0) for s in ended), default=0)
    return [s for s in ended if RANK.get(s["class"], 0) == best and s["class"] in ("instants", "blind")]


def check_row(key, row, spans, period):
    """Stretch by stretch, a row says what the records of the pack say."""
    told = [s for s in spans if near(s, period)]
    # Nothing is claimed between two looks at a polled source; looks that lie no further apart than this may be told as one stretch.
    most = LONGEST_PAUSE * 10**6
    seam, strips, next_ = max(LEAST_SEAM, 3 * min(usual_interval(told), most)), row["strips"], 0
    laid = lay_out(told, period)
    # What was polled or blind goes on until a look is overdue, also behind what ends just as the period begins.
    on, (end, _, class_) = [], laid[-1]
    if class_ == "" and period["to"] - end <= max(seam, 3 * min(interval(told, end), most)):
        on = ended_best(told, end)
    for low, high, class_ in laid:
        while next_ < len(strips) and strips[next_]["to"] <= low:
            next_ += 1
        for s in strips[next_:]:
            if s["from"] >= high:
                break
            joined = class_ == "" and s["class"] == "instants" and high - low <= seam
            goes_on = class_ == "" and high == period["to"] and on and s["class"] == on[0]["class"]
            need(s["class"] == class_ or joined or goes_on, 'coverage.json says that %s, %s was seen as "%s" at %s, the records of the pack say "%s"' % (
                key + (s["class"], told_time(low), class_)))
    causes = {}  # of blind stretches by cause: begins in order, and the latest end up to each
    for s in sorted((s for s in told if s["class"] == "blind"), key=lambda s: s["from"]):
        begins, ends = causes.setdefault(s["cause"], ([], []))
        begins.append(s["from"])
        ends.append(max(s["to"], ends[-1]) if ends else s["to"])
    for s in strips:
        begins, ends = causes.get(s["cause"], ([], []))
        n = bisect.bisect_left(begins, s["to"])
        goes_on = s["to"] == period["to"] and any(x["class"] == "blind" and x["cause"] == s["cause"] for x in on)
        need(s["class"] != "blind" or n and ends[n - 1] > s["from"] or goes_on,
             'coverage.json says that %s, %s was not seen at %s because of "%s", which no record of the pack tells' % (key + (told_time(s["from"]), s["cause"])))


def counted_runs(p, c):
    """The runs of the period by source, as records tell them. A record that claims nothing is of the instant at which it was made."""
    zero, by = read({}, RUNS, ""), {}
    for source, period, runs in p.runs:
        if overlaps(c["period"], period) or period["from"] == period["to"] and c["period"]["from"] <= period["to"] < c["period"]["to"]:
            was = by.get(source, zero)
            by[source] = {k: was[k] + runs[k] for k in RUNS}
    return by


def check_blind(c, by, retired):
    want, rows = [], {row["source"] for row in c["rows"]}
    for row in c["rows"]:
        for s in row["strips"]:
            if s["class"] not in RANK:
                want.append({"source": row["source"], "kinds": row["kinds"], "from": s["from"], "to": s["to"], "cause": s["cause"], "looked": s["class"] == "blind"})
    # A source that was due and has no row: nothing was seen of it, all over the period but for what was retired.
    for source, n in by.items():
        if n["expected"] == 0 or source in rows:
            continue
        window = {"source": source, "kinds": [], "from": c["period"]["from"], "to": c["period"]["to"], "cause": "nothing of it was seen", "looked": n["missed"] < n["expected"]}
        if window["from"] < retired < window["to"]:
            want.append(dict(window, to=retired, cause="retired under retention", looked=False))
            window["from"] = retired
        want.append(window)
    want.sort(key=lambda w: (w["from"], w["source"].encode()))
    need(want == c["blind"], "coverage.json: its blind windows are not those of its rows and of the sources without one")


def check_runs(c, by):
    zero = read({}, RUNS, "")
    for row in c["rows"]:
        need(row["source"] in c["runs_by_source"], "coverage.json counts no runs of %s" % row["source"])
    for source, n in sorted(by.items(), key=lambda x: x[0].encode()):
        need(source in c["runs_by_source"] or n["expected"] == 0, "coverage.json counts no runs of %s" % source)
    for source, n in sorted(c["runs_by_source"].items(), key=lambda x: x[0].encode()):
        need(by.get(source, zero) == n, "coverage.json counts other runs of %s than the records of the pack" % source)
    sum_ = {k: sum(n[k] for n in c["runs_by_source"].values()) for k in RUNS}
    need(sum_ == c["runs"], "coverage.json: the runs of all sources are not those of each")


# ---- section 4, step 9: findings ----------------------------------------------------

def named(f):
    return "finding %s/%s" % (f["control"], f["test"])


def judged_to(p):
    """The end of what was over when the pack was made."""
    return min(p.m["made"], p.m["period"]["to"])


MOST_FINDINGS = 1 << 16


def check_findings(p):
    said = member(p, "findings.json", [ANY])
    need(len(said) <= MOST_FINDINGS, "member findings.json: more than %d findings" % MOST_FINDINGS)
    findings = read(said, [FINDING], "member findings.json")
    check_catalog(p)
    check_rules(p)
    check_judged(p, findings)
    check_coverage(p)
    for f in findings:
        r = p.texts[f["test"]]
        period = {"from": judged_to(p) - r["window"] if r["window"] else p.m["period"]["from"], "to": p.m["period"]["to"]}
        need((f["tenant"], f["period"], f["size"]) == (p.m["tenant"], period, p.m["closing"]["size"]), "%s is of another tenant, period or log size" % named(f))
        need((f["rule"], f["view"], f["query"], f["assertion"]) == (r["hash"], r["view"], r["population"], r["assertion"]),
             "%s says that it was judged by another rule than rules.json holds" % named(f))
        check_citations(p, f)
        recount(f)
        check_weight(p, f)
        check_status(p, f, r)
        check_observed(p, f, r)
        check_waived(p, f)
        check_remedies(p, f)
        p.statuses[f["status"]] = p.statuses.get(f["status"], 0) + 1
    check_one_judgement(p, findings)
    p.differs = differing(p, findings)
    check_samples(p, findings)


def check_citations(p, f):
    """Each record that a finding counts is in the pack, and can be read."""
    for item in f["items"]:
        for seq in [item["seq"]] + item["also"]:
            need(seq in p.kinds, "%s cites record %d, which the pack does not hold" % (named(f), seq))
            need(seq not in p.shut, "%s counts record %d, whose content is withheld: nobody could look at it" % (named(f), seq))
            p.cited.add(seq)
        need(p.kinds[item["seq"]] == item["kind"], "%s: record %d is %s, not %s" % (named(f), item["seq"], p.kinds[item["seq"]], item["kind"]))


def recount(f):
    verdicts = [x["verdict"] for x in f["items"]]
    n = tuple(verdicts.count(v) for v in ("pass", "fail", "undetermined"))
    said = (f["population"], f["passed"], len(f["failed"]), len(f["undetermined"]))
    need(said == (len(verdicts),) + n and sum(n) == len(verdicts), "%s: population of %d (%d passed, %d failed, %d undetermined) but %d items (%d, %d, %d)" % (
        (named(f),) + said + (len(verdicts),) + n))
    for part, verdict in ((f["failed"], "fail"), (f["undetermined"], "undetermined")):
        need(part == [x for x in f["items"] if x["verdict"] == verdict], "%s: its exceptions are not the items of its population" % named(f))


def check_weight(p, f):
    c = p.pairs[f["control"], f["test"]]
    since = day(c["in_force_since"])
    preparing = c["in_force_since"] if since is not None and since >= judged_to(p) else ""
    need((f["severity"], f["strength"]) == (c["severity"], c["strength"]), '%s: severity "%s" and strength "%s", the catalog in force has "%s" and "%s"' % (
        named(f), f["severity"], f["strength"], c["severity"], c["strength"]))
    need(f["article"] == c["article"], '%s: said to be of "%s", the catalog in force has "%s"' % (named(f), f["article"], c["article"]))
    need(f["preparing"] == preparing, '%s: said to be of a law that applies from "%s" on, the catalog in force has "%s"' % (named(f), f["preparing"], c["in_force_since"]))


def check_status(p, f, r):
    """The status is one that the decision table can give for these items."""
    aside = f["status"] == "not-applicable" and f["reason"] == "entity"
    if not p.pairs[f["control"], f["test"]]["binds"]:
        need(aside and not f["items"], "%s: status %s with a population of %d, but the control binds other sorts of entities than the tenant is said to be" % (
            named(f), f["status"], len(f["items"])))
        return
    need(not aside, "%s: put aside as the duty of other sorts of entities, but by the catalog in force it binds the tenant" % named(f))
    elsewhere = r["shared"] and p.m["tenant"] != "_platform"
    none, failed, unknown, empty = not f["items"], bool(f["failed"]), bool(f["undetermined"]), r["empty"]
    allowed = {
        "not-satisfied": failed,
        "undetermined": not failed and unknown,
        "not-observed": not failed,
        "stale": not failed and not unknown,
        "satisfied": not failed and not unknown and (not none or not elsewhere and empty == "satisfied"),
        "gap": none and not elsewhere and empty not in ("satisfied", "not-observed"),
        "not-applicable": none and (elsewhere or empty in ("not-applicable", "not-observed")),
    }
    need(f["status"] in allowed, "%s: status %s is none there is" % (named(f), json.dumps(f["status"])))
    need(allowed[f["status"]], "%s: status %s with a population of %d, %d failed and %d undetermined, which the decision table does not give" % (
        named(f), f["status"], len(f["items"]), len(f["failed"]), len(f["undetermined"])))
    if f["status"] == "not-applicable" and not elsewhere:
        check_scope(p, f)


def check_observed(p, f, r):
    """With a hole in what its rule needs a finding is not-observed at best; with a newest look that is too old, stale.

    What a rule needs the log tells where its own newest verdicts by the same
    rule name kinds that were not covered."""
    if f["status"] not in ("satisfied", "gap", "not-applicable", "stale") or not p.pairs[f["control"], f["test"]]["binds"]:
        return
    end, running = judged_to(p), p.m["period"]["to"] >= p.m["made"]
    need(running or not f["uncovered"], "%s: status %s, although it names %d windows that were not covered" % (named(f), f["status"], len(f["uncovered"])))
    old = f["newest"] is None or end - f["newest"] > r["freshness"]
    need(old == (f["status"] == "stale"), '%s: status %s, but its newest look is of "%s", and its rule says how old that may be at %s' % (
        named(f), f["status"], told_time(f["newest"]), told_time(end)))
    over = {"from": max(f["period"]["from"], p.m["period"]["from"]), "to": end}
    if over["from"] < over["to"]:
        for kind in needs(p, f["rule"]):
            why = unseen(p, kind, over, running, f["status"], r["freshness"])
            need(not why, "%s: status %s, but by the log's own verdicts its rule needs %s, %s" % (named(f), f["status"], kind, why))


def needs(p, rule):
    """The kinds that a rule needs to be seen, as far as the newest verdicts of the range say that one was not."""
    if p.needed is None:
        p.needed = {}
        for v in p.verdicts.values():
            if v["seq"] >= p.m["start"]["size"]:
                p.needed.setdefault(v["rule"], set()).update(w["kind"] for w in v["uncovered"])
    return sorted(p.needed.get(rule, ()))


def unseen(p, kind, over, running, status, fresh):
    """Why a kind was not seen well enough for a status, as far as a pack shows; "" when it was."""
    if p.by_kind is None:
        p.by_kind = {}
        for (source, k), row in sorted(p.rows.items(), key=lambda x: x[0]):
            p.by_kind.setdefault(k, []).append((source, row))
    rows = p.by_kind.get(kind, []) if kind not in OWN else []
    if not rows:
        return "of which no source was seen" if kind not in OWN else ""
    for source, row in rows:
        # Where a source was polled, a pause between looks may be no hole; and while the period runs, what comes after the newest look.
        polled = any(s["class"] == "instants" for s in row["strips"])
        for s in row["strips"]:
            tail = running and s["to"] >= over["to"]
            if overlaps(s, over) and (s["class"] == "blind" or s["class"] == "" and not polled and not tail):
                return "which was not seen of %s at %s" % (source, told_time(s["from"]))
        seen = [min(s["to"], over["to"]) for s in p.spans.get((source, kind), []) if s["class"] in RANK and s["from"] <= over["to"]]
        if status != "stale" and (not seen or over["to"] - max(seen) > fresh):
            return "which was last seen of %s at %s, too long before %s" % (source, told_time(max(seen) if seen else None), told_time(over["to"]))
    return ""


def check_one_judgement(p, findings):
    """Findings of one test, where it binds the tenant, judge the same items alike."""
    first = {}
    for f in findings:
        if p.pairs[f["control"], f["test"]]["binds"]:
            other = first.setdefault(f["test"], f)
            same = [[(x["seq"], x["verdict"], x["also"]) for x in g["items"]] for g in (f, other)]
            need(same[0] == same[1], "findings %s and %s are of one test, but judge other items" % (named(other)[8:], named(f)[8:]))


# ---- section 4, step 9: what people accepted and planned -------------------------------

def one_person(p, token):
    """The first of all tokens of a person, by the links recorded up to the end of what is judged and not ended since."""
    if p.one is None:
        p.one = {}
        for (a, b), (at, ended) in p.links.items():
            if not ended and at <= judged_to(p):
                few, many_ = sorted((p.one.get(x, [x]) for x in (a, b)), key=len)
                if few is not many_:
                    many_ += few
                    p.one.update((t, many_) for t in few + many_[:1])
    return p.one.get(token, [token])[0]


def approved(p, s):
    """Two different parties, each proven, made and approved a statement. Two accounts of one person are one party."""
    def party(i):
        known = 0 <= i < len(s["people"]) and s["people"][i]["proof"] in ("signed", "authenticated")
        return s["people"][i]["token"] if known else None
    maker, approver = party(s["approval"]["maker"]), party(s["approval"]["approver"])
    return None not in (maker, approver) and one_person(p, maker) != one_person(p, approver)


def ended_before(p, s, t):
    """A statement was ended before an instant, and not at it."""
    ends = p.ends.get(s["subject"], [])
    i = bisect.bisect_left(ends, (s["seq"] + 1,))
    return i < len(ends) and ends[i][1] < t


def check_scope(p, f):
    """A control does not apply: an approved statement in force over all that is judged says so."""
    end = judged_to(p)
    need(any(s["control"] == f["control"] and s["from"] is not None and s["from"] <= f["period"]["from"] and (s["until"] is None or s["until"] >= end)
             and not ended_before(p, s, end) and approved(p, s) for s in p.scopes),
         "%s: not applicable, but no approved statement in the pack says so of %s over %s" % (named(f), f["control"], told_period(f["period"])))


def check_waived(p, f):
    """What a finding says of waivers stands on their records."""
    w = f["waived"]
    if w is None:
        return
    need(f["status"] in ("not-satisfied", "gap"), "%s: waived, although its status is %s" % (named(f), f["status"]))
    failed = {x["seq"] for x in f["failed"]}
    need(w["of"] == len(failed) and 0 <= w["items"] <= w["of"] and w["waivers"] and (not w["of"] or w["items"]),
         "%s: %d of %d failures waived by %d waivers, %d failed" % (named(f), w["items"], w["of"], len(w["waivers"]), len(failed)))
    need(w["all"] == (w["items"] == w["of"]), "%s: %d of %d failures waived is not what it says" % (named(f), w["items"], w["of"]))
    most, seen = set(), set()
    for seq in w["waivers"]:
        need(seq not in seen, "%s: it names the waiver of record %d twice" % (named(f), seq))
        seen.add(seq)
        x = waiver_of(p, f, seq)
        need(f["control"] in x["controls"] and {"test": f["test"], "rule": f["rule"]} in x["tests"],
             "%s: the waiver of record %d is not about it, or about another rule" % (named(f), seq))
        need(f["status"] != "gap" or not x["records"] and not x["subjects"],
             "%s: the waiver of record %d accepts single failures, and nothing was found at all" % (named(f), seq))
        most |= failed if not x["records"] or x["subjects"] else failed & set(x["records"])
    need(w["items"] <= len(most), "%s: %d failures waived, its waivers name %d" % (named(f), w["items"], len(most)))
    p.waived = p.waived or {"whole": 0, "partly": 0, "records": set()}
    p.waived["whole" if w["all"] else "partly"] += 1
    p.waived["records"] |= seen


def waiver_of(p, f, seq):
    """A waiver that counted at the end of what is judged."""
    x, at = p.waivers.get(seq), judged_to(p)
    need(x is not None, "%s: record %d is no waiver whose content is in the pack" % (named(f), seq))
    need(approved(p, x), "%s: nobody but its maker approved the waiver of record %d" % (named(f), seq))
    need(x["recorded"] <= at and (x["from"] is None or x["from"] <= at) and x["until"] is not None and x["until"] > at and not ended_before(p, x, at + 1),
         "%s: the waiver of record %d was not in force at %s" % (named(f), seq, told_time(at)))
    return x


def answers_for(p):
    """Which plan answers for what: the one whose record is newest. Item None is that a test found nothing, or nothing new enough."""
    if p.planned is None:
        p.planned = {}
        for seq, plan, _ in sorted((x for x in p.plans.values() if x[1] is not None), key=lambda x: x[0]):
            for part in plan["for"]:
                for item in part["records"] or [None]:
                    p.planned[part["test"], item] = (seq, plan)
    return p.planned


def check_remedies(p, f):
    """The remedies of a finding are those that the plans in the pack give, each as its newest record says it."""
    want, failed = {}, sorted({x["seq"] for x in f["failed"]})
    owes = f["status"] in ("not-satisfied", "gap", "stale")
    if owes:
        by = answers_for(p)
        for item in failed or [None]:
            if (f["test"], item) in by:
                seq, plan = by[f["test"], item]
                want.setdefault(seq, (plan, []))[1].extend([] if item is None else [item])
    need(len(want) == len(f["remedies"]), "%s names %d remedies, its records give %d" % (named(f), len(f["remedies"]), len(want)))
    for x, (seq, (plan, items)) in zip(f["remedies"], sorted(want.items())):
        w = dict({k: plan[k] for k in ("cause", "due", "first_due", "late_from", "said_done")}, record=seq, items=items, closed=x["closed"])
        need(x == w, "%s: the remedy of record %d is not what it says" % (named(f), x["record"]))
        if x["closed"] is not None:
            need(x["closed"] <= p.m["made"], "%s: the remedy of record %d is closed at %s, after the pack was made" % (named(f), seq, told_time(x["closed"])))
            what = still_fails(p, plan)
            need(not what, "%s: the remedy of record %d is called closed, and %s still fails by the newest verdict" % (named(f), seq, what))
    if owes and f["test"] not in p.counted:
        p.counted.add(f["test"])
        count_remedies(p, f, max(1, len(failed)))


def still_fails(p, plan):
    """What of a plan fails by the newest recorded verdicts, "" for nothing."""
    if p.failing is None:
        p.failing = set()
        for ref, v in p.verdicts.items():
            test = ref.partition("/")[2].partition("#")[0].partition("/")[2]
            p.failing |= {(test, seq) for seq in v["failed"]} | ({(test, None)} if v["status"] in ("gap", "stale") else set())
    what = ""
    for part in plan["for"]:
        if not part["records"] and (part["test"], None) in p.failing:
            what = "what %s looks for" % part["test"]
        for seq in part["records"]:
            if (part["test"], seq) in p.failing:
                what = "record %d" % seq
    return what


def count_remedies(p, f, failed):
    c = p.remedies = p.remedies or {"failed": 0, "without": 0, "plans": set(), "overdue": set(), "closed": set()}
    c["failed"] += failed
    c["without"] += failed
    for x in f["remedies"]:
        c["without"] -= max(1, len(x["items"]))
        c["plans"].add(x["record"])
        if x["closed"] is not None:
            c["closed"].add(x["record"])
        elif x["late_from"] is None or p.m["made"] >= x["late_from"]:
            c["overdue"].add(x["record"])


def differing(p, findings):
    """Findings that say less than the newest verdict that the log recorded of them in the range, by the same rule."""
    recorded = {(v["control"], v["test"]): v for v in sorted(p.verdicts.values(), key=lambda v: v["seq"]) if v["seq"] >= p.m["start"]["size"]}
    out = []
    for f in findings:
        v = recorded.get((f["control"], f["test"]))
        if v is None or v["rule"] != f["rule"]:
            continue
        told = {x["seq"] for x in f["failed"]}
        gone = [seq for seq in v["failed"] if seq in p.occurred and seq not in told and f["period"]["from"] <= p.occurred[seq] < f["period"]["to"]]
        if gone:
            out.append((f["control"], f["test"], v["seq"], gone))
    return sorted(out, key=lambda d: (d[0].encode(), d[1].encode()))


# ---- docs/sampling.md: samples, drawn again ---------------------------------------------

CONFIDENCE, TOLERABLE = 95, 5
SOURCES = {
    "auditor-nonce": "seed from the closing checkpoint and a nonce of the auditor, given after he held the checkpoint's hash",
    "witness-cosignature": "seed from the closing checkpoint and a witness's signature on it",
    "rfc3161-token": "seed from the closing checkpoint and a time-stamp token over it",
    "operator": "seed under the operator's control",
}


def item_lines(items):
    return [",".join(str(n) for n in [x["seq"]] + x["also"]).encode() for x in items]


def draw(seed, lines, n):
    """Indices of the n lines of the lowest ranks, ascending."""
    seen, ranks = {}, []
    for i, line in enumerate(lines):
        k = seen.get(line, 0)
        seen[line] = k + 1
        ranks.append((hashlib.sha256(b"evidenced/rank/v1" + seed + line + (struct.pack(">Q", k) if k else b"")).digest(), i))
    return sorted(i for _, i in sorted(ranks)[:n])


def sample_size(count, confidence, tolerable):
    """The least number of items without exception that show, so surely, no more than so many exceptions."""
    need(0 < confidence < 100 and 0 < tolerable < 100, "confidence and tolerable share must lie between 0 and 100 per cent")
    bad, miss, chance = int(count * tolerable / 100) + 1, 1 - confidence / 100, 1.0
    for n in range(count):
        if chance <= miss:
            return n
        chance *= max(0, float(count - bad - n)) / float(count - n)
    return count


def check_samples(p, findings):
    seed = None
    for f in findings:
        s = f["sample"]
        need(s is not None or not f["items"], "%s has no sample of its items" % named(f))
        if s is None:
            continue
        try:
            check_sample(f, s)
            if seed is None and s["seed"] is not None and s["seed"]["source"] != "auditor-nonce":
                check_seed(p, s["seed"])
        except Bad as e:
            raise Bad("%s: %s" % (named(f), e))
        need(s["seed"] is not None and s["seed"]["source"] != "auditor-nonce", "%s: its sample is said to be the auditor's, but stands in the pack" % named(f))
        need(s["confidence"] >= CONFIDENCE and s["tolerable"] <= TOLERABLE, "%s: its sample is for %g %% confidence and %g %% tolerable, packs draw for %d and %d" % (
            named(f), s["confidence"], s["tolerable"], CONFIDENCE, TOLERABLE))
        seed = seed or s["seed"]
        need((s["seed"]["source"], s["seed"]["value"]) == (seed["source"], seed["value"]), "%s: its sample has another seed than the others" % named(f))
        p.sampled += len(s["items"])


def check_sample(f, s):
    lines = item_lines(f["items"])
    digest = hashlib.sha256(b"".join(line + b"\n" for line in sorted(lines))).hexdigest()
    got = s["population"]
    need(got == {"view": f["view"], "query": f["query"], "count": len(lines), "hash": digest}, "the sample is of another population: %d items with hash %s, not %d with %s" % (
        got["count"], got["hash"], len(lines), digest))
    need(s["items"] == sorted(s["items"]) and all(0 <= i < len(lines) for i in s["items"]), "the sample names items that are not there, or not in order")
    need(len(set(s["items"])) == len(s["items"]), "the sample names an item twice")
    if s["method"] == "chosen-by-auditor" and s["seed"] is None:
        return  # refused by the caller: it does not belong into a pack
    need(s["method"] == "evidenced-sample/v1" and s["seed"], 'the sample is of unknown method "%s", or has no seed' % s["method"])
    seed = s["seed"]
    need(seed["source"] in SOURCES, 'a seed of unknown source "%s"' % seed["source"])
    need((seed["source"] == "operator") == (not seed["randomness"]), "a seed of source %s with %d bytes of randomness" % (seed["source"], len(seed["randomness"])))
    need(len(seed["randomness"]) <= 64 << 10, "%d bytes of randomness, at most %d" % (len(seed["randomness"]), 64 << 10))
    parts = (bytes.fromhex(seed["checkpoint"]), seed["randomness"])
    value = hashlib.sha256(b"evidenced/seed/v1" + b"".join(struct.pack(">Q", len(x)) + x for x in parts)).digest()
    need(value.hex() == seed["value"], "the seed does not follow from the checkpoint and the randomness")
    if s["confidence"]:
        n = sample_size(len(lines), s["confidence"], s["tolerable"])
        need(n == len(s["items"]), "the sample has %d items, its confidence asks for %d" % (len(s["items"]), n))
    need(draw(value, lines, len(s["items"])) == s["items"], "another sample follows from the seed")


def check_seed(p, seed):
    """What a seed stands on is a receipt of the pack. Who vouches for that is not known here."""
    note = p.z.plain["checkpoint"].partition(b"\n\n")[0] + b"\n"
    need(seed["checkpoint"] == hashlib.sha256(note).hexdigest(), "the seed of its sample is of another checkpoint")
    p.seed_says, there = SOURCES[seed["source"]], seed["source"] == "operator"
    for r, _ in p.receipts:
        if r["size"] == p.m["closing"]["size"]:
            raw = p.z.plain[r["members"][-1]]
            if r["kind"] == "witness" and seed["source"] == "witness-cosignature":
                there = there or raw.rstrip(b"\n").split(b"\n")[-1] == seed["randomness"]
            if r["kind"] == "time-stamp" and seed["source"] == "rfc3161-token":
                there = there or raw == seed["randomness"]
    need(there, "the seed of its sample stands on a %s that is not in the pack" % seed["source"])
    if seed["source"] != "operator":
        p.seed_says += ", which nobody you named vouches for: the maker may have made it"


# ---- section 6: proof of issue ------------------------------------------------------------

def check_issued(p):
    z, m = p.z, p.m
    head, cut, signed = z.plain["issued.tlog-proof"].partition(b"\n\n")
    lines = head.decode("ascii", "replace").split("\n")
    need(cut and len(lines) >= 3 and lines[0] == "c2sp.org/tlog-proof@v1" and lines[1].startswith("extra ") and matches(lines[2], "index (0|[1-9][0-9]*)"), "issued.tlog-proof: bad form")
    x = read(one_meaning(unb64std(lines[1][6:]), "member issued.tlog-proof", True), {"leaf": TEXT, "claim": CLAIM, "consistency": [HASH]}, "member issued.tlog-proof")
    index = int(lines[2][6:])
    size, root = open_checkpoint(signed, m["log_key"], m["origin"], alone=True)
    raw = x["leaf"].encode()
    leaf = decode_leaf(raw)
    need(leaf["kind"] == "pack.issued" and leaf["seq"] == index >= m["closing"]["size"] and leaf["origin"] == m["origin"], "issued.tlog-proof is of another record")
    check_inclusion(index, size, leaf_hash(raw), root, [unb64std(t) for t in lines[3:]])
    check_consistency(m["closing"]["size"], p.closing[1], size, root, hashes(x["consistency"]))
    f = facts_of(check_claim(leaf, x["claim"]), PACK_FACTS, "issued.tlog-proof")[1]
    need(f["manifest"] == hashlib.sha256(z.plain["manifest"]).hexdigest(), "issued.tlog-proof: another manifest was sealed")
    want = {k: m[k] for k in ("number", "period", "records", "complete", "interim", "purpose", "recipient")}
    want.update(manifest=f["manifest"], disclosed=f["disclosed"], size=m["closing"]["size"], root=m["closing"]["root"],
                withheld=sum(m["withheld"].values()) + m["erased"], issued=m["made"])
    need(f == want, "issued.tlog-proof: what was sealed says otherwise of the pack than its manifest: later packs would not know it again")
    p.index, p.sealing = index, leaf_hash(raw)


# ---- what it says ----------------------------------------------------------------------

STEPS = (check_manifest, check_members, check_checkpoints, check_history, check_range, check_genesis, check_earlier, check_claims, check_loosened,
         check_registers, check_erased, check_earlier_packs, check_receipts, check_findings, check_issued)


def verify_pack(raw, log_key, pack_key):
    p = Pack(Zip(raw), log_key, pack_key)
    for step in STEPS:
        step(p)
    return p


def group(n):
    return "{:,}".format(n)


def many(n, noun):
    return "%s %s%s" % (group(n), noun, "" if n == 1 else "s")


def told_counts(counts):
    return ", ".join("%s %s" % (group(n), k) for k, n in sorted(counts.items(), key=lambda x: x[0].encode())) or "none"


def told_records(seqs):
    seqs = sorted(seqs)
    parts = [group(n) for n in seqs[:12]] + (["%d more" % (len(seqs) - 12)] if len(seqs) > 12 else [])
    return ("record " if len(parts) == 1 else "records ") + ", ".join(parts)


def printable(text):
    """Keeps control and direction characters of a pack out of the terminal."""
    return "".join("\ufffd" if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") else c for c in text)


def told_who(said):
    who, text = said["tenancy"], "a tenant that the configuration does not name"
    if who is not None:
        text = "a tenant of tier %s with tags %s" % (who["tier"] or "(none)", ", ".join(who["tags"]) or "(none)")
    return text + (", said to be " + ", ".join(said["entities"]) if said["entities"] else ", of whom every duty is judged")


def told_remedies(c):
    text = "of %s failed items, each counted once for its test, %s without a plan" % (group(c["failed"]), group(c["without"]))
    for what, name in (("planned by", "plans"), ("overdue when the pack was made:", "overdue"), ("closed since:", "closed")):
        if c[name]:
            text += "; %s %s" % (what, told_records(c[name]))
    return text + "; no plan changes a status"


def told_incident(ref, x):
    text = ref + (", declared before the range" if x["declared"] is None else ", declared " + told_time(x["declared"]))
    for stage, act, at, seq in x["notices"]:
        text += "; %s %s %s (record %s)" % (stage, act, told_time(at), group(seq))
    return text + ("; open at the end of the range" if x["closed"] is None else "; closed " + told_time(x["closed"]))


def told_withheld(m):
    parts = ["%s %s claims" % (group(m["withheld"][name]), name) for name in CLAIMS if m["withheld"].get(name, 0) > 0]
    return ", ".join(parts + (["%s erased claims" % group(m["erased"])] if m["erased"] else [])) or "nothing"


def report(p, extended):
    """The lines of evidence-verify, for one who gave it no file of his own."""
    m, out = p.m, []

    def line(name, text):
        out.append("%-9s %s" % (name, printable(text)))

    def list_(name, texts):
        for i, text in enumerate(texts):
            line("" if i else name, text)
    if m["simulated"]:
        out.append("DEMONSTRATION: this pack was made from a simulated platform; it is evidence of nothing")
    whole, left = ("complete", "nothing left out") if m["complete"] else ("a selection", "other records are not in it")
    first, last = m["start"]["size"], m["closing"]["size"] - 1
    line("OK" if m["complete"] and (extended is None or extended[2]) else "SELECTION", "%s, %s to %s, %s: %s records, seq %s to %s, %s" % (
        m["tenant"], told_time(m["period"]["from"]), told_time(m["period"]["to"]), whole, group(m["records"]), group(first), group(last), left))
    if m["interim"]:
        line("interim", "when the pack was made, records of the period could still come in")
    if p.log_key and p.pack_key:
        line("maker", "keys as given")
    else:
        list_("maker", ["identity of the maker not established", "log key   " + m["log_key"], "pack key  " + m["pack_key"], "origin    " + m["origin"]])
    list_("anchored", ["rung 1: receipt: the pack carries a signed proof that its manifest was sealed in the log",
                       "leaves open: whoever holds the signing key could rewrite the log and make another pack; compare with a pack or checkpoint you received earlier"]
          + (["the maker says rung %d; what is above rung 1 was not verified here" % m["anchor"]["rung"]] if m["anchor"]["rung"] > 1 else []))
    for r, says in p.receipts:
        line("receipt", "%s (%s, size %s): %s" % (r["name"], r["kind"], group(r["size"]), says))
    line("bracket", "nobody but the maker vouches for the times")
    if extended:
        list_("extends", extended[:2])
    line("withheld", told_withheld(m))
    line("claims", "%s opened and matched to their commitments" % group(p.opened))
    line("counted", told_counts(p.counts))
    line("rules", "record %s of the range states catalog %s, of %s controls, for %s" % (group(p.ruled), p.said["catalog"][:12], group(p.controls), told_who(p.said)))
    controls, tests, pairs, out_of = p.judged
    applies = "1 pair more does" if out_of == 1 else "%s more do" % many(out_of, "pair")
    line("judged", "%s of %s and %s, each with its one finding; %s not apply to such a tenant or period; the catalog has no others" % (
        many(pairs, "pair"), many(controls, "control"), many(tests, "test"), applies))
    line("findings", "%s; %s cited records, all in the pack; which records a test looked at, and how it judged them, is as issued and not judged again" % (
        told_counts(p.statuses), group(len(p.cited))))
    if p.waived:
        line("waived", "of the findings that failed, %s in whole and %s in part are accepted for a while, by the waivers in %s; they stand above by their status all the same" % (
            group(p.waived["whole"]), group(p.waived["partly"]), told_records(p.waived["records"])))
    if p.remedies:
        line("remedies", told_remedies(p.remedies))
    list_("loosened", ["%s, record %s: %s" % (told_time(x["at"]), group(x["seq"]), "; ".join(x["loosens"] + x["rewritten"])) for x in p.loosened])
    list_("differs", ["%s/%s: by record %s, the log's own verdict, %s failed; the finding does not count that as failed: healed since, or left away" % (
        c, t, group(seq), told_records(gone)) for c, t, seq, gone in p.differs])
    told = sorted(p.incidents.items(), key=lambda x: (x[1]["declared"] or -1 << 63, x[0].encode()))
    list_("incident", [told_incident(ref, x) for ref, x in told])
    if p.sampled:
        line("sampled", "%s in the samples of findings, all drawn again; %s" % (group(p.sampled), p.seed_says))
    line("issued", "record %s seals this pack's manifest, %s records after the range, as pack number %s of the log" % (
        group(p.index), group(p.index - m["closing"]["size"]), group(m["number"])))
    if p.unshown:
        line("", "of the first %s packs it shows no record: dropped under retention, or left out" % group(p.unshown))
    line("data", "digest " + m["data"])
    line("coverage", "as the coverage records of the pack tell it; whether a finding had enough of it is as issued, but for kinds that the log's own verdicts call uncovered")
    line("PDF", "%s; its wording is not checked, nor that of VERIFY.txt, and of titles, labels and sentences in findings" % (
        "bytes as issued" if "report.pdf" in p.z.plain else "there is none"))
    return out


# ---- section 7: one history ---------------------------------------------------------------

def check_extends(new, old):
    """One history from two packs: the old tree is an ancestor of the new one."""
    a, b = old.m, new.m
    need(a["tenant"] == b["tenant"], "the earlier pack is of %s, this one of %s" % (a["tenant"], b["tenant"]))
    size, root = a["closing"]["size"], a["closing"]["root"]
    need(a["origin"] == b["origin"], "another log: this pack is of log %s, the earlier one of %s, %s" % (b["origin"], a["origin"], of_predecessor(new, a["origin"], size)))
    need(key_at(new.keys, size) == a["log_key"], "the log was signed by another key when the earlier pack was made, and nothing in the log passes it on")
    need(size <= b["closing"]["size"], "the log became shorter: the earlier pack closed at size %d, this one at %d; its end is lost, or an older copy was brought back" % (size, b["closing"]["size"]))
    other = new.roots.get(size, new.proved.get(size))
    need(other is not None, "nothing in the pack shows that its log extends the earlier pack's: there is no consistency proof from size %d" % size)
    if other != root:
        both = sorted(seq for seq in new.leaves if seq in old.leaves and new.hashed[seq] != old.hashed[seq])
        raise Bad("two histories: at size %d the earlier pack's log has root %s, this one's %s%s" % (
            size, root, other, "; record %d is the first that differs" % both[0] if both else ""))
    check_rules_go_on(new, old.ruled)
    says = "record %s, which sealed the earlier pack, stands in it" % group(old.index)
    if old.index < b["closing"]["size"]:
        need(old.index in new.hashed, "nothing in the pack shows record %d, which sealed the earlier pack" % old.index)
        need(new.hashed[old.index] == old.sealing, "two histories: record %d, which sealed the earlier pack, is another one here; the log was taken back behind it" % old.index)
    else:
        says = "the earlier pack was sealed after this one had closed"
    how = "the records themselves" if size in new.roots else "consistency proof"
    return ("the earlier pack, which closed at size %s with root %s: one history, shown by %s" % (group(size), root, how), says, a["complete"])


def of_predecessor(new, origin, size):
    """What the new log's genesis says of the old one, by its own word."""
    was = new.genesis["predecessor"]
    if was is None or was["origin"] != origin:
        return "and does not name it as its predecessor"
    lost = ", and records up to size %d that the earlier pack shows are lost" % size if was["size"] < size else ""
    return "which it names as its predecessor, ended at size %d; that is its own word%s" % (was["size"], lost)


def check_rules_go_on(new, known):
    """What the new pack shows of the rules before its range is not older than what the old one was judged by."""
    start = new.m["start"]["size"]
    shown = [seq for seq, _ in new.rules if seq < start][-1:]
    first = [(seq, f) for seq, f in new.rules if seq >= start][0]
    if known < start:
        need(shown or first[1]["before"] != HASH.zero, "two stories of the rules: record %d says that there were none before it, but the earlier pack was judged by those of record %d" % (first[0], known))
        need(not shown or shown[0] >= known, "two stories of the rules: record %d is shown as what stated them before the range, but the earlier pack was judged by those of record %d" % (
            (shown or [0])[0], known))


def verify_file(path, keys, earlier=""):
    try:
        with open(path, "rb") as f:
            return verify_pack(f.read(), keys["--log-key"], keys["--pack-key"])
    except Bad as e:
        raise Bad(earlier + str(e))


# What a value of another form than it must have raises.
FORM = (KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError, struct.error)


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
            return 0
        old = verify_file(keys["--extends"], keys, "the earlier pack does not verify: ") if keys["--extends"] else None
        p = verify_file(what, keys)
        lines = report(p, check_extends(p, old) if old else None)
        sys.stdout.buffer.write("".join(line + "\n" for line in lines).encode("utf-8"))
        return 0 if p.m["complete"] and (old is None or old.m["complete"]) else 3
    except Bad as e:
        why = str(e)
    except FORM as e:
        why = "a member or vector is not of the form it must have: %s: %s" % (type(e).__name__, e)
    except OSError as e:
        print("verify.py: %s" % e, file=sys.stderr)
        return 64
    sys.stdout.buffer.write(("FAILED    %s\n" % printable(why)).encode("utf-8"))
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
