-- ARGV: rate, burst. For how many milliseconds has the first lane been due, though nobody has taken it? And do those
-- who drain ask for help (1 or 0)?
local due = tonumber(redis.call('ZRANGE', SCHEDULE, 0, 0, 'WITHSCORES')[2])
if not due or due > now and due <= now + AHEAD_MAX then return { '0', 0 } end
return { number(due > now and AHEAD_MAX or now - due), redis.call('GET', WATCH) == MORE and 1 or 0 }
