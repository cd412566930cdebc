-- ARGV: rate, burst, lane_length_max, window_milliseconds (0: do not ask whether it was seen), seen_max, watch_milliseconds,
-- large_bytes, caller ('' for nobody), number of its call, number of its last call that is known to be kept, then a shop
-- at a time: shop, how many, their marks, their items.
-- Returns one letter a webhook (q queued, d duplicate, f full), whether a drain must be woken, what was put aside, and the
-- era, its beat and the number of the caller's call before (-1 when this one queued nothing). Where that is lower than what
-- is known to be kept Redis has gone back, and says so until the caller has heard it.
local length_max, window, seen_max = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local watch, large_bytes = tonumber(ARGV[6]), tonumber(ARGV[7])
local caller, number_of_call, number_kept = ARGV[8], ARGV[9], tonumber(ARGV[10])
local CALLER_KEPT = 7 * 24 * 3600 * 1000
local WINDOWS = 3 -- a mark is known for two to three of them
local current = window > 0 and math.floor(now / window)

local shops, marks, at = {}, {}, 11
while at <= #ARGV do
  local count = tonumber(ARGV[at + 1])
  shops[#shops + 1] = { ARGV[at], count, at + 1 }
  for i = at + 2, at + 1 + count do marks[#marks + 1] = ARGV[i] end
  at = at + 2 + 2 * count
end
local seen = {}
if window > 0 then
  for back = 0, WINDOWS - 1 do
    for i, found in ipairs(answers('SMISMEMBER', SEEN .. (current - back), marks)) do
      if found == 1 then seen[marks[i]] = true end
    end
  end
end

local letters, fresh, filled, begun, before_it = {}, {}, {}, {}, -1
for _, group in ipairs(shops) do
  local shop, count, before = group[1], group[2], group[3]
  local length = length_of(shop)
  local items, large = {}, 0
  for i = 1, count do
    local mark, item = ARGV[before + i], ARGV[before + count + i]
    if window > 0 and seen[mark] then
      letters[#letters + 1] = 'd'
    elseif length + #items >= length_max then
      letters[#letters + 1] = 'f' -- nor marked as seen: its next delivery must not pass for a repeat
    else
      letters[#letters + 1] = 'q'
      items[#items + 1], fresh[#fresh + 1], seen[mark] = item, mark, true
      if #item > large_bytes then large = large + 1 end
    end
  end
  if #items > 0 then
    if caller ~= '' and before_it < 0 then
      before_it = tonumber(redis.call('GET', 'lanes:caller:' .. caller) or 0) or 0
      if before_it >= number_kept then
        redis.call('SET', 'lanes:caller:' .. caller, number_of_call, 'PX', CALLER_KEPT)
      end
    end
    in_portions(items, function(...) redis.call('RPUSH', 'lane:' .. shop, ...) end)
    if large > 0 then redis.call('HINCRBY', LARGE, shop, large) end
    local which = length == 0 and begun or filled
    which[#which + 1] = shop
  end
end

if window > 0 and #fresh > 0 then
  local key = SEEN .. current
  local size = redis.call('SCARD', key)
  if size < seen_max then in_portions(fresh, function(...) redis.call('SADD', key, ...) end) end
  if size == 0 then -- the oldest goes in the background: to expire a million marks would hold Redis up
    redis.call('PEXPIRE', key, (WINDOWS + 1) * window)
    redis.call('UNLINK', SEEN .. (current - WINDOWS))
  end
end

local places, is_due = {}, false
local own, buckets = own_limits(begun), answers('ZMSCORE', BUCKETS, begun)
for i, shop in ipairs(begun) do
  local interval, tokens_max, may_borrow = pace(own[i])
  local due = due_at(full_at(buckets[i], interval, tokens_max), interval, tokens_max)
  places[#places + 1], places[#places + 2] = due, shop
  is_due = is_due or may_borrow or due <= now
end
for _, shop in ipairs(filled) do -- on the schedule already, unless that was lost
  places[#places + 1], places[#places + 2] = now, shop
end
in_portions(places, function(...) redis.call('ZADD', SCHEDULE, 'NX', ...) end)
-- the flag ends by itself: should whoever is told now die before waking a drain, the next webhook wakes one
local wake = is_due and redis.call('SET', WATCH, '', 'NX', 'PX', watch) and 1 or 0
local epoch = redis.call('HMGET', 'lanes:epoch', 'era', 'beat')
return { table.concat(letters), wake, asides, { epoch[1] or '', epoch[2] or '0', before_it } }
