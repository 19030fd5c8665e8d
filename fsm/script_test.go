package fsm

import (
	"crypto/sha256"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/fepha/fepha/fsm/fsmpb"
)

// A script is commands as a person would write them down, one a line. Tables and transcripts are written in it.
//
//	NODE configure [digest=D] [retain=N] [retain_for=S] node=ID/HOST/ROLE... rtu=N/PREFER/LINKS,LINKS[/SHARES]... group=UPLINK/GROUP/MODE... export=NAME/events|audit|all...
//	               virtual=RTU/POINT/SOURCE... [fnp] [stage=N] [files=TEXT] [origin=O] [change=TEXT]...
//	NODE stage expect=N
//	NODE part stage=N offset=N TEXT
//	NODE level N
//	NODE assign RESOURCE epoch=N [owner=ID] [reason=R] [detected=MS] [elected=MS] [leased=MS]
//	NODE move RESOURCE epoch=N to=ID [reason=R]
//	NODE released RESOURCE epoch=N
//	NODE claim RESOURCE [client=ADDRESS]
//	NODE pin RESOURCE [to=ID]
//	NODE activated RESOURCE epoch=N [connected=MS] [data=MS]
//	NODE events RTU epoch=N batch=N [event:|compare:|image:|interrogated:|overtaken:]KIND/POINT=VALUE[;qHEX][;tTYPE][;eMS][;transient]...
//	NODE online RTU yes|no [epoch=N]
//	NODE backlog-end RTU epoch=N
//	NODE not-topical RTU epoch=N KIND/POINT...
//	NODE outage
//	NODE forget RTU epoch=N KIND/POINT...
//	NODE links RTU CHANNEL.LINK=STATE[?]...        ?: doubted
//	NODE node ID alive|dead [lease]
//	NODE stopping ID yes|no
//	NODE maintenance ID yes|no [origin=O]
//	NODE clients RESOURCE [ADDRESS=main|standby|held|waiting[?][+N]]...    ?: doubted; N: confirmed
//	NODE cursor RESOURCE seq=N [epoch=N] [slot=ID]
//	NODE freeze RESOURCE RTU/POINT...
//	NODE submit ID [origin=O] rtu=N KIND/POINT=VALUE [type=T] [qu=N] [phase=P] [select=ID] [deadline=S] [category=C] [requester=R] [alone]
//	NODE start ID epoch=N
//	NODE result ID epoch=N yes|no [terminated] [cause=N] [reason=R]
//	NODE expire ID [reason=R]
//	NODE did|refuse ACTION [origin=O] [resource=R] [reason=R] [count=N]
//	NODE report RESOURCE KIND warning|alarm [owner|leader] [epoch=N] [count=N] [value=V]...
//	NODE gone ID [node=ID]
//	NODE ack ID [origin=O]
//	NODE user NAME [new] [role=R] [hash=H] [end=S] [revision=N]
//	NODE user-remove NAME
//	NODE token NAME role=R secret=TEXT [end=S]
//	NODE token-remove NAME
//	NODE login USER session=TEXT revision=N [from=ADDRESS]
//	NODE logout session=TEXT
//	NODE code session=TEXT code=TEXT
//	NODE take code=TEXT session=TEXT [from=ADDRESS]
//	NODE used TEXT=S...
//	NODE revoke [serial=HEX] [name=NAME]
//	NODE export-cursor RESOURCE epoch=N seq=N [replays=N]
//	NODE export-reach RESOURCE yes|no [reason=R]
//	NODE export-pause RESOURCE yes|no [origin=O]
//	NODE export-replay RESOURCE from=N [origin=O]
//
// In a value _ stands for a blank. Deadlines are in seconds since the script began.

// scriptStart is the wall clock when a script begins, ms since 1970-01-01 UTC.
const scriptStart = 1_700_000_000_000

// words are the parts of a line after node and verb.
type words struct {
	t     testing.TB
	line  string
	plain []string // not of the form key=value
	pairs []pair
}

type pair struct{ key, value string }

func (w *words) all(key string) (values []string) {
	for _, p := range w.pairs {
		if p.key == key {
			values = append(values, strings.ReplaceAll(p.value, "_", " "))
		}
	}
	return values
}

func (w *words) text(key string) string {
	if v := w.all(key); len(v) > 0 {
		return v[0]
	}
	return ""
}

func (w *words) has(word string) bool {
	for _, p := range w.plain {
		if p == word {
			return true
		}
	}
	return false
}

func (w *words) first() string {
	if len(w.plain) == 0 {
		w.t.Fatalf("%s: something is missing", w.line)
	}
	return w.plain[0]
}

func (w *words) parse(s string) uint64 {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		w.t.Fatalf("%s: %v", w.line, err)
	}
	return n
}

func (w *words) number(key string) uint64 {
	if v := w.text(key); v != "" {
		return w.parse(v)
	}
	return 0
}

// parseCommand reads one line, proposed at this many ms after the script began.
func parseCommand(t testing.TB, line string, ms int64) *fsmpb.Command {
	t.Helper()
	f := strings.Fields(line)
	if len(f) < 2 {
		t.Fatalf("%q: expected a node and a verb", line)
	}
	w := &words{t: t, line: line}
	for _, word := range f[2:] {
		if k, v, ok := strings.Cut(word, "="); ok {
			w.pairs = append(w.pairs, pair{k, v})
		} else {
			w.plain = append(w.plain, word)
		}
	}
	c := &fsmpb.Command{Node: f[0], AtMs: scriptStart + ms, AtCp56: uint64(ms)}
	setOp(c, f[1], w)
	return c
}

func setOp(c *fsmpb.Command, verb string, w *words) {
	switch verb {
	case "configure":
		c.Op = &fsmpb.Command_Configure{Configure: parseConfig(w)}
	case "stage":
		c.Op = &fsmpb.Command_ConfigStage{ConfigStage: &fsmpb.ConfigStage{Expect: w.number("expect")}}
	case "part":
		c.Op = &fsmpb.Command_ConfigPart{ConfigPart: &fsmpb.ConfigPart{Stage: w.number("stage"), Offset: w.number("offset"), Octets: []byte(strings.Join(w.plain, " "))}}
	case "level":
		c.Op = &fsmpb.Command_FeatureLevel{FeatureLevel: &fsmpb.FeatureLevel{Level: uint32(w.parse(w.first()))}}
	case "backlog-end":
		c.Op = &fsmpb.Command_BacklogEnd{BacklogEnd: &fsmpb.BacklogEnd{Rtu: uint32(w.parse(w.first())), Epoch: w.number("epoch")}}
	case "outage":
		c.Op = &fsmpb.Command_Outage{Outage: &fsmpb.Outage{}}
	case "not-topical":
		op := &fsmpb.NotTopical{Rtu: uint32(w.parse(w.first())), Epoch: w.number("epoch")}
		for _, p := range w.plain[1:] {
			kind, point, _ := parsePoint(w, p, "0")
			op.Points = append(op.Points, &fsmpb.Forget_Point{Kind: kind, Point: point})
		}
		c.Op = &fsmpb.Command_NotTopical{NotTopical: op}
	case "forget":
		op := &fsmpb.Forget{Rtu: uint32(w.parse(w.first())), Epoch: w.number("epoch")}
		for _, p := range w.plain[1:] {
			kind, point, _ := parsePoint(w, p, "0")
			op.Points = append(op.Points, &fsmpb.Forget_Point{Kind: kind, Point: point})
		}
		c.Op = &fsmpb.Command_Forget{Forget: op}
	case "check-start": // a point that no uplink has ends in !
		op := &fsmpb.CheckStart{Rtu: uint32(w.parse(w.first())), Resource: w.text("group"), Anew: w.has("anew"), Origin: c.Node}
		for _, p := range w.plain[1:] {
			if p == "anew" {
				continue
			}
			name, none := strings.CutSuffix(p, "!")
			kind, point, _ := parsePoint(w, name, "0")
			op.Points = append(op.Points, &fsmpb.CheckStart_Point{Kind: kind, Point: point, Forwarded: !none})
		}
		c.Op = &fsmpb.Command_CheckStart{CheckStart: op}
	case "check-tick":
		op := &fsmpb.CheckTick{Rtu: uint32(w.parse(w.first())), Ok: w.has("ok"), Clear: w.has("clear"), Remark: w.text("remark"), Origin: c.Node}
		op.Kind, op.Point, _ = parsePoint(w, w.plain[1], "0")
		c.Op = &fsmpb.Command_CheckTick{CheckTick: op}
	case "check-end":
		c.Op = &fsmpb.Command_CheckEnd{CheckEnd: &fsmpb.CheckEnd{Rtu: uint32(w.parse(w.first())), Discard: w.has("discard"), Origin: c.Node}}
	case "block", "substitute", "release":
		op := &fsmpb.Override{Rtu: uint32(w.parse(w.first())), Reason: w.text("why"), Origin: c.Node, Type: uint32(w.number("type"))}
		op.Mode = map[string]fsmpb.Override_Mode{"block": fsmpb.Override_BLOCK, "substitute": fsmpb.Override_SUBSTITUTE}[verb]
		value := w.text("value")
		if value == "" {
			value = "0"
		}
		op.Kind, op.Point, op.Value = parsePoint(w, w.plain[1], value)
		c.Op = &fsmpb.Command_Override{Override: op}
	case "assign":
		c.Op = &fsmpb.Command_Assign{Assign: &fsmpb.Assign{
			Resource: w.first(), ExpectEpoch: w.number("epoch"), Owner: w.text("owner"), Reason: w.text("reason"),
			Timings: &fsmpb.Timings{DetectedMs: int64(w.number("detected")), ElectedMs: int64(w.number("elected")), LeasedMs: int64(w.number("leased"))},
		}}
	case "move":
		c.Op = &fsmpb.Command_Move{Move: &fsmpb.Move{Resource: w.first(), ExpectEpoch: w.number("epoch"), To: w.text("to"), Reason: w.text("reason")}}
	case "released":
		c.Op = &fsmpb.Command_Released{Released: &fsmpb.Released{Resource: w.first(), Epoch: w.number("epoch"), Node: c.Node}}
	case "claim":
		c.Op = &fsmpb.Command_Claim{Claim: &fsmpb.Claim{Resource: w.first(), Node: c.Node, Client: w.text("client")}}
	case "pin":
		c.Op = &fsmpb.Command_Pin{Pin: &fsmpb.Pin{Resource: w.first(), Node: w.text("to")}}
	case "activated":
		c.Op = &fsmpb.Command_Activated{Activated: &fsmpb.Activated{
			Resource: w.first(), Epoch: w.number("epoch"), ConnectedMs: int64(w.number("connected")), FirstDataMs: int64(w.number("data")),
		}}
	case "events":
		ev := &fsmpb.Events{Rtu: uint32(w.parse(w.first())), Epoch: w.number("epoch"), Batch: w.number("batch"), StraysOmitted: w.number("omitted")}
		for _, p := range w.pairs {
			if reason, ok := strings.CutPrefix(p.key, "stray:"); ok {
				ev.Strays = append(ev.Strays, &fsmpb.Stray{TimeMs: c.AtMs, Reason: strings.ReplaceAll(reason, "_", " "), Asdu: []byte(p.value)})
			} else if strings.Contains(p.key, "/") {
				ev.Items = append(ev.Items, parseItem(c, w, p))
			}
		}
		c.Op = &fsmpb.Command_Events{Events: ev}
	case "online":
		c.Op = &fsmpb.Command_Online{Online: &fsmpb.Online{Rtu: uint32(w.parse(w.first())), Epoch: w.number("epoch"), Online: w.has("yes")}}
	case "links":
		op := &fsmpb.Links{Rtu: uint32(w.parse(w.first())), Node: c.Node}
		for _, p := range w.pairs {
			channel, link, _ := strings.Cut(p.key, ".")
			value, doubted := strings.CutSuffix(p.value, "?")
			state := fsmpb.LinkState_value[strings.ToUpper(value)]
			op.Links = append(op.Links, &fsmpb.Links_Link{Channel: uint32(w.parse(channel)), Link: uint32(w.parse(link)), State: fsmpb.LinkState(state), Doubted: doubted})
		}
		c.Op = &fsmpb.Command_Links{Links: op}
	case "node":
		c.Op = &fsmpb.Command_NodeState{NodeState: &fsmpb.NodeState{Node: w.first(), Alive: w.has("alive"), Lease: w.has("lease")}}
	case "stopping":
		c.Op = &fsmpb.Command_Stopping{Stopping: &fsmpb.Stopping{Node: w.first(), On: w.has("yes")}}
	case "maintenance":
		c.Op = &fsmpb.Command_Maintenance{Maintenance: &fsmpb.Maintenance{Node: w.first(), On: w.has("yes"), Origin: w.text("origin")}}
	case "clients":
		op := &fsmpb.Clients{Resource: w.first(), Node: c.Node}
		for _, p := range w.pairs {
			role, confirmed, _ := strings.Cut(p.value, "+")
			role, doubted := strings.CutSuffix(role, "?")
			client := &fsmpb.Clients_Client{Address: p.key, Started: role == "main" || role == "standby", Role: role, Doubted: doubted}
			if confirmed != "" {
				client.Confirmed = w.parse(confirmed)
			}
			op.Clients = append(op.Clients, client)
		}
		c.Op = &fsmpb.Command_Clients{Clients: op}
	case "cursor":
		c.Op = &fsmpb.Command_Cursor{Cursor: &fsmpb.Cursor{Resource: w.first(), Slot: w.text("slot"), Seq: w.number("seq"), Epoch: w.number("epoch")}}
	case "freeze":
		op := &fsmpb.CounterFreeze{Resource: w.first()}
		for _, p := range w.plain[1:] {
			rtu, point, _ := strings.Cut(p, "/")
			op.Points = append(op.Points, &fsmpb.CounterFreeze_Point{Rtu: uint32(w.parse(rtu)), Point: uint32(w.parse(point))})
		}
		c.Op = &fsmpb.Command_CounterFreeze{CounterFreeze: op}
	case "submit":
		c.Op = &fsmpb.Command_ControlSubmit{ControlSubmit: parseSubmit(w)}
	case "receive": // from/session/stream/seq size=octets
		p := strings.Split(w.first(), "/")
		op := &fsmpb.FnpReceive{
			Epoch: w.number("epoch"), From: w.parse(p[0]), Session: w.parse(p[1]), Stream: uint32(w.parse(p[2])), Seq: w.parse(p[3]),
			Base: w.number("base"), Payload: []byte(w.text("text")),
		}
		if n := w.number("size"); n > 0 {
			op.Payload = make([]byte, n)
		}
		c.Op = &fsmpb.Command_FnpReceive{FnpReceive: op}
	case "start":
		c.Op = &fsmpb.Command_ControlStart{ControlStart: &fsmpb.ControlStart{Id: w.first(), Epoch: w.number("epoch"), Node: c.Node}}
	case "result":
		c.Op = &fsmpb.Command_ControlResult{ControlResult: &fsmpb.ControlResult{
			Id: w.first(), Epoch: w.number("epoch"), Ok: w.has("yes"), Terminated: w.has("terminated"),
			Cause: uint32(w.number("cause")), Reason: w.text("reason"),
		}}
	case "expire":
		c.Op = &fsmpb.Command_ControlExpire{ControlExpire: &fsmpb.ControlExpire{Id: w.first(), Reason: w.text("reason")}}
	case "report":
		op := &fsmpb.ConditionReport{
			Resource: w.first(), Kind: w.plain[1], Epoch: w.number("epoch"), Count: w.number("count"), Values: w.all("value"),
			Severity: fsmpb.ConditionReport_Severity(fsmpb.ConditionReport_Severity_value[strings.ToUpper(w.plain[2])]),
		}
		switch {
		case w.has("owner"):
			op.Scope = fsmpb.ConditionReport_OWNER
		case w.has("leader"):
			op.Scope = fsmpb.ConditionReport_LEADER
		}
		c.Op = &fsmpb.Command_ConditionReport{ConditionReport: op}
	case "gone":
		c.Op = &fsmpb.Command_ConditionGone{ConditionGone: &fsmpb.ConditionGone{Id: w.first(), Node: w.text("node")}}
	case "ack":
		c.Op = &fsmpb.Command_ConditionAck{ConditionAck: &fsmpb.ConditionAck{Id: w.first(), Origin: w.text("origin")}}
	case "user":
		op := &fsmpb.UserPut{
			Name: w.first(), Create: w.has("new"), Role: parseRole(w), Hash: w.text("hash"), Origin: c.Node, Revision: w.number("revision"),
			FirstAdmin: hashOf(w.text("first")),
		}
		if w.text("end") != "" {
			op.ExpiresMs = new(w.end())
		}
		c.Op = &fsmpb.Command_UserPut{UserPut: op}
	case "first-admin":
		c.Op = &fsmpb.Command_FirstAdmin{FirstAdmin: &fsmpb.FirstAdmin{Sha256: hashOf(w.text("secret")), ExpiresMs: w.end(), Origin: c.Node}}
	case "user-remove":
		c.Op = &fsmpb.Command_UserRemove{UserRemove: &fsmpb.UserRemove{Name: w.first(), Origin: c.Node}}
	case "token":
		c.Op = &fsmpb.Command_TokenPut{TokenPut: &fsmpb.TokenPut{
			Name: w.first(), Role: parseRole(w), Sha256: hashOf(w.text("secret")), ExpiresMs: w.end(), Origin: c.Node,
		}}
	case "token-remove":
		c.Op = &fsmpb.Command_TokenRemove{TokenRemove: &fsmpb.TokenRemove{Name: w.first(), Origin: c.Node}}
	case "login":
		c.Op = &fsmpb.Command_SessionOpen{SessionOpen: &fsmpb.SessionOpen{
			Id: hashOf(w.text("session")), User: w.first(), Revision: w.number("revision"), Address: w.text("from"),
		}}
	case "logout":
		c.Op = &fsmpb.Command_SessionClose{SessionClose: &fsmpb.SessionClose{Id: hashOf(w.text("session"))}}
	case "code":
		c.Op = &fsmpb.Command_SessionCode{SessionCode: &fsmpb.SessionCode{Session: hashOf(w.text("session")), Code: hashOf(w.text("code"))}}
	case "take":
		c.Op = &fsmpb.Command_SessionTake{SessionTake: &fsmpb.SessionTake{Code: hashOf(w.text("code")), Id: hashOf(w.text("session")), Address: w.text("from")}}
	case "used":
		op := &fsmpb.AccessUsed{}
		for _, p := range w.pairs {
			op.Uses = append(op.Uses, &fsmpb.AccessUsed_Use{Id: hashOf(p.key), AtMs: scriptStart + int64(w.parse(p.value))*1000})
		}
		c.Op = &fsmpb.Command_AccessUsed{AccessUsed: op}
	case "revoke":
		c.Op = &fsmpb.Command_Revoke{Revoke: &fsmpb.Revoke{Serial: w.text("serial"), Name: w.text("name"), Origin: c.Node}}
	case "did", "refuse":
		c.Op = &fsmpb.Command_Audit{Audit: &fsmpb.Audit{
			Action: w.first(), Origin: w.text("origin"), Resource: w.text("resource"), Reason: w.text("reason"), Ok: verb == "did", Count: w.number("count"),
		}}
	case "export-cursor":
		c.Op = &fsmpb.Command_ExportCursor{ExportCursor: &fsmpb.ExportCursor{
			Resource: w.first(), Epoch: w.number("epoch"), Seq: w.number("seq"), Replays: w.number("replays"),
		}}
	case "export-reach":
		c.Op = &fsmpb.Command_ExportReach{ExportReach: &fsmpb.ExportReach{
			Resource: w.first(), Node: c.Node, Ok: w.has("yes"), Reason: w.text("reason"),
		}}
	case "export-pause":
		c.Op = &fsmpb.Command_ExportPause{ExportPause: &fsmpb.ExportPause{Resource: w.first(), On: w.has("yes"), Origin: w.text("origin")}}
	case "export-replay":
		c.Op = &fsmpb.Command_ExportReplay{ExportReplay: &fsmpb.ExportReplay{Resource: w.first(), From: w.number("from"), Origin: w.text("origin")}}
	default:
		w.t.Fatalf("%s: no such verb", w.line)
	}
}

// hashOf is the SHA-256 of a secret; of none it is nothing, which is no hash.
func hashOf(secret string) []byte {
	if secret == "" {
		return nil
	}
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}

// end is the time that end= gives in seconds since the script began; 0: never.
func (w *words) end() int64 {
	if n := w.number("end"); n != 0 {
		return scriptStart + int64(n)*1000
	}
	return 0
}

// parseRole reads role=; a number stands for itself, right or not.
func parseRole(w *words) fsmpb.Role {
	v := w.text("role")
	if n, err := strconv.Atoi(v); err == nil {
		return fsmpb.Role(n)
	}
	return fsmpb.Role(fsmpb.Role_value[strings.ToUpper(v)])
}

func parseConfig(w *words) *fsmpb.Configure {
	cfg := &fsmpb.Configure{Digest: w.text("digest"), Retain: w.number("retain"), Fnp: w.has("fnp"), Stage: w.number("stage"), RetainForMs: int64(w.number("retain_for")) * 1000, Origin: w.text("origin"), Changes: w.all("change")}
	if files := w.text("files"); files != "" {
		sum := sha256.Sum256([]byte(files))
		cfg.Files = sum[:]
	}
	for _, v := range w.all("node") {
		p := strings.Split(v, "/")
		cfg.Nodes = append(cfg.Nodes, &fsmpb.Configure_Node{Id: p[0], Host: uint32(w.parse(p[1])), Role: p[2]})
	}
	for _, v := range w.all("rtu") {
		p := strings.Split(v, "/")
		r := &fsmpb.Configure_RTU{Number: uint32(w.parse(p[0])), Prefer: p[1]}
		for _, n := range strings.Split(p[2], ",") {
			r.Links = append(r.Links, uint32(w.parse(n)))
		}
		if len(p) > 3 {
			r.Shares = uint32(w.parse(p[3]))
		}
		cfg.Rtus = append(cfg.Rtus, r)
	}
	for _, v := range w.all("group") {
		p := strings.Split(v, "/")
		mode := strings.ToUpper(strings.ReplaceAll(p[2], "-", "_"))
		cfg.Groups = append(cfg.Groups, &fsmpb.Configure_Group{Uplink: p[0], Group: p[1], Mode: fsmpb.Configure_Mode(fsmpb.Configure_Mode_value[mode])})
	}
	for _, v := range w.all("export") {
		name, what, _ := strings.Cut(v, "/")
		cfg.Exports = append(cfg.Exports, &fsmpb.Configure_Export{Name: name, Events: what != "audit", Audit: what != "events"})
	}
	for _, v := range w.all("virtual") {
		p := strings.SplitN(v, "/", 3)
		cfg.Virtual = append(cfg.Virtual, &fsmpb.Configure_Virtual{Rtu: uint32(w.parse(p[0])), Point: uint32(w.parse(p[1])), Source: p[2]})
	}
	return cfg
}

func parsePoint(w *words, kindPoint, value string) (fsmpb.Kind, uint32, float64) {
	k, p, _ := strings.Cut(kindPoint, "/")
	kind, err := ParseKind(k)
	if err != nil {
		w.t.Fatalf("%s: %v", w.line, err)
	}
	v, err := strconv.ParseFloat(value, 64)
	if err != nil {
		w.t.Fatalf("%s: %v", w.line, err)
	}
	return kind.Proto(), uint32(w.parse(p)), v
}

// parseItem reads [mode:]kind/point=value[;qHEX][;tTYPE]. The time tag is the command's.
func parseItem(c *fsmpb.Command, w *words, p pair) *fsmpb.Item {
	it := &fsmpb.Item{Time: c.AtCp56, TimeMs: c.AtMs}
	if mode, rest, ok := strings.Cut(p.key, ":"); ok {
		it.Mode = fsmpb.Item_Mode(fsmpb.Item_Mode_value[strings.ToUpper(mode)])
		p.key = rest
	}
	value, mods, _ := strings.Cut(p.value, ";")
	it.Kind, it.Point, it.Value = parsePoint(w, p.key, value)
	it.Type = map[fsmpb.Kind]uint32{fsmpb.Kind_DI: 30, fsmpb.Kind_AI: 36, fsmpb.Kind_COUNTER: 37}[it.Kind]
	for _, m := range strings.Split(mods, ";") {
		switch {
		case strings.HasPrefix(m, "q"):
			q, err := strconv.ParseUint(m[1:], 16, 32)
			if err != nil {
				w.t.Fatalf("%s: %v", w.line, err)
			}
			it.Quality = uint32(q)
		case m == "transient":
			it.Transient = true
		case strings.HasPrefix(m, "e"):
			it.ElapsedMs = uint32(w.parse(m[1:]))
		case strings.HasPrefix(m, "t"):
			it.Type = uint32(w.parse(m[1:]))
		}
	}
	return it
}

func parseSubmit(w *words) *fsmpb.ControlSubmit {
	op := &fsmpb.ControlSubmit{
		Id: w.first(), Origin: "occ", Rtu: uint32(w.number("rtu")), Type: 45, Qualifier: uint32(w.number("qu")),
		SelectId: w.text("select"), DeadlineMs: scriptStart + 10_000, Category: w.text("category"),
		Requester: w.text("requester"), Alone: w.has("alone"), Phase: fsmpb.ControlSubmit_Phase(fsmpb.ControlSubmit_Phase_value[strings.ToUpper(w.text("phase"))]),
	}
	if v := w.text("origin"); v != "" {
		op.Origin = v
	}
	if v := w.text("type"); v != "" {
		op.Type = uint32(w.parse(v))
	}
	if v := w.text("deadline"); v != "" {
		op.DeadlineMs = scriptStart + int64(w.parse(v))*1000
	}
	for _, p := range w.pairs {
		if strings.Contains(p.key, "/") {
			op.Kind, op.Point, op.Value = parsePoint(w, p.key, p.value)
		}
	}
	return op
}

// testStation is what most tables and transcripts begin with.
const testStation = "fep1 configure digest=one retain=1000 node=fep1/1/fep node=fep2/2/fep node=wit/3/witness " +
	"rtu=1/fep1/1,4 rtu=2/fep2/1 group=occ/main/main-standby group=scada/both/dual-active fnp " +
	"virtual=9/1/channel:1:1 virtual=9/2/link:1:2:3 virtual=9/3/rtu:1 virtual=9/4/node:fep2 virtual=9/5/uplink:occ:main virtual=9/6/overflow:occ:main " +
	"virtual=9/7/condition:alarm virtual=9/8/condition:rtu.1.interrogation"

// scripted is a state to which lines are applied, each as an entry of its own.
type scripted struct {
	t     testing.TB
	s     *State
	index uint64
	ms    int64
}

func newScripted(t testing.TB) *scripted { return &scripted{t: t, s: New()} }

func (x *scripted) do(line string) *fsmpb.Result {
	x.t.Helper()
	x.index++
	return x.s.Apply(x.index, &fsmpb.Entry{Commands: []*fsmpb.Command{parseCommand(x.t, line, x.ms)}})[0]
}

// ok applies lines that must all be accepted. A line "at N" sets the clock, in ms since the script began.
func (x *scripted) ok(lines ...string) *scripted {
	x.t.Helper()
	for _, line := range lines {
		if at, found := strings.CutPrefix(line, "at "); found {
			n, err := strconv.ParseInt(at, 10, 64)
			if err != nil {
				x.t.Fatal(err)
			}
			x.ms = n
			continue
		}
		if r := x.do(line); r.Code != fsmpb.Result_OK {
			x.t.Fatalf("%s: %s %s", line, r.Code, r.Message)
		}
	}
	return x
}

// commandCase is one row of a table: what a command is answered after others, and with which state.
type commandCase struct {
	name  string
	after []string
	do    string
	code  fsmpb.Result_Code
	say   string                   // part of the message
	check func(*testing.T, *State) // nil: a refused command must have changed nothing
	_     struct{}
}

func runCases(t *testing.T, base []string, cases []commandCase) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			x := newScripted(t).ok(base...).ok(c.after...)
			x.index++ // so that the digests differ by the command alone
			x.s.Apply(x.index, &fsmpb.Entry{})
			before := x.s.Digest()
			x.index--
			r := x.do(c.do)
			if r.Code != c.code || !strings.Contains(r.Message, c.say) {
				t.Fatalf("%s\n got %s %q\nwant %s %q", c.do, r.Code, r.Message, c.code, c.say)
			}
			if (r.Message != "") != (r.Code > fsmpb.Result_DUPLICATE) {
				t.Fatalf("%s: %s with message %q", c.do, r.Code, r.Message)
			}
			if c.check != nil {
				c.check(t, x.s)
			} else if r.Code == fsmpb.Result_OK {
				t.Fatal("an accepted command needs a check of what it changed")
			} else if x.s.Digest() != before {
				t.Fatalf("%s: %s, but the state has changed", c.do, r.Code)
			}
		})
	}
}

func mustEqual[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Fatalf("%s: got %v, want %v", what, got, want)
	}
}

func seconds(ms int64) string {
	if ms == 0 {
		return "never"
	}
	return fmt.Sprintf("%.3fs", float64(ms-scriptStart)/1000)
}
