-- ARGV: rate, burst, lease_milliseconds, then shop and fence of every claim. A batch takes longer than the lease: it
-- begins anew for the lanes that are still ours. Returns how many these are.
local shops, places = {}, {}
for i = 4, #ARGV, 2 do shops[#shops + 1] = ARGV[i] end
for i, owner in ipairs(answers('HMGET', OWNERS, shops)) do
  if owner == ARGV[2 * i + 3] then
    places[#places + 1], places[#places + 2] = now + tonumber(ARGV[3]), shops[i]
  end
end
go_on_when_full()
in_portions(places, function(...) redis.call('ZADD', SCHEDULE, 'XX', ...) end)
return #places / 2
