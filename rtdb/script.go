package rtdb

import (
	"context"

	"github.com/redis/go-redis/v9"
)

// The scripts run on the server, each as one step: what they compare can't change before they write. They are sent as
// text, so a server that was replaced needs no preparation.
//
// Numbers are doubles in Lua: exact up to 2^53, which neither epochs nor log indexes come near.

// maxScriptKeys is how many keys one script writes: the server serves nobody else meanwhile.
const maxScriptKeys = 256

// writeRTUScript writes keys of an RTU unless a newer owner has. KEYS: the RTU's useflag, then those to write. ARGV: the
// writer's epoch and host, then for each key the number of arguments and these. It answers 0, or the newer epoch.
const writeRTUScript = `
local held = tonumber(redis.call('HGET', KEYS[1], 'epoch') or '') or 0
if held > tonumber(ARGV[1]) then return held end
redis.call('HSET', KEYS[1], 'host', ARGV[2], 'epoch', ARGV[1])
local at = 3
for i = 2, #KEYS do
  local n = tonumber(ARGV[at])
  redis.call('HSET', KEYS[i], unpack(ARGV, at + 1, at + n))
  at = at + n + 1
end
return 0`

// writeVirtualScript writes those virtual points that were not written from a newer state: all nodes write all of them.
// KEYS: the points. ARGV: the index of the state, then as above. It answers how many it left alone.
const writeVirtualScript = `
local at, left = 2, 0
for i = 1, #KEYS do
  local n = tonumber(ARGV[at])
  local held = tonumber(redis.call('HGET', KEYS[i], 'index') or '') or 0
  if held > tonumber(ARGV[1]) then
    left = left + 1
  else
    redis.call('HSET', KEYS[i], 'index', ARGV[1], unpack(ARGV, at + 1, at + n))
  end
  at = at + n + 1
end
return left`

// unlinkRTUScript removes a key of an RTU unless a newer owner wrote it. KEYS: the RTU's useflag, the key. ARGV: epoch.
const unlinkRTUScript = `
local held = tonumber(redis.call('HGET', KEYS[1], 'epoch') or '') or 0
if held > tonumber(ARGV[1]) then return 0 end
return redis.call('UNLINK', KEYS[2])`

// unlinkVirtualScript removes a virtual point unless it was written from a newer state. KEYS: the point. ARGV: index.
const unlinkVirtualScript = `
local held = tonumber(redis.call('HGET', KEYS[1], 'index') or '') or 0
if held > tonumber(ARGV[1]) then return 0 end
return redis.call('UNLINK', KEYS[1])`

// eval is the command that runs a script.
func eval(ctx context.Context, script string, keys, args []any) *redis.Cmd {
	all := make([]any, 0, 3+len(keys)+len(args))
	all = append(all, "eval", script, len(keys))
	all = append(append(all, keys...), args...)
	return redis.NewCmd(ctx, all...)
}

// runScript runs a script at once and returns the number that it answers.
func runScript(ctx context.Context, client *redis.Client, script string, keys, args []any) (int64, error) {
	cmd := eval(ctx, script, keys, args)
	_ = client.Process(ctx, cmd)
	return cmd.Int64()
}
