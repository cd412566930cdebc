-- ARGV: rate, burst, beat, and the era and beat the database knows ('' and 0: none yet). Moves the beat forward, unless
-- Redis has lost something: then it stays as it is until that is written down, however often it takes.
-- Returns the era and the beat before, '' and 0 when there are none, and the latest beat that the database was known to
-- have before this call: one that knows less now has gone back.
local kept = redis.call('HMGET', 'lanes:epoch', 'era', 'beat', 'known')
local before = tonumber(kept[2] or 0) or 0
local told, known = tonumber(ARGV[5]), tonumber(kept[3] or 0) or 0
local is_known = ARGV[4] == '' or (kept[1] == ARGV[4] and before >= told)
if kept[1] and is_known and tonumber(ARGV[3]) > before then redis.call('HSET', 'lanes:epoch', 'beat', ARGV[3]) end
if kept[1] == ARGV[4] and told > known then redis.call('HSET', 'lanes:epoch', 'known', ARGV[5]) end
return { kept[1] or '', string.format('%.0f', before), string.format('%.0f', known) }
