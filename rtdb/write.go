package rtdb

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
)

// writer writes records over one connection, in their order.
type writer struct {
	client *redis.Client
	fenced bool                 // the server compares epochs first
	server *miniredis.Miniredis // of mode embedded: written to without a connection, which is ten times as fast; or nil
	encoder
}

// refusals are what the server did not let in, since a newer owner or a newer state has written it.
type refusals struct {
	rtus    []uint32
	virtual bool // some virtual points
}

// write writes the records, or says why not: then nobody knows which of them were. index is that of the state they are
// from.
func (w *writer) write(ctx context.Context, records []record, index uint64) (refusals, error) {
	if len(records) == 0 {
		return refusals{}, nil
	}
	if w.fenced {
		return w.writeFenced(ctx, records, index)
	}
	if w.server != nil {
		for i := range records {
			key, fields := w.encode(&records[i])
			w.server.HSet(key, fields...)
		}
		return refusals{}, nil
	}
	pipe := w.client.Pipeline()
	for i := range records {
		key, fields := w.encode(&records[i])
		args := make([]any, 2, 2+len(fields))
		args[0], args[1] = "hset", key
		_ = pipe.Process(ctx, redis.NewIntCmd(ctx, appendStrings(args, fields)...))
	}
	_, err := execute(ctx, pipe)
	return refusals{}, err
}

func appendStrings(args []any, more []string) []any {
	for _, s := range more {
		args = append(args, s)
	}
	return args
}

// execute runs a pipeline. The error names the key of the first command that failed, if the server said so.
func execute(ctx context.Context, pipe redis.Pipeliner) ([]redis.Cmder, error) {
	cmds, err := pipe.Exec(ctx)
	if err == nil {
		return cmds, nil
	}
	for _, cmd := range cmds {
		if cmd.Err() != nil && isReply(cmd.Err()) {
			key := cmd.Args()[1]
			if cmd.Name() == "eval" {
				key = cmd.Args()[3]
			}
			return nil, fmt.Errorf("%s %v: %w", cmd.Name(), key, cmd.Err())
		}
	}
	return nil, err
}

// writeFenced has the server compare before it writes: the epoch for what belongs to an RTU, the index of the state for
// virtual points.
func (w *writer) writeFenced(ctx context.Context, records []record, index uint64) (refused refusals, err error) {
	// What belongs together goes in one script. The order is kept within an RTU, and nobody minds it between two.
	slices.SortStableFunc(records, func(a, b record) int { return cmp.Compare(fenceOf(&a), fenceOf(&b)) })
	pipe := w.client.Pipeline()
	var fences []uint64
	for len(records) > 0 {
		fence := fenceOf(&records[0])
		n := 1
		for n < min(len(records), maxScriptKeys) && fenceOf(&records[n]) == fence {
			n++
		}
		if fence == virtualFence {
			w.writeVirtual(ctx, pipe, records[:n], index)
		} else {
			w.writeRTU(ctx, pipe, records[:n])
		}
		fences = append(fences, fence)
		records = records[n:]
	}
	cmds, err := execute(ctx, pipe)
	if err != nil {
		return refused, err
	}
	for i, cmd := range cmds {
		switch n, _ := cmd.(*redis.Cmd).Int64(); {
		case n == 0:
		case fences[i] == virtualFence:
			refused.virtual = true
		default:
			refused.rtus = append(refused.rtus, uint32(fences[i]))
		}
	}
	return refused, nil
}

const virtualFence = 1 << 32

// fenceOf is the number of the RTU whose epoch is compared, or virtualFence.
func fenceOf(r *record) uint64 {
	if r.kind == virtual {
		return virtualFence
	}
	return uint64(r.rtu)
}

// writeRTU writes records of one RTU from one epoch.
func (w *writer) writeRTU(ctx context.Context, pipe redis.Pipeliner, records []record) {
	last := &records[len(records)-1]
	keys := []any{key{kind: useflag, rtu: last.rtu}.String()}
	args := []any{last.epoch, last.host}
	for i := range records {
		if records[i].kind == useflag {
			continue // the script writes it
		}
		k, fields := w.encode(&records[i])
		keys = append(keys, k)
		args = appendStrings(append(args, len(fields)), fields)
	}
	_ = pipe.Process(ctx, eval(ctx, writeRTUScript, keys, args))
}

func (w *writer) writeVirtual(ctx context.Context, pipe redis.Pipeliner, records []record, index uint64) {
	keys, args := []any{}, []any{index}
	for i := range records {
		k, fields := w.encode(&records[i])
		keys = append(keys, k)
		args = appendStrings(append(args, len(fields)), fields)
	}
	_ = pipe.Process(ctx, eval(ctx, writeVirtualScript, keys, args))
}

// unlink removes keys. Those that are fenced belong to one RTU, and stay if the server knows a newer owner.
func (w *writer) unlink(ctx context.Context, keys []key, epochOf func(rtu uint32) uint64, index uint64) (removed int, err error) {
	if len(keys) == 0 {
		return 0, nil
	}
	pipe := w.client.Pipeline()
	if !w.fenced {
		args := []any{"unlink"}
		for _, k := range keys {
			args = append(args, k.String())
		}
		_ = pipe.Process(ctx, redis.NewCmd(ctx, args...))
	} else {
		for _, k := range keys {
			if k.kind == virtual {
				_ = pipe.Process(ctx, eval(ctx, unlinkVirtualScript, []any{k.String()}, []any{index}))
			} else {
				flag := key{kind: useflag, rtu: k.rtu}
				_ = pipe.Process(ctx, eval(ctx, unlinkRTUScript, []any{flag.String(), k.String()}, []any{epochOf(k.rtu)}))
			}
		}
	}
	cmds, err := execute(ctx, pipe)
	for _, cmd := range cmds {
		n, _ := cmd.(*redis.Cmd).Int64()
		removed += int(n)
	}
	return removed, err
}
