-- ARGV: now, watch_milliseconds. In one step: is something due, or may the drain end until when?
-- Returns the moment the next drain is needed (now or before: go on), or nil when every lane is empty.
local now, watch = tonumber(ARGV[1]), tonumber(ARGV[2])
if #free_borrowers(now) > 0 then return number(now) end
local first = redis.call('ZRANGE', SCHEDULE, 0, 0, 'WITHSCORES')
if #first == 0 then
  redis.call('DEL', WATCH)
  return nil
end
local due = tonumber(first[2])
if due > now then redis.call('SET', WATCH, number(due), 'PX', math.ceil(due - now) + watch) end
return number(due)
