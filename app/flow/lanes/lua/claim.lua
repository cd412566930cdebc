-- ARGV: rate, burst, limit (webhooks), bytes_max, lease_milliseconds, watch_milliseconds, fence, borrow_max (webhooks).
-- Takes what is due from many lanes, fairly: everybody's share first, then what is left in order of waiting; a lane
-- gives no more than its tokens. What nobody due takes goes to borrowers. Only the counts are told here: the bodies
-- are read outside, where they are not copied into Lua. Returns shop and count of every lane, and what was put aside.
local limit, bytes_max, lease = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local watch, fence, borrow_max = tonumber(ARGV[6]), ARGV[7], tonumber(ARGV[8])
go_on_when_full()

local free, places, empty = {}, {}, {} -- leases that ended, new places on the schedule, lanes with nothing
local function place(shop, at) places[#places + 1], places[#places + 2] = at, shop end

-- the clock went back, or somebody else wrote here: nobody waits for a moment that never was meant
for _, shop in ipairs(redis.call('ZRANGEBYSCORE', SCHEDULE, number(now + AHEAD_MAX), '+inf', 'LIMIT', 0, PORTION)) do
  redis.call('HDEL', OWNERS, shop)
  redis.call('ZADD', SCHEDULE, now, shop)
end
-- a lane whose lease ended without an acknowledgement is simply due
local due = redis.call('ZRANGEBYSCORE', SCHEDULE, '-inf', number(now), 'LIMIT', 0, math.min(limit, 4 * PORTION))
local own, buckets = own_limits(due), answers('ZMSCORE', BUCKETS, due)
local wants, takes, wanted, room = {}, {}, 0, limit
for i, shop in ipairs(due) do
  local interval, tokens_max = pace(own[i])
  local full = full_at(buckets[i], interval, tokens_max)
  local length = length_of(shop)
  wants[i] = math.max(0, math.min(length, tokens_at(full, interval, tokens_max)))
  wanted = wanted + wants[i]
  if length == 0 then
    empty[#empty + 1], free[#free + 1] = shop, shop
  elseif wants[i] == 0 then
    if tonumber(buckets[i]) > full then redis.call('ZADD', BUCKETS, full, shop) end -- kept under another clock
    place(shop, math.max(now + 1, due_at(full, interval, tokens_max)))
    free[#free + 1] = shop
  end
end
-- More than fits: of the lanes that want more than their share, the later half is left to another drain, which the
-- flag calls; here they are the first next time.
local is_more, share, greedy, left = wanted > limit, math.max(1, math.floor(limit / math.max(1, #due))), {}, {}
for i = 1, #due do
  if is_more and wants[i] > share then greedy[#greedy + 1] = i end
end
for i = math.ceil(#greedy / 2) + 1, #greedy do left[greedy[i]] = true end
share = math.max(1, math.floor(limit / math.max(1, #due - math.floor(#greedy / 2))))
for i = 1, #due do
  takes[i] = left[i] and 0 or math.min(wants[i], share, room)
  room = room - takes[i]
end
for i = 1, #due do
  local extra = left[i] and 0 or math.min(wants[i] - takes[i], room)
  takes[i], room = takes[i] + extra, room - extra
end
local loan = math.min(room, borrow_max)
if loan > 0 then
  local waiting = borrowers()
  local part = math.ceil(loan / math.max(1, #waiting))
  for _, shop in ipairs(waiting) do
    local count = math.min(part, loan, length_of(shop))
    loan = loan - count
    due[#due + 1] = shop
    takes[#due] = count
  end
end

-- an unmeasured lane has only small webhooks; in one with large ones as many are taken as fit, and one at least
local large, bytes = redis.call('EXISTS', LARGE) == 1 and answers('HMGET', LARGE, due) or {}, 0
local function fitting(shop, count)
  for i = 0, count - 1 do
    if bytes >= bytes_max then return i end
    bytes = bytes + #(redis.call('LINDEX', 'lane:' .. shop, i) or '')
  end
  return count
end
local claims, leases = {}, {}
for i, shop in ipairs(due) do
  local count = takes[i]
  if count > 0 and large[i] then count = fitting(shop, count) end
  if count > 0 then
    claims[#claims + 1], claims[#claims + 2] = shop, count
    leases[#leases + 1], leases[#leases + 2] = shop, fence
    place(shop, now + lease)
  end
end
redis.call('SET', WATCH, is_more and MORE or '', 'PX', watch)
in_portions(free, function(...) redis.call('HDEL', OWNERS, ...) end)
in_portions(leases, function(...) redis.call('HSET', OWNERS, ...) end)
in_portions(places, function(...) redis.call('ZADD', SCHEDULE, ...) end)
in_portions(empty, function(...) redis.call('ZREM', SCHEDULE, ...) end)
return { claims, asides }
