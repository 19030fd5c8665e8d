"""A station of FNP, written from PROTOCOL.md alone: it registers, follows the table, answers each message it gets.

    python3 station.py KEY_ID:KEY_HEX ID NAME CENTRE_HOST CENTRE_PORT

It prints "registered CN", "entry ID online|offline" and "got TEXT". A message "from TEXT" is acknowledged and answered
with "TEXT" to its sender's id. A line "leave" on its standard input ends it with a clean leave.
"""
import hashlib, hmac, os, random, select, socket, struct, sys, time

key_id, secret = sys.argv[1].split(":")
key_id, secret = int(key_id), bytes.fromhex(secret)
my_id, name = int(sys.argv[2]), sys.argv[3].encode()
centre = (sys.argv[4], int(sys.argv[5]))

KNOCK, HELLO, REGISTER, LEAVE, ANSWER, TABLE, ASK, DATA, ACK = range(1, 10)
FRAGMENT = 1144

sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind(("127.0.0.1", 0))
session = random.SystemRandom().getrandbits(64)
instance = random.SystemRandom().getrandbits(64) | 1
epoch = int(time.time() * 1000)


class Out:
    """What we need to send to one receiver: its contact and our counter."""

    def __init__(self):
        self.contact, self.counter, self.echoed = 0, 0, 0

    def fresh(self, echo):
        if self.echoed < echo <= self.counter:
            self.echoed = echo
            return True
        return False


outs = {}       # by id; 0 is the centre
contacts = {}   # we gave, by session
seen = {}       # counters, by session
delivered = {}  # sequence numbers, by session and stream
building = {}   # fragments, by session, stream and sequence number
table, version, known, entries = 0, 0, [], {}
cn, registered, every, next_register = 0, False, 10.0, 0.0
ask_due = None
waiting = []    # messages to send: [id, payload, sequence number, due]
sequence = 0
leaving = False


def seal(kind, to, contact, counter, body):
    head = b"FN" + bytes([1, kind, key_id, 0, 0, 0]) + struct.pack(">QQQQQ", my_id, session, counter, to, contact)
    d = head + body
    return d + hmac.new(secret, d, hashlib.sha256).digest()[:16]


def request(kind, to, where, body):
    o = outs.setdefault(to, Out())
    o.counter += 1
    sock.sendto(seal(kind, to, o.contact, o.counter, body), where)


def open_datagram(d):
    if not 64 <= len(d) <= 1232 or d[:3] != b"FN\x01" or d[4] != key_id:
        return None
    if not hmac.compare_digest(hmac.new(secret, d[:-16], hashlib.sha256).digest()[:16], d[-16:]):
        return None
    return d[3], struct.unpack(">QQQQQ", d[8:48]), d[48:-16]


def address(b, at):
    n = b[at]
    host = b[at + 1:at + 1 + n]
    port, = struct.unpack_from(">H", b, at + 1 + n)
    text = socket.inet_ntop(socket.AF_INET if n == 4 else socket.AF_INET6, host) if n else ""
    return (text, port), at + 3 + n


def floor():
    return known[0][1] if known and known[0][0] == 0 else 0


def missing():
    gaps, at = [], 0
    for a, b in known + [(version, version)]:
        if a > at:
            gaps.append((at, min(a, version)))
        at = max(at, b)
    return [g for g in gaps if g[0] < g[1]][:16]


def learn(a, b):
    global known
    merged = []
    for x, y in sorted(known + [(a, b)]):
        if merged and x <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(y, merged[-1][1]))
        elif x < y:
            merged.append((x, y))
    known = merged


def take_page(b):
    global version, ask_due
    flags, _, count = struct.unpack_from(">BBH", b, 0)
    t, v, a, z = struct.unpack_from(">QQQQ", b, 4)
    if t != table or not table:
        return
    at = 36
    for _ in range(count):
        number, f, changed = struct.unpack_from(">HBQ", b, at)
        at += 11
        entry = {"changed": changed, "id": 0}
        if f & 1:
            entry["id"], entry["level"], entry["since"], entry["before"] = struct.unpack_from(">QBII", b, at)
            entry["online"] = bool(f & 2)
            entry["address"], at = address(b, at + 17)
            at += 1 + b[at]
        if any(x < changed <= y for x, y in known) or entries.get(number, {"changed": 0})["changed"] >= changed:
            continue
        entries[number] = entry
        if entry["id"]:
            print("entry", entry["id"], "online" if entry["online"] else "offline", flush=True)
    version = max(version, v)
    learn(a, z)
    if flags & 1:
        ask_due = time.time() + 0.02
    elif missing() and ask_due is None:
        ask_due = time.time() + random.uniform(0.02, 0.32)


def look_up(id):
    for e in entries.values():
        if e["id"] == id:
            return e["address"]


def say_hello(where, sender, head, offer):
    _, s, counter, to, _ = head
    sock.sendto(seal(HELLO, sender, 0, 0, struct.pack(">QQQQB", to, s, counter, offer, 0)), where)


def take_data(where, head, b):
    global sequence
    sender, s, counter, _, contact = head
    if contacts.get(s) != contact:
        say_hello(where, sender, head, contacts.setdefault(s, random.SystemRandom().getrandbits(64) | 1))
        return
    if counter in seen.setdefault(s, set()):
        return
    seen[s].add(counter)
    stream, flags, count, index, seq, base, length = struct.unpack_from(">BBBBQQI", b, 0)
    done, key = delivered.setdefault((s, stream), set()), (s, stream, seq)
    if seq < base:
        return
    if seq not in done:
        parts = building.setdefault(key, {})
        parts[index] = b[24:]
        # In order: all from the base on.
        if len(parts) == count and (stream == 0 or all(n in done for n in range(base, seq))):
            message = b"".join(parts[i] for i in range(count))
            done.add(seq)
            print("got", message.decode(), flush=True)
            sequence += 1
            waiting.append([sender, message.removeprefix(b"from "), sequence, 0.0])
    if seq in done:
        got, said = (1 << count) - 1, 1
    elif flags & 1:
        got, said = sum(1 << i for i in building[key]), 0
    else:
        return
    ack = struct.pack(">QQBBQQ", s, counter, stream, said, seq, got)
    sock.sendto(seal(ACK, sender, contact, 0, ack), where)


def take(d, where):
    global table, version, known, entries, cn, registered, every, next_register, ask_due
    opened = open_datagram(d)
    if opened is None:
        return
    kind, head, b = opened
    sender, _, _, to, contact = head
    if kind == TABLE:
        take_page(b)
    elif to != my_id:
        return
    elif kind == HELLO:
        echo_to, s, counter, offer, flags = struct.unpack(">QQQQB", b)
        if s == session and echo_to in outs and outs[echo_to].fresh(counter):
            if outs[echo_to].contact not in (0, offer) and not flags & 1:
                waiting[:] = [w for w in waiting if w[0] != echo_to or w[3] == 0.0]  # in doubt
            if outs[echo_to].contact != offer and echo_to == 0:
                next_register = 0
            outs[echo_to].contact = offer
    elif kind == ANSWER:
        s, counter, outcome, _, number, _, t, v, ms = struct.unpack_from(">QQBBHBQQI", b, 0)
        if s != session or not outs[0].fresh(counter):
            return
        if leaving:
            print("left", flush=True)
            sys.exit(0)
        every = ms / 1000
        next_register = time.time() + every
        if outcome == 1:
            if not registered:
                print("registered", number, flush=True)
            registered, cn = True, number
            if t != table:
                table, version, known, entries = t, 0, [], {}
            version = max(version, v)
            if missing() and ask_due is None:
                ask_due = time.time() + random.uniform(0.02, 0.32)
    elif kind == KNOCK:
        say_hello(where, sender, head, contacts.setdefault(head[1], random.SystemRandom().getrandbits(64) | 1))
    elif kind == DATA:
        take_data(where, head, b)
    elif kind == ACK:
        s, _, _, flags, seq, _ = struct.unpack(">QQBBQQ", b)
        if s == session and flags & 1 and sender in outs and outs[sender].contact == contact:
            waiting[:] = [w for w in waiting if w[0] != sender or w[2] != seq]


while True:
    now = time.time()
    if now >= next_register:
        next_register = now + 0.2
        if leaving:
            request(LEAVE, 0, centre, struct.pack(">QQ", instance, epoch))
        else:
            claim = struct.pack(">BBHQQQQ", 1, 0, cn, instance, epoch, table, floor())
            claim += bytes([0, 0, 0]) + bytes([len(name)]) + name
            request(REGISTER, 0, centre, claim)
    if ask_due is not None and now >= ask_due:
        ask_due = now + 0.4 if missing() else None
        gaps = missing()
        request(ASK, 0, centre, struct.pack(">QQB", table, floor(), len(gaps)) + b"".join(struct.pack(">QQ", *g) for g in gaps))
    for w in waiting:
        where = look_up(w[0])
        if where and now >= w[3]:
            w[3] = now + 0.2
            if outs.setdefault(w[0], Out()).contact == 0:
                request(KNOCK, w[0], where, b"")
                w[3] = now + 0.05
                continue
            n = max(1, (len(w[1]) + FRAGMENT - 1) // FRAGMENT)
            lowest = min(x[2] for x in waiting if x[0] == w[0])
            for i in range(n):
                part = struct.pack(">BBBBQQI", 0, int(i == n - 1), n, i, w[2], lowest, len(w[1]))
                request(DATA, w[0], where, part + w[1][i * FRAGMENT:(i + 1) * FRAGMENT])
    ready, _, _ = select.select([sock, sys.stdin], [], [], 0.01)
    if sock in ready:
        take(*sock.recvfrom(2048))
    if sys.stdin in ready:
        line = sys.stdin.readline()
        if line == "":
            sys.exit(0)
        if line.strip() == "leave":
            leaving, next_register = True, 0
