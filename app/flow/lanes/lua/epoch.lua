-- ARGV: rate, burst, beat. Moves the beat forward. Returns the era and the beat before, '' and 0 when there are none.
local kept = redis.call('HMGET', 'lanes:epoch', 'era', 'beat')
local before = tonumber(kept[2] or 0) or 0
if kept[1] and tonumber(ARGV[3]) > before then redis.call('HSET', 'lanes:epoch', 'beat', ARGV[3]) end
return { kept[1] or '', string.format('%.0f', before) }
