-- ARGV: rate, burst, whether borrowing is on (1 or 0). In one step: is something to be drained now (1), or may the
-- drain end, so that the next webhook wakes another (0)?
local first = redis.call('ZRANGE', SCHEDULE, 0, 0, 'WITHSCORES')
local due = tonumber(first[2])
if due and (due <= now or due > now + AHEAD_MAX) then return 1 end
if due and ARGV[3] == '1' and #borrowers() > 0 then return 1 end
redis.call('DEL', WATCH)
return 0
