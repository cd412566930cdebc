-- ARGV: rate, burst. For how many milliseconds has the first lane been due, though nobody has taken it?
local due = tonumber(redis.call('ZRANGE', SCHEDULE, 0, 0, 'WITHSCORES')[2])
if not due then return '0' end
return number(math.max(0, due > now + AHEAD_MAX and AHEAD_MAX or now - due))
